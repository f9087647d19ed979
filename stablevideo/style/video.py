"""A style picture -> every frame of a video in its look, frame by frame, without colours that pump."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from ..deflicker.scenes import scene_starts
from ..options import StyleOptions
from ..progress import Progress, quiet, within
from ..video.ahead import ahead
from ..video.read import Video
from .finish import Finish
from .paint import Painter
from .sct import Moments

CUTS_FOUND = 0.1  # of the time, about, when it is known where scenes begin


def stylize(
    video: Video, painter: Painter, options: StyleOptions | None = None, progress: Progress = quiet
) -> Iterator[Tensor]:
    """Frames of a video in the style that a painter has in hand: [1, 3, H, W] in [0, 1], one by one.

    What a frame is like on the whole, to which its features are normalised, is averaged over the time before it, within
    its scene: otherwise all colours change when something bright comes into the picture.
    """
    options = options or StyleOptions()
    smooth = options.smoothing_s > 0 and video.frame_count > 1
    starts = set(scene_starts(video, within(progress, 0, CUTS_FOUND))) if smooth else set[int]()
    told = within(progress, CUTS_FOUND if smooth else 0, 1)
    kept = math.exp(-1 / (options.smoothing_s * float(video.fps))) if smooth else 0.0
    strengths = strength_of_frames(options, video.frame_count)
    known: tuple[list[Moments], Finish] | None = None
    for number, frame in enumerate(ahead(video.chunks(1))):
        seen = painter.see(frame[0].float() / 255)
        before = None if number in starts else known
        moments = smoothed(seen.moments, before[0], kept) if before else seen.moments
        strokes = painter.strokes(seen, moments)
        finish = painter.finish(seen, strokes)
        finish = finish.mixed(before[1], kept) if before else finish
        known = moments, finish
        yield painter.finished(seen, strokes, finish, strengths[number], options.keep_colours)[None]
        told((number + 1) / video.frame_count, f"frame {number + 1} of {video.frame_count}")


def strength_of_frames(options: StyleOptions, frame_count: int) -> list[float]:
    """The strength of each frame: linear between those given, constant before and after them."""
    frames, strengths = zip(*options.strengths(), strict=True)
    return np.interp(np.arange(frame_count), frames, strengths).tolist()


def smoothed(own: Sequence[Moments], before: Sequence[Moments], kept: float) -> list[Moments]:
    """A frame's moments at each level, with so much of the average before it."""
    return [one.mixed(other, kept) for one, other in zip(own, before, strict=True)]
