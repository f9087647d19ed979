"""A frame and what its neighbours agree on, made one: as much of its own as is not flicker."""

from __future__ import annotations

from torch import Tensor

from .consensus import Consensus, sharpness
from .filters import coarse, enlarged, gradient_squared, soft, squared

WINDOW_PX = 8  # of the squares over which light and colour are fitted
SAME_CONTRAST = 5e-4  # a variance far below leaves the contrast as it is
MISPLACED_PX = 0.2  # by so much, the mean of the neighbours may lie beside the frame
UNSEEN, UNSEEN_GUIDED = 2 / 255, 1.5 / 255  # deviations that need no reason
GUIDE_FACTOR = 1.0  # what the guide's own deviation is taken times
MOST_CONTRAST = 4.0  # of the video beside the guide's, in energy


def settled(picture: Tensor, found: Consensus, guide: Tensor | None) -> Tensor:
    """A frame [1, 3, h, W] in [0, 1] as its neighbours have it.

    First its light and colours: by a gain and an offset for each channel and place it gets those of the mean (a
    guided filter, He et al. 2013), and stays as sharp as it is. Where it still differs by more than a steady frame
    would, what is drawn flickers, and goes over to the mean.
    """
    lit = relit(picture, found.mean, found.confidence)
    off = found.mean - lit
    natural = _natural(found) if guide is None else _natural_of_guide(found, guide)
    ratio = natural / soft(squared(off), 3).clamp(min=1e-9)
    share = soft((1 - ratio.square()).clamp(min=0) * found.confidence, 2)
    return (lit + share * off).clamp(0, 1)


def relit(picture: Tensor, wanted: Tensor, confidence: Tensor) -> Tensor:
    """A picture with the light and the colours wanted, where they are known; its detail stays. All [1, C, h, W]."""
    weight = confidence + 1e-4
    total = coarse(weight, WINDOW_PX)

    def mean(values: Tensor) -> Tensor:
        return coarse(weight * values, WINDOW_PX) / total

    # Compared a little blurred: else the contrast would fall where what is wanted is less sharp.
    own, other = soft(picture, 2), soft(wanted, 2)
    own_mean, other_mean = mean(own), mean(other)
    variance = mean(own.square()) - own_mean.square()
    together = mean(own * other) - own_mean * other_mean
    gain = (together + SAME_CONTRAST) / (variance + SAME_CONTRAST)
    offset = other_mean - gain * own_mean
    # Where nobody knows, what is known around it holds.
    gain, offset = (coarse(total * part, 2) / coarse(total, 2) for part in (gain, offset))
    return enlarged(gain, picture) * picture + enlarged(offset, picture)


def _natural(found: Consensus) -> Tensor:
    """How far a frame that does not flicker would be from the mean of its neighbours: mean squares, [1, 1, h, W]."""
    return soft(gradient_squared(found.mean), 2) * MISPLACED_PX**2 + UNSEEN**2 + found.halves


def _natural_of_guide(found: Consensus, guide: Tensor) -> Tensor:
    """The same, as it is seen in the guide's frame [1, 3, h, W], at the video's contrast."""
    assert found.guide is not None
    off = soft(squared(found.guide - relit(guide, found.guide, found.confidence)), 3)
    contrast = (sharpness(found.mean) + 1e-5) / (sharpness(found.guide) + 1e-5)
    scale = enlarged(contrast.clamp(1 / MOST_CONTRAST, MOST_CONTRAST), off)
    return GUIDE_FACTOR * scale * off + UNSEEN_GUIDED**2
