"""Every coordinate map of the project, and the alpha squash. No other file spells one of these formulas.

Spaces, always in (x, y) order:

- **pixel**: column and row of a clip's own frame; whole numbers are pixel centres.
- **video**: (x, y, t) in about [-1, 1], what the mapping and alpha networks of layered neural atlases take.
- **canvas**: [-1, 1] squared, what a mapping network gives: one canvas per layer.
- **network**: where the atlas network keeps both canvases: foreground in [0, 1], background in [-1, 0].
- **uv**: [-1, 1] over an atlas *picture*, which holds a window of the canvas; ready for
  `grid_sample(align_corners=False)`.
- **texel**: column and row of an atlas picture; whole numbers are texel centres.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LayerName = Literal["foreground", "background"]
LAYER_NAMES: tuple[LayerName, LayerName] = ("foreground", "background")
NETWORK_SHIFT: dict[LayerName, float] = {"foreground": 0.5, "background": -0.5}


def cubic_weights(positions: Tensor, count: int) -> Tensor:
    """Catmull-Rom weights of `count` equally spaced nodes at `positions` (in nodes) -> [n, count].

    Positions outside the nodes are clamped to the nearest. Separable: `wy @ nodes @ wx.T` resamples a grid.
    """
    positions = positions.clamp(0, count - 1)
    first = positions.floor().clamp(max=max(count - 2, 0))
    f = positions - first
    taps = (
        -0.5 * f + f**2 - 0.5 * f**3,
        1 - 2.5 * f**2 + 1.5 * f**3,
        0.5 * f + 2 * f**2 - 1.5 * f**3,
        -0.5 * f**2 + 0.5 * f**3,
    )
    weights = torch.zeros(len(positions), count, device=positions.device)
    for offset, tap in enumerate(taps):
        index = (first.long() + offset - 1).clamp(0, count - 1)
        weights.scatter_add_(1, index[:, None], tap[:, None])
    return weights


def cubic_weights_beyond(positions: Tensor, count: int) -> Tensor:
    """`cubic_weights`, and positions outside the nodes go on as the outermost two do: [n, count]."""
    weights = cubic_weights(positions, count)
    over = positions - positions.clamp(0, count - 1)  # below 0 before the first node
    ends = torch.zeros_like(weights)
    ends[:, 0], ends[:, 1] = over.clamp(max=0).neg(), over.clamp(max=0)
    ends[:, -1] += over.clamp(min=0)
    ends[:, -2] -= over.clamp(min=0)
    return weights + ends


def area_weights(count: int, source_count: int, device: torch.device | None = None) -> Tensor:
    """Weights [count, source_count] by which each of `count` equal cells is the mean of the pixels it covers."""
    bounds = torch.arange(count + 1, device=device, dtype=torch.float32) * (source_count / count)
    pixel = torch.arange(source_count, device=device, dtype=torch.float32)
    covered = torch.minimum(bounds[1:, None], pixel + 1) - torch.maximum(bounds[:-1, None], pixel)
    return covered.clamp(min=0) * (count / source_count)


def pixel_centres(first: int, last: int, count: float, source_count: int, device: torch.device | None = None) -> Tensor:
    """Where the centres of the pixels `first` to `last` (not included) lie, in pixels of the clip's own frame.

    They are pixels of a frame resized from `source_count` to `count`; they may lie outside it. A `count` that is no
    whole number is of pixels of which the last is cut.
    """
    index = torch.arange(first, last, device=device, dtype=torch.float32)
    return (index + 0.5) * (source_count / count) - 0.5


def pixel_mesh(shape: tuple[int, int], step: int, first: int, device: torch.device | None = None) -> Tensor:
    """A mesh [rows, columns, 2] of pixels `step` apart, from the pixel (first, first) on."""
    rows, columns = (torch.arange(count, device=device) * step + first for count in shape)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1).float()


def reduce_texels(texel: Tensor, factor: int) -> Tensor:
    """Texels [..., 2] of a picture -> texels of the same picture made smaller by a whole factor."""
    return (texel + 0.5) / factor - 0.5


def pixel_to_video(xy: Tensor, frame: Tensor, size: tuple[int, int], frame_count: int) -> Tensor:
    """Pixels [n, 2] of frames [n] -> network input [n, 3].

    Layered neural atlases: both axes are divided by half the *larger* side, so that pixels stay square.
    """
    half = max(size) / 2
    return torch.cat([xy / half - 1, frame[:, None] / (frame_count / 2) - 1], dim=1)


def pixel_to_unit(xy: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels [..., 2] of a frame of `size` (height, width) -> [-1, 1], ready for `grid_sample`."""
    scale = torch.tensor([2.0 / size[1], 2.0 / size[0]], device=xy.device)
    return (xy + 0.5) * scale - 1


