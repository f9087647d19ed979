"""What the published networks have to give for a decomposed clip, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..layers.matte import shares
from ..video.pictures import to_uint8

FRAMES_AT_ONCE = 8
CANVAS_SHARE = 0.8  # of the canvas that a layer fills at most, as the published uv_mapping_scale
# A frame's pixel on the canvas is no larger than the finest sine of the atlas network: with its pixels further apart,
# the network would be free to be anything between them.
LARGEST_PIXEL = 0.008
SEEN_SHARE = 0.1  # a layer's map matters at a pixel from this share on
NEAR_PX = 4  # and this far around: the loader interpolates across
FAR_WEIGHT = 0.03  # of a map elsewhere


@dataclass(frozen=True)
class Targets:
    """What the networks have to give, and where.

    Attributes
    ----------
    pictures, alpha
        uint8 [T, 3, H, W] and [T, H, W].
    nodes, strides, pixels
        By layer: the lattice on the networks' canvas, [T, rows, columns, 2]; frame pixels between nodes; how far a
        pixel of the frame moves on the canvas.
    near
        By layer: bool [T, H, W], where its map matters.
    edges
        int64 [n]: the pixels around the matte's edges, counted through all frames.
    device
        Where what is drawn goes; it is drawn from on the CPU.
    """

    pictures: Tensor
    alpha: Tensor
    nodes: dict[LayerName, Tensor]
    strides: dict[LayerName, int]
    pixels: dict[LayerName, float]
    near: dict[LayerName, Tensor]
    edges: Tensor
    boxes: Tensor
    random: torch.Generator
    device: torch.device

    @classmethod
    def of(cls, clip: LayeredVideo, seed: int, device: torch.device) -> Targets:
        """Read a clip's frames, matte and maps; place each layer on the canvas as large as it may be."""
        pictures, alpha, edges = [], [], []
        near: dict[LayerName, list[Tensor]] = {name: [] for name in LAYER_NAMES}
        for chunk in torch.arange(clip.frame_count).split(FRAMES_AT_ONCE):
            matte = clip.alpha(chunk.tolist()).cpu()
            pictures.append(to_uint8(clip.source(chunk.tolist()).cpu()))
            alpha.append(to_uint8(matte)[:, 0])
            for name, share in shares(matte).items():
                near[name].append(_widened(share > SEEN_SHARE, NEAR_PX)[:, 0])
            edge = _widened((matte > 0.01) & (matte < 0.99), 3)
            edges.append(edge.flatten().nonzero()[:, 0] + chunk[0] * matte[0].numel())
        placed = {name: _place(clip, name) for name in LAYER_NAMES}
        return cls(
            torch.cat(pictures),
            torch.cat(alpha),
            {name: nodes for name, (nodes, _) in placed.items()},
            {name: clip.layer(name).warp.stride for name in LAYER_NAMES},
            {name: pixel for name, (_, pixel) in placed.items()},
            {name: torch.cat(parts) for name, parts in near.items()},
            torch.cat(edges),
            clip.matte.boxes,
            torch.Generator().manual_seed(seed),
            device,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.alpha.shape[1], self.alpha.shape[2]

    def video(self, frame: Tensor, xy: Tensor) -> Tensor:
        """Frames [n] and pixels [n, 2] -> the networks' input [n, 3]."""
        return coords.pixel_to_video(xy.float(), frame.float(), self.size, len(self.alpha))

    def map_batch(self, name: LayerName, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Places between pixels as well -> network inputs [n, 3], canvas [n, 2], weights [n, 1].

        Most of the foreground's lie in the box around the object.
        """
        height, width = self.size
        frame = torch.randint(len(self.alpha), (64,), generator=self.random)
        low, high = torch.zeros(64, 1, 2), torch.tensor([width - 1.0, height - 1.0]).repeat(64, 1, 1)
        if name == "foreground":
            box = self.boxes[frame[:56]].float()
            low[:56, 0], high[:56, 0] = box[:, [1, 0]] - 2 * NEAR_PX, box[:, [3, 2]] + 2 * NEAR_PX
        xy = low + (high - low) * torch.rand(64, count // 64, 2, generator=self.random)
        x, y = xy[..., 0].round().long().clamp(0, width - 1), xy[..., 1].round().long().clamp(0, height - 1)
        frames = frame[:, None].expand(x.shape)
        weights = torch.where(self.near[name][frames, y, x], 1.0, FAR_WEIGHT)
        canvas = self._canvas(name, frame, xy)
        video = self.video(frames.flatten(), xy.flatten(0, 1))
        return video.to(self.device), canvas.to(self.device), weights.view(-1, 1).to(self.device)

    def _canvas(self, name: LayerName, frame: Tensor, xy: Tensor) -> Tensor:
        """The lattice at pixels xy [f, m, 2] of frames [f] -> [f * m, 2], kept within reach of a tanh."""
        nodes = self.nodes[name][frame]
        places = xy / self.strides[name] + 1
        across, down = (
            coords.cubic_weights(places[..., axis].flatten(), count).view(*xy.shape[:2], count)
            for axis, count in ((0, nodes.shape[2]), (1, nodes.shape[1]))
        )
        rows = (down @ nodes.flatten(2)).unflatten(2, nodes.shape[2:])
        return (rows * across[..., None]).sum(2).flatten(0, 1).clamp(-0.97, 0.97)

    def alpha_batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Network inputs [n, 3] and alpha [n]; half of them around the matte's edges, where there are any."""
        anywhere = torch.randint(self.alpha.numel(), (count,), generator=self.random)
        if len(self.edges):
            picked = torch.randint(len(self.edges), (count // 2,), generator=self.random)
            anywhere[: count // 2] = self.edges[picked]
        video, _, alpha = self._at(anywhere)
        return video, alpha

    def pixel_batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Network inputs [n, 3], colours [n, 3] and alpha [n] of pixels of any frame."""
        return self._at(torch.randint(self.alpha.numel(), (count,), generator=self.random))

    def _at(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = self.size
        frame, y, x = index // (height * width), index // width % height, index % width
        colours, alpha = self.pictures[frame, :, y, x].to(self.device), self.alpha[frame, y, x].to(self.device)
        return self.video(frame, torch.stack([x, y], 1)).to(self.device), colours.float() / 255, alpha.float() / 255


def _widened(mask: Tensor, reach_px: int) -> Tensor:
    return F.max_pool2d(mask.float(), 2 * reach_px + 1, 1, reach_px) > 0


def _place(clip: LayeredVideo, name: LayerName) -> tuple[Tensor, float]:
    """A layer's nodes on the canvas, [T, rows, columns, 2], and how far a pixel moves there."""
    layer = clip.layer(name)
    lows, highs = [], []
    for frame in range(clip.frame_count):
        share = shares(clip.alpha([frame])[0, 0].cpu())[name]
        uv = layer.uv([frame], clip.size)[0].cpu()[share > SEEN_SHARE]
        if len(uv):
            lows.append(uv.amin(0))
            highs.append(uv.amax(0))
    if not lows:
        raise InputError(f"the {name} covers no pixel of {clip.name}; there is nothing to fit a network to.")
    low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
    half = torch.tensor(layer.size[::-1]) / 2  # texels: the same scale both ways keeps pixels square
    step = layer.warp.texels_per_pixel(layer.size)
    scale = min(CANVAS_SHARE / ((high - low) / 2 * half).max().item(), LARGEST_PIXEL / step)
    return (layer.warp.nodes_of(range(clip.frame_count)).cpu() - (low + high) / 2) * half * scale, step * scale
