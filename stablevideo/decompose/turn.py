"""A turn of the fit: light, alpha and maps of every frame anew, against the atlases as they are."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.matte import shares
from ..layers.warp import Region
from .estimate import Estimate, Part, composed, crop, dilated, eroded
from .follow import followed
from .scaled import BAND_PX
from .schedule import Level
from .solve import fit_alpha, fit_light, map_step, normal_terms, pool_factor, pooled_sum, robust_weights

MASK_TRUST = 0.5  # of the mask against the pixels, where alpha is solved for: less, and thin things dissolve


def turn(estimate: Estimate, level: Level, farthest_px: float) -> float:
    """The mean squared error found before the maps moved, each node by `farthest_px` at most.

    Neighbouring frames look at each other's maps: all move together, at the end.
    """
    atlases = [sheet.with_slopes() for sheet in estimate.sheets]
    found = estimate.side_by_side(lambda chunk: solve_chunk(estimate, level, chunk, atlases), estimate.chunks())
    squared, *steps = zip(*found, strict=True)
    for sheet, parts in zip(estimate.sheets, steps, strict=True):
        sheet.move(torch.cat(parts), level.momentum, farthest_px)
    return sum(squared) / estimate.view.frames.numel()


def solve_chunk(
    estimate: Estimate, level: Level, chunk: list[int], atlases: list[Tensor]
) -> tuple[float, Tensor, Tensor]:
    """Light and alpha of some frames anew; the squared error there, and the steps of both layers' maps."""
    pictures, parts = estimate.frame(chunk), estimate.parts(chunk)
    looks = [part.sheet.look(atlas, part.texels) for part, atlas in zip(parts, atlases, strict=True)]
    front, back = (
        relit(estimate, part, chunk, look[:, :3], pictures, light_px)
        for part, look, light_px in zip(parts, looks, level.light_px, strict=True)
    )
    front_lit, back_lit = looks[0][:, :3] * front.light, looks[1][:, :3] * back.light
    if level.sharpen:
        region = front.region
        estimate.alpha[chunk] = new_alpha(
            estimate, chunk, region, crop(pictures, region), front_lit, crop(back_lit, region)
        )
        front, back = (
            replace(part, share=crop(share, part.region))
            for part, share in zip((front, back), shares(estimate.matte(chunk)).values(), strict=True)
        )
    residual = pictures - composed(front, front_lit, back_lit)
    weights = robust_weights(residual)
    steps = [
        step(estimate, level, chunk, part, look[:, 3:], crop(residual, part.region), crop(weights, part.region))
        for part, look in zip((front, back), looks, strict=True)
    ]
    return residual.square().sum().item(), steps[0], steps[1]


def relit(estimate: Estimate, part: Part, chunk: list[int], look: Tensor, pictures: Tensor, light_px: int) -> Part:
    """A layer under the light that brings what is seen of its atlas, [n, 3, h, w], closest to the frames."""
    if not light_px:
        return part
    sheet, size, region = part.sheet, estimate.view.size, part.region
    shape = sheet.light.shape[2], sheet.light.shape[3]
    clear = (part.share > 0.9).float()
    sheet.light[chunk] = fit_light(look, crop(pictures, region), clear, shape, size, region)
    return replace(part, light=sheet.lights(chunk, size, region))


def new_alpha(
    estimate: Estimate, chunk: list[int], region: Region, pictures: Tensor, front: Tensor, back: Tensor
) -> Tensor:
    """Alpha, uint8 [n, 1, H, W]: the mask's, but for a band along its edge where the frames decide with it.

    Frames and lit layers, [n, 3, h, w], are of a region.
    """
    result = estimate.clip.masks[chunk].clone()
    mask = crop(result, region).float() / 255
    alpha = fit_alpha(pictures, front, back, F.avg_pool2d(mask, 3, 1, 1), MASK_TRUST)
    side = 2 * BAND_PX + 1
    band = dilated(mask, side) > eroded(mask, side)
    crop(result, region).copy_((torch.where(band, alpha, mask) * 255).round().byte())
    return result


def step(
    estimate: Estimate, level: Level, chunk: list[int], part: Part, slopes: Tensor, residual: Tensor, weights: Tensor
) -> Tensor:
    """By how much the nodes of a layer's maps in some frames should move, [n, rows, columns, 2] canvas pixels."""
    sheet, size = part.sheet, estimate.view.size
    factor = pool_factor(sheet.stride * size[0] / estimate.clip.size[0])
    shown = part.share * part.light
    terms = normal_terms(slopes, residual, shown, weights, factor)
    seen = (shown[:, :1] > 0.5).sum((1, 2, 3), keepdim=True)
    follow = None
    if level.follow:
        towards, valid = followed(sheet, estimate.view, chunk, part.region, factor)
        follow = towards, level.follow * valid * pooled_sum((part.share > 0.5).float(), factor)
    return map_step(sheet, sheet.nodes[chunk], terms, seen, size, part.region, factor, level.stiffness, follow)
