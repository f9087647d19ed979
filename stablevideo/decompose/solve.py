"""The fit's closed forms: a Gauss-Newton step for the maps, a regression for light, one for alpha."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import coords
from ..layers.warp import Region
from .scaled import Size
from .sheet import Sheet

SIGMA = 0.03  # residuals much larger than this count less and less (IRLS on a Charbonnier loss)
CONJUGATE_STEPS = 12
RIDGE = 1e-4  # keeps nodes that nothing sees where they are
FLAT = 0.02  # regularises light where a picture is dark
DARKEST, BRIGHTEST = 0.02, 4.0  # light, against the atlas: a clip may fade to black
POOLED = 4  # pixels along a square whose Gauss-Newton terms are added up, at most
FINEST = 2  # such squares between two nodes, at least


def robust_weights(residual: Tensor) -> Tensor:
    """Weights [n, 1, H, W] in (0, 1] of residuals [n, 3, H, W]."""
    return SIGMA / (residual.square().mean(1, keepdim=True).sqrt() + SIGMA)


def pool_factor(stride: float) -> int:
    """Along how many pixels terms may be added up where nodes are `stride` pixels apart."""
    factor = 1
    while factor < POOLED and 2 * factor * FINEST <= stride:
        factor *= 2
    return factor


def pooled_sum(pixels: Tensor, factor: int) -> Tensor:
    """[n, C, h, w] -> sums over squares of `factor` by `factor`, the last ones scaled up where they are cut."""
    if factor == 1:
        return pixels
    return F.avg_pool2d(pixels, factor, ceil_mode=True, count_include_pad=False) * factor**2


def normal_terms(slopes: Tensor, residual: Tensor, shown: Tensor, weights: Tensor, factor: int) -> Tensor:
    """What pixels say of a layer's maps -> [n, 5, h, w]: xx, xy, yy of J^T W J and the two of J^T W r.

    Parameters
    ----------
    slopes, residual, shown, weights
        The atlas's slopes along x and y where the pixels look, a canvas pixel, [n, 6, H, W]; frame minus render
        [n, 3, H, W]; by how much the frame changes with the lit layer, [n, 3, H, W] (alpha times light); weights
        [n, 1, H, W].
    factor
        Terms are added up over squares of this many pixels a side.
    """
    weighted = weights * shown
    across, down = slopes[:, :3] * shown, slopes[:, 3:] * shown
    left, upper = slopes[:, :3] * weighted, slopes[:, 3:] * weighted
    pairs = ((left, across), (left, down), (upper, down), (left, residual), (upper, residual))
    return pooled_sum(torch.cat([(a * b).sum(1, keepdim=True) for a, b in pairs], 1), factor)


def map_step(
    sheet: Sheet,
    nodes: Tensor,
    terms: Tensor,
    seen: Tensor,
    size: Size,
    region: Region,
    factor: int,
    stiffness: float,
    follow: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One Gauss-Newton step of a layer's lattice in some frames (Lucas and Kanade 1981, on a lattice).

    Parameters
    ----------
    nodes
        [n, rows, columns, 2], the frames' own, in canvas pixels.
    terms
        `normal_terms` of a region of frames of `size`, pooled by `factor`.
    seen
        [n, 1, 1, 1]: pixels that show the layer.
    stiffness
        Weight of the lattice's bending (squared second differences) against what the pixels say.
    follow
        By how much the flow would have the maps move, [n, 2, h, w] canvas pixels, and how much that counts against
        what the pixels say, [n, 1, h, w]; pooled by `factor` too: means of the first, sums of the second.

    Returns
    -------
    The step [n, rows, columns, 2].
    """
    xx, xy, yy, right = terms[:, :1], terms[:, 1:2], terms[:, 2:3], terms[:, 3:]
    # What a node knows from its pixels, on average: stiffness is relative to it, at any size and contrast.
    mean = (xx + yy).sum((1, 2, 3), keepdim=True) / seen.clamp(min=1)
    bend = stiffness * mean * (size[0] * size[1] / (nodes.shape[1] * nodes.shape[2]))
    if follow is not None:
        pull = mean * follow[1]
        xx, yy, right = xx + pull, yy + pull, right + pull * follow[0]

    def normal(step: Tensor) -> Tensor:
        across, down = sheet.spread(step, size, region, factor).split(1, 1)
        pulled = torch.cat([xx * across + xy * down, xy * across + yy * down], 1)
        return sheet.gather(pulled, size, region, factor) + bend * bending(step) + RIDGE * step

    return conjugate_gradients(normal, sheet.gather(right, size, region, factor) - bend * bending(nodes))


def conjugate_gradients(normal: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """Solve normal(x) = right for each item of the batch [n, ...]."""
    every = tuple(range(1, right.ndim))
    x, rest = torch.zeros_like(right), right
    direction, size = rest, rest.square().sum(every, keepdim=True)
    for _ in range(CONJUGATE_STEPS):
        image = normal(direction)
        step = size / (direction * image).sum(every, keepdim=True).clamp(min=1e-20)
        x, rest = x + step * direction, rest - step * image
        new = rest.square().sum(every, keepdim=True)
        direction, size = rest + new / size.clamp(min=1e-20) * direction, new
    return x


def bending(nodes: Tensor) -> Tensor:
    """Half the gradient of the summed squared second differences of [n, rows, columns, 2] along both axes."""
    total = torch.zeros_like(nodes)
    for axis in (1, 2):
        count = nodes.shape[axis]
        before, middle, after = (nodes.narrow(axis, i, count - 2) for i in range(3))
        second = before - 2 * middle + after
        for i, factor in enumerate((1, -2, 1)):
            total.narrow(axis, i, count - 2).add_(second, alpha=factor)
    return total


def fit_light(picture: Tensor, wanted: Tensor, weights: Tensor, shape: Size, size: Size, region: Region) -> Tensor:
    """Smooth factors [n, 3, r, c] over frames of `size` that bring a picture closest to the wanted one.

    Both are [n, 3, h, w], of a region of the frames. weights, [n, 1, h, w], say where they are compared; where that is
    nowhere, neighbours decide, then 1 does.
    """
    top, left, bottom, right = region
    weighted = weights * picture
    products = torch.cat([weighted * wanted, weighted * picture, weights], 1)
    rows = coords.area_weights(shape[0], size[0], picture.device)[:, top:bottom]
    columns = coords.area_weights(shape[1], size[1], picture.device)[:, left:right]
    means = rows @ (products @ columns.T)
    kernel = picture.new_tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16)[None, None].expand(6, 1, 3, 3)
    above, below = F.conv2d(F.pad(means[:, :6], (1, 1, 1, 1), mode="replicate"), kernel, groups=6).split(3, 1)
    ridge = FLAT * below.mean((1, 2, 3), keepdim=True) + FLAT * (means[:, 6:] < FLAT)
    return ((above + ridge) / (below + ridge)).clamp(DARKEST, BRIGHTEST)


def fit_alpha(frame: Tensor, front: Tensor, back: Tensor, mask: Tensor, trust: float) -> Tensor:
    """Alpha [n, 1, H, W] that mixes front and back [n, 3, H, W] into the frame, held to the mask by `trust`."""
    difference = front - back
    above = ((frame - back) * difference).sum(1, keepdim=True) + trust * mask
    return (above / (difference.square().sum(1, keepdim=True) + trust)).clamp(0, 1)
