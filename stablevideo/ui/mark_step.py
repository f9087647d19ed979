"""The second step of the tab for a person's own video: marking the object, and finding it in all frames."""

from typing import Any

import gradio as gr
import numpy as np

from ..errors import InputError
from .events import LOOK_QUEUE, NEWEST, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .messages import sentence, with_messages
from .project import Project, Way
from .workshop import Workshop
from .your_video_layout import HOW, FitStep, MarkStep


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


def bind_find(workshop: Workshop, second: MarkStep, third: FitStep) -> None:
    """Find what is marked, or what moves, in every frame."""

    @with_messages
    def find(
        way: Way,
        mask_video: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "video", progress)
        project = visit.uploaded()
        path = project.find(way, mask_video, visit.fresh_folder("found"), report)
        return {
            second.found: gr.Video(str(path), visible=True),
            **marking(project, second),
            third.panel: gr.Column(visible=True),
            third.status: "",
            third.report: "",
            **{widget: gr.update(visible=False) for widget in (*third.live, third.edit)},
        }

    second.find.click(
        find,
        [second.way, second.mask_video],
        [second.found, *second.outputs, third.panel, *third.outputs],
        **(UNDOCUMENTED | LOOK_QUEUE | {"api_name": "find_object", "show_progress_on": [second.marked]}),
    )


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
