"""A long job as the page shows it: a bar with the time gone and left, what it made so far, and its report."""

import time
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..decompose import Report
from ..layers.coords import LAYER_NAMES


@dataclass(frozen=True)
class Glimpse:
    """A decomposition under way: its fraction, what it does, its atlases as uint8 [h, w, 3], and its curve in dB.

    `scene` is what the live viewer is told of its layers.
    """

    fraction: float = 0.0
    doing: str = "beginning"
    atlases: tuple[np.ndarray, ...] = ()
    curve: tuple[float, ...] = ()
    scene: dict[str, Any] | None = None


class Clock:
    """Tells the time gone and the time left of a job that may have begun half-way."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.first: tuple[float, float] | None = None

    def gone(self) -> str:
        """The time gone, as '1:05'."""
        return clock_time(time.monotonic() - self.begin)

    def words(self, fraction: float) -> str:
        """As '1:05 gone, about 2:10 left'."""
        now = time.monotonic()
        if self.first is None and fraction > 0:
            self.first = now, fraction
        gone = f"{self.gone()} gone"
        done = fraction - self.first[1] if self.first else 0
        if self.first is None or done < 0.05:
            return gone
        return f"{gone}, about {clock_time((now - self.first[0]) * (1 - fraction) / done)} left"


def clock_time(seconds: float) -> str:
    """As '1:05'."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def bar(fraction: float, text: str) -> str:
    """A progress bar with words below it, as HTML."""
    rail = "height: 8px; border-radius: 4px; margin-bottom: 8px; background: var(--border-color-primary)"
    part = f"height: 8px; border-radius: 4px; width: {fraction:.1%}; background: var(--color-accent)"
    return f'<div style="{rail}"><div style="{part}"></div></div>{escape(text)}'


def table(report: Report) -> str:
    """A report as Markdown: the verdict, then the figures."""
    rows = [
        ("closeness to the video, in its own pixels", *(f"{report.layer_psnr[name]:.1f} dB" for name in LAYER_NAMES)),
        ("sharpness, against the video's", *(f"{report.sharpness[name]:.2f}" for name in LAYER_NAMES)),
        ("share of the atlas that is seen", *(f"{report.coverage[name]:.0%}" for name in LAYER_NAMES)),
        ("drift from the motion, a frame", *(f"{report.follow_px[name]:.2f} px" for name in LAYER_NAMES)),
    ]
    lines = ["| | foreground | background |", "|:--|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)]
    closeness = f"Rendered from its layers, the clip comes within **{report.psnr:.1f} dB** (SSIM {report.ssim:.3f})."
    return f"**{report.verdict}**\n\n{closeness}\n\n" + "\n".join(lines)
