"""A video frame by frame, beside what it was made from and a mask of what was to be changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .read import Video

ASPECT = 0.02  # by how much the shape of another video's frames may differ
CHUNK = 8  # frames decoded at a time
WHITE = 128  # and above: marked by a mask


def check_together(video: Video, source: Video | None, mask: Video | None) -> None:
    """Raise InputError where a source or masks do not fit the video."""
    if source and source.frame_count != video.frame_count:
        raise InputError(
            f"the source has {source.frame_count} frames and the video {video.frame_count}; give the part that it was "
            "made from."
        )
    if mask and mask.frame_count not in (1, video.frame_count):
        raise InputError(
            f"there are {mask.frame_count} masks for {video.frame_count} frames; give one for each, or one."
        )
    for name, other in (("source", source), ("mask", mask)):
        if other and not same_shape(other.size, video.size):
            sizes = [f"{size[1]}x{size[0]}" for size in (other.size, video.size)]
            raise InputError(f"the {name} is {sizes[0]}, which does not fit a video of {sizes[1]}.")


def same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one (height, width) is the other at another scale."""
    return abs(size[1] / size[0] * other[0] / other[1] - 1) <= ASPECT


def together(
    video: Video, source: Video | None, mask: Video | None, size: tuple[int, int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray | None]]:
    """Each frame, the source's (uint8 [H, W, 3]), and where nothing should have changed (bool [H, W]).

    All at one size (height, width), the video's own by default. A mask of one frame serves all.
    """
    size = size or video.size
    originals = pictures(source, size) if source else None
    for frame, keep in zip(pictures(video, size), keeps(mask, size, range(video.frame_count)), strict=True):
        yield frame, next(originals) if originals else None, keep


def keeps(mask: Video | None, size: tuple[int, int], order: Sequence[int]) -> Iterator[np.ndarray | None]:
    """For frames in this order, where nothing should have changed, bool [H, W]; None where there is no mask."""
    if mask is None or mask.frame_count == 1:
        whole = None if mask is None else next(pictures(mask, size)).max(2) < WHITE
        yield from (whole for _ in order)
    else:
        yield from (picture.max(2) < WHITE for picture in pictures(mask, size, order))


def float_pictures(video: Video, size: tuple[int, int], order: Sequence[int] | None = None) -> Iterator[Tensor]:
    """The same as `pictures`, as tensors [1, 3, H, W] in [0, 1]."""
    for picture in pictures(video, size, order):
        yield torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def pictures(video: Video, size: tuple[int, int], order: Sequence[int] | None = None) -> Iterator[np.ndarray]:
    """Frames, uint8 [H, W, 3], averaged to a size; all of them, or those named, in this order."""
    own = video.part(0, video.frame_count)  # a reader of its own: two walks through one clip do not disturb each other
    smaller = size if size[0] <= video.height and size[1] <= video.width else None
    order = range(video.frame_count) if order is None else order
    for begin in range(0, len(order), CHUNK):
        for picture in own.frames(order[begin : begin + CHUNK], smaller).permute(0, 2, 3, 1).numpy():
            if smaller:
                yield np.ascontiguousarray(picture)
            else:
                yield cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
