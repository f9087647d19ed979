"""A video -> two layers: masks, alignment, and a fit of maps, atlases, light and matte."""

from .clip import box_masks, decompose, read_masks

__all__ = ["box_masks", "decompose", "read_masks"]
