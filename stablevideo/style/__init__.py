"""A style picture -> a picture, an atlas or a video in its look."""
