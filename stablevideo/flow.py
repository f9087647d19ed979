"""Optical flow between frames, and where it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from .progress import Progress, quiet

# A flow is trusted where going there and back ends within this of the start (Sundaram et al. 2010): a share of the
# squared lengths, and square pixels.
RELATIVE, ABSOLUTE_PX2 = 0.01, 0.5


@dataclass(frozen=True)
class ClipFlow:
    """Flow between neighbouring frames, both ways.

    Attributes
    ----------
    forward, backward
        float16 [T - 1, H, W, 2] in pixels, (x, y) order: from frame i to i + 1, and from i + 1 to i.
    forward_valid, backward_valid
        bool [T - 1, H, W]: where the two agree, on frame i and on frame i + 1.
    """

    forward: np.ndarray
    backward: np.ndarray
    forward_valid: np.ndarray
    backward_valid: np.ndarray


def clip_flow(greys: Sequence[np.ndarray], progress: Progress = quiet) -> ClipFlow:
    """Flow of a clip of grey frames, each uint8 [H, W], by dense inverse search (Kroeger et al. 2016)."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = greys[0].shape
    forward = np.empty((len(greys) - 1, height, width, 2), np.float16)
    backward, valid = np.empty_like(forward), np.empty((2, *forward.shape[:3]), bool)
    for i, (first, second) in enumerate(pairwise(greys)):
        there, back = search.calc(first, second, None), search.calc(second, first, None)
        forward[i], backward[i] = there, back
        valid[0, i], valid[1, i] = agree(there, back), agree(back, there)
        progress((i + 1) / len(forward), f"motion of frame {i + 1}")
    return ClipFlow(forward, backward, valid[0], valid[1])


def agree(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where following `there` and then `back` returns to the start; both [H, W, 2] pixels -> bool [H, W]."""
    returned = warp(back, there, outside=1e3)
    off = np.square(there + returned).sum(-1)
    return off < RELATIVE * (np.square(there).sum(-1) + np.square(returned).sum(-1)) + ABSOLUTE_PX2


def warp(picture: np.ndarray, flow: np.ndarray, outside: float = 0.0) -> np.ndarray:
    """Look at a picture [H, W, ...] where flow [H, W, 2] points; `outside` where it points off the picture."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    flow = flow.astype(np.float32)
    return cv2.remap(
        picture,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[outside] * 4,
    )
