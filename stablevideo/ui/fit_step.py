"""The last step of the tab for a person's own video: the fit, shown while it runs."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import gradio as gr
import numpy as np
import pandas as pd

from ..decompose.clip import as_layers
from ..decompose.fit import Fit
from ..progress import Cancelled
from .atlas_pictures import shown_atlas
from .events import FIT_QUEUE, UNDOCUMENTED, Changes, EventOptions
from .forming import Forming
from .live import watched
from .marking import enlarged
from .messages import with_messages
from .progress_view import Clock, Glimpse, bar, table
from .project import Project
from .workshop import Workshop
from .your_video_layout import FitStep

Job = Callable[[Callable[[Glimpse], None]], None]


def bind_decompose(workshop: Workshop, step: FitStep) -> None:
    """Fit the layers while the page shows them, examine and save them."""

    @with_messages
    def decompose(name: str, request: gr.Request) -> Iterator[Changes]:
        project, clock, seen = workshop.visits.of(request).uploaded(), Clock(), Glimpse()
        job = _job(project, name or "", workshop, request)
        try:
            for news in watched(job):
                glimpse = news or seen
                yield {**_view(glimpse, clock, seen, step), step.report: "", step.edit: gr.Button(visible=False)}
                seen = glimpse
        except Cancelled:
            said = f"Cancelled after {clock.gone()}. Press 'Make the layers' again to go on from the last state kept."
            yield {step.status: said}
            return
        except Exception:
            yield {step.status: ""}  # no bar stays behind at the error's message
            raise
        said = f"Done in {clock.gone()}. The clip '{name}' stands in the list of the tab 'Edit'."
        report = project.work.report
        yield {
            **_view(seen, clock, Glimpse(), step),  # again: what came fast before may have been passed over
            step.status: said,
            step.report: table(report) if report else "",
            step.edit: gr.Button(visible=True),
            step.made: name,
        }

    named: EventOptions = {"api_name": "decompose", "show_progress": "minimal", "show_progress_on": [step.status]}
    step.run.click(
        decompose,
        [step.name],
        [*step.outputs, step.made],
        **(UNDOCUMENTED | FIT_QUEUE | named),
    )


def _job(project: Project, name: str, workshop: Workshop, request: gr.Request) -> Job:
    """Decomposing as a job that tells glimpses of itself, and that its visitor's cancel ends."""
    visit, state = workshop.visits.of(request), Glimpse()

    def job(tell: Callable[[Glimpse], None]) -> None:
        def report(fraction: float, doing: str) -> None:
            nonlocal state
            state = replace(state, fraction=fraction, doing=doing)
            tell(state)

        def watch(fit: Fit) -> None:
            nonlocal state
            atlases = tuple(enlarged(shown_atlas(sheet.atlas)) for sheet in fit.estimate.sheets)
            state = replace(state, atlases=atlases, curve=tuple(fit.curve))
            if forming.is_due:
                state = replace(state, scene=forming.show(as_layers(fit.estimate, project.work.footage.video)))
            tell(state)

        forming = Forming(visit.fresh_folder("forming"))
        stoppable = workshop.stoppable(request, "video", report)
        folder = workshop.shelf(visit).new_folder(name)
        project.work.decompose(folder, stoppable, watch)
        visit.made.append(folder)
        if project.work.clip is not None:
            tell(replace(state, scene=forming.show(project.work.clip)))

    return job


def _view(glimpse: Glimpse, clock: Clock, seen: Glimpse, step: FitStep) -> Changes:
    """Status, the clip alive, both atlases and the curve; what has not changed since `seen` is not sent again."""
    status = bar(glimpse.fraction, f"{clock.words(glimpse.fraction)} · {glimpse.doing}")
    changes: Changes = {step.status: status}
    if glimpse.scene is not seen.scene:
        changes[step.canvas] = gr.update(value=glimpse.scene, visible=True)
    if glimpse.atlases is seen.atlases:
        return changes
    foreground, background = (gr.Image(picture, visible=True) for picture in glimpse.atlases)
    curve = pd.DataFrame({"turn": np.arange(1, len(glimpse.curve) + 1), "dB": glimpse.curve})
    return changes | {
        step.foreground: foreground,
        step.background: background,
        step.curve: gr.LinePlot(curve, visible=True),
    }
