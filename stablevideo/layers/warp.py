"""Warps and mattes as a clip stores them: uv on a coarse lattice, alpha as packed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from . import coords

STEPS, HALF = 65535, 32768  # of 16-bit integers

# Rows and columns of a region of a rendered frame: top, left, bottom, right, in its own pixels.
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class LatticeWarp:
    """uv known on a lattice over each frame, cubic between its nodes.

    Attributes
    ----------
    nodes
        [T, rows, columns, 2], uv in [-1, 1] over the atlas picture, (x, y) order; or, packed, int16 steps from `low`
        in units of `step`, both [2], counted from the smallest int16: half the memory, 0.02 texels of 2000 exact.
    stride
        Pixels of the clip's own frame between two nodes.
    size
        (height, width) of the clip's own frame. Node (0, 0) lies one stride above and left of pixel (0, 0).
    """

    nodes: Tensor
    stride: int
    size: tuple[int, int]
    low: Tensor | None = None
    step: Tensor | None = None

    def packed(self) -> "LatticeWarp":
        """The same in 16-bit integers."""
        if self.low is not None:
            return self
        low, high = self.nodes.flatten(0, 2).aminmax(dim=0)
        step = ((high - low) / STEPS).clamp(min=1e-9)
        steps = ((self.nodes - low) / step).round().clamp(0, STEPS)
        return LatticeWarp((steps - HALF).short(), self.stride, self.size, low, step)

    def to(self, device: torch.device) -> "LatticeWarp":
        """The same on a device."""
        low, step = (part if part is None else part.to(device) for part in (self.low, self.step))
        return LatticeWarp(self.nodes.to(device), self.stride, self.size, low, step)

    def nodes_of(self, frames: Sequence[int]) -> Tensor:
        """uv at the nodes of some frames, float32 [n, rows, columns, 2]."""
        nodes = self.nodes[list(frames)]
        if self.low is None or self.step is None:
            return nodes
        return (nodes.float() + HALF) * self.step + self.low

    def resampled(self, stride: int) -> "LatticeWarp":
        """The same map on a coarser lattice, not packed."""
        shape = self.shape(self.size, stride)
        rows, columns = (
            coords.cubic_weights_beyond((torch.arange(count) - 1.0) * (stride / self.stride) + 1, own)
            for count, own in zip(shape, self.nodes.shape[1:3], strict=True)
        )
        rows, columns = rows.to(self.nodes.device), columns.to(self.nodes.device)
        frames = range(len(self.nodes))
        found = [torch.einsum("hy,yxc,wx->hwc", rows, self.nodes_of([frame])[0], columns) for frame in frames]
        return LatticeWarp(torch.stack(found), stride, self.size)

    @staticmethod
    def shape(size: tuple[int, int], stride: int) -> tuple[int, int]:
        """Rows and columns of a lattice that covers a frame and one stride around it."""
        return -(-(size[0] - 1) // stride) + 3, -(-(size[1] - 1) // stride) + 3

    def uv(self, frames: Sequence[int], size: tuple[int, int], region: Region | None = None) -> Tensor:
        """uv of every pixel of `frames` at `size`, or of a region of it -> [n, H, W, 2] in [-1, 1].

        A region may reach outside the frame, by one stride of the clip's own pixels at most.
        """
        top, left, bottom, right = region or (0, 0, *size)
        nodes = self.nodes_of(frames)
        rows = self._weights(0, top, bottom, size[0])
        columns = self._weights(1, left, right, size[1])
        wide = torch.einsum("nyxc,wx->nywc", nodes, columns)
        return torch.einsum("hy,nywc->nhwc", rows, wide)

    def _weights(self, axis: int, first: int, last: int, count: int) -> Tensor:
        pixels = coords.pixel_centres(first, last, count, self.size[axis], self.nodes.device)
        return coords.cubic_weights(pixels / self.stride + 1, self.nodes.shape[1 + axis])

    def texels_per_pixel(self, atlas_size: tuple[int, int]) -> float:
        """The median distance in texels between neighbouring pixels of the clip's own frame, over a few frames."""
        few = range(0, len(self.nodes), max(1, len(self.nodes) // 3))
        texels = coords.uv_to_texel(self.nodes_of(few), atlas_size)
        across = (texels[:, :, 1:] - texels[:, :, :-1]).norm(dim=-1).flatten()
        down = (texels[:, 1:] - texels[:, :-1]).norm(dim=-1).flatten()
        return torch.cat([across, down]).median().item() / self.stride
