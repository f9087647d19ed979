"""A layer while it is being fitted: maps on a lattice, an atlas splatted from the frames, and the light on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import coords
from ..layers.fill import fill_missing
from ..layers.layer import spread_light
from ..layers.warp import LatticeWarp

Size = tuple[int, int]
STRIDE = 16  # of the lattice at first, in pixels
MARGIN_PX = 6  # of canvas around what the frames see
SEEN = 0.05  # a texel with less splatted weight is not covered
LARGEST = 4096  # texels along a side


class Sheet:
    """Nodes hold canvas positions: pixels of the reference frame at the clip's own size, (x, y) order.

    Attributes
    ----------
    nodes
        [T, rows, columns, 2].
    light
        [T, 3, r, c]: factors on a coarse grid over each frame, 1 where the atlas is as bright as the frame.
    atlas, weight
        [3, Ha, Wa] and [1, Ha, Wa]: the picture, and how much was splatted on each texel.
    scale, origin
        Texels a canvas pixel, and the canvas position of the atlas's corner.
    """

    PARTS = ("nodes", "light", "atlas", "weight", "origin")  # what a fit changes

    def __init__(self, maps: np.ndarray, size: Size) -> None:
        self.size, self.stride = size, STRIDE
        places = coords.pixel_mesh(LatticeWarp.shape(size, STRIDE), STRIDE, -STRIDE)
        places = torch.cat([places, torch.ones_like(places[..., :1])], -1)
        mapped = torch.einsum("tij,rcj->trci", torch.from_numpy(maps).float(), places)
        self.nodes = mapped[..., :2] / mapped[..., 2:]
        self.light = torch.ones(len(maps), 3, 1, 1)
        self.scale, self.origin = 1.0, torch.zeros(2)
        self.atlas, self.weight = torch.zeros(3, 1, 1), torch.zeros(1, 1, 1)
        self._bases: dict[Size, tuple[Tensor, Tensor]] = {}

    @property
    def atlas_size(self) -> Size:
        """Height and width of the atlas."""
        return tuple(self.atlas.shape[1:])

    def bases(self, size: Size) -> tuple[Tensor, Tensor]:
        """Cubic weights [H, rows] and [W, columns] of the nodes at the pixels of frames of `size`."""
        if size not in self._bases:
            self._bases[size] = tuple(
                coords.cubic_weights(coords.pixel_centres(0, side, side, own) / self.stride + 1, count)
                for side, own, count in zip(size, self.size, self.nodes.shape[1:3], strict=True)
            )
        return self._bases[size]

    def spread(self, values: Tensor, size: Size) -> Tensor:
        """Lattice values [n, rows, columns, 2] -> [n, 2, H, W]."""
        rows, columns = self.bases(size)
        return rows @ values.permute(0, 3, 1, 2) @ columns.T

    def gather(self, pixels: Tensor) -> Tensor:
        """The adjoint of `spread`: [n, 2, H, W] -> [n, rows, columns, 2]."""
        rows, columns = self.bases(tuple(pixels.shape[2:]))
        return (rows.T @ pixels @ columns).permute(0, 2, 3, 1)

    def refined(self, stride: int) -> None:
        """Continue on a finer lattice."""
        shape = LatticeWarp.shape(self.size, stride)
        rows, columns = (
            coords.cubic_weights(((torch.arange(count) - 1.0) * stride) / self.stride + 1, own)
            for count, own in zip(shape, self.nodes.shape[1:3], strict=True)
        )
        self.nodes = torch.einsum("hy,nyxc,wx->nhwc", rows, self.nodes, columns)
        self.stride = stride
        self._bases.clear()

    def place_window(self, shown: Tensor, scale: float) -> None:
        """Choose the part of the canvas that the atlas holds, at `scale` texels a canvas pixel.

        shown, bool [T, H, W], says where the layer is seen.
        """
        size = tuple(shown.shape[1:])
        low, high = [], []
        for frame in range(len(shown)):
            places = self.spread(self.nodes[frame : frame + 1], size)[0][:, shown[frame]]
            if places.numel():
                low.append(places.amin(1))
                high.append(places.amax(1))
        low, high = torch.stack(low).amin(0) - MARGIN_PX, torch.stack(high).amax(0) + MARGIN_PX
        self.scale, self.origin = min(scale, LARGEST / (high - low).max().item()), low
        width, height = ((high - low) * self.scale).ceil().long().tolist()
        self.atlas = torch.zeros(3, height, width)

    def texels(self, frames: Sequence[int], size: Size) -> Tensor:
        """[n, 2, H, W] texels of the atlas."""
        canvas = self.spread(self.nodes[list(frames)], size)
        return self.to_texels(canvas.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def to_texels(self, canvas: Tensor) -> Tensor:
        """Canvas positions [..., 2] -> texels of the atlas."""
        return (canvas - self.origin) * self.scale - 0.5

    def grid(self, texels: Tensor) -> Tensor:
        """Texels [n, 2, H, W] -> [n, H, W, 2] for `grid_sample`."""
        height, width = self.atlas_size
        return coords.pixel_to_unit(texels.permute(0, 2, 3, 1), (height, width))

    def look(self, picture: Tensor, texels: Tensor) -> Tensor:
        """An atlas-shaped picture [C, Ha, Wa] through the maps -> [n, C, H, W].

        The rows of all frames are shared out among the cores: a copy of the picture (and of its gradient) for each
        frame would cost more than the looking.
        """
        count, _, height, width = texels.shape
        groups = math.gcd(count * height, torch.get_num_threads())
        grid = self.grid(texels).reshape(groups, -1, width, 2)
        seen = F.grid_sample(
            picture.expand(groups, -1, -1, -1), grid, padding_mode="border", align_corners=False
        )  # [groups, C, rows, W]
        return seen.transpose(0, 1).reshape(-1, count, height, width).transpose(0, 1)

    def with_slopes(self) -> Tensor:
        """The atlas and its central differences along x and y, a canvas pixel: [9, Ha, Wa]."""
        across = F.pad((self.atlas[:, :, 2:] - self.atlas[:, :, :-2]) / 2, (1, 1))
        down = F.pad((self.atlas[:, 2:] - self.atlas[:, :-2]) / 2, (0, 0, 1, 1))
        return torch.cat([self.atlas, across * self.scale, down * self.scale])

    def lights(self, frames: Sequence[int], size: Size) -> Tensor:
        """The light's factors at the pixels of frames, [n, 3, H, W]."""
        return spread_light(self.light[list(frames)], size)

    def empty(self) -> Tensor:
        """An accumulator for `splat`."""
        return torch.zeros(self.atlas_size[0] * self.atlas_size[1], 4)

    def splat(self, total: Tensor, pictures: Tensor, weights: Tensor, texels: Tensor) -> None:
        """Add pictures [n, 3, H, W], weighed by [n, 1, H, W], bilinearly to the accumulator."""
        height, width = self.atlas_size
        values = torch.cat([pictures * weights, weights], 1).permute(0, 2, 3, 1).reshape(-1, 4)
        used = values[:, 3] > 1e-4
        values = values[used]
        x, y = (texels[:, axis].reshape(-1)[used] for axis in (0, 1))
        left, top = x.floor(), y.floor()
        for down in (0, 1):
            for right in (0, 1):
                share = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
                column, row = (left + right).long().clamp(0, width - 1), (top + down).long().clamp(0, height - 1)
                total.index_add_(0, row * width + column, values * share[:, None])

    def take(self, total: Tensor) -> None:
        """Make the atlas from what was splatted; what no frame sees is a smooth continuation.

        Pixels further apart than texels leave gaps between them: each is spread over a pixel's side.
        """
        maps = self.blurred(total.T.reshape(4, *self.atlas_size))
        self.weight = maps[3:]
        self.atlas = fill_missing(maps[:3] / self.weight.clamp(min=1e-4), self.coverage)

    @property
    def coverage(self) -> Tensor:
        """1 where some frame sees the texel, 0 elsewhere, [1, Ha, Wa]."""
        return (self.weight > SEEN).float()

    def blurred(self, picture: Tensor) -> Tensor:
        """A mean over a pixel's side, [C, Ha, Wa]."""
        side = 2 * (round(self.scale) // 2) + 1
        return F.avg_pool2d(picture[None], side, 1, side // 2)[0]

    def smoothed(self, picture: Tensor) -> Tensor:
        """`blurred` twice, and nothing where no frame sees the texel: symmetric and never negative."""
        return self.coverage * self.blurred(self.blurred(self.coverage * picture))
