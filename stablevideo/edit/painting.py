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
        ran on; under "after", in their order, the strokes and recolourings since.
    uncoloured
        The atlas before it was recoloured, [3, Ha, Wa]; None where that is not what was done last.
    """

    atlas: Tensor
    changed: Tensor
    keyframes: tuple[Keyframe, ...]
    settings: dict[str, Any]
    uncoloured: Tensor | None = None


def recorded(settings: dict[str, Any], step: dict[str, Any], in_place: bool = False) -> dict[str, Any]:
    """Settings with one step more "after", or with another in place of the last."""
    steps = list(settings.get("after", ()))
    return settings | {"after": [*(steps[:-1] if in_place else steps), step]}
