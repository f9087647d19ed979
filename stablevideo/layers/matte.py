"""Alpha as a clip stores it: packed pictures, kilobytes a frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .coords import LayerName
from .warp import Region


def shares(alpha: Tensor) -> dict[LayerName, Tensor]:
    """How much of each pixel is whose, by layer, where alpha of it is the foreground's. The one place that says so."""
    return {"foreground": alpha, "background": 1 - alpha}


@dataclass(frozen=True)
class Matte:
    """Alpha of every frame at the clip's own size, each packed as a grey PNG: kilobytes a frame.

    Attributes
    ----------
    packed
        uint8, all PNGs one behind the other; frame i is `packed[offsets[i]:offsets[i + 1]]`.
    offsets
        int64 [T + 1].
    boxes
        int64 [T, 4]: the region (top, left, bottom, right) outside which alpha is 0.
    size
        (height, width) of the clip's own frame.
    """

    packed: Tensor
    offsets: Tensor
    boxes: Tensor
    size: tuple[int, int]

    @classmethod
    def pack(cls, alphas: Sequence[Tensor]) -> "Matte":
        """Pack alphas, each [H, W] in [0, 1], on the CPU."""
        pictures, boxes = [], []
        for alpha in alphas:
            picture = (alpha * 255).round().to(torch.uint8).numpy()
            rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
            empty = len(rows) == 0
            boxes.append([0] * 4 if empty else [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
            pictures.append(cv2.imencode(".png", picture)[1].ravel())
        offsets = np.cumsum([0, *(len(picture) for picture in pictures)])
        return cls(
            torch.from_numpy(np.concatenate(pictures)),
            torch.from_numpy(offsets),
            torch.tensor(np.array(boxes), dtype=torch.int64),
            (alphas[0].shape[0], alphas[0].shape[1]),
        )

    def alpha(self, frames: Sequence[int], size: tuple[int, int]) -> Tensor:
        """Alpha of `frames` at `size` -> [n, 1, H, W] in [0, 1], on the CPU."""
        pictures = []
        for frame in frames:
            packed = self.packed[self.offsets[frame] : self.offsets[frame + 1]].numpy()
            pictures.append(np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)))
        alpha = torch.from_numpy(np.stack(pictures))[:, None].float() / 255
        if tuple(size) == self.size:
            return alpha
        return F.interpolate(alpha, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)

    def region(self, frames: Sequence[int], size: tuple[int, int]) -> Region | None:
        """The region of a frame at `size` outside which alpha is 0 in all of `frames`; None where it is 0
        everywhere."""
        boxes = self.boxes[list(frames)]
        boxes = boxes[boxes[:, 2] > boxes[:, 0]]
        if not len(boxes):
            return None
        top, left = boxes[:, :2].amin(0).tolist()
        bottom, right = boxes[:, 2:].amax(0).tolist()
        (scale_y, scale_x), margin = (size[0] / self.size[0], size[1] / self.size[1]), 2
        return (
            max(0, int((top - 1) * scale_y) - margin),
            max(0, int((left - 1) * scale_x) - margin),
            min(size[0], int((bottom + 1) * scale_y) + margin),
            min(size[1], int((right + 1) * scale_x) + margin),
        )
