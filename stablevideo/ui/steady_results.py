"""What was found of a clip's steadiness, as the page shows it: a sentence, a table, curves, pictures."""

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np
import pandas as pd

from ..steadiness import Measures, Steadiness, compared
from ..steady import Findings, Leap, Repaired
from .events import Changes
from .steady_layout import SteadyResults


def emptied(results: SteadyResults) -> Changes:
    """Nothing is left of what was made and found before."""
    hidden: Changes = {
        results.made: gr.Row(visible=False),
        results.compared: gr.Column(visible=False),
        results.found: gr.Column(visible=False),
        results.still: gr.Button(visible=False),
    }
    return {**dict.fromkeys(results.outputs), results.status: "", **hidden}


def made(repaired: Repaired, results: SteadyResults) -> Changes:
    """The new video and the comparison."""
    return {
        results.made: gr.Row(visible=True),
        results.compared: gr.Column(visible=True),
        results.comparison: str(repaired.comparison),
        results.files: [str(repaired.video)],
    }


def found(findings: Findings, repaired: Repaired | None, results: SteadyResults) -> Changes:
    """The figures of a clip, or of one before and after, and of its source."""
    columns = findings.columns
    return {
        results.made: gr.Row(visible=True),
        results.files: [str(file) for file in (repaired and repaired.video, findings.file) if file],
        results.still: gr.Button(visible="restyled" in findings.measures),
        results.found: gr.Column(visible=True),
        results.verdict: verdict(columns),
        results.table: as_table(list(columns), list(findings.measures.values())),
        results.steps: curves(columns, "colour_step", "colour step"),
        results.drift: curves(columns, "drift", "drift"),
        results.leaps: [(leap.picture.permute(1, 2, 0).numpy(), caption(leap, findings)) for leap in findings.leaps],
    }


def verdict(columns: Mapping[str, Steadiness]) -> str:
    """How much the colours move, in two lines."""
    steps = ", ".join(f"{name} **{one.mean_colour_step:.2f}**" for name, one in columns.items())
    spans = ", ".join(f"{name} **{one.drift_range:.2f}**" for name, one in columns.items())
    return f"The mean colour moves from frame to frame: {steps}.  \nIt wanders over the whole clip: {spans}."


def as_table(heads: Sequence[str], measures: Sequence[Measures]) -> str:
    """The figures of videos of one source, and of that, as a Markdown table."""
    rows = compared(measures)
    lines = [("", *heads), (":--", *["--:"] * len(heads)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def curves(columns: Mapping[str, Steadiness], name: str, words: str) -> pd.DataFrame:
    """A figure over time, a row a frame and clip."""
    parts = [
        pd.DataFrame({"frame": _frames(one, curve), words: np.array(curve, float), "clip": clip})
        for clip, one in columns.items()
        for curve in [one.curves[name]]
    ]
    return pd.concat(parts).dropna()


def caption(leap: Leap, findings: Findings) -> str:
    """Which frames stand beside each other, and how far that of the clip leaps."""
    steps = ", then ".join(map(_number, leap.steps.values()))
    if "after" in leap.steps:
        return f"frame {leap.frame}: {steps}"
    if "source" in findings.columns:
        return f"frame {leap.frame}, its source: {steps}"
    return f"frames {leap.frame - 1}, {leap.frame}: {steps}"


def _frames(one: Steadiness, curve: Sequence[float | None]) -> range:
    """The frames that a curve has numbers for: all, or all but the first."""
    count = len(one.curves["drift"])
    return range(count - len(curve), count)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
