"""Correspondence by patches that look alike, as a `Matcher`."""

from __future__ import annotations

from torch import Tensor

from .filters import no_larger, normalised
from .patch_match import PatchMatch

LONGEST_PX = 768  # of what is searched in


class PatchLook:
    """Patches of the guide; without one, of the frames' grey, of one local contrast."""

    def __init__(self, seed: int) -> None:
        self.engine = PatchMatch(seed=seed)

    def look(self, picture: Tensor, guide: Tensor | None) -> Tensor:
        """[1, 3, h, w]."""
        shown = normalised(picture).expand(-1, 3, -1, -1) if guide is None else guide
        return no_larger(shown, LONGEST_PX)

    def match(self, targets: Tensor, sources: Tensor, start: Tensor | None = None) -> Tensor:
        """As in `Matcher`."""
        return self.engine.match(targets, sources, start)

    def remap(self, pictures: Tensor, maps: Tensor) -> Tensor:
        """As in `Matcher`: each pixel is the mean of the patches that cover it."""
        return self.engine.remap(pictures, maps)
