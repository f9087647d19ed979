"""Training samples: source -> hint, words -> target, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .captions import no_look_caption, sample_caption
from .looks import apply_looks
from .scenes import Source, make_source

SCALES = (1.0, 1.5, 2.0)  # of the whole picture against the window that is cut out of it
LEAST_CONTENT = 0.25  # of a window, or another is cut


@dataclass(frozen=True)
class Sample:
    """Source and target [H, W, 3] in [0, 1], the hint's lines [H, W] uint8 of 0 or 255, and the caption."""

    source: np.ndarray
    target: np.ndarray
    hint: np.ndarray
    caption: str


def make_sample(seed: int, size: int, scales: tuple[float, ...] = SCALES) -> Sample:
    """The sample of this seed: always the same.

    It is a window of `size` pixels out of a picture up to twice as large, so that small and cheap samples have
    lines and textures of the sizes that large pictures have.
    """
    rng = np.random.default_rng(seed)
    source = make_source(rng, round(size * scales[rng.integers(len(scales))]))
    caption, looks = sample_caption(rng, source.kind)
    if not looks and rng.random() < 0.6:
        caption = no_look_caption(rng)
    hint = canny(source.picture, rng)
    target = apply_looks(source, looks, rng, hint)
    window = cut_window(rng, source, size)
    return Sample(source.picture[window], target[window], hint[window], caption)


def cut_window(rng: np.random.Generator, source: Source, size: int) -> tuple[slice, slice]:
    """Where to cut: anywhere that is not nearly empty."""
    room = source.mask.shape[0] - size
    for _ in range(8):
        top, left = rng.integers(room + 1, size=2)
        window = slice(top, top + size), slice(left, left + size)
        if source.mask[window].mean() > LEAST_CONTENT:
            break
    return window


def canny(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines of a picture, mostly at the usual thresholds 100 and 200, [H, W] uint8."""
    low, high = (100, 200) if rng.random() < 0.5 else (rng.uniform(40, 120), rng.uniform(120, 250))
    grey = cv2.cvtColor((picture * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, low, high)
