"""Frames made steady by the mean along motion: each with its neighbours brought to it, where the motion can be trusted.

It takes out what flickers from frame to frame, at the price of some detail: what neighbours show is interpolated.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..video.flow import Search, agree, dense_inverse_search, warp
from ..video.read import Video
from ..video.together import pictures

REACH = 2  # frames to each side


def flow_mean(frames: Iterator[Tensor], guide: Video, reach: int = REACH) -> Iterator[Tensor]:
    """Steady frames, each [1, 3, h, w] in [0, 1], along the motion of the guide's.

    Neighbours up to `reach` away are looked up where the guide's flow from the frame points, and count as much as the
    frame itself where the flow there and back agree; elsewhere they have no say. So many frames are held at once.

    Raises ValueError where there are more or fewer frames than in the guide.
    """
    search = dense_inverse_search()
    held: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # the guide's picture and the frame, [h, w, 3] both
    done = 0
    for i, (frame, seen) in enumerate(_beside(frames, guide)):
        held[i] = seen, frame
        while done <= i - reach:
            yield _steadied(held, done, search)
            held.pop(done - reach, None)
            done += 1
    for rest in range(done, guide.frame_count):
        yield _steadied({k: v for k, v in held.items() if abs(k - rest) <= reach}, rest, search)


def _beside(frames: Iterator[Tensor], guide: Video) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each frame, float32 [h, w, 3], and the guide's at its size, uint8."""
    shown: Iterator[np.ndarray] | None = None
    for frame in frames:
        shown = shown or pictures(guide, (frame.shape[2], frame.shape[3]))
        if (seen := next(shown, None)) is None:
            raise ValueError(f"there are more frames than the {guide.frame_count} of the guide.")
        yield np.ascontiguousarray(frame[0].permute(1, 2, 0).float().cpu().numpy()), seen
    if shown is None or next(shown, None) is not None:
        raise ValueError(f"there are fewer frames than the {guide.frame_count} of the guide.")


def _steadied(held: dict[int, tuple[np.ndarray, np.ndarray]], index: int, search: Search) -> Tensor:
    """The mean of a frame and its neighbours, [1, 3, h, w]."""
    seen, frame = held[index]
    total, weight = frame.copy(), np.ones((*frame.shape[:2], 1), np.float32)
    for other, (theirs, neighbour) in held.items():
        if other != index:
            there = search(seen, theirs)
            trusted = agree(there, search(theirs, seen))[..., None]
            total += trusted * warp(neighbour, there)
            weight += trusted
    return torch.from_numpy(total / weight).permute(2, 0, 1)[None]
