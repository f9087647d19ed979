"""The embedded style model's encoder and decoder: little work for a CPU, trained here with the transfer between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)  # channels at full size, at a half, a quarter and an eighth


class Residual(nn.Module):
    """x + conv(relu(conv(x))), borders reflected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(channels, channels), nn.ReLU(), _conv(channels, channels, scale=0.2))

    def forward(self, features: Tensor) -> Tensor:
        """[n, C, h, w], and so is what comes back."""
        return features + self.layers(features)


class LightEncoder(nn.Module):
    """Colours [n, 3, H, W] in [0, 1], sides whole multiples of 8 -> features of each stage, as many as `WIDTHS`.

    No stage normalises, so that a part of a picture has the features that it has within the whole.
    """

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Sequential(_conv(3, WIDTHS[0]), nn.ReLU())]
        for before, after in pairwise(WIDTHS):
            stages.append(nn.Sequential(_conv(before, after, 2), nn.ReLU(), Residual(after)))
        self.stages = nn.ModuleList(stages)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """The shallowest stage first."""
        found = [picture]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[1:]


class LightDecoder(nn.Module):
    """Features in a style's look at a quarter and an eighth of full size -> colours."""

    def __init__(self) -> None:
        super().__init__()
        widths = WIDTHS[::-1]
        self.refine = nn.ModuleList(Residual(width) for width in widths[:-1])
        self.rise = nn.ModuleList(_conv(before, after) for before, after in pairwise(widths))
        self.sharpen = Residual(WIDTHS[0])
        self.colours = _conv(WIDTHS[0], 3, scale=0.1, bias=0.5)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """[n, 3, H, W], about in [0, 1]."""
        quarter, eighth = features
        at_eighth, at_quarter, at_half = self.refine
        to_quarter, to_half, to_full = self.rise
        made = _doubled(at_eighth(eighth), to_quarter)
        made = _doubled(at_quarter(made + quarter), to_half)
        return self.colours(self.sharpen(_doubled(at_half(made), to_full)))


def _doubled(features: Tensor, convolution: nn.Module) -> Tensor:
    """At twice the size, by a convolution."""
    return F.relu(convolution(F.interpolate(features, scale_factor=2.0, mode="bilinear")))


def _conv(before: int, after: int, stride: int = 1, scale: float = 1.0, bias: float = 0.0) -> nn.Conv2d:
    """Its weights drawn so that features keep their size on the way (He et al. 2015), times a scale."""
    convolution = nn.Conv2d(before, after, 3, stride, 1, padding_mode="reflect")
    weight, offset = convolution.parameters()
    nn.init.kaiming_normal_(weight, nonlinearity="relu")
    with torch.no_grad():
        weight.mul_(scale)
        offset.fill_(bias)
    return convolution
