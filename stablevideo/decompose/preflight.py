"""A look at a clip's motion before anything long starts: what will make poor layers, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from ..errors import InputError
from ..video.flow import ClipFlow
from .align import step

# Where flow agrees with itself on less of the frame than this, another scene begins; what real cuts give is about 0.06.
SAME_SCENE = 0.3
FAST = 0.05  # of the frame's width a frame, exceeded by a twentieth of the pixels
SHAKY = 0.003  # of the frame's width: median change of the camera's step from frame to frame
BLURRED = 0.4  # of the clip's median sharpness
LONG = 300  # frames


class SeveralScenes(InputError):
    """A clip that is cut; `parts` holds (first frame, number of frames) of each scene, to choose from."""

    def __init__(self, parts: tuple[tuple[int, int], ...]) -> None:
        self.parts = parts
        offered = "; or ".join(f"{count} frames from frame {first}" for first, count in parts)
        super().__init__(f"the clip is cut into {len(parts)} scenes; choose one: {offered}.")


@dataclass(frozen=True)
class Preflight:
    """What was found.

    Attributes
    ----------
    parts
        (first frame, number of frames) of each scene; one where there is no cut.
    warnings
        One sentence each; none for a clip that should decompose well.
    """

    parts: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...]


def preflight(greys: Sequence[np.ndarray], flow: ClipFlow) -> Preflight:
    """Look at a clip's grey frames, uint8 [H, W], and their flow."""
    count, width = len(greys), greys[0].shape[1]
    cuts = [i + 1 for i, valid in enumerate(flow.forward_valid) if valid.mean() < SAME_SCENE]
    bounds = [0, *cuts, count]
    parts = tuple((first, last - first) for first, last in pairwise(bounds))
    warnings = []
    lengths = np.linalg.norm(flow.forward.astype(np.float32), axis=-1)
    speed = np.percentile(lengths, 95, axis=(1, 2)) / width
    fast = [i for i, value in enumerate(speed) if value > FAST and i + 1 not in cuts]
    if fast:
        warnings.append(f"motion is very fast in {len(fast)} frames, first in frame {fast[0]}; layers may smear there.")
    every = np.ones(greys[0].shape, bool)
    steps = np.array([step(flow, every, i, "similarity")[:2, 2] for i in range(count - 1)]) / width
    if count > 3 and np.median(np.abs(np.diff(steps, axis=0))) > SHAKY:
        warnings.append("the camera shakes; the background may come out soft.")
    sharpness = np.array([cv2.Laplacian(grey, cv2.CV_32F).var() / max(float(grey.var()), 1.0) for grey in greys])
    blurred = np.flatnonzero(sharpness < BLURRED * np.median(sharpness))
    if len(blurred):
        warnings.append(f"{len(blurred)} frames are blurred, first frame {blurred[0]}.")
    if count > LONG:
        warnings.append(f"the clip has {count} frames; more than {LONG} take long and often show too many sides.")
    return Preflight(parts, tuple(warnings))
