"""A video -> two layers: masks, alignment, and a fit of maps, atlases, light and matte."""

from .clip import Footage, box_masks, decompose, find_masks, fit_layers, prepare, read_masks
from .report import Report, examine
from .sam import sam_folder

__all__ = [
    "Footage",
    "Report",
    "box_masks",
    "decompose",
    "examine",
    "find_masks",
    "fit_layers",
    "prepare",
    "read_masks",
    "sam_folder",
]
