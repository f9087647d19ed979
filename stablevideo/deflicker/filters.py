"""Smoothing and derivatives of pictures [n, C, H, W], on whatever device they are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..metrics import luma
from ..video.pictures import resize


def coarse(pictures: Tensor, factor: int) -> Tensor:
    """Means over squares of `factor` pixels, and a little of their neighbours': [n, C, about H / f, about W / f]."""
    size = [max(1, round(side / factor)) for side in pictures.shape[2:]]
    small = F.interpolate(pictures, size, mode="area")
    padded = F.pad(small, (1, 1, 1, 1), mode="replicate")
    rows = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4


def enlarged(small: Tensor, like: Tensor) -> Tensor:
    """What `coarse` gave, at the size of `like` again, in between by bilinear interpolation."""
    return F.interpolate(small, like.shape[2:], mode="bilinear", align_corners=False)


def no_larger(pictures: Tensor, longest_px: int) -> Tensor:
    """Pictures whose longer side has no more pixels than that, averaged where they shrink."""
    scale = min(1.0, longest_px / max(pictures.shape[2:]))
    return resize(pictures, (round(pictures.shape[2] * scale), round(pictures.shape[3] * scale)))


def soft(pictures: Tensor, factor: int) -> Tensor:
    """Smoothed by about a Gaussian of 0.8 `factor` pixels, in a time that does not grow with it."""
    return enlarged(coarse(pictures, factor), pictures)


def gradient_squared(pictures: Tensor) -> Tensor:
    """The squared length of the gradient, of values a pixel, mean of the channels: [n, 1, H, W]."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    return (across.square() + down.square()).mean(1, keepdim=True)


def laplacian(pictures: Tensor) -> Tensor:
    """The sum of the four neighbours less four times the pixel, [n, C, H, W]."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    around = padded[:, :, 1:-1, 2:] + padded[:, :, 1:-1, :-2] + padded[:, :, 2:, 1:-1] + padded[:, :, :-2, 1:-1]
    return around - 4 * pictures


def squared(pictures: Tensor) -> Tensor:
    """The mean square of the channels, [n, 1, H, W]."""
    return pictures.square().mean(1, keepdim=True)


def normalised(pictures: Tensor, reach_px: int = 16, least: float = 0.05) -> Tensor:
    """Pictures [n, 3, H, W] in [0, 1] as grey [n, 1, H, W] of one local mean and deviation, in [0, 1].

    So that what is searched for does not change with exposure, colour or a field of light. `least` is the deviation
    below which a place counts as flat, and its noise stays small.
    """
    grey = luma(pictures)[:, None]
    detail = grey - soft(grey, reach_px)
    deviation = soft(detail.square(), reach_px).clamp(min=0).sqrt()
    return (0.5 + 0.18 * detail / (deviation + least)).clamp(0, 1)
