"""Where the flow would have a layer's maps move: a surface keeps its place on the atlas from frame to frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import coords
from ..layers.warp import Region
from .scaled import ScaledClip
from .sheet import Sheet


def followed(sheet: Sheet, clip: ScaledClip, frames: list[int], region: Region, factor: int) -> tuple[Tensor, Tensor]:
    """What the neighbouring frames, looked at along the flow, would have for maps of a region of these frames.

    Returns
    -------
    towards, neighbours
        [n, 2, h, w] canvas pixels: the way from the maps there, and [n, 1, h, w]: the share of both neighbours that
        tell; both for every square of `factor` by `factor` pixels, by the flow of one of them.
    """
    size = clip.size
    own = sheet.spread(sheet.nodes[frames], size, region, factor)
    total, count = torch.zeros_like(own), torch.zeros_like(own[:, :1])
    top, left, bottom, right = region
    rows, columns = slice(top, bottom, factor), slice(left, right, factor)
    pixels = coords.pixel_mesh((own.shape[2], own.shape[3]), factor, 0, own.device)
    middle = (factor - 1) / 2  # of a square of pixels, where the lattice is looked at
    pixels = pixels + pixels.new_tensor([left + middle, top + middle])
    whole = (-(-size[0] // factor) * factor, -(-size[1] // factor) * factor)  # what those squares cover
    for step, flow in ((-1, clip.backward), (1, clip.forward)):
        places = [i for i, frame in enumerate(frames) if 0 <= frame + step < len(clip.frames)]
        if not places:
            continue
        pairs = [frames[i] - (step < 0) for i in places]
        shift = flow.vectors[pairs][:, :, rows, columns].float()
        trusted = flow.valid[pairs][:, :, rows, columns].float()
        around = (0, 0, *size)
        theirs = sheet.spread(sheet.nodes[[frames[i] + step for i in places]], size, around, factor)
        grid = coords.pixel_to_unit(pixels + shift.permute(0, 2, 3, 1), whole)
        there = F.grid_sample(theirs, grid, padding_mode="border", align_corners=False)
        total[places] += (there - own[places]) * trusted
        count[places] += trusted
    return total / count.clamp(min=1), count / 2
