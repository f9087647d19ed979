"""How a clip's colours drift away from frames of its own that are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..progress import Progress, quiet, within
from ..video.ahead import ahead
from ..video.flow import Search
from ..video.read import Video
from ..video.together import keeps, pictures
from .fit import fit_grade
from .grade import SIZE, Grade
from .points import Points

SIDE_PX = 160  # of the frames on which points are followed
SOFT_PX = 1.0  # blur before colours are compared
FLAT = 3.0  # grey levels of deviation: a white, black or empty frame shows less
SAME_SCENE = 0.3  # of the points come back; after a cut some 0.06 do
# What is left alone, as a mean change of colours in [0, 1], where 0.01 is about one CIEDE2000: what no eye sees, what
# each hand-over may have lost besides, and the shiver from frame to frame.
UNSEEN, LOSS, SHIVER = 0.005, 0.012, 0.003
SLOW_FRAMES, SOFT_FRAMES = 25, 9  # windows whose median, and then mean, is the slow part of a drift
COLOURS = np.stack(np.meshgrid(*[[0.15, 0.4, 0.7]] * 3), -1).reshape(-1, 3)  # on which a change is weighed


class Small(NamedTuple):
    """A frame at the size at which it is compared, uint8 [H, W, 3], and where nothing should have changed, [H, W]."""

    picture: np.ndarray
    keep: np.ndarray | None


class Found(NamedTuple):
    """The grades that frames need: vectors [T, 18], and for each how often colours were handed over on the way, [T]."""

    vectors: np.ndarray
    handovers: np.ndarray


def follow(frames: Iterable[Small]) -> Iterator[tuple[Grade, float] | None]:
    """The grade that makes each frame look like the first, and how often colours were handed over to get it.

    None for frames that show nothing, white or black ones. A cut carries the grade over.
    """
    search = fast_search()
    points: Points | None = None
    before, grade, handovers = np.zeros(0), Grade.identity(), 0.0
    for frame, keep in frames:
        if frame.std() < FLAT:
            yield None if points else (grade, handovers)
            continue
        grey, picture = normalised(frame), cv2.GaussianBlur(frame, (0, 0), SOFT_PX).astype(np.float32) / 255
        if points is None:
            points = Points((frame.shape[0], frame.shape[1]))
        elif points.follow(search(before, grey), search(grey, before)) >= SAME_SCENE:
            shown = points.samples(picture, keep)
            if shown:
                samples, handovers = shown
                grade = fit_grade(samples, grade, handovers)
        yield grade, handovers
        points.begin(picture, grade, handovers)
        before = grey


def find_drift(video: Video, mask: Video | None, references: Sequence[int], progress: Progress = quiet) -> Found:
    """The grades that make frames look like the references among them.

    Frames before the first are walked to from it, frames after the last from that; those between two from both, and
    the nearer one counts more.
    """
    anchors, last = sorted(references), video.frame_count - 1
    walks = [(anchors[0], 0), (anchors[-1], last), *pairwise(anchors)]
    walks += [(end, begin) for begin, end in walks[2:]]
    total, done = sum(abs(end - begin) + 1 for begin, end in walks), 0
    vectors, handovers, weights = np.zeros((last + 1, SIZE)), np.zeros(last + 1), np.zeros(last + 1)
    for number, (begin, end) in enumerate(walks):
        length = abs(end - begin) + 1
        found = _walk(video, mask, begin, end, within(progress, done / total, (done + length) / total))
        share = np.linspace(1, 0, length) if number > 1 else np.ones(length)
        frames = np.linspace(begin, end, length).round().astype(int)
        vectors[frames] += share[:, None] * found.vectors
        handovers[frames] += share * found.handovers
        weights[frames] += share
        done += length
    return Found(vectors / weights[:, None], handovers / weights)


def _walk(video: Video, mask: Video | None, begin: int, end: int, progress: Progress) -> Found:
    """From one frame to another; those that showed nothing get what lies between their neighbours'."""
    count, found = abs(end - begin) + 1, []
    for i, one in enumerate(follow(ahead(smalls(video, mask, begin, end)))):
        found += [(i, one[0].coefficients, one[1])] if one else []
        progress((i + 1) / count, f"colours of frame {i + 1} of {count}")
    at, vectors, handovers = zip(*found, strict=True)
    return Found(between(at, np.stack(vectors), count), np.interp(np.arange(count), at, handovers))


def between(frames: Sequence[int], vectors: np.ndarray, count: int) -> np.ndarray:
    """Vectors known for some frames [K, n], for all of them [T, n]: those missing lie between their neighbours'."""
    return np.stack([np.interp(np.arange(count), frames, column) for column in vectors.T], 1)


def compared_at(size: tuple[int, int], side_px: int = SIDE_PX) -> tuple[int, int]:
    """The (height, width) at which frames of that size are compared."""
    scale = min(1.0, side_px / max(size))
    return max(16, round(size[0] * scale)), max(16, round(size[1] * scale))


def smalls(video: Video, mask: Video | None, begin: int, end: int) -> Iterator[Small]:
    """Frames from `begin` to `end`, forwards or backwards, at the size at which they are compared."""
    size = compared_at(video.size)
    order = range(begin, end + 1) if end >= begin else range(begin, end - 1, -1)
    return (Small(*both) for both in zip(pictures(video, size, order), keeps(mask, size, order), strict=True))


def settled(found: Found, keep_light: bool = False) -> list[Grade]:
    """What of the grades found is worth doing: the rest may as well be noise.

    A clip's slow drift counts as far as it comes to exceed what cannot be seen, and what may have been lost on the way:
    then its beginnings count too. Not at all where it is light that changes, which no frames can tell from drift. What
    leaps from frame to frame is seen on the same points, and counts but for a shiver.
    """
    vectors = found.vectors
    slow = _windows(_windows(vectors, SLOW_FRAMES, np.median), SOFT_FRAMES, np.mean)
    softened, whole = (np.stack([Grade(one).of(COLOURS) for one in part]) for part in (slow, vectors))
    drift, leap = np.abs(softened - COLOURS).mean((1, 2)), np.abs(whole - softened).mean((1, 2))
    unseen = UNSEEN + LOSS * np.sqrt(np.maximum(found.handovers - 1, 0))
    drifted = 0 if keep_light else slow * _above((drift / unseen).max(keepdims=True), 1.0)
    return [Grade(one) for one in drifted + (vectors - slow) * _above(leap, SHIVER)]


def _windows(vectors: np.ndarray, length: int, statistic: Callable) -> np.ndarray:
    """A statistic of the window around each of vectors [T, 18]; beyond the ends their course goes on.

    A short clip is looked at in windows of half its length at the most.
    """
    length = min(length, len(vectors) // 2 | 1)
    padded = np.pad(vectors, ((length // 2, length // 2), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([statistic(padded[i : i + length], 0) for i in range(len(vectors))])


def _above(size: np.ndarray, least: np.ndarray | float) -> np.ndarray:
    """The share of changes [T] that counts, [T, 1]: none up to the least, all far above it (James and Stein 1961)."""
    return np.maximum(0, 1 - (least / np.maximum(size, 1e-9)) ** 2)[:, None]


def fast_search() -> Search:
    """Dense inverse search of grey pictures, for pictures of few pixels."""
    engine: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return lambda first, second: engine.calc(first, second, None)


def normalised(frame: np.ndarray) -> np.ndarray:
    """Grey, uint8 [H, W], of one mean and deviation, so that flow does not see exposure."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.clip((grey - grey.mean()) / (grey.std() + 1e-3) * 50 + 128, 0, 255).astype(np.uint8)
