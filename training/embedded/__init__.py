"""The embedded model: small, of Stable Diffusion's classes, trained by the code in this package."""
