"""A clip's frames, masks and flow at one size, made once for all turns of a level of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.warp import Region
from ..video.flow import ClipFlow

Size = tuple[int, int]
BAND_PX = 4  # the matte's edge may move this far from the mask's
ALIGN = 4  # a region's sides lie on multiples of this, so that its pixels can be pooled
AT_ONCE = 16  # frames that are resized at a time


@dataclass(frozen=True)
class ScaledFlow:
    """Flow from each frame to one neighbour, in pixels of the size it is at, and where it can be trusted.

    Attributes
    ----------
    vectors, valid
        float16 [T - 1, 2, H, W], and bool [T - 1, 1, H, W].
    """

    vectors: Tensor
    valid: Tensor

    @classmethod
    def of(cls, vectors: Tensor, valid: Tensor, size: Size) -> ScaledFlow:
        """Flow [T - 1, 2, h, w] and its trust [T - 1, 1, h, w], brought to a size."""
        own = (vectors.shape[2], vectors.shape[3])
        if own == size:
            return cls(vectors, valid)
        flows, trusted = [], []
        for part, sound in zip(vectors.split(AT_ONCE), valid.split(AT_ONCE), strict=True):
            flows.append((F.interpolate(part.float(), size, mode="area") * (size[0] / own[0])).half())
            trusted.append(F.interpolate(sound.float(), size, mode="area") > 0.9)
        return cls(torch.cat(flows), torch.cat(trusted))


@dataclass(frozen=True)
class ScaledClip:
    """What the turns of a level look at.

    Attributes
    ----------
    frames
        uint8 [T, 3, H, W].
    masks
        uint8 [T, 1, H, W]: how much of each pixel is marked as the object.
    forward, backward
        Flow from frame i to i + 1, and from i + 1 to i.
    boxes
        int64 [T, 4], on the CPU: top, left, bottom, right of what may be the object's; all 0 where nothing is.
    """

    frames: Tensor
    masks: Tensor
    forward: ScaledFlow
    backward: ScaledFlow
    boxes: Tensor

    @classmethod
    def of(cls, frames: Tensor, masks: Tensor, flow: ClipFlow, device: torch.device) -> ScaledClip:
        """The clip at its own size: frames uint8 [T, 3, H, W], masks bool [T, H, W]."""
        pairs = ((flow.forward, flow.forward_valid), (flow.backward, flow.backward_valid))
        there, back = (
            ScaledFlow(
                torch.from_numpy(vectors).to(device).permute(0, 3, 1, 2), torch.from_numpy(valid).to(device)[:, None]
            )
            for vectors, valid in pairs
        )
        shares = (masks.to(device)[:, None] * 255).byte()
        return cls(frames.to(device), shares, there, back, _boxes(masks))

    @property
    def size(self) -> Size:
        """Height and width of the frames."""
        return self.frames.shape[2], self.frames.shape[3]

    def at(self, size: Size) -> ScaledClip:
        """The same, smaller."""
        if size == self.size:
            return self
        scale = self.boxes.new_tensor([size[0] / self.size[0], size[1] / self.size[1]] * 2, dtype=torch.float32)
        forward, backward = (ScaledFlow.of(flow.vectors, flow.valid, size) for flow in (self.forward, self.backward))
        boxes = (self.boxes * scale).round().long()
        return ScaledClip(_smaller(self.frames, size), _smaller(self.masks, size), forward, backward, boxes)

    def window(self, frames: list[int]) -> Region:
        """The part of these frames that may show the object; a corner of them where none does."""
        boxes = self.boxes[frames]
        boxes = boxes[boxes[:, 2] > boxes[:, 0]]
        height, width = self.size
        if not len(boxes):
            return 0, 0, min(height, 2 * ALIGN), min(width, 2 * ALIGN)
        top, left = ((boxes[:, :2].amin(0) - BAND_PX - 1).clamp(min=0) // ALIGN * ALIGN).tolist()
        bottom, right = (-(-(boxes[:, 2:].amax(0) + BAND_PX + 1) // ALIGN) * ALIGN).tolist()
        return top, left, min(height, bottom), min(width, right)


def _boxes(masks: Tensor) -> Tensor:
    boxes = torch.zeros(len(masks), 4, dtype=torch.int64, device="cpu")
    for i, mask in enumerate(masks):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if len(rows):
            boxes[i] = torch.stack([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
    return boxes


def _smaller(pictures: Tensor, size: Size) -> Tensor:
    """uint8 [T, C, H, W] at a size, averaged."""
    parts = [F.interpolate(part.float(), size, mode="area").round().byte() for part in pictures.split(AT_ONCE)]
    return torch.cat(parts)
