"""One edited keyframe: what was painted, and how well an atlas gives it back."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers.layer import Layer
from ..layers.warp import Region
from ..video.pictures import resize, to_uint8


@dataclass(frozen=True)
class Keyframe:
    """An edited keyframe. Its pictures are kept as bytes on the CPU, since an edit may have many.

    Attributes
    ----------
    frame, region
        Which frame, and which part of it (top, left, bottom, right, in the clip's pixels).
    pictures
        uint8 [10, h, w]: before, after, hint (the first, of several) and alpha, at the size that was painted.
    """

    frame: int
    region: Region
    pictures: Tensor

    @classmethod
    def pack(cls, frame: int, region: Region, before: Tensor, hint: Tensor, after: Tensor, alpha: Tensor) -> "Keyframe":
        """Keep pictures [3, h, w] in [0, 1], the hint among them, and alpha [1, h, w]."""
        parts = (to_uint8(part).cpu() for part in (before, after, hint, alpha))
        return cls(frame, region, torch.cat(list(parts)))

    @property
    def before(self) -> Tensor:
        """The region as it was -> [3, h, w] in [0, 1]."""
        return self.pictures[:3] / 255

    @property
    def after(self) -> Tensor:
        """The region as painted -> [3, h, w] in [0, 1]."""
        return self.pictures[3:6] / 255

    @property
    def hint(self) -> Tensor:
        """What the painting followed -> [3, h, w] in [0, 1]."""
        return self.pictures[6:9] / 255

    @property
    def alpha(self) -> Tensor:
        """How much of each pixel is the layer's -> [1, h, w] in [0, 1]."""
        return self.pictures[9:] / 255

    def at_clip_size(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """`after` and `alpha` at the clip's own resolution, on a device."""
        top, left, bottom, right = self.region
        small = resize((self.pictures[3:] / 255)[None].to(device), (bottom - top, right - left))[0]
        return small[:3], small[6:]


def reconstruction_error(layer: Layer, size: tuple[int, int], atlas: Tensor, keyframes: Sequence[Keyframe]) -> float:
    """Mean absolute difference between the edited keyframes and the atlas seen in their frames, in [0, 1]."""
    errors = []
    for keyframe in keyframes:
        seen = layer.sample(atlas, [keyframe.frame], size, keyframe.region)[0]
        after, alpha = keyframe.at_clip_size(seen.device)
        errors.append(((seen - after).abs() * alpha).sum() / alpha.sum().clamp(min=1) / 3)
    return torch.stack(errors).mean().item()
