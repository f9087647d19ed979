"""Least squares for the atlases: what reproduces the frames best, where a splatted mean would blur."""

from __future__ import annotations

import torch
from torch import Tensor

from .cells import PAIRS, Cells, Stencil
from .estimate import Estimate, Part, crop, rendered
from .sheet import Sheet

SMOOTHNESS = 0.3  # of detail finer than a pixel's side, against what the frames say
PLANES = PAIRS + 3  # of sums: pairs of texels, and colours


def sharpen(estimate: Estimate, steps: int) -> None:
    """Some steps of conjugate gradients from the atlases as they are, each layer and colour by itself.

    What pixels see is a mean over their side. What is finer is where they happen to lie and not the scene's: it is kept
    small, or frames that disagree would each find their colours in dots between the others'.

    Along the matte's edge both layers answer for a pixel. With u and v the changes of their colours there, (alpha u +
    (1 - alpha) v)^2 is at most alpha u^2 + (1 - alpha) v^2: with these weights the layers can be solved for apart, and
    the error falls all the same.
    """
    pictures = [sheet.seen(sheet.atlas) for sheet in estimate.sheets]

    def add(totals: list[Tensor], chunk: list[int]) -> None:
        parts = estimate.parts(chunk)
        lacking = estimate.frame(chunk) - rendered(parts, pictures)
        for part, total in zip(parts, totals, strict=True):
            add_equations(total, part, crop(lacking, part.region))

    jobs = []
    for sheet, total in zip(estimate.sheets, estimate.added_up(PLANES, add), strict=True):
        stencil = Stencil(*total[:PAIRS])
        right = sheet.coverage * (
            sheet.seen(total[PAIRS:]) - SMOOTHNESS * sheet.observations * fine(sheet, sheet.atlas)
        )
        jobs += [(sheet, stencil, plane, colour) for plane, colour in zip(right, sheet.atlas, strict=True)]

    def solve(job: tuple[Sheet, Stencil, Tensor, Tensor]) -> None:
        sheet, stencil, right, colour = job
        colour += correction(sheet, stencil, right[None], steps)[0]
        colour.clamp_(0, 1)

    estimate.side_by_side(solve, jobs)


def add_equations(total: Tensor, part: Part, lacking: Tensor) -> None:
    """Add to the sums [7, Ha, Wa] what some frames lack, [n, 3, h, w], of a layer."""
    seen = part.share[:, 0].flatten() > 1e-3
    cells = Cells.of(part.texels.reshape(-1, 2)[seen], part.sheet.atlas_size)
    shown = part.share * part.light
    values = (lacking * shown).transpose(0, 1).reshape(3, -1)[:, seen]
    weights = (shown * part.light).amax(1).flatten()[seen]  # one for all colours: the largest, for the error to fall
    planes = total.flatten(1)
    cells.add_pairs(planes[:PAIRS], weights)
    cells.add(planes[PAIRS:], values)


def correction(sheet: Sheet, stencil: Stencil, right: Tensor, steps: int) -> Tensor:
    """Some steps towards the change of a colour of the atlas, [1, Ha, Wa], that the frames ask for."""
    covered, bend = sheet.coverage, SMOOTHNESS * sheet.observations

    def normal(change: Tensor) -> Tensor:
        looked = stencil(sheet.seen(change)[0])[None]
        return covered * (sheet.seen(looked) + bend * fine(sheet, change))

    change, rest = torch.zeros_like(right), right
    direction, squared = rest, rest.square().sum()
    for _ in range(steps):
        image = normal(direction)
        step = squared / (image * direction).sum().clamp(min=1e-12)
        change, rest = change + step * direction, rest - step * image
        new = rest.square().sum()
        direction, squared = rest + new / squared.clamp(min=1e-20) * direction, new
    return change


def fine(sheet: Sheet, picture: Tensor) -> Tensor:
    """Half the gradient of the squared detail of a picture [C, Ha, Wa] that is finer than a pixel's side."""
    detail = picture - sheet.seen(picture)
    return detail - sheet.seen(detail)
