"""The tab in which a person's own video becomes a clip: upload, mark the object, find it, decompose."""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from ..decompose.preflight import SeveralScenes
from ..errors import InputError
from ..options import DecomposeOptions
from .edit_tab import GPU, LIGHT
from .fit_step import UNDOCUMENTED, bind_decompose
from .project import Project, Way
from .session import Workshop, sentence, with_messages
from .uploads import Upload, free_name, height_for, open_upload, scene_choices, statement, suggested, used_frames
from .widgets import with_options
from .your_video_layout import HOW, FitStep, MarkStep, UploadStep, lay_out_fit, lay_out_marking, lay_out_upload

PRIVATE = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
NEWEST = {"trigger_mode": "always_last", **PRIVATE}


def build_your_video_tab(workshop: Workshop, time_to_live: int) -> FitStep:
    """Lay out the tab and bind its handlers, but for the button that leads on to the edit tab."""
    upload = gr.State(None, time_to_live=time_to_live)
    first, second, third = lay_out_upload(), lay_out_marking(), lay_out_fit(time_to_live)
    _bind_upload(workshop, upload, first, second, third)
    _bind_options(upload, first)
    _bind_look(workshop, upload, first, second, third)
    _bind_marking(workshop, second)
    _bind_find(workshop, second, third)
    bind_decompose(workshop, third)

    def cancel(request: gr.Request) -> None:
        workshop.cancel(request)
        gr.Info("What runs will end at its next step.", title="Cancel")

    for button in (first.cancel, second.cancel, third.cancel):
        button.click(cancel, None, None, queue=False, **PRIVATE)
    return third


def _bind_upload(workshop: Workshop, upload: gr.State, first: UploadStep, second: MarkStep, third: FitStep) -> None:
    later = [first.scenes, second.panel, third.panel]

    @with_messages
    def upload_video(path: str | None, request: gr.Request) -> list[Any]:
        workshop.keep_project(request, None)
        try:
            opened = open_upload(path)
        except InputError as error:
            return [None, f"**{sentence(error)}**", *[_hidden()] * 3, *[gr.skip()] * len(first.options)]
        options = suggested(opened)
        chosen = [getattr(options, name) for name in first.options]
        return [opened, statement(opened, options), *[_hidden()] * 3, *chosen]

    # `change` and not `upload`: the player can also trim a video, or let it go.
    first.video.change(
        upload_video,
        [first.video],
        [upload, first.facts, *later, *first.options.values()],
        api_name="upload_video",
        show_progress="hidden",
        **UNDOCUMENTED,
        **LIGHT,
    )


def _bind_options(upload: gr.State, first: UploadStep) -> None:
    widgets = first.options

    @_or_sentence
    @with_options(DecomposeOptions, widgets)
    def describe(upload: Upload | None, options: DecomposeOptions) -> Any:
        return statement(upload, options) if upload else gr.skip()

    def choose_scene(scene: str) -> list[int]:
        return [int(number) for number in scene.split("+")]

    for name, widget in widgets.items():
        if name != "width":
            widget.input(describe, [upload, *widgets.values()], [first.facts], **NEWEST)
    widgets["width"].input(height_for, [upload, widgets["width"]], [widgets["height"]], **NEWEST).then(
        describe, [upload, *widgets.values()], [first.facts], **PRIVATE
    )
    first.scenes.input(choose_scene, [first.scenes], [widgets["first_frame"], widgets["frames"]], **PRIVATE).then(
        describe, [upload, *widgets.values()], [first.facts], **PRIVATE
    )


