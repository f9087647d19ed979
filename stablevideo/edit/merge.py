"""Keyframes' lifts -> one atlas, by a robust mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..video.pictures import bounding_box, to_uint8

MERGE_ROUNDS = 3
# A texel's colour counts half where it lies this far from the others' mean.
OUTLIER_DISTANCE = 0.12
# Below this weight a texel fades back to the unedited atlas.
FULL_WEIGHT = 0.25


@dataclass(frozen=True)
class Lift:
    """A keyframe laid on the atlas: bytes, of the part that it reaches, since there may be many of them.

    Attributes
    ----------
    window
        Which part of an atlas [C, Ha, Wa] it reaches.
    texels
        uint8 [4, h, w]: colours, and how far each texel is to be trusted.
    """

    window: tuple[slice, slice, slice]
    texels: Tensor

    @classmethod
    def pack(cls, colours: Tensor, coverage: Tensor) -> "Lift":
        """What `LayeredVideo.lift` gives: colours [3, Ha, Wa] and coverage [1, Ha, Wa], in [0, 1]."""
        texels = to_uint8(torch.cat([colours, coverage]))
        window = occupied(texels[3] > 0)
        return cls(window, texels[window].clone())

    @property
    def colours(self) -> Tensor:
        """[3, h, w] in [0, 1]."""
        return self.texels[:3] / 255

    @property
    def coverage(self) -> Tensor:
        """[1, h, w] in [0, 1]."""
        return self.texels[3:] / 255


def merge(atlas: Tensor, lifts: Sequence[Lift]) -> tuple[Tensor, Tensor]:
    """Coverage-weighted robust mean of several lifts: iteratively reweighted, so that outliers fade out.

    Parameters
    ----------
    atlas
        [3, Ha, Wa]: stays where no lift reaches.

    Returns
    -------
    merged, weight
        [3, Ha, Wa], and [1, Ha, Wa] in [0, 1]: how much of the merged atlas is edit.
    """
    mean = _weighted_mean(atlas, lifts, None)
    for _ in range(MERGE_ROUNDS):
        mean = _weighted_mean(atlas, lifts, mean)
    amount = (reach(atlas, lifts) / FULL_WEIGHT).clamp(max=1)
    return torch.lerp(atlas, mean, amount), amount


def reach(atlas: Tensor, lifts: Sequence[Lift]) -> Tensor:
    """How well the best of the lifts shows each texel -> [1, Ha, Wa] in [0, 1]."""
    best = torch.zeros_like(atlas[:1])
    for lift in lifts:
        best[lift.window] = torch.maximum(best[lift.window], lift.coverage)
    return best


def occupied(mask: Tensor) -> tuple[slice, slice, slice]:
    """The smallest window of an atlas [C, h, w] that holds all of a mask [h, w]; empty where the mask is."""
    rows, columns = bounding_box(mask) or (slice(0, 0), slice(0, 0))
    return slice(None), rows, columns


def _weighted_mean(atlas: Tensor, lifts: Sequence[Lift], around: Tensor | None) -> Tensor:
    """The lifts' mean [3, Ha, Wa], each texel counting less the farther it lies from the mean given."""
    total, weights = torch.zeros_like(atlas), torch.zeros_like(atlas[:1])
    for lift in lifts:
        colours = lift.colours
        # Full pixels count far more than the matte's soft edge, where the colour is half something else's.
        weight = lift.coverage.square()
        if around is not None:
            distance = (colours - around[lift.window]).square().sum(0, keepdim=True)
            weight = weight / (1 + distance / OUTLIER_DISTANCE**2)
        total[lift.window] += colours * weight
        weights[lift.window] += weight
    return total / weights.clamp(min=1e-6)
