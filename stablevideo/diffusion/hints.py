"""Hints: what a ControlNet follows. Each maker takes a picture of any size and the size of the hint."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from ..video.pictures import resample, resize, to_uint8
from .depth import DepthModel

# picture [3, h, w] in [0, 1], (height, width) -> hint [3, height, width] in [0, 1]
HintMaker = Callable[[Tensor, tuple[int, int]], Tensor]


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
