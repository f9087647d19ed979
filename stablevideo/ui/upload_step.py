"""The first step of the tab for a person's own video: what it is, and which part of it is read."""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from ..decompose.preflight import SeveralScenes
from ..errors import InputError
from ..options import DecomposeOptions
from .events import AT_ONCE, LOOK_QUEUE, NEWEST, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .mark_step import marking
from .messages import sentence, with_messages
from .project import Project
from .spill import bytes_needed
from .uploads import Upload, height_for, open_upload, scene_choices, statement, suggested, used_frames
from .widgets import with_options
from .workshop import Workshop
from .your_video_layout import FitStep, MarkStep, UploadStep


def bind_upload(
    workshop: Workshop, upload: gr.State, first: UploadStep, second: MarkStep, third: FitStep
) -> Dependency:
    """Look at an uploaded file, and say what it is."""
    later = [first.scenes, second.panel, third.panel]

    @with_messages
    def upload_video(path: str | None, request: gr.Request) -> Changes:
        workshop.visits.of(request).project = None
        hidden: Changes = {panel: gr.update(visible=False) for panel in later}
        try:
            opened = open_upload(path)
        except InputError as error:
            return {upload: None, first.facts: f"**{sentence(error)}**", **hidden}
        options = suggested(opened)
        chosen: Changes = {widget: getattr(options, name) for name, widget in first.options.items()}
        return {upload: opened, first.facts: statement(opened, options), **hidden, **chosen}

    # `change` and not `upload`: the player can also trim a video, or let it go.
    return first.video.change(
        upload_video,
        [first.video],
        [upload, first.facts, *later, *first.options.values()],
        **(UNDOCUMENTED | AT_ONCE | {"api_name": "upload_video", "show_progress": "hidden"}),
    )


def bind_options(upload: gr.State, first: UploadStep) -> None:
    """Say at once what the options choose."""
    widgets = first.options
    inputs = [upload, *widgets.values()]

    @_or_sentence
    @with_options(DecomposeOptions, widgets)
    def describe(upload: Upload | None, options: DecomposeOptions) -> Any:
        return statement(upload, options) if upload else gr.skip()

    def choose_scene(scene: str) -> list[int]:
        return [int(number) for number in scene.split("+")]

    for name, widget in widgets.items():
        if name != "width":
            widget.input(describe, inputs, [first.facts], **NEWEST)
    widgets["width"].input(height_for, [upload, widgets["width"]], [widgets["height"]], **NEWEST).then(
        describe, inputs, [first.facts], **PRIVATE
    )
    first.scenes.input(choose_scene, [first.scenes], [widgets["first_frame"], widgets["frames"]], **PRIVATE).then(
        describe, inputs, [first.facts], **PRIVATE
    )


def bind_look(
    workshop: Workshop,
    upload: gr.State,
    first: UploadStep,
    second: MarkStep,
    third: FitStep,
    uploaded: Dependency,
) -> list[Dependency]:
    """Read the part that is chosen, and its motion; then it can be marked. What is uploaded is read at once."""

    @with_messages
    @with_options(DecomposeOptions, first.options)
    def look(
        upload: Upload | None,
        options: DecomposeOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "video", progress)
        upload = upload or open_upload(None)
        used_frames(upload, options)
        visit.project = None
        folder, shelf = visit.fresh_folder("footage"), workshop.shelf(visit)
        shelf.check_room(bytes_needed(upload, options))
        try:
            settings = workshop.settings
            project = Project.begin(upload, options, folder, settings.ckpt, report, settings.device)
        except SeveralScenes as cut:
            return _choose_scene(cut, upload, first, second, third)
        visit.project = project
        warnings = "\n".join(f"- {sentence(warning)}" for warning in project.work.footage.warnings)
        return {
            first.facts: statement(upload, options),
            second.panel: gr.Column(visible=True),
            third.panel: gr.Column(visible=False),
            second.warnings: gr.Markdown(warnings, visible=bool(warnings)),
            second.frame: gr.Slider(value=0, maximum=project.work.frame_count - 1),
            second.found: gr.Video(None, visible=False),
            **marking(project, second),
            third.name: shelf.free_name(upload.path.stem),
        }

    @functools.wraps(look)
    def look_at_once(upload: Upload | None, *values: Any) -> Any:
        return look(upload, *values) if upload else gr.skip()

    shown = [first.facts, first.scenes, second.panel, third.panel, second.warnings, second.frame, second.found]
    inputs, outputs = [upload, *first.options.values()], [*shown, *second.outputs, third.name]
    bound: EventOptions = LOOK_QUEUE | {"show_progress_on": [first.facts]}
    return [
        first.look.click(look, inputs, outputs, **(UNDOCUMENTED | bound | {"api_name": "look"})),
        uploaded.success(look_at_once, inputs, outputs, **(bound | {"api_visibility": "private"})),
    ]


def _choose_scene(found: SeveralScenes, upload: Upload, first: UploadStep, second: MarkStep, third: FitStep) -> Changes:
    said = f"**The video is cut into {len(found.parts)} scenes**: choose one, then press 'Look again'."
    return {
        first.facts: said,
        first.scenes: gr.Radio(scene_choices(found.parts, upload), value=None, visible=True),
        second.panel: gr.Column(visible=False),
        third.panel: gr.Column(visible=False),
    }


def _or_sentence(handler: Callable) -> Callable:
    """For what is shown while a person still chooses: an error is said where the answer would stand."""

    @functools.wraps(handler)
    def run(*values: Any) -> Any:
        try:
            return handler(*values)
        except InputError as error:
            return sentence(error)

    return run
