"""Least squares for both atlases together: what reproduces the frames best, where a splatted mean would blur."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from .sheet import Sheet

SMOOTHNESS = 0.07  # of detail finer than a pixel's side, against what the frames say

# Walks the clip: for each few frames the grids [n, h, w, 2] (texels) and lights [n, 3, h, w] of both sheets, and
# what composes them: (front, back) -> frame, all [n, 3, H, W], with the frame to be met.
View = tuple[Sequence[Tensor], Sequence[Tensor], Callable[[Tensor, Tensor], Tensor], Tensor]
Walk = Callable[[], Iterator[View]]


def sharpen(sheets: Sequence[Sheet], walk: Walk, steps: int) -> None:
    """Some steps of conjugate gradients, from the atlases as they are.

    What pixels see is a mean over their side. What is finer is where they happen to lie and not the scene's: it is kept
    small, or frames that disagree would each find their colours in dots between the others'.
    """
    rest = atlas_gradient(sheets, walk, None)
    direction, squared = rest, _dot(rest, rest)
    for _ in range(steps):
        image = atlas_gradient(sheets, walk, direction)
        step = squared / _dot(image, direction).clamp(min=1e-12)
        for sheet, d in zip(sheets, direction, strict=True):
            sheet.atlas = sheet.atlas + step * d
        rest = [part - step * a for part, a in zip(rest, image, strict=True)]
        new = _dot(rest, rest)
        direction = [part + new / squared.clamp(min=1e-20) * d for part, d in zip(rest, direction, strict=True)]
        squared = new
    for sheet in sheets:
        sheet.atlas = sheet.atlas.clamp(0, 1)


def atlas_gradient(sheets: Sequence[Sheet], walk: Walk, atlases: Sequence[Tensor] | None) -> list[Tensor]:
    """The adjoint of rendering, applied to the render of these atlases; with None, to what the frames lack.

    Nothing where no frame sees the texel.
    """
    wanted = [sheet.atlas for sheet in sheets] if atlases is None else atlases
    sign = 1 if atlases is None else -1
    pictures = [sheet.seen(picture).detach().requires_grad_() for sheet, picture in zip(sheets, wanted, strict=True)]
    totals = [torch.zeros_like(picture) for picture in pictures]
    for grids, lights, compose, frame in walk():
        front, back = (
            sheet.look(picture, grid) * light
            for sheet, picture, grid, light in zip(sheets, pictures, grids, lights, strict=True)
        )
        rendered = compose(front, back)
        pull = frame - rendered.detach() if atlases is None else rendered.detach()
        for total, part in zip(totals, torch.autograd.grad(rendered, pictures, pull), strict=True):
            total += part
    return [
        sheet.coverage * (sheet.seen(total) - sign * SMOOTHNESS * sheet.observations * fine(sheet, picture))
        for sheet, total, picture in zip(sheets, totals, wanted, strict=True)
    ]


def fine(sheet: Sheet, picture: Tensor) -> Tensor:
    """Half the gradient of the squared detail of a picture [3, Ha, Wa] that is finer than a pixel's side."""
    detail = picture - sheet.seen(picture)
    return detail - sheet.seen(detail)


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(first, second, strict=True)]).sum()
