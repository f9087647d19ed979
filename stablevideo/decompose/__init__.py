"""A video -> two layers: masks, alignment, and a fit of maps, atlases, light and matte."""

from .clip import Footage, find_masks, fit_layers, prepare, read_masks
from .report import Report, examine
from .sam import sam_folder
from .session import DecomposeSession, decompose

__all__ = [
    "DecomposeSession",
    "Footage",
    "Report",
    "decompose",
    "examine",
    "find_masks",
    "fit_layers",
    "prepare",
    "read_masks",
    "sam_folder",
]
