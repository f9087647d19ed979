"""A layer while it is being fitted: maps on a lattice, an atlas, and the light on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import coords
from ..layers.coords import LayerName
from ..layers.fill import fill_missing
from ..layers.layer import Layer, pixel_mean, spread_light
from ..layers.warp import LatticeWarp, Region
from .scaled import Size

STRIDE = 16  # of the lattice at first, in pixels
MARGIN_PX = 6  # of canvas around what the frames see
SEEN = 0.05  # a texel with less splatted weight is not covered
LARGEST = 4096  # texels along a side
WILD = 4.0  # times the median distance from the layer's middle: a frame that lies further out does not count
RIM_TEXELS = 2  # what is not seen is continued from texels this far inside


class Sheet:
    """Nodes hold canvas positions: pixels of the reference frame at the clip's own size, (x, y) order.

    Attributes
    ----------
    nodes
        [T, rows, columns, 2].
    velocity
        As nodes: by how much they moved last.
    light
        [T, 3, r, c]: factors on a coarse grid over each frame, 1 where the atlas is as bright as the frame.
    atlas, weight
        [3, Ha, Wa] and [1, Ha, Wa]: the picture, and how much was splatted on each texel. A pixel sees the mean of the
        picture over its own side.
    scale, origin
        Texels a canvas pixel, and the canvas position of the atlas's corner.
    """

    PARTS = ("nodes", "velocity", "light", "atlas", "weight", "origin")  # what a fit changes

    def __init__(self, name: LayerName, maps: np.ndarray, size: Size, device: torch.device | None = None) -> None:
        """maps [T, 3, 3]: from each frame's pixels to the canvas; size, of the clip's own frame."""
        self.name, self.size, self.stride, self.device = name, size, STRIDE, device
        places = coords.pixel_mesh(LatticeWarp.shape(size, STRIDE), STRIDE, -STRIDE, device)
        places = torch.cat([places, torch.ones_like(places[..., :1])], -1)
        mapped = torch.einsum("tij,rcj->trci", torch.from_numpy(maps).float().to(places.device), places)
        self.nodes = mapped[..., :2] / mapped[..., 2:]
        self.velocity = torch.zeros_like(self.nodes)
        self.light = self.nodes.new_ones(len(maps), 3, 1, 1)
        self.scale, self.origin = 1.0, self.nodes.new_zeros(2)
        self.atlas, self.weight = self.nodes.new_zeros(3, 1, 1), self.nodes.new_zeros(1, 1, 1)
        self._bases: dict[tuple[Size, int], tuple[Tensor, Tensor]] = {}

    @property
    def atlas_size(self) -> Size:
        """Height and width of the atlas."""
        return self.atlas.shape[1], self.atlas.shape[2]

    @property
    def coverage(self) -> Tensor:
        """1 where some frame sees the texel, 0 elsewhere, [1, Ha, Wa]."""
        return (self.weight > SEEN).float()

    @property
    def observations(self) -> float:
        """How many pixels see a texel, on average over those that are seen at all."""
        return float(self.weight.sum() / self.coverage.sum().clamp(min=1))

    def bases(self, size: Size, pooled: int = 1) -> tuple[Tensor, Tensor]:
        """Cubic weights [H, rows] and [W, columns] of the nodes at the pixels of frames of `size`, or of each square
        of `pooled` by `pooled` of them."""
        if (size, pooled) not in self._bases:
            rows, columns = (
                coords.cubic_weights(
                    coords.pixel_centres(0, -(-side // pooled), side / pooled, own, self.device) / self.stride + 1,
                    count,
                )
                for side, own, count in zip(size, self.size, self.nodes.shape[1:3], strict=True)
            )
            self._bases[size, pooled] = rows, columns
        return self._bases[size, pooled]

    def _bases_of(self, size: Size, region: Region, pooled: int) -> tuple[Tensor, Tensor]:
        rows, columns = self.bases(size, pooled)
        top, left, bottom, right = region
        return rows[top // pooled : -(-bottom // pooled)], columns[left // pooled : -(-right // pooled)]

    def spread(self, values: Tensor, size: Size, region: Region, pooled: int = 1) -> Tensor:
        """Lattice values [n, rows, columns, 2] -> [n, 2, h, w] at the pixels of a region of frames of `size`."""
        rows, columns = self._bases_of(size, region, pooled)
        return rows @ values.permute(0, 3, 1, 2) @ columns.T

    def gather(self, pixels: Tensor, size: Size, region: Region, pooled: int = 1) -> Tensor:
        """The adjoint of `spread`: [n, 2, h, w] -> [n, rows, columns, 2]."""
        rows, columns = self._bases_of(size, region, pooled)
        return (rows.T @ pixels @ columns).permute(0, 2, 3, 1)

    def refined(self, stride: int) -> None:
        """Continue on a finer lattice."""
        rows, columns = (
            coords.cubic_weights(((torch.arange(count, device=self.device) - 1.0) * stride) / self.stride + 1, own)
            for count, own in zip(LatticeWarp.shape(self.size, stride), self.nodes.shape[1:3], strict=True)
        )
        self.nodes = torch.einsum("hy,nyxc,wx->nhwc", rows, self.nodes, columns)
        self.velocity = torch.zeros_like(self.nodes)
        self.stride = stride
        self._bases.clear()

    def move(self, step: Tensor, momentum: float, farthest_px: float) -> None:
        """Move the nodes by a step, going on a little as they moved before (Polyak 1964)."""
        self.velocity = (step + momentum * self.velocity).clamp(-farthest_px, farthest_px)
        self.nodes = self.nodes + self.velocity

    def place_window(self, shown: Tensor, scale: float) -> None:
        """Choose the part of the canvas that the atlas holds, at `scale` texels a canvas pixel.

        shown, bool [T, H, W], says where the layer is seen. A frame that lies far from all others does not count: one
        wild map would take the texels of all.
        """
        size = (shown.shape[1], shown.shape[2])
        spans = []
        for frame in range(len(shown)):
            places = self.spread(self.nodes[frame : frame + 1], size, (0, 0, *size))[0][:, shown[frame]]
            if places.numel():
                spans.append(torch.stack([places.amin(1), places.amax(1)]))
        ends = torch.stack(spans)  # [n, 2, 2]: low and high of each frame
        away = (ends - ends.median(0).values).abs().amax((1, 2))
        reach = (ends[:, 1] - ends[:, 0]).amax(1).median() + away.median()
        kept = ends[away <= WILD * reach]
        low, high = kept[:, 0].amin(0) - MARGIN_PX, kept[:, 1].amax(0) + MARGIN_PX
        self.scale, self.origin = min(scale, LARGEST / (high - low).max().item()), low
        width, height = ((high - low) * self.scale).ceil().long().tolist()
        self.atlas = self.nodes.new_zeros(3, height, width)

    def texels(self, frames: Sequence[int], size: Size, region: Region) -> Tensor:
        """[n, h, w, 2]: where the pixels of a region lie on the atlas."""
        return self.to_texels(self.spread(self.nodes[list(frames)], size, region).permute(0, 2, 3, 1))

    def to_texels(self, canvas: Tensor) -> Tensor:
        """Canvas positions [..., 2] -> texels of the atlas."""
        return (canvas - self.origin) * self.scale - 0.5

    def look(self, picture: Tensor, texels: Tensor) -> Tensor:
        """An atlas-shaped picture [C, Ha, Wa] at texels [n, h, w, 2] -> [n, C, h, w]."""
        count, height, width, _ = texels.shape
        grid = coords.pixel_to_unit(texels, self.atlas_size).reshape(1, -1, width, 2)
        # Three planes at a time: what many show at a place does not fit a cache together.
        seen = [
            F.grid_sample(planes[None], grid, padding_mode="border", align_corners=False)[0]
            for planes in picture.split(3)
        ]
        return torch.cat(seen).reshape(-1, count, height, width).transpose(0, 1)

    def seen(self, picture: Tensor) -> Tensor:
        """What pixels see of an atlas-shaped picture [C, Ha, Wa]: its mean over a pixel's side. Its own adjoint."""
        return pixel_mean(picture, self.scale)

    def with_slopes(self) -> Tensor:
        """The atlas as pixels see it and its central differences along x and y, a canvas pixel: [9, Ha, Wa]."""
        picture = self.seen(self.atlas)
        across = F.pad((picture[:, :, 2:] - picture[:, :, :-2]) / 2, (1, 1))
        down = F.pad((picture[:, 2:] - picture[:, :-2]) / 2, (0, 0, 1, 1))
        return torch.cat([picture, across * self.scale, down * self.scale])

    def lights(self, frames: Sequence[int], size: Size, region: Region) -> Tensor:
        """The light's factors at the pixels of a region of frames, [n, 3, h, w]."""
        return spread_light(self.light[list(frames)], size, region)

    def take(self, total: Tensor) -> None:
        """Make the atlas from what was splatted, [4, Ha, Wa]: colours times weights, and weights.

        What no frame sees is a smooth continuation.
        Pixels further apart than texels leave gaps between them: each is spread over a pixel's side.
        """
        maps = self.seen(total)
        self.weight = maps[3:]
        self.atlas = fill_missing(maps[:3] / self.weight.clamp(min=1e-4), self.coverage)

    def continued(self) -> Tensor:
        """The atlas, with what no frame sees continued anew from texels a little inside: the rim's are mixtures."""
        side = 2 * RIM_TEXELS + 1
        inside = 1 - F.max_pool2d(1 - self.coverage[None], side, 1, RIM_TEXELS)[0]
        return torch.lerp(fill_missing(self.atlas, inside), self.atlas, self.coverage)

    def as_layer(self) -> Layer:
        """The layer that was fitted."""
        uv = coords.pixel_to_unit(self.to_texels(self.nodes), self.atlas_size)
        warp = LatticeWarp(uv, self.stride, self.size)
        return Layer(self.name, self.continued(), self.coverage, warp, self.light, self.scale)
