"""Two videos beside each other in one, to be compared by eye; and a few frames that stand for a whole clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .read import Video
from .together import pictures

HALF_PX = 960  # the longer side of each half, at the most
DIVIDER_PX = 4  # even, as the halves are: an odd width would be written with a column more
FEW = 12


def side_by_side(
    left: Video, right: Video, left_frames: Sequence[int] | None = None, right_frames: Sequence[int] | None = None
) -> Iterator[Tensor]:
    """Frames of two videos beside each other, a white line between them: uint8 [1, 3, H, 2W + 4], one by one.

    All frames, of which there must be as many in both, or those named. Both halves have the left one's shape.
    """
    size = _even(left.size, HALF_PX)
    line = np.full((size[0], DIVIDER_PX, 3), 255, np.uint8)
    for halves in zip(pictures(left, size, left_frames), pictures(right, size, right_frames), strict=True):
        yield torch.from_numpy(np.concatenate([halves[0], line, halves[1]], 1)).permute(2, 0, 1)[None]


def spread_frames(frame_count: int, most: int = FEW) -> tuple[int, ...]:
    """Numbers of frames at even distances, the first and the last among them; all of a short clip."""
    return tuple(dict.fromkeys(np.linspace(0, frame_count - 1, most).round().astype(int).tolist()))


def thumbnails(video: Video, frames: Sequence[int], side_px: int) -> list[np.ndarray]:
    """Those frames, uint8 [H, W, 3], their longer side at most `side_px`."""
    return list(pictures(video, _even(video.size, side_px), frames))


def _even(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The same shape, (height, width), both even, no side over `longest`."""
    scale = min(1.0, longest / max(size))
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width
