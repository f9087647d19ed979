"""The fit's closed forms: a Gauss-Newton step for the maps, a regression for light, one for alpha."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .sheet import Sheet

SIGMA = 0.03  # residuals much larger than this count less and less (IRLS on a Charbonnier loss)
CONJUGATE_STEPS = 12
RIDGE = 1e-4  # keeps nodes that nothing sees where they are
FLAT = 0.02  # regularises light where a picture is dark


def robust_weights(residual: Tensor) -> Tensor:
    """Weights [n, 1, H, W] in (0, 1] of residuals [n, 3, H, W]."""
    return SIGMA / (residual.square().mean(1, keepdim=True).sqrt() + SIGMA)


def map_step(
    sheet: Sheet,
    nodes: Tensor,
    slopes: Tensor,
    residual: Tensor,
    shown: Tensor,
    weights: Tensor,
    stiffness: float,
    follow: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One Gauss-Newton step of a layer's lattice in some frames (Lucas and Kanade 1981, on a lattice).

    Parameters
    ----------
    nodes
        [n, rows, columns, 2], the frames' own, in canvas pixels.
    slopes, residual, shown, weights
        The atlas's slopes along x and y where the pixels look, a canvas pixel, [n, 6, H, W]; frame minus render
        [n, 3, H, W]; by how much the frame changes with the lit layer, [n, 3, H, W] (alpha times light); weights
        [n, 1, H, W].
    stiffness
        Weight of the lattice's bending (squared second differences) against what the pixels say.
    follow
        By how much the flow would have the maps move, [n, 2, H, W] canvas pixels, and how much that counts against
        what the pixels say, [n, 1, H, W].

    Returns
    -------
    The step [n, rows, columns, 2].
    """
    across, down = slopes[:, :3] * shown, slopes[:, 3:] * shown
    xx = (weights * across * across).sum(1, keepdim=True)
    xy = (weights * across * down).sum(1, keepdim=True)
    yy = (weights * down * down).sum(1, keepdim=True)
    # What a node knows from its pixels, on average: stiffness is relative to it, at any size and contrast.
    seen = (shown[:, :1] > 0.5).sum((1, 2, 3), keepdim=True).clamp(min=1)
    pixels_a_node = residual.shape[2] * residual.shape[3] / (nodes.shape[1] * nodes.shape[2])
    mean = (xx + yy).sum((1, 2, 3), keepdim=True) / seen
    bend = stiffness * pixels_a_node * mean
    right = torch.cat([(weights * slope * residual).sum(1, keepdim=True) for slope in (across, down)], 1)
    if follow is not None:
        pull = mean * follow[1]
        xx, yy, right = xx + pull, yy + pull, right + pull * follow[0]

    def normal(step: Tensor) -> Tensor:
        moved = sheet.spread(step, residual.shape[2:])
        pulled = torch.cat([xx * moved[:, :1] + xy * moved[:, 1:], xy * moved[:, :1] + yy * moved[:, 1:]], 1)
        return sheet.gather(pulled) + bend * bending(step) + RIDGE * step

    return conjugate_gradients(normal, sheet.gather(right) - bend * bending(nodes))


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


def fit_light(picture: Tensor, wanted: Tensor, weights: Tensor, shape: tuple[int, int]) -> Tensor:
    """Smooth factors [n, 3, r, c] that bring a picture [n, 3, H, W] closest to the wanted one.

    weights, [n, 1, H, W], say where they are compared; where that is nowhere, neighbours decide, then 1 does.
    """
    above = F.adaptive_avg_pool2d(weights * picture * wanted, shape)
    below = F.adaptive_avg_pool2d(weights * picture.square(), shape)
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16)[None, None].expand(3, 1, 3, 3)
    above, below = (F.conv2d(F.pad(part, (1, 1, 1, 1), mode="replicate"), kernel, groups=3) for part in (above, below))
    share = F.adaptive_avg_pool2d(weights, shape)
    ridge = FLAT * below.mean((1, 2, 3), keepdim=True) + FLAT * (share < FLAT)
    return ((above + ridge) / (below + ridge)).clamp(0.5, 2)


def fit_alpha(frame: Tensor, front: Tensor, back: Tensor, mask: Tensor, trust: float) -> Tensor:
    """Alpha [n, 1, H, W] that mixes front and back [n, 3, H, W] into the frame, held to the mask by `trust`."""
    difference = front - back
    above = ((frame - back) * difference).sum(1, keepdim=True) + trust * mask
    return (above / (difference.square().sum(1, keepdim=True) + trust)).clamp(0, 1)
