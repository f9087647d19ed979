"""The tab of the original StableVideo: load a clip, edit its atlases, render."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.components import Component

from ..edit.background import edit_background
from ..edit.keyframes import edit_foreground
from ..edit.own_picture import lay_picture
from ..edit.painting import Edit
from ..edit.recolour import recolour
from ..errors import InputError
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions, ForegroundOptions, RecolourOptions, RenderOptions
from ..progress import Progress
from ..results import save_run
from .atlas_pictures import brush_mask, canvas, keyframe_pictures, shown_atlas
from .clip_part import bind_clips
from .edit_layout import OPTIONS, EditLayout, lay_out_edit_tab
from .events import AT_ONCE, EDIT_QUEUE, Changes
from .messages import with_messages
from .models import bind_model
from .visits import Visit, Work
from .widgets import with_options
from .workshop import Workshop


def build_edit_tab(workshop: Workshop) -> EditLayout:
    """Lay out the tab and bind its handlers."""
    layout = lay_out_edit_tab(workshop.settings)
    bind_clips(workshop, layout)
    panels = [(OPTIONS[layer], part.options) for layer, part in layout.layers.items()]
    bind_model(workshop.settings, layout.model, layout.about, panels)
    _bind_foreground(workshop, layout)
    _bind_background(workshop, layout)
    for layer in LAYER_NAMES:
        _bind_own_picture(workshop, layout, layer)
    _bind_recolour(workshop, layout)
    _bind_render(workshop, layout)

    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "edit")

    layout.result.cancel.click(with_messages(cancel), None, None, **(AT_ONCE | {"api_name": "cancel", "queue": False}))
    return layout


def _bind_foreground(workshop: Workshop, layout: EditLayout) -> None:
    part, keyframes = layout.layers["foreground"], layout.result.keyframes

    @with_messages
    @with_options(ForegroundOptions, part.options)
    def run(
        prompt: str,
        model: str,
        options: ForegroundOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, clip, report = _begin(workshop, request, progress)
        report(0, "loading the model")
        edit = edit_foreground(clip, prompt, workshop.editor(model), options, report)
        visit.edit("foreground", edit)
        return {part.edited: canvas(edit.atlas), keyframes: keyframe_pictures(edit)}

    inputs = [part.prompt, layout.model, *part.options.values()]
    part.run.click(run, inputs, [part.edited, keyframes], **(EDIT_QUEUE | {"api_name": "edit_foreground"}))


def _bind_background(workshop: Workshop, layout: EditLayout) -> None:
    part = layout.layers["background"]

    @with_messages
    @with_options(BackgroundOptions, part.options)
    def run(
        prompt: str,
        model: str,
        options: BackgroundOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, clip, report = _begin(workshop, request, progress)
        report(0, "loading the model")
        edit = edit_background(clip, prompt, workshop.editor(model), options, report)
        visit.edit("background", edit)
        return {part.edited: shown_atlas(edit.atlas)}

    inputs = [part.prompt, layout.model, *part.options.values()]
    part.run.click(run, inputs, [part.edited], **(EDIT_QUEUE | {"api_name": "edit_background"}))


def _bind_own_picture(workshop: Workshop, layout: EditLayout, layer: LayerName) -> None:
    """A picture from elsewhere over a layer, or in its place."""
    part, keyframes = layout.layers[layer], layout.result.keyframes

    @with_messages
    def lay(
        picture: np.ndarray | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, clip, report = _begin(workshop, request, progress)
        if picture is None:
            raise InputError("there is no picture yet; upload one first.")
        report(0.5, "laying the picture")
        edit = lay_picture(clip, layer, torch.from_numpy(picture).permute(2, 0, 1).float() / 255)
        visit.edit(layer, edit)
        if layer == "background":
            return {part.edited: shown_atlas(edit.atlas)}
        return {part.edited: canvas(edit.atlas), keyframes: None}

    outputs: list[Component] = [part.edited, keyframes] if layer == "foreground" else [part.edited]
    part.lay.click(lay, [part.picture], outputs, **(EDIT_QUEUE | {"api_name": f"{layer}_picture"}))


def _bind_recolour(workshop: Workshop, layout: EditLayout) -> None:
    """Other colours for what a layer shows by now."""
    part, edited = layout.recolour, {layer: layout.layers[layer].edited for layer in LAYER_NAMES}

    @with_messages
    @with_options(RecolourOptions, part.options)
    def run(
        layer: LayerName,
        options: RecolourOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, clip, report = _begin(workshop, request, progress)
        report(0.5, "recolouring")
        work = visit.loaded()
        edit = recolour(clip, layer, options, work.foreground if layer == "foreground" else work.background)
        visit.edit(layer, edit)
        return {edited[layer]: canvas(edit.atlas) if layer == "foreground" else shown_atlas(edit.atlas)}

    inputs = [part.layer, *part.options.values()]
    part.run.click(run, inputs, list(edited.values()), **(EDIT_QUEUE | {"api_name": "recolour"}))


def _bind_render(workshop: Workshop, layout: EditLayout) -> None:
    part, edited = layout.result, layout.layers["foreground"].edited

    @with_messages
    @with_options(RenderOptions, part.options)
    def run(
        painted: dict[str, Any] | None,
        options: RenderOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, clip, report = _begin(workshop, request, progress)
        served = visit.fresh_folder("result")
        folder = render(clip, visit.loaded(), painted, options, _log(workshop, served), report)
        files = [str(shutil.copy(folder / name, served)) for name in ("video.mp4", "settings.json")]
        return {part.video: files[0], part.files: files}

    part.run.click(
        run, [edited, *part.options.values()], [part.video, part.files], **(EDIT_QUEUE | {"api_name": "render"})
    )


def _log(workshop: Workshop, served: Path) -> Path:
    """Where results go: they are kept, or go with the visit."""
    return workshop.settings.log if workshop.settings.keeps else served / "log"


def render(
    clip: LayeredVideo,
    work: Work,
    painted: dict[str, Any] | None,
    options: RenderOptions,
    log: Path,
    progress: Progress,
) -> Path:
    """Render a clip with its edits, less what was painted over on the foreground, into a new folder of `log`."""
    edits: dict[LayerName, Edit | None] = {"foreground": work.foreground, "background": work.background}
    made = {name: edit for name, edit in edits.items() if edit is not None}
    atlases = {name: edit.atlas.to(clip.device) for name, edit in made.items()}
    if "foreground" in atlases:
        mask = brush_mask(painted, clip.foreground.size).to(clip.device)
        atlases["foreground"] = torch.lerp(atlases["foreground"], clip.foreground.atlas, mask)
    return save_run(
        clip,
        log,
        {"edits": [edit.settings for edit in made.values()]},
        foreground=atlases.get("foreground"),
        background=atlases.get("background"),
        keyframes=work.foreground.keyframes if work.foreground else (),
        options=options,
        progress=progress,
    )


def _begin(workshop: Workshop, request: gr.Request, progress: gr.Progress) -> tuple[Visit, LayeredVideo, Progress]:
    """Begin a job on the clip that is loaded."""
    visit, report = workshop.begin(request, "edit", progress)
    return visit, workshop.work_clip(visit), report
