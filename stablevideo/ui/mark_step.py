"""The second step of the tab for a person's own video: marking the object, and finding it in all frames."""

from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from ..errors import InputError
from ..hub import telling
from ..progress import Progress
from .events import LOOK_QUEUE, NEWEST, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .messages import sentence, with_messages
from .project import Project, Way
from .visits import Visit
from .workshop import Workshop
from .your_video_layout import HOW, FitStep, MarkStep

NOTHING_PROPOSED = "Nothing stands out or moves by itself; mark what you want to edit."


def bind_marking(workshop: Workshop, step: MarkStep) -> None:
    """Turn the frames, and mark the object by clicks or strokes."""

    def choose_way(way: Way) -> Changes:
        drawn = way == "strokes"
        shown = {step.picture: not drawn, step.editor: drawn, step.use: drawn, step.mask_video: way == "mask video"}
        return {step.how: HOW[way], **{widget: gr.update(visible=visible) for widget, visible in shown.items()}}

    @with_messages
    def show_frame(frame: int, request: gr.Request) -> Changes:
        project = _project(workshop, request)
        project.show(frame)
        return marking(project, step)

    @with_messages
    def click(way: Way, frame: int, request: gr.Request, event: gr.SelectData) -> Changes:
        project = _project(workshop, request)
        if way != "box":
            return {step.marked: gr.skip()}
        _turn_to(project, frame)
        try:
            project.click((event.index[0], event.index[1]))
        except InputError as error:
            gr.Warning(sentence(error), title="No box")
        return marking(project, step)

    @with_messages
    def use_strokes(frame: int, editor: dict[str, Any] | None, request: gr.Request) -> Changes:
        project = _project(workshop, request)
        _turn_to(project, frame)
        project.draw(editor)
        return marking(project, step, (editor or {}).get("layers"))

    @with_messages
    def unmark(frame: int, request: gr.Request) -> Changes:
        project = _project(workshop, request)
        _turn_to(project, frame)
        project.unmark()
        return marking(project, step)

    shown = [step.how, step.picture, step.editor, step.use, step.mask_video]
    step.way.input(choose_way, [step.way], shown, **PRIVATE)
    step.frame.input(show_frame, [step.frame], step.outputs, **NEWEST)
    busy: EventOptions = PRIVATE | {"show_progress": "minimal", "show_progress_on": [step.marked]}
    step.picture.select(click, [step.way, step.frame], step.outputs, **busy)
    step.use.click(use_strokes, [step.frame, step.editor], step.outputs, **busy)
    step.unmark.click(unmark, [step.frame], step.outputs, **PRIVATE)


def bind_find(workshop: Workshop, second: MarkStep, third: FitStep, looked: list[Dependency]) -> None:
    """Find what is marked, or what moves, in every frame. When a video was looked at, one of them is proposed."""

    def run(visit: Visit, way: Way, mask_video: str | None, report: Progress) -> Changes:
        project = visit.uploaded()
        with telling(report):
            path = project.find(way, mask_video, visit.fresh_folder("found"), report)
        return {
            second.found: gr.Video(str(path), visible=True),
            **marking(project, second),
            third.panel: gr.Column(visible=True),
            third.status: "",
            third.report: "",
            **{widget: gr.update(visible=False) for widget in (*third.live, third.edit)},
        }

    @with_messages
    def find(
        way: Way,
        mask_video: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "video", progress)
        return run(visit, way, mask_video, report)

    @with_messages
    def propose(
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "video", progress)
        if visit.project is None:  # of several scenes one is chosen first
            return {second.marked: gr.skip()}
        way: Way = "box" if visit.project.work.marks else "what moves"
        try:
            return run(visit, way, None, report)
        except InputError:
            return {second.marked: NOTHING_PROPOSED}

    outputs = [second.found, *second.outputs, third.panel, *third.outputs]
    bound: EventOptions = LOOK_QUEUE | {"show_progress_on": [second.marked]}
    inputs = [second.way, second.mask_video]
    second.find.click(find, inputs, outputs, **(UNDOCUMENTED | bound | {"api_name": "find_object"}))
    for event in looked:
        event.success(propose, None, outputs, **(bound | {"api_visibility": "private"}))


def marking(project: Project, step: MarkStep, layers: list[np.ndarray] | None = None) -> Changes:
    """What shows a frame's mark: the picture, the same to draw on, the sentence, and the button to forget it."""
    picture = project.picture()
    size = picture.shape[1], picture.shape[0]
    value: Any = {"background": picture, "layers": layers, "composite": None} if layers else picture
    return {
        step.picture: picture,
        step.editor: gr.ImageEditor(value, canvas_size=size),
        step.marked: project.marked(),
        step.unmark: gr.Button(visible=project.shown_frame in project.work.marks),
    }


def _project(workshop: Workshop, request: gr.Request) -> Project:
    return workshop.visits.of(request).uploaded()


def _turn_to(project: Project, frame: int) -> None:
    """A click may come before the frame that it is meant for was shown."""
    if frame != project.shown_frame:
        project.show(frame)
