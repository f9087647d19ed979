"""Simple covariance transformation: content takes on the second-order look of a style (CCPL, Wu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

LEAST_VARIANCE = 1e-5  # added to a channel's variance, as in AdaIN (Huang and Belongie 2017)
CODE_CHANNELS = 32  # in which covariances are taken


@dataclass(frozen=True)
class Moments:
    """Of features, channel by channel, over positions: mean and deviation, [n, C, 1, 1] both."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Of features [n, C, h, w]: the variance unbiased, plus `LEAST_VARIANCE`, under the root."""
        variance, mean = torch.var_mean(features, (2, 3), keepdim=True)
        return cls(mean, (variance + LEAST_VARIANCE).sqrt())

    def mixed(self, other: Moments, share: float) -> Moments:
        """Those by which features are normalised to so much of what the other's would make of them."""
        factor = (1 / self.deviation).lerp(1 / other.deviation, share)
        offset = (self.mean / self.deviation).lerp(other.mean / other.deviation, share)
        return Moments(offset / factor, 1 / factor)

    def rolled(self, places: int) -> Moments:
        """Those of a batch, moved on by so many places."""
        return Moments(self.mean.roll(places, 0), self.deviation.roll(places, 0))

    @classmethod
    def together(cls, parts: Sequence[Moments]) -> Moments:
        """Those of several batches as one."""
        return cls(torch.cat([one.mean for one in parts]), torch.cat([one.deviation for one in parts]))


class MomentSums:
    """Moments of features that come part by part, weighed or not (Chan et al. 1983, equation 2.1)."""

    def __init__(self) -> None:
        self.weight, self.mean, self.squares = (torch.zeros(()) for _ in range(3))

    def add(self, features: Tensor, weight: Tensor | None = None) -> None:
        """Features [n, C, h, w] of one more part; how much each of its places counts, [n, 1, h, w]."""
        if weight is None:
            weight = torch.ones_like(features[:, :1])
        total = weight.sum((2, 3), keepdim=True)
        mean = (features * weight).sum((2, 3), keepdim=True) / total.clamp(min=1e-6)
        squares = ((features - mean).square() * weight).sum((2, 3), keepdim=True)
        before, known = self.weight.to(mean), self.mean.to(mean)
        self.weight = before + total
        share = total / self.weight.clamp(min=1e-6)
        self.mean = known + (mean - known) * share
        self.squares = self.squares.to(mean) + squares + (mean - known).square() * before * share

    def moments(self) -> Moments:
        """Those of all parts together, as `Moments.of` has them for the whole."""
        variance = self.squares / (self.weight - 1).clamp(min=1)
        return Moments(self.mean, (variance + LEAST_VARIANCE).sqrt())


@dataclass(frozen=True)
class StyleCode:
    """What of a style picture is carried over at one level: covariance [n, 32, 32] and mean [n, C, 1, 1]."""

    covariance: Tensor
    mean: Tensor

    def mixed(self, other: StyleCode, share: float) -> StyleCode:
        """So much of the other's."""
        return StyleCode(self.covariance.lerp(other.covariance, share), self.mean.lerp(other.mean, share))

    def rolled(self, places: int) -> StyleCode:
        """Those of a batch, moved on by so many places."""
        return StyleCode(self.covariance.roll(places, 0), self.mean.roll(places, 0))


def covariance(features: Tensor) -> Tensor:
    """F F^T / positions of features [n, C, h, w] -> [n, C, C]."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


class SCT(nn.Module):
    """f = up(cov(s(F_s - mean)) c(norm(F_c))) + mean, section 3.2 of the paper.

    The names of its parts are those of the published weights.

    Parameters
    ----------
    channels
        Of the features at each end of the two narrowing stacks, such as (512, 256, 128): the code follows.
    wide
        How many of the style's convolutions look at 3x3 unpadded positions; the rest at one.
    """

    def __init__(self, channels: tuple[int, ...], wide: int) -> None:
        super().__init__()
        self.cnet = _narrowing((*channels, CODE_CHANNELS), 0)
        self.snet = _narrowing((*channels, CODE_CHANNELS), wide)
        self.uncompress = nn.Conv2d(CODE_CHANNELS, channels[0], 1)

    def code(self, style: Tensor) -> StyleCode:
        """Style features [n, C, h, w] -> what is carried over; wider than unpadded convolutions eat."""
        mean = style.mean((2, 3), keepdim=True)
        return StyleCode(covariance(self.snet(style - mean)), mean)

    def forward(self, content: Tensor, code: StyleCode, moments: Moments | None = None) -> Tensor:
        """Content features [n, C, h, w] in the style's look; by their own moments, or those of a whole."""
        moments = moments or Moments.of(content)
        narrow = self.cnet((content - moments.mean) / moments.deviation)
        turned = (code.covariance @ narrow.flatten(2)).unflatten(2, narrow.shape[2:])
        return self.uncompress(turned) + code.mean


def _narrowing(channels: tuple[int, ...], wide: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(channels)):
        layers += [nn.Conv2d(before, after, 3 if number < wide else 1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
