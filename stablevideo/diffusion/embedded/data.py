"""Training samples: source -> hint, words -> target, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .captions import no_look_caption, sample_caption
from .looks import apply_looks
from .scenes import make_source


@dataclass(frozen=True)
class Sample:
    """Source and target [H, W, 3] in [0, 1], the hint's lines [H, W] uint8 of 0 or 255, and the caption."""

    source: np.ndarray
    target: np.ndarray
    hint: np.ndarray
    caption: str


def make_sample(seed: int, size: int) -> Sample:
    """The sample of this seed: always the same."""
    rng = np.random.default_rng(seed)
    source = make_source(rng, size)
    caption, looks = sample_caption(rng, source.kind)
    if not looks and rng.random() < 0.6:
        caption = no_look_caption(rng)
    return Sample(source.picture, apply_looks(source, looks, rng), canny(source.picture, rng), caption)


def canny(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines of a picture, mostly at the usual thresholds 100 and 200, [H, W] uint8."""
    low, high = (100, 200) if rng.random() < 0.5 else (rng.uniform(40, 120), rng.uniform(120, 250))
    grey = cv2.cvtColor((picture * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, low, high)