def canvas_to_network(canvas: Tensor, layer: LayerName) -> Tensor:
    """Canvas [..., 2] in [-1, 1] -> the layer's half of the atlas network's domain."""
    return canvas * 0.5 + NETWORK_SHIFT[layer]


def network_to_colour(value: Tensor) -> Tensor:
    """A network's tanh in [-1, 1] -> colour in [0, 1]."""
    return 0.5 * (value + 1)


def network_to_alpha(value: Tensor) -> Tensor:
    """The alpha network's tanh in [-1, 1] -> alpha in [0.001, 0.991], never quite 0 or 1."""
    return 0.99 * 0.5 * (value + 1) + 0.001


@dataclass(frozen=True)
class Window:
    """The part of a square canvas of `resolution` texels that an atlas picture holds, in whole texels."""

    left: int
    top: int
    width: int
    height: int
    resolution: int

    @classmethod
    def around_texels(cls, left: int, top: int, right: int, bottom: int, resolution: int, margin: int = 4) -> "Window":
        """The window from one texel to another, both inside, and a margin; never beyond the canvas."""
        left, top = max(0, int(left) - margin), max(0, int(top) - margin)
        right, bottom = min(resolution, int(right) + 1 + margin), min(resolution, int(bottom) + 1 + margin)
        return cls(left, top, right - left, bottom - top, resolution)

    def crop(self, picture: Tensor) -> Tensor:
        """Cut this window out of a whole canvas [C, resolution, resolution]."""
        return picture[:, self.top : self.top + self.height, self.left : self.left + self.width]

    def canvas_to_uv(self, canvas: Tensor) -> Tensor:
        """Canvas [..., 2] -> [-1, 1] over this window's picture."""
        origin = torch.tensor([self.left, self.top], device=canvas.device)
        extent = torch.tensor([self.width, self.height], device=canvas.device)
        return ((canvas + 1) * (self.resolution / 2) - origin) * (2 / extent) - 1

    def texel_to_canvas(self, texel: Tensor) -> Tensor:
        """Texels [..., 2] of this window's picture -> canvas."""
        origin = torch.tensor([self.left, self.top], device=texel.device)
        return (texel + origin + 0.5) * (2 / self.resolution) - 1


def uv_to_texel(uv: Tensor, size: tuple[int, int]) -> Tensor:
    """uv [..., 2] in [-1, 1] -> texels of an atlas picture of `size` (height, width)."""
    scale = torch.tensor([size[1] / 2, size[0] / 2], device=uv.device)
    return (uv + 1) * scale - 0.5


def looked_at(displacement: Tensor, size: tuple[int, int]) -> Tensor:
    """Where on a picture of `size` (height, width) each pixel looks, for `grid_sample(align_corners=False)`.

    Parameters
    ----------
    displacement
        [n, h, w, 2] in pixels, (x, y) order: a pixel at p of an h by w grid looks at p + displacement. Where the grid
        is only a part of the picture, add where it begins.
    """
    height, width = displacement.shape[1:3]
    x = torch.arange(width, device=displacement.device, dtype=displacement.dtype)
    y = torch.arange(height, device=displacement.device, dtype=displacement.dtype)
    at = displacement * displacement.new_tensor([2 / size[1], 2 / size[0]])
    at[..., 0] += (2 * x + 1) / size[1] - 1
    at[..., 1] += ((2 * y + 1) / size[0] - 1)[:, None]
    return at


def inside(displacement: Tensor) -> Tensor:
    """Displacements [n, h, w, 2] in pixels that end on the picture: those that leave it end on its border."""
    height, width = displacement.shape[1:3]
    x = torch.arange(width, device=displacement.device, dtype=displacement.dtype)
    y = torch.arange(height, device=displacement.device, dtype=displacement.dtype)[:, None]
    known = displacement.nan_to_num(0.0, 0.0, 0.0)
    across = (known[..., 0] + x).clamp(0, width - 1) - x
    return torch.stack([across, (known[..., 1] + y).clamp(0, height - 1) - y], -1)
