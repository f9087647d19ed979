"""How strong the detail of a picture is at each scale, and making it as strong as a style's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = 4  # octaves of detail, the finest at single pixels


def split(picture: Tensor) -> tuple[list[Tensor], Tensor]:
    """A picture [n, C, h, w] -> its detail of each scale, the finest first, and what is left at the coarsest.

    A Laplacian pyramid (Burt and Adelson 1983) over means of 2x2 pixels, each scale half the size of the one before.
    """
    details = []
    for _ in range(SCALES):
        coarse = F.avg_pool2d(picture, 2, ceil_mode=True)
        details.append(picture - _at_size_of(picture, coarse))
        picture = coarse
    return details, picture


def joined(details: Sequence[Tensor], picture: Tensor) -> Tensor:
    """What `split` took apart."""
    for detail in reversed(details):
        picture = _at_size_of(detail, picture) + detail
    return picture


def strengths(picture: Tensor, counts: Tensor | None = None) -> Tensor:
    """Root mean square of the detail of pictures [n, C, h, w] at each scale, channel by channel -> [n, C, SCALES].

    `counts` [n, 1, h, w] says how much each pixel has a say.
    """
    found = []
    for detail in split(picture)[0]:
        weight = (
            detail.new_ones(1) if counts is None else F.adaptive_avg_pool2d(counts, (detail.shape[2], detail.shape[3]))
        )
        total = weight.expand(len(detail), 1, *detail.shape[2:]).sum((2, 3))
        found.append((detail.square() * weight).sum((2, 3)) / total.clamp(min=1e-6))
    return torch.stack(found, 2).sqrt()


def gains(own: Tensor, wanted: Tensor, limits: tuple[float, float]) -> Tensor:
    """By how much detail of some strengths must be raised to have others, within limits; of any shape."""
    return (wanted / own.clamp(min=1e-4)).clamp(*limits)


def raised(picture: Tensor, by: Tensor) -> Tensor:
    """Pictures [n, C, h, w] with the detail of each scale that many times as strong, [n, C, SCALES]."""
    details, coarse = split(picture)
    return joined([detail * gain[:, :, None, None] for detail, gain in zip(details, by.unbind(2), strict=True)], coarse)


def _at_size_of(fine: Tensor, coarse: Tensor) -> Tensor:
    return F.interpolate(coarse, fine.shape[2:], mode="bilinear")
