"""Colour drift taken out of a video: each frame is given the look of the same frame of what it was made from."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..options import ColorCorrectionOptions
from ..progress import Progress, quiet, within
from ..video.read import Video
from ..video.together import check_together, pictures, together
from .maps import IDENTITY, ColorMap

SIDE_PX = 96  # of the frames that are compared
SOFT_PX = 1.0  # blur before comparing: what an edit moved by a pixel is no colour
ALIKE = 0.01  # maps of neighbouring frames that differ by much more than this are not averaged


def calibrate(
    video: Video,
    reference: Video,
    mask: Video | None = None,
    options: ColorCorrectionOptions | None = None,
    progress: Progress = quiet,
) -> Iterator[Tensor]:
    """Frames of a video with the colours of another one: uint8 [1, 3, H, W], one by one.

    One map of low order a frame, fitted robustly, so that what was changed on purpose stays changed.

    Parameters
    ----------
    reference
        What the video was made from, of as many frames.
    mask
        White where the video was changed on purpose: what is there is mapped, but has no say. Of one frame, or of as
        many as the video.

    Raises InputError where these do not fit each other, or no frame shows anything that can be compared.
    """
    options = options or ColorCorrectionOptions()
    maps = smoothed(find_maps(video, reference, mask, within(progress, 0, 0.5)), options.temporal_smoothing)
    maps = [found.weakened(options.strength) for found in maps]
    told = within(progress, 0.5, 1)
    for i, (frame, found) in enumerate(zip(pictures(video, video.size), maps, strict=True)):
        yield torch.from_numpy(found.apply(frame)).permute(2, 0, 1)[None]
        told((i + 1) / video.frame_count, f"frame {i + 1} of {video.frame_count}")


def find_maps(video: Video, reference: Video, mask: Video | None = None, progress: Progress = quiet) -> list[ColorMap]:
    """The map that each frame needs; frames that show too little, white or black ones, take their neighbours'."""
    check_together(video, reference, mask)
    scale = min(1.0, SIDE_PX / max(video.size))
    size = (max(16, round(video.size[0] * scale)), max(16, round(video.size[1] * scale)))
    found: list[ColorMap] = []
    known: list[int] = []
    for frame, wanted, keep in together(video, reference, mask, size):
        assert wanted is not None
        pair = [cv2.GaussianBlur(picture, (0, 0), SOFT_PX).reshape(-1, 3) / 255 for picture in (frame, wanted)]
        weights = np.ones(len(pair[0])) if keep is None else keep.ravel().astype(np.float64)
        one = ColorMap.fit(pair[0], pair[1], weights)
        known += [len(found)] if one else []
        found.append(one or ColorMap.identity())
        progress(len(found) / video.frame_count, f"colours of frame {len(found)} of {video.frame_count}")
    if not known:
        raise InputError(f"no frame of {video.path.name} can be compared: they are black, white, or masked all over.")
    table = np.stack([found[i].coefficients.ravel() for i in known])
    columns = [np.interp(np.arange(len(found)), known, column) for column in table.T]
    return [ColorMap(row.reshape(IDENTITY.shape)) for row in np.stack(columns, 1)]


def smoothed(maps: list[ColorMap], strength: float) -> list[ColorMap]:
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
        result.append(ColorMap(total / weight))
    return result
