"""How steady a video is, and how close to its source: figures over time, and their means.

Doing nothing scores best in all of them, so the source's own figures stand beside a video's.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from .color.spaces import delta_e, rgb_to_lab
from .errors import InputError
from .metrics import luma, psnr, ssim_map
from .progress import Progress, quiet
from .steadiness import Measures, Steadiness, slope_a_hundred
from .video.flow import Search, agree, dense_inverse_search, warp
from .video.read import Video
from .video.together import check_together, together

LEVELS = 256  # of 8 bits
WINDOW_PX = 11  # of SSIM


def measure(
    video: Video, source: Video | None = None, mask: Video | None = None, progress: Progress = quiet
) -> Measures:
    """Measure a video, and beside it its source.

    Parameters
    ----------
    source
        What it was made from, of as many frames; it is brought to the video's size. Its flow is what both are looked at
        along; without it, the video's own.
    mask
        White where the video was to be changed; of one frame, for all, or of as many as the video.

    Raises InputError where these do not fit each other.
    """
    if video.frame_count < 2:
        raise InputError(
            f"{video.path.name} has {video.frame_count} frame; at least 2 are needed to see how steady it is."
        )
    check_together(video, source, mask)
    search, own = dense_inverse_search(), _Record()
    theirs = _Record() if source else None
    against: list[tuple[float, float, float, float]] = []  # of all pixels, and of those to be kept
    off: list[float] = []
    before: tuple[np.ndarray, np.ndarray] | None = None
    for i, (frame, original, keep) in enumerate(together(video, source, mask)):
        truth = frame if original is None else original
        flow = _flow(search, before[1], truth) if before else None
        lab = _lab(frame)
        own.add(frame, lab, before[0] if before else None, flow, keep)
        if theirs and original is not None:
            wanted = _lab(original)
            theirs.add(original, wanted, before[1] if before else None, flow, keep)
            against.append(_closeness(frame, original, keep))
            off.append(_off(lab, wanted, keep))
        before = frame, truth
        progress((i + 1) / video.frame_count, f"frame {i + 1} of {video.frame_count}")
    found = own.steadiness()
    if theirs is None:
        return Measures(video.frame_count, video.size, found)
    floor = theirs.steadiness()
    error, similar = np.mean([both[:2] for both in against], 0)
    kept = [both[2:] for both in against if not math.isnan(both[2])]
    kept_error, kept_similar = np.mean(kept, 0) if kept else (0.0, 0.0)
    return Measures(
        video.frame_count,
        video.size,
        found,
        floor,
        found.change / floor.change if floor.change else None,
        found.change_99 / floor.change_99 if floor.change_99 else None,
        psnr(error),
        float(similar),
        psnr(kept_error) if kept else None,
        float(kept_similar) if kept else None,
        off,
    )


class _Record:
    """What is gathered of one video, frame by frame."""

    def __init__(self) -> None:
        names = ("warp_error", "trusted", "warp_ssim", "change", "colour_step", "mean_colour_step", "drift")
        self.curves: dict[str, list[float]] = {name: [] for name in names}
        self.counts = np.zeros(LEVELS, np.int64)
        self.first: Tensor | None = None
        self.last: Tensor | None = None

    def add(
        self,
        frame: np.ndarray,
        lab: Tensor,
        before: np.ndarray | None,
        flow: tuple[np.ndarray, np.ndarray] | None,
        keep: np.ndarray | None = None,
    ) -> None:
        """A frame, uint8 [H, W, 3], its Lab, the one before, the flow to it with its trust, and what was to be kept."""
        mean, kept = lab.mean((1, 2), keepdim=True), _mean(lab, keep)
        if before is not None and flow is not None and self.last is not None:
            difference = cv2.absdiff(frame, before)
            self.counts += np.bincount(difference.ravel(), minlength=LEVELS)
            self.curves["change"].append(float(difference.mean()) / 255)
            self._along(frame, lab, warp(before, flow[0]), flow[1])
            self.curves["mean_colour_step"].append(float(delta_e(self.last, mean)))
        if self.first is None:
            self.first = kept
        self.curves["drift"].append(float(delta_e(self.first, kept)))
        self.last = mean

    def _along(self, frame: np.ndarray, lab: Tensor, warped: np.ndarray, valid: np.ndarray) -> None:
        """Against the frame before, brought here by the flow."""
        squared = _squared_error(frame, warped)
        similar = ssim_map(*(luma(_tensor(picture)[None]) for picture in (frame, warped)))[0].numpy()
        apart = delta_e(lab, _lab(warped)).numpy()
        for name, values in (("warp_error", squared), ("warp_ssim", similar), ("colour_step", apart)):
            self.curves[name].append(float(values[valid].mean()) if valid.any() else math.nan)
        self.curves["trusted"].append(float(valid.mean()))

    def steadiness(self) -> Steadiness:
        """The means over time."""
        curves = {name: [None if math.isnan(x) else x for x in curve] for name, curve in self.curves.items()}
        known = {name: [x for x in curve if x is not None] for name, curve in curves.items() if name != "drift"}
        means: dict[str, Any] = {name: float(np.mean(curve)) if curve else None for name, curve in known.items()}
        drift = np.array(self.curves["drift"])
        below = np.cumsum(self.counts) / self.counts.sum()
        return Steadiness(
            **means,
            change_99=float(np.searchsorted(below, 0.99)) / (LEVELS - 1),
            drift=slope_a_hundred(drift),
            drift_range=float(drift.max() - drift.min()),
            curves=curves,
        )


def _flow(search: Search, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From a frame to the one before it, [H, W, 2] pixels, and where it can be trusted, bool [H, W]."""
    back = search(after, before)
    return back, agree(back, search(before, after))


def _closeness(frame: np.ndarray, original: np.ndarray, keep: np.ndarray | None) -> tuple[float, float, float, float]:
    """Mean squared error and similarity, of all pixels and of those that were to be kept.

    Similarity looks at a window: there, it must lie wholly among these.
    """
    squared = _squared_error(frame, original)
    greys = [luma(_tensor(picture)[None]) for picture in (frame, original)]
    similar = ssim_map(*greys)[0].numpy()
    if keep is None or not keep.any():
        return float(squared.mean()), float(similar.mean()), math.nan, math.nan
    within = cv2.erode(keep.astype(np.uint8), np.ones((WINDOW_PX, WINDOW_PX), np.uint8)) > 0
    kept = float(similar[within if within.any() else keep].mean())
    return float(squared.mean()), float(similar.mean()), float(squared[keep].mean()), kept


def _off(lab: Tensor, wanted: Tensor, keep: np.ndarray | None) -> float:
    """CIEDE2000 between the mean colours of a frame and of what it should be, over the pixels that were to be kept."""
    return float(delta_e(_mean(lab, keep), _mean(wanted, keep)))


def _mean(lab: Tensor, keep: np.ndarray | None) -> Tensor:
    """The mean colour [3, 1, 1] of the pixels that were to be kept, or of all where there are none."""
    pixels = lab.flatten(1) if keep is None or not keep.any() else lab[:, torch.from_numpy(keep)]
    return pixels.mean(1)[:, None, None]


def _squared_error(frame: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of two pictures, uint8 [H, W, 3], the mean over the channels, in [0, 1]: [H, W]."""
    squared = np.square((frame.astype(np.float32) - other) / 255)
    return (squared[..., 0] + squared[..., 1] + squared[..., 2]) / 3


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255


def _lab(picture: np.ndarray) -> Tensor:
    return rgb_to_lab(_tensor(picture))
