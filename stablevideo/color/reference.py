"""What frames need to look like: their source, a picture, or the statistics of frames that are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TypeVar

import cv2
import numpy as np

from ..errors import InputError
from ..progress import Progress, quiet
from ..video.ahead import ahead
from ..video.flow import agree
from ..video.read import Video
from ..video.together import keeps, pictures, same_shape
from .drift import SAME_SCENE, between, compared_at, fast_search, normalised
from .fit import fit_grade
from .grade import Grade
from .maps import ColorMap
from .points import Points

SIDE_PX = 96  # of frames that are compared pixel by pixel
SOFT_PX = 1.0  # blur before comparing: what an edit moved by a pixel is no colour
DARKEST, BRIGHTEST = 5, 250  # levels; statistics leave out what is clipped
LEAST_SHARE = 0.02  # of the pixels, that are neither clipped nor masked

Map = TypeVar("Map", ColorMap, Grade)


def like_source(video: Video, source: Video, mask: Video | None, progress: Progress = quiet) -> list[ColorMap]:
    """For each frame the map that brings it closest, pixel by pixel, to the same one of its source.

    Frames that show too little, white or black ones, take their neighbours'.
    """
    size = compared_at(video.size, SIDE_PX)

    def fit(own: np.ndarray, wanted: np.ndarray, keep: np.ndarray) -> ColorMap | None:
        return ColorMap.fit(own / 255, wanted / 255, keep.astype(np.float64))

    return _filled(_each(video, ahead(pictures(source, size)), mask, size, fit, progress), video)


def like_statistics(
    video: Video,
    source: Video | None,
    mask: Video | None,
    references: Sequence[int],
    progress: Progress = quiet,
) -> list[Grade]:
    """For each frame the grade that gives it the mean and covariance of the same one of its source.

    Without a source, of those of its own frames that are right, all together.
    """
    size = compared_at(video.size, SIDE_PX)
    if source:

        def like_its_own(own: np.ndarray, wanted: np.ndarray, keep: np.ndarray) -> Grade | None:
            return _match(own[keep], wanted[keep] / 255)

        return _filled(_each(video, ahead(pictures(source, size)), mask, size, like_its_own, progress), video)
    right = zip(pictures(video, size, references), keeps(mask, size, references), strict=True)
    pixels = [_soft(picture) if keep is None else _soft(picture)[keep.ravel()] for picture, keep in right]
    together = np.concatenate(pixels) / 255
    found = _each(video, repeat(None), mask, size, lambda own, _, keep: _match(own[keep], together), progress)
    return _filled(found, video)


def like_picture(video: Video, picture: Video, frame: int, by_statistics: bool) -> Grade:
    """The grade that gives a frame the look of a picture: by what both show, else, or if asked, by statistics."""
    size = compared_at(video.size)
    own = next(pictures(video, size, [frame]))
    wanted = next(pictures(picture, size if same_shape(picture.size, video.size) else compared_at(picture.size)))
    start = _match(_soft(own), _soft(wanted) / 255)
    if start is None:
        raise InputError(f"frame {frame} or {picture.path.name} is black or white; choose one that shows something.")
    if by_statistics or wanted.shape != own.shape:
        return start
    search, greys = fast_search(), [normalised(one) for one in (wanted, own)]
    there, back = search(*greys), search(*greys[::-1])
    if agree(there, back).mean() < SAME_SCENE:
        return start
    points = Points(size)
    points.begin(_soft(wanted).reshape(wanted.shape).astype(np.float32) / 255, Grade.identity(), 0)
    points.follow(there, back)
    shown = points.samples(_soft(own).reshape(own.shape).astype(np.float32) / 255, None)
    return fit_grade(shown[0], start, shown[1]) if shown else start


def _each(
    video: Video,
    originals: Iterable[np.ndarray | None],
    mask: Video | None,
    size: tuple[int, int],
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], Map | None],
    progress: Progress,
) -> list[Map | None]:
    """A map for each frame, of its pixels [N, 3] in 0 to 255, those it should have, and which of them count [N]."""
    found: list[Map | None] = []
    masks = keeps(mask, size, range(video.frame_count))
    for frame, wanted, keep in zip(ahead(pictures(video, size)), originals, masks, strict=False):
        pixels = _soft(frame)
        counts = np.ones(len(pixels), bool) if keep is None else keep.ravel()
        found.append(fit(pixels, pixels if wanted is None else _soft(wanted), counts))
        progress(len(found) / video.frame_count, f"colours of frame {len(found)} of {video.frame_count}")
    return found


def _filled(maps: list[Map | None], video: Video) -> list[Map]:
    """Those that are missing lie between their neighbours'. Raises InputError where all are."""
    known = [i for i, one in enumerate(maps) if one is not None]
    if not known:
        raise InputError(f"no frame of {video.path.name} can be compared: they are black, white, or masked all over.")
    held = [one for one in maps if one is not None]
    kind, shape = type(held[0]), held[0].coefficients.shape
    table = between(known, np.stack([one.coefficients.ravel() for one in held]), len(maps))
    return [kind(row.reshape(shape)) for row in table]


def _match(own: np.ndarray, wanted: np.ndarray) -> Grade | None:
    """Pixels [N, 3] in 0 to 255 -> [K, 3] in [0, 1], by mean and covariance; None where too few are not clipped."""
    kept, others = (
        pixels[np.all((pixels > low) & (pixels < high), 1)]
        for pixels, low, high in ((own, DARKEST, BRIGHTEST), (wanted, DARKEST / 255, BRIGHTEST / 255))
    )
    few = min(len(kept) / max(1, len(own)), len(others) / max(1, len(wanted))) < LEAST_SHARE
    return None if few else Grade.match(kept / 255, others)


def _soft(picture: np.ndarray) -> np.ndarray:
    """Pixels [N, 3], blurred, in 0 to 255."""
    return cv2.GaussianBlur(picture, (0, 0), SOFT_PX).reshape(-1, 3).astype(np.float64)
