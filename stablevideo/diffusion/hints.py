"""Hints: what a ControlNet follows. Each maker takes a picture of any size and the size of the hint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..metrics import luma
from ..options import DiffusionOptions, HintKind
from ..video.pictures import resample, resize, to_uint8
from .depth import DepthModel, load_depth
from .lines import LineArt, SoftEdges, load_lines

# picture [3, h, w] in [0, 1], (height, width) -> hint [3, height, width] in [0, 1]
HintMaker = Callable[[Tensor, tuple[int, int]], Tensor]

COLOURED: tuple[HintKind, ...] = ("picture", "tile")  # the others are grey


@dataclass(frozen=True)
class Hint:
    """One hint for one picture.

    Attributes
    ----------
    kind
        What it shows.
    picture
        [3, h, w] in [0, 1], sides divisible by 8: also the size of what is painted.
    strength
        How strictly it is followed.
    """

    kind: HintKind
    picture: Tensor
    strength: float = 1.0


# picture [3, h, w] in [0, 1], (height, width) -> all hints of it, at that size
HintsMaker = Callable[[Tensor, tuple[int, int]], list[Hint]]


def common_size(hints: Sequence[Hint]) -> tuple[int, int]:
    """(height, width) of all hints of a picture. Raises InputError where there are none, or of several sizes."""
    sizes = {(each.picture.shape[1], each.picture.shape[2]) for each in hints}
    if len(sizes) != 1:
        raise InputError(f"a picture follows one hint or several of one size, got sizes {sorted(sizes)}.")
    return sizes.pop()


@dataclass
class HintMakers:
    """Makes hints of every kind. Networks are loaded once, when first needed, and lie on the CPU between uses.

    `ckpt` is where they are looked for, `device` where they work.
    """

    ckpt: Path
    device: torch.device
    _depth: DepthModel | None = None
    _lines: dict[HintKind, SoftEdges | LineArt] = field(default_factory=dict)

    def of(self, kind: HintKind, options: DiffusionOptions) -> HintMaker:
        """What makes the hints of that kind. Raises InputError where its network cannot be had."""
        if kind == "canny":
            return canny(options.canny_low, options.canny_high)
        if kind == "brightness":
            return brightness
        if kind in COLOURED:
            return resample
        if kind == "depth":
            self._depth = self._depth or load_depth(self.ckpt)
            return depth(self._depth, options.depth_resolution, self.device)
        if kind not in self._lines:
            self._lines[kind] = load_lines(kind, self.ckpt)
        return lines(self._lines[kind], self.device)


def canny(low: int, high: int) -> HintMaker:
    """Edges by Canny (1986), white on black, with the two thresholds in grey levels; found at the hint's size."""

    def make(picture: Tensor, size: tuple[int, int]) -> Tensor:
        pixels = to_uint8(resample(picture, size)).permute(1, 2, 0).cpu().numpy()
        edges = cv2.Canny(np.ascontiguousarray(pixels), low, high)
        return (torch.from_numpy(edges) / 255.0).expand(3, -1, -1).to(picture.device)

    return make


def depth(model: DepthModel, resolution: int, device: torch.device) -> HintMaker:
    """Relative depth, near is white: estimated from all that the picture shows, then scaled to the hint's size."""

    def make(picture: Tensor, size: tuple[int, int]) -> Tensor:
        nearness = model.nearness(picture, resolution, device)
        return resize(nearness[None], size)[0].expand(3, -1, -1).to(picture.device)

    return make


def brightness(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture in grey."""
    return luma(resample(picture, size)[None]).expand(3, -1, -1)


def lines(network: SoftEdges | LineArt, device: torch.device) -> HintMaker:
    """Lines that a network draws, white on black; found at the hint's size. It is on `device` as long as this takes."""

    @torch.inference_mode()
    def make(picture: Tensor, size: tuple[int, int]) -> Tensor:
        try:
            drawn = network.to(device)(resample(picture, size)[None].to(device))
        finally:
            network.to("cpu")
        return drawn[0].expand(3, -1, -1).to(picture.device)

    return make
