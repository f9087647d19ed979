"""What is known of how steady a video is, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WORST = 3  # frames that are named
# Of a table: figure -> words, scale, decimals.
SHOWN: dict[str, tuple[str, float, int]] = {
    "warp_error": ("warp error, x 1000", 1000, 3),
    "trusted": ("on this share of the pixels", 1, 2),
    "warp_ssim": ("warp SSIM", 1, 4),
    "change": ("change a frame, of 255", 255, 2),
    "change_99": ("the largest 1 % of changes", 255, 0),
    "colour_step": ("colour step a frame, CIEDE2000", 1, 3),
    "mean_colour_step": ("of the mean colour", 1, 3),
    "drift": ("drift a hundred frames, CIEDE2000", 1, 2),
    "drift_range": ("drift, most less least", 1, 2),
}
SHOWN_AGAINST_SOURCE: dict[str, tuple[str, float, int]] = {
    "flicker": ("flicker, times the source's", 1, 2),
    "mean_off_source": ("mean colour off the source's, CIEDE2000", 1, 2),
}
SHOWN_OF_CLIP: dict[str, tuple[str, float, int]] = {
    "clip_t": ("CLIP-T, cosine x 100", 1, 2),
    "clip_f": ("CLIP-F, all pairs", 1, 4),
    "clip_f_consecutive": ("CLIP-F, consecutive frames", 1, 4),
    "frame_accuracy": ("frame accuracy", 1, 3),
}


@dataclass(frozen=True)
class Steadiness:
    """How steady the frames of one video are; None where no pixel's flow could be trusted.

    Attributes
    ----------
    warp_error
        Pixel-MSE (Lai et al. 2018, equation 2; as FRESCO and Rerender report it): each frame brought to the next one
        by the flow of the source, mean squared difference in [0, 1] over the pixels whose flow comes back.
    trusted
        The share of those pixels.
    warp_ssim
        Structural similarity of the same two, over the same pixels (RAVE, Kara et al. 2024).
    change, change_99
        Mean and 99th percentile of |frame - the frame before|, without any flow, in [0, 1].
    colour_step
        Mean CIEDE2000 between the same two frames over the same pixels.
    mean_colour_step
        CIEDE2000 between the mean Lab of neighbouring frames.
    drift, drift_range
        How far the mean colour, where a mask is known that of the pixels to be kept, leaves that of the first frame:
        slope in CIEDE2000 a hundred frames, and largest less least.
    curves
        By name, one number for each frame, or for each frame but the first.
    """

    warp_error: float | None
    trusted: float
    warp_ssim: float | None
    change: float
    change_99: float
    colour_step: float | None
    mean_colour_step: float
    drift: float
    drift_range: float
    curves: dict[str, list[float | None]] = field(repr=False)

    def worst_frames(self) -> list[int]:
        """The frames that differ most in colour from the ones before them, worst first."""
        steps = np.array([step or 0.0 for step in self.curves["colour_step"]])
        return [int(i) + 1 for i in np.argsort(-steps, kind="stable")[:WORST]]


@dataclass(frozen=True)
class ClipScores:
    """What CLIP sees in the frames of one video.

    Attributes
    ----------
    clip_t
        Textual alignment (LOVEU-TGVE 2023): mean cosine of frame and prompt, a hundred times.
    clip_f
        Frame consistency (LOVEU-TGVE 2023): mean cosine of all pairs of different frames.
    clip_f_consecutive
        Temporal consistency (V2VBench, Sun et al. 2024): mean cosine of neighbouring frames, negative ones taken as 0,
        of what the vision tower gives before it projects.
    frame_accuracy
        The share of frames that are closer to the prompt than to the source's; None where that was not given.
    """

    clip_t: float
    clip_f: float
    clip_f_consecutive: float
    frame_accuracy: float | None = None


@dataclass(frozen=True)
class Measures:
    """A video's figures, and where there is a source, the source's and how the two compare.

    Attributes
    ----------
    flicker, flicker_99
        The video's `change` and `change_99` over the source's: above 1, flicker was added. None where
        that stands still.
    psnr, ssim
        Against the source, all pixels.
    kept_psnr, kept_ssim
        The same where the mask says that nothing should have changed.
    off_source
        For each frame, CIEDE2000 between its mean colour and the source's, over the pixels that were to be kept.
    clip_scores, source_clip_scores
        Where there is a prompt: how the video, and its source, stand to it.
    """

    frames: int
    size: tuple[int, int]
    video: Steadiness
    source: Steadiness | None = None
    flicker: float | None = None
    flicker_99: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    kept_psnr: float | None = None
    kept_ssim: float | None = None
    off_source: list[float] = field(default_factory=list, repr=False)
    clip_scores: ClipScores | None = None
    source_clip_scores: ClipScores | None = None

    @property
    def mean_off_source(self) -> float | None:
        """The mean of `off_source`; None without a source."""
        return float(np.mean(self.off_source)) if self.off_source else None


def slope_a_hundred(curve: np.ndarray) -> float:
    """How much a curve rises in a hundred frames, by least squares."""
    return float(np.polyfit(np.arange(len(curve)), curve, 1)[0]) * 100


def table(found: Measures) -> str:
    """The figures in words and columns, the source's beside the video's."""
    lines = [f"{'':<34}{'video':>10}" + (f"{'source':>10}" if found.source else "")]
    lines += _rows(SHOWN, found.video, found.source)
    if found.clip_scores:
        lines += _rows(SHOWN_OF_CLIP, found.clip_scores, found.source_clip_scores)
    lines.append("frames that leap most: " + ", ".join(map(str, found.video.worst_frames())))
    if found.source:
        usual, largest = _shown(found.flicker, 1, 2), _shown(found.flicker_99, 1, 2)
        lines.append(f"flicker, times the source's: {usual}; of the largest changes {largest}")
        lines.append(f"against the source: {found.psnr:.2f} dB, SSIM {found.ssim:.4f}")
        away = np.array(found.off_source)
        slope, span = slope_a_hundred(away), away.max() - away.min()
        lines.append(
            f"mean colour off the source's, CIEDE2000: {away.mean():.2f}; drift a hundred frames {slope:.2f}, "
            f"most less least {span:.2f}"
        )
    if found.kept_psnr is not None:
        lines.append(f"where nothing should change: {found.kept_psnr:.2f} dB, SSIM {found.kept_ssim:.4f}")
    return "\n".join(lines)


def compared(measures: Sequence[Measures]) -> list[tuple[str, ...]]:
    """The figures of several videos of one source as rows: in words, then a column each, and the source's last."""
    source = measures[0].source
    columns = [found.video for found in measures] + ([source] if source else [])
    rows = [
        (words, *(_shown(getattr(column, name), scale, places) for column in columns))
        for name, (words, scale, places) in SHOWN.items()
    ]
    if source:
        rows += [
            (words, *(_shown(getattr(found, name), scale, places) for found in measures), "-")
            for name, (words, scale, places) in SHOWN_AGAINST_SOURCE.items()
        ]
    return rows


def _rows(shown: dict[str, tuple[str, float, int]], video: Any, source: Any) -> list[str]:
    """One line a figure; the source's beside the video's where there is one."""
    columns = [video] if source is None else [video, source]
    return [
        f"{words:<34}" + "".join(f"{_shown(getattr(column, name), scale, places):>10}" for column in columns)
        for name, (words, scale, places) in shown.items()
    ]


def _shown(number: float | None, scale: float, places: int) -> str:
    return "-" if number is None else f"{number * scale:.{places}f}"
