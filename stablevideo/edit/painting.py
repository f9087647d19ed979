"""What edits of a layer have in common: their result."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .keyframe import Keyframe


@dataclass(frozen=True)
class Edit:
    """What an edit gives, on the CPU whatever device made it.

    Attributes
    ----------
    atlas
        [3, Ha, Wa] in [0, 1], edited; the layer's own where no keyframe reached.
    changed
        [1, Ha, Wa] in [0, 1]: how much of each texel is edit.
    keyframes
        Empty for the background and for a picture of one's own.
    settings
        What is needed to run it again: prompt, model, options with the hints and the seed that were used, and what it
        ran on.
    uncoloured
        The atlas before it was recoloured, [3, Ha, Wa]; None where it was not.
    """

    atlas: Tensor
    changed: Tensor
    keyframes: tuple[Keyframe, ...]
    settings: dict[str, Any]
    uncoloured: Tensor | None = None
