"""What canny lines alone can tell of a source: the sources whose edits the ControlNet of lines learns to paint.

Which side of a line is the darker one, lines do not say. A network that has to guess paints neither: the mean of all
guesses is a cloud. So targets are what a draughtsman would make of the same lines: relief that rises from each line to
the middle of the field beside it, in the source's colours at large.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from stablevideo.diffusion.hints import canny

from .light import to_lab, to_rgb
from .sources import Source

LOW, HIGH = (40, 120), (120, 250)  # half of the samples have thresholds from here, the others 100 and 200
LARGE_PX = 12  # sigma of what is left of the source's own lightness
DARK, LIT = -34.0, 16.0  # of L*, on a line and far from all
CLOSE_PX, FAR_PX = 1.6, 9.0  # within which a line is dark, and relief rises


def canny_lines(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The lines of a picture [H, W, 3] uint8, as a hint [H, W, 3] of 0 and 255."""
    usual = rng.random() < 0.5
    low, high = (100, 200) if usual else (int(rng.integers(*LOW)), int(rng.integers(*HIGH)))
    shown = torch.from_numpy(picture).permute(2, 0, 1) / 255
    drawn = canny(low, high)(shown, (shown.shape[1], shown.shape[2]))
    return drawn.mul(255).byte().permute(1, 2, 0).contiguous().numpy()


def as_drawn(source: Source, lines: np.ndarray) -> Source:
    """A source as its lines [H, W, 3] show it."""
    lab = to_lab(source.picture)
    weight = cv2.GaussianBlur(source.mask, (0, 0), LARGE_PX) + 1e-3
    large = cv2.GaussianBlur(lab * source.mask[..., None], (0, 0), LARGE_PX) / weight[..., None]
    away_px = cv2.distanceTransform((lines[..., 0] == 0).astype(np.uint8), cv2.DIST_L2, 5)
    relief = DARK * np.exp(-np.square(away_px / CLOSE_PX)) + LIT * (1 - np.exp(-away_px / FAR_PX))
    large[..., 0] = 0.5 * large[..., 0] + 24 + relief
    return replace(source, picture=to_rgb(large) * source.mask[..., None])