def _bind_look(workshop: Workshop, upload: gr.State, first: UploadStep, second: MarkStep, third: FitStep) -> None:
    settings = workshop.settings

    @with_messages
    @with_options(DecomposeOptions, first.options)
    def look(
        upload: Upload | None,
        options: DecomposeOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        upload = upload or open_upload(None)
        used_frames(upload, options)
        workshop.keep_project(request, None)  # before the next takes as much memory
        try:
            project = Project.begun(upload, options, settings.ckpt, workshop.reporter(request, progress))
        except SeveralScenes as found:
            scenes = gr.Radio(scene_choices(found.parts, upload), value=None, visible=True)
            said = f"**The video is cut into {len(found.parts)} scenes**: choose one, then press 'Look' again."
            return [said, scenes, _hidden(), _hidden(), *[gr.skip()] * 8]
        workshop.keep_project(request, project)
        warnings = "\n".join(f"- {sentence(warning)}" for warning in project.footage.warnings)
        return [
            statement(upload, options),
            gr.skip(),
            gr.Column(visible=True),
            _hidden(),
            gr.Markdown(warnings, visible=bool(warnings)),
            gr.Slider(value=0, maximum=project.frame_count - 1),
            gr.Video(None, visible=False),
            *_marking(project, 0),
            free_name(settings.data, upload.path.stem),
        ]

    shown = [first.facts, first.scenes, second.panel, third.panel, second.warnings, second.frame, second.found]
    first.look.click(
        look,
        [upload, *first.options.values()],
        [*shown, *second.outputs, third.name],
        api_name="look",
        show_progress_on=[first.facts],
        **UNDOCUMENTED,
        **GPU,
    )


def _bind_marking(workshop: Workshop, step: MarkStep) -> None:
    outputs = step.outputs

    def choose_way(way: Way) -> list[Any]:
        drawn = way == "strokes"
        shown = [not drawn, drawn, drawn, way == "mask video"]
        return [HOW[way], *[gr.update(visible=visible) for visible in shown]]

    @with_messages
    def show_frame(frame: int, request: gr.Request) -> list[Any]:
        project = workshop.project(request)
        project.corner = None
        return _marking(project, frame)

    @with_messages
    def click(way: Way, frame: int, request: gr.Request, event: gr.SelectData) -> list[Any]:
        project = workshop.project(request)
        if way != "box":
            return [gr.skip()] * len(outputs)
        try:
            project.click(frame, event.index)
        except InputError as error:
            gr.Warning(sentence(error), title="No box")
        return _marking(project, frame)

    @with_messages
    def use_strokes(frame: int, editor: dict[str, Any] | None, request: gr.Request) -> list[Any]:
        project = workshop.project(request)
        project.draw(frame, editor)
        return _marking(project, frame, editor["layers"])

    @with_messages
    def unmark(frame: int, request: gr.Request) -> list[Any]:
        project = workshop.project(request)
        project.unmark(frame)
        return _marking(project, frame)

    step.way.input(choose_way, [step.way], [step.how, step.picture, step.editor, step.use, step.mask_video], **PRIVATE)
    step.frame.input(show_frame, [step.frame], outputs, **NEWEST)
    busy = {**PRIVATE, "show_progress": "minimal", "show_progress_on": [step.marked]}
    step.picture.select(click, [step.way, step.frame], outputs, **busy)
    step.use.click(use_strokes, [step.frame, step.editor], outputs, **busy)
    step.unmark.click(unmark, [step.frame], outputs, **PRIVATE)


def _bind_find(workshop: Workshop, second: MarkStep, third: FitStep) -> None:
    @with_messages
    def find(
        way: Way,
        frame: int,
        mask_video: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        project = workshop.project(request)
        path = project.find(way, mask_video, workshop.reporter(request, progress))
        nothing_yet = ["", _hidden(), _hidden(), _hidden(), "", _hidden()]
        return [gr.Video(path, visible=True), *_marking(project, frame), gr.Column(visible=True), *nothing_yet]

    second.find.click(
        find,
        [second.way, second.frame, second.mask_video],
        [second.found, *second.outputs, third.panel, *third.outputs],
        api_name="find_object",
        show_progress_on=[second.marked],
        **UNDOCUMENTED,
        **GPU,
    )


def _marking(project: Project, frame: int, layers: list[np.ndarray] | None = None) -> list[Any]:
    """What shows a frame's mark: the picture, the same to draw on, the sentence, and the button to forget it."""
    picture = project.picture(frame)
    size = picture.shape[1], picture.shape[0]
    value = {"background": picture, "layers": layers, "composite": None} if layers else picture
    canvas = gr.ImageEditor(value, canvas_size=size)
    return [picture, canvas, project.marked(), gr.Button(visible=frame in project.marks)]


def _hidden() -> dict[str, Any]:
    return gr.update(visible=False)


def _or_sentence(handler: Callable) -> Callable:
    """For what is shown while a person still chooses: an error is said where the answer would stand."""

    @functools.wraps(handler)
    def run(*values: Any) -> Any:
        try:
            return handler(*values)
        except InputError as error:
            return sentence(error)

    return run
