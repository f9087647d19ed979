"""Colour drift between keyframes that are painted one after the other, and what takes it out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..color.maps import BRIGHTEST, DARKEST
from .merge import FULL_WEIGHT, Lift, merge, reach

LEAST_SHARE = 0.05  # of what a keyframe shows, that earlier ones must show too for the two to be compared
MOST_GAIN = 1.5  # a channel that differs by more was painted another colour


def drift_gain(atlas: Tensor, earlier: Sequence[Lift], lift: Lift) -> Tensor:
    """What each channel of a keyframe must be multiplied by to agree with the earlier ones -> [3, 1, 1].

    The ratio of mean colours over the texels that both show; 1 where these are too few. No more than a gain: what two
    keyframes paint on a texel differs mostly in texture, in which a curve, an offset or a mixture of channels would see
    colour (it brings their means together, and the texels apart).

    Parameters
    ----------
    atlas
        The unedited one, [3, Ha, Wa].
    """
    merged, _ = merge(atlas, earlier)
    colours, wanted = lift.colours, merged[lift.window]
    clipped = (torch.minimum(colours, wanted) < DARKEST) | (torch.maximum(colours, wanted) > BRIGHTEST)
    known = reach(atlas, earlier)[lift.window]
    known = known * (known >= FULL_WEIGHT)  # less known, a texel fades to the unedited atlas
    weight = lift.coverage * known * ~clipped.any(0)
    if weight.sum() <= LEAST_SHARE * lift.coverage.sum():
        return atlas.new_ones(3, 1, 1)
    gain = (wanted * weight).sum((1, 2), keepdim=True) / (colours * weight).sum((1, 2), keepdim=True)
    return gain.clamp(1 / MOST_GAIN, MOST_GAIN)
