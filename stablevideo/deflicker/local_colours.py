"""The colours that one picture gives another, place by place, also where they are not known."""

from __future__ import annotations

import torch
from torch import Tensor

from .filters import coarse, enlarged

WINDOW_PX, BLUR_PX = 8, 2  # of the squares over which colours are compared, and of what is taken for one there
FAR = 0.1  # what squares twice as large, and as far away, count beside a place's own
SAME_COLOURS = 5e-4  # variances far below leave the colours as they are
SURELY_NOT = 1e-20  # a weight that is none


def recoloured(picture: Tensor, wanted: Tensor, confidence: Tensor) -> Tensor:
    """A picture [1, 3, H, W] in the colours wanted, [1, 3, H, W], where they are known to a confidence [1, 1, H, W].

    Its own detail stays. Where little is known nearby, what is known farther away holds.
    """
    return through(colour_map(picture, wanted, confidence), picture)


def colour_map(picture: Tensor, wanted: Tensor, confidence: Tensor) -> Tensor:
    """The map around each place of three colours to three that takes a picture best to what is wanted.

    Linear and an offset, by least squares: [1, 12, about H / 8, about W / 8]. Arguments as in `recoloured`.
    """
    # Compared a little blurred: else contrast would fall where what is wanted lies a little beside its place.
    weight = coarse(confidence, BLUR_PX)
    own, other = (coarse(confidence * one, BLUR_PX) / weight.clamp(min=SURELY_NOT) for one in (picture, wanted))
    squares = torch.einsum("nihw,njhw->nijhw", own, own).flatten(1, 2)
    products = torch.einsum("nihw,njhw->nijhw", own, other).flatten(1, 2)
    means = known_around(torch.cat([own, other, squares, products], 1), weight, WINDOW_PX // BLUR_PX)
    own_mean, other_mean, squares, products = means[0].permute(1, 2, 0).split([3, 3, 9, 9], -1)
    same = SAME_COLOURS * torch.eye(3, device=picture.device)
    variance = squares.unflatten(-1, (3, 3)) - own_mean[..., :, None] * own_mean[..., None, :]
    together = products.unflatten(-1, (3, 3)) - own_mean[..., :, None] * other_mean[..., None, :]
    gain = torch.linalg.solve(variance + same, together + same)  # [h, w, from, to]
    offset = other_mean - torch.einsum("hwi,hwij->hwj", own_mean, gain)
    return torch.cat([gain.flatten(2), offset], -1).permute(2, 0, 1)[None]


def through(maps: Tensor, picture: Tensor) -> Tensor:
    """A picture [1, 3, H, W] through what `colour_map` gave."""
    maps = enlarged(maps, picture)
    return torch.einsum("nihw,nijhw->njhw", picture, maps[:, :9].unflatten(1, (3, 3))) + maps[:, 9:]


def known_around(values: Tensor, confidence: Tensor, window_px: int) -> Tensor:
    """The means of values [1, C, H, W] over squares, by confidence [1, 1, H, W]; where there is none, from afar.

    -> [1, C, about H / window_px, about W / window_px].
    """
    both = _from_afar(coarse(torch.cat([values * confidence, confidence], 1), window_px))
    return both[:, :-1] / both[:, -1:].clamp(min=SURELY_NOT)


def _from_afar(sums: Tensor) -> Tensor:
    """Sums over squares, and a little of those over ever larger ones."""
    if max(sums.shape[2:]) < 2:
        return sums
    return sums + FAR * enlarged(_from_afar(coarse(sums, 2)), sums)
