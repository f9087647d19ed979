"""Colour drift taken out of a video, held to what it was made from, to frames of its own, or to a picture."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..options import ColorCorrectionOptions
from ..parse import parse_frames
from ..progress import Progress, quiet, within
from ..video.ahead import ahead
from ..video.read import Video
from ..video.together import check_together, pictures
from .drift import find_drift, settled
from .grade import Grade
from .maps import ColorMap, apply_tables
from .patch import Window, held, neutral, patch_window, white_window
from .reference import like_picture, like_source, like_statistics

ALIKE = 0.01  # maps of neighbouring frames that differ by much more than this are not averaged

Map = TypeVar("Map", ColorMap, Grade)


def calibrate(
    video: Video,
    reference: Video | None = None,
    mask: Video | None = None,
    options: ColorCorrectionOptions | None = None,
    progress: Progress = quiet,
) -> Iterator[Tensor]:
    """Frames of a video with its colour drift taken out: uint8 [1, 3, H, W], one by one.

    One map of low order a frame, found robustly on small pictures, so that what was changed on purpose stays changed.

    Parameters
    ----------
    reference
        What the video was made from, of as many frames: each frame gets the look of the same one. Or one picture: the
        frame `options.reference_frame` gets its look, and the others follow. None: that frame, or the frames
        `options.references`, are right, and the others are held to them along the motion.
    mask
        White where the video was changed on purpose: what is there is mapped, but has no say. Of one frame, or of as
        many as the video.

    Raises InputError where these do not fit each other, at once; with the first frame, where none can be compared.
    """
    options = options or ColorCorrectionOptions()
    if video.frame_count < 2:
        raise InputError(f"{video.path.name} has 1 frame; colours drift from frame to frame, so give at least 2.")
    picture = reference is not None and reference.frame_count == 1
    check_together(video, None if picture else reference, mask)
    named = options.references or str(options.reference_frame)
    references = parse_frames(named, video.frame_count, "reference frame")
    patch = patch_window(options.patch, video.size) if options.patch else None
    white = white_window(options.white_point, video.size) if options.white_point else None

    def corrected() -> Iterator[Tensor]:
        source = None if picture else reference
        found = _maps(video, source, mask, references, options, within(progress, 0, 0.6))
        maps = [one.weakened(options.strength) for one in found]
        look = Grade.identity()
        if picture and reference:
            look = like_picture(video, reference, references[0], options.method == "statistics")
        if white:
            look = neutral(next(pictures(source or video, video.size, references[:1])), white, look)
        yield from _applied(video, maps, look, patch, references[0], within(progress, 0.6, 1))

    return corrected() if options.enable else video.chunks(1)


def _maps(
    video: Video,
    source: Video | None,
    mask: Video | None,
    references: Sequence[int],
    options: ColorCorrectionOptions,
    progress: Progress,
) -> Sequence[ColorMap] | Sequence[Grade]:
    """The map that makes each frame look like its source, or else like the references."""
    smoothing = options.temporal_smoothing
    if options.method == "statistics":
        return smoothed(like_statistics(video, source, mask, references, progress), smoothing)
    if source:
        return smoothed(like_source(video, source, mask, progress), smoothing)
    return smoothed(settled(find_drift(video, mask, references, progress), options.keep_light), smoothing)


def _applied(
    video: Video, maps: Sequence[ColorMap | Grade], look: Grade, patch: Window | None, right: int, progress: Progress
) -> Iterator[Tensor]:
    """The frames, mapped, and then in a look; a patch keeps the colour that it gets in the frame that is right."""
    styled = bool(look.coefficients.any())

    def shown(frame: np.ndarray, one: ColorMap | Grade, gain: np.ndarray) -> np.ndarray:
        tables = [one.tables(), look.tables()] if styled else [one.tables()]
        tables[-1] = tables[-1] * gain[:, None]
        return functools.reduce(apply_tables, tables, frame)

    even = np.ones(3)
    wanted = shown(next(pictures(video, video.size, [right]))[patch], maps[right], even) if patch else None
    for i, (frame, one) in enumerate(zip(ahead(pictures(video, video.size)), maps, strict=True)):
        gain = held(shown(frame[patch], one, even), wanted) if patch and wanted is not None else even
        yield torch.from_numpy(shown(frame, one, gain)).permute(2, 0, 1)[None]
        progress((i + 1) / video.frame_count, f"frame {i + 1} of {video.frame_count}")


def smoothed(maps: Sequence[Map], strength: float) -> list[Map]:
    """Each map moved towards its neighbours', as far as they are alike: what leaps is not noise."""
    grid = np.stack(np.meshgrid(*[[0.2, 0.5, 0.8]] * 3), -1).reshape(-1, 3)
    shown = [one.of(grid) for one in maps]
    result = []
    for i, one in enumerate(maps):
        total, weight = one.coefficients.copy(), 1.0
        for j in (i - 1, i + 1):
            if 0 <= j < len(maps):
                share = strength / 2 * np.exp(-((np.abs(shown[j] - shown[i]).max() / ALIKE) ** 2))
                total += share * maps[j].coefficients
                weight += share
        result.append(type(one)(total / weight))
    return result
