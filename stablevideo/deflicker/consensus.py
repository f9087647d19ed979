"""What the neighbours of a frame agree on, once each is brought into its place: a robust mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .filters import coarse, enlarged, gradient_squared, laplacian, soft, squared

NEAR = 3  # frames to either side whose median says what a place looks like
PLACE_PX = 4  # of the squares over which two places are compared, their means taken out
HARMLESS = 3 / 255  # a wrong way that changes colours by less does no harm, as in a clear sky
LOST_PX2 = 64.0  # but whoever comes back this far off is lost
UNLIKE = 1.5e-4  # places that differ by less, as a mean square, are not told apart
ENOUGH = 1.5  # votes of neighbours
ROUNDS = 2  # of reweighting
LEAST_SPREAD = 1e-4  # mean squares below are no spread
GRAIN_SHARE = 0.1  # of a picture changes by nothing but its grain
LEAST_DRAWN = 0.1  # of the sharpness of a place is not grain
MOST_GAIN = 2.0  # by which the detail of the mean is strengthened, at the most
DETAIL = 2.0  # what is left of detail where the pixels next to it are taken out, of 1: half


@dataclass(frozen=True)
class Consensus:
    """What a frame would look like by the votes of its neighbours and its own.

    Attributes
    ----------
    mean
        [1, 3, h, W], as sharp as the samples are.
    confidence
        [1, 1, h, W] in [0, 1]: how many votes of neighbours there were; 0 for none.
    halves
        [1, 1, h, W]: how much further apart past and future are, as mean squares, than chance would have them: how
        wrong the mean may be.
    guide
        [1, 3, h, W]: the same mean of the guide's frames; None where there are none.
    """

    mean: Tensor
    confidence: Tensor
    halves: Tensor
    guide: Tensor | None = None


def harmless(return_px2: Tensor, picture: Tensor) -> Tensor:
    """How little a picture would change if its pixels came from so far beside their place: [n, 1, h, W] in [0, 1]."""
    slope = soft(gradient_squared(picture), 2)
    return torch.exp(-return_px2 * slope / (2 * HARMLESS**2)) * (return_px2 < LOST_PX2)


def likeness(samples: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    """What a place usually looks like, [1, 3, h, W], without its light; and how like it each sample is, [J, 1, h, W].

    The median of those that are `near`, bool [J], is the usual; so far as these are from it, a sample may be.
    """
    local = samples - soft(samples, PLACE_PX)
    usual = local[near].median(0, keepdim=True).values
    unlike = coarse(squared(local - usual), PLACE_PX)
    allowed = unlike[near].median(0, keepdim=True).values.clamp(min=UNLIKE)
    return usual, enlarged(torch.exp(-(unlike / allowed - 1).clamp(min=0) / 3), samples)


def consensus(
    samples: Tensor, sides: Tensor, return_px2: Tensor, trust: Tensor, detail: Tensor, guides: Tensor | None = None
) -> Consensus:
    """The robust mean of samples [J, 3, h, W] from a frame and its neighbours, all brought into the frame's place.

    A sample counts by how surely it shows the place, by how like the place looks that it shows, and by how near its
    colour is to the mean (Geman and McClure 1985, with the spread of the samples as the scale). Colour does not say how
    like two places look, for colour may flicker.

    Parameters
    ----------
    sides
        [J]: how many frames after the frame each sample's is; 0 is the frame itself.
    return_px2, trust
        [J, 1, h, W], as in `Neighbours`.
    detail
        [J, 1, h / 4, w / 4], of `without_grain`, as the frames had it before they were brought here, which blunts.
    guides
        [J, 3, h, W]: what the guide has in the same places, its own frame first, as the samples' is.
    """
    usual, alike = likeness(samples, sides.abs() <= NEAR)
    say = 1 - sides.abs()[:, None, None, None] / (sides.abs().max() + 1)
    votes = say * torch.maximum(trust, harmless(return_px2, usual)) * alike
    weights = votes
    mean = _mean(samples, weights)
    spread = mean
    for _ in range(ROUNDS):
        off = squared(samples - mean)
        spread = ((votes * off).sum(0, keepdim=True) / votes.sum(0, keepdim=True)).clamp(min=LEAST_SPREAD)
        weights = votes / (1 + off / (2 * spread)).square()
        mean = _mean(samples, weights)
    wanted = _mean(detail, coarse(weights, PLACE_PX)).exp()  # geometric: noise is very sharp, and in few samples
    guide = None if guides is None else _mean(guides, weights)
    if guide is not None and guides is not None:
        # What the guide loses is lost to wrong places alone; what the video's samples have is partly noise.
        lost = sharpness(guides[:1]) / (sharpness(guide) + 1e-6)
        wanted = (wanted + torch.maximum(wanted, sharpness(mean) * lost)) / 2
    return Consensus(
        sharpened(mean, wanted),
        (votes[sides != 0].sum(0, keepdim=True) / ENOUGH).clamp(0, 1),
        _apart(samples, weights, sides, spread),
        guide,
    )


def _mean(samples: Tensor, weights: Tensor) -> Tensor:
    return (samples * weights).sum(0, keepdim=True) / weights.sum(0, keepdim=True)


def _apart(samples: Tensor, weights: Tensor, sides: Tensor, spread: Tensor) -> Tensor:
    """How far past and future are apart, where both have a say, beyond what their few samples explain."""
    if not ((sides < 0).any() and (sides > 0).any()):
        return torch.zeros_like(spread)
    means, says, chance = [], torch.ones_like(spread), torch.zeros_like(spread)
    for which in (sides < 0, sides > 0):
        own = weights[which] + 1e-6
        total = own.sum(0, keepdim=True)
        means.append(_mean(samples[which], own))
        says = says * total.clamp(max=1)
        chance = chance + spread * own.square().sum(0, keepdim=True) / total.square()
    return soft(((squared(means[0] - means[1]) - chance) * says), 3).clamp(min=0) / 4


def grain(own: Tensor, beside: Tensor) -> float:
    """How sharp what changes from frame to frame is, where least else does: noise, which no mean should get back.

    Of a frame [1, 3, H, W], and those next to it in its place [k, 3, H, W].
    """
    changed = sharpness(own - beside.mean(0, keepdim=True)) / (1 + 1 / len(beside))
    return float(changed.flatten().quantile(GRAIN_SHARE))


def without_grain(sharp: Tensor, grain: float) -> Tensor:
    """The natural logarithm of sharpness, without that of grain."""
    return torch.maximum(sharp - grain, LEAST_DRAWN * sharp).clamp(min=1e-7).log()


def sharpness(picture: Tensor) -> Tensor:
    """The mean square of a picture's Laplacian around each place, [n, 1, h / 4, W / 4]."""
    return coarse(squared(laplacian(picture)), PLACE_PX)


def sharpened(mean: Tensor, wanted: Tensor) -> Tensor:
    """A mean loses detail where its samples do not lie on each other to the pixel; it gets back what is wanted."""
    gain = enlarged(((wanted.clamp(min=0) + 1e-6) / (sharpness(mean) + 1e-6)).sqrt().clamp(1, MOST_GAIN), mean)
    return mean + DETAIL * (gain - 1) * (mean - soft(mean, 1))
