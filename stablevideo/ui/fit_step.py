"""The last step of the tab for a person's own video: the fit, shown while it runs."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from ..decompose.fit import Fit
from ..progress import Cancelled, Progress
from .edit_tab import GPU, shown_atlas
from .live import watched
from .marking import enlarged
from .project import Clock, Glimpse, Project, bar, table
from .session import Workshop, with_messages
from .your_video_layout import FitStep

# For clients that know of it, but not among the documented endpoints: boxes and strokes need the page.
UNDOCUMENTED = {"api_visibility": "undocumented"}


def bind_decompose(workshop: Workshop, step: FitStep) -> None:
    """Fit the layers while the page shows them, examine and save them."""

    @with_messages
    def decompose(name: str, request: gr.Request) -> Iterator[list[Any]]:
        project, clock = workshop.project(request), Clock()
        seen = Glimpse()
        job = _job(project, name or "", workshop, request)
        try:
            for news in watched(job):
                glimpse = news or seen
                yield [*_view(glimpse, clock, seen), "", gr.Button(visible=False), None]
                seen = glimpse
        except Cancelled:
            said = f"Cancelled after {clock.gone()}. Press 'Decompose' again to go on from the last state kept."
            yield [said, *[gr.skip()] * 6]
            return
        except Exception:
            yield ["", *[gr.skip()] * 6]  # no bar stays behind at the error's message
            raise
        said = f"Done in {clock.gone()}. The clip '{name}' stands in the list of the tab 'Edit a clip'."
        yield [said, *[gr.skip()] * 3, table(project.report), gr.Button(visible=True), name]

    step.run.click(
        decompose,
        [step.name],
        [*step.outputs, step.made],
        api_name="decompose",
        show_progress="minimal",
        show_progress_on=[step.status],
        **UNDOCUMENTED,
        **GPU,
    )


def _job(
    project: Project, name: str, workshop: Workshop, request: gr.Request
) -> Callable[[Callable[[Glimpse], None]], None]:
    """Decomposing as a job that tells glimpses of itself, and that the session's cancel ends."""
    state = Glimpse()

    def job(tell: Callable[[Glimpse], None]) -> None:
        def report(fraction: float, doing: str) -> None:
            nonlocal state
            state = replace(state, fraction=fraction, doing=doing)
            tell(state)

        def watch(fit: Fit) -> None:
            nonlocal state
            atlases = tuple(enlarged(shown_atlas(sheet.atlas)) for sheet in fit.sheets)
            state = replace(state, atlases=atlases, curve=tuple(fit.curve))
            tell(state)

        project.decompose(workshop.settings.data, name, stoppable(report), watch)

    stoppable: Callable[[Progress], Progress] = functools.partial(workshop.stoppable, request)
    return job


def _view(glimpse: Glimpse, clock: Clock, seen: Glimpse) -> list[Any]:
    """Status, both atlases and the curve; what has not changed since `seen` is not sent again."""
    status = bar(glimpse.fraction, f"{clock.words(glimpse.fraction)} · {glimpse.doing}")
    if glimpse.atlases is seen.atlases:
        return [status, *[gr.skip()] * 3]
    pictures = [gr.Image(picture, visible=True) for picture in glimpse.atlases]
    curve = pd.DataFrame({"turn": np.arange(1, len(glimpse.curve) + 1), "dB": glimpse.curve})
    return [status, *pictures, gr.LinePlot(curve, visible=True)]
