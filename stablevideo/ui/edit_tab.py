"""The tab of the original StableVideo: load a clip, edit its atlases with words, render."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clips import list_clips
from ..diffusion.spec import default_model, find_models
from ..edit.background import edit_background
from ..edit.keyframes import edit_foreground
from ..edit.painting import Edit
from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions, ForegroundOptions, RenderOptions
from ..progress import within
from ..results import save_run
from ..video.pictures import resize, to_uint8
from ..video.write import write_video
from .session import Session, Settings, Workshop, with_messages
from .widgets import option_widgets, with_options

SHOWN_PX = 720  # the long side at which an atlas is shown and painted on
GPU = {"concurrency_id": "gpu", "concurrency_limit": 1}
LIGHT = {"concurrency_limit": None}


@dataclass(frozen=True)
class EditTab:
    """What leads into the tab from elsewhere: the list of clips, and loading the one that is chosen."""

    clip: gr.Dropdown
    load: Callable
    outputs: list[gr.components.Component]


def build_edit_tab(workshop: Workshop, session: gr.State) -> EditTab:
    """Lay out the tab and bind its handlers."""
    settings = workshop.settings
    models = find_models(settings.ckpt)
    model_name = settings.model or default_model(settings.ckpt)
    clips = list_clips(settings.data)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2):
            with gr.Row():
                clip = gr.Dropdown(clips, value=clips[0] if clips else None, label="clip", elem_id="clip")
                load = gr.Button("1 · Load clip", variant="primary", elem_id="load")
            source = gr.Video(label="source", interactive=False, autoplay=True, loop=True, elem_id="source")
        with gr.Column(scale=3), gr.Row():
            show_foreground = gr.Image(label="foreground atlas", interactive=False, format="png")
            show_background = gr.Image(label="background atlas", interactive=False, format="png")
    model = gr.Dropdown(
        [(spec.title, name) for name, spec in models.items()],
        value=model_name,
        label="model",
        elem_id="model",
    )
    about = gr.Markdown(_about(settings, model_name))
    defaults = models[model_name].defaults if model_name in models else {}
    with gr.Row(equal_height=False):
        with gr.Column():
            foreground_prompt = gr.Textbox(
                label="foreground prompt",
                placeholder="a picture of an orange suv",
                elem_id="foreground-prompt",
            )
            foreground_options = _options_panel(ForegroundOptions, defaults, first=("keyframes", "seed"))
            foreground_run = gr.Button("2 · Edit foreground", variant="primary", elem_id="edit-foreground")
            painted = gr.ImageEditor(
                label="edited foreground atlas: paint to bring the original back",
                type="numpy",
                format="png",
                layers=False,
                sources=(),
                transforms=(),
                brush=gr.Brush(colors=["#ff00ff"], color_mode="fixed", default_size=24),
                fixed_canvas=True,
                elem_id="paint",
            )
        with gr.Column():
            background_prompt = gr.Textbox(
                label="background prompt", placeholder="winter scene", elem_id="background-prompt"
            )
            background_options = _options_panel(BackgroundOptions, defaults, first=("seed",))
            background_run = gr.Button("3 · Edit background", variant="primary", elem_id="edit-background")
            edited_background = gr.Image(
                label="edited background atlas", interactive=False, format="png", elem_id="edited-background"
            )
    keyframes = gr.Gallery(
        label="keyframes: before, hint, after",
        columns=3,
        height=320,
        object_fit="contain",
        format="png",
        elem_id="keyframes",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=1):
            render_options = option_widgets(RenderOptions)
            render_run = gr.Button("4 · Render", variant="primary", elem_id="render")
            cancel = gr.Button("Cancel", variant="stop", elem_id="cancel")
        with gr.Column(scale=2):
            video = gr.Video(label="result", interactive=False, autoplay=True, loop=True, elem_id="result")
            files = gr.Files(label="video and settings.json", interactive=False, elem_id="files")

    @with_messages
    def load_clip(clip: str, request: gr.Request, progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        report = workshop.reporter(request, progress)
        loaded = workshop.clip(clip or "", within(report, 0, 0.8))
        report(0.9, "preparing the preview")
        atlases = [shown_atlas(loaded.layer(name).atlas) for name in ("foreground", "background")]
        return Session(loaded.name), _preview(loaded), *atlases, None, None, None, None, None

    @with_messages
    @with_options(ForegroundOptions, foreground_options)
    def run_foreground(
        session: Session | None,
        prompt: str,
        model: str,
        options: ForegroundOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        report = workshop.reporter(request, progress)
        loaded = _loaded(workshop, session)
        report(0, "loading the model")
        edit = edit_foreground(loaded, prompt, workshop.editor(model), options, report)
        return _with(session, foreground=edit), _canvas(edit.atlas), _keyframe_pictures(edit)

    @with_messages
    @with_options(BackgroundOptions, background_options)
    def run_background(
        session: Session | None,
        prompt: str,
        model: str,
        options: BackgroundOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        report = workshop.reporter(request, progress)
        loaded = _loaded(workshop, session)
        report(0, "loading the model")
        edit = edit_background(loaded, prompt, workshop.editor(model), options, report)
        return _with(session, background=edit), shown_atlas(edit.atlas)

    @with_messages
    @with_options(RenderOptions, render_options)
    def run_render(
        session: Session | None,
        painted: dict[str, Any] | None,
        options: RenderOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        report = workshop.reporter(request, progress)
        loaded = _loaded(workshop, session)
        edits = {"foreground": session.foreground, "background": session.background}
        atlases = {name: edit.atlas.to(loaded.device) for name, edit in edits.items() if edit is not None}
        if "foreground" in atlases:
            mask = brush_mask(painted, loaded.foreground.size).to(loaded.device)
            atlases["foreground"] = torch.lerp(atlases["foreground"], loaded.foreground.atlas, mask)
        record = {"edits": [edit.settings for edit in edits.values() if edit is not None]}
        keyframes = session.foreground.keyframes if session.foreground else ()
        folder = save_run(
            loaded, settings.log, record, **atlases, keyframes=keyframes, options=options, progress=report
        )
        served = [_served(folder / "video.mp4"), _served(folder / "settings.json")]
        return served[0], served

    shown = [session, source, show_foreground, show_background, painted, edited_background, keyframes, video, files]
    load.click(load_clip, [clip], shown, api_name="load_clip", **GPU)
    foreground_run.click(
        run_foreground,
        [session, foreground_prompt, model, *foreground_options.values()],
        [session, painted, keyframes],
        api_name="edit_foreground",
        **GPU,
    )
    background_run.click(
        run_background,
        [session, background_prompt, model, *background_options.values()],
        [session, edited_background],
        api_name="edit_background",
        **GPU,
    )
    render_run.click(run_render, [session, painted, *render_options.values()], [video, files], api_name="render", **GPU)
    cancel.click(workshop.cancel, None, None, api_name="cancel", queue=False, **LIGHT)
    model.change(
        lambda name: _model_defaults(settings, name),
        [model],
        [about] + [options[n] for options in (foreground_options, background_options) for n in _MODEL_FIELDS],
        api_visibility="private",
        **LIGHT,
    )
    return EditTab(clip, load_clip, shown)


_MODEL_FIELDS = ("resolution", "steps", "guidance")


def _model_defaults(settings: Settings, name: str) -> list[Any]:
    """The model's description, and its own values of the options that depend on it, for both panels."""
    spec = find_models(settings.ckpt).get(name)
    if spec is None:
        raise gr.Error(f"There is no model {name!r}.")
    values = [
        spec.defaults.get(item, getattr(options, item))
        for options in (ForegroundOptions, BackgroundOptions)
        for item in _MODEL_FIELDS
    ]
    return [_about(settings, name), *values]


def _about(settings: Settings, name: str) -> str:
    """For the embedded model: what it is and the words it knows."""
    card = settings.ckpt / name / "model.json"
    if not card.is_file():
        return ""
    facts = json.loads(card.read_text(encoding="utf-8"))
    words = "; ".join(f"**{kind}**: {', '.join(names)}" for kind, names in facts.get("vocabulary", {}).items())
    return f"{facts.get('description', '')} It knows {words}."


def _options_panel(options: type, defaults: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    """The widgets of an options dataclass: a few in sight, the rest folded away; in the fields' order."""
    widgets = {}
    with gr.Row():
        widgets |= option_widgets(options, only=first)
    with gr.Accordion("advanced", open=False):
        widgets |= option_widgets(options, without=first)
    for name, value in defaults.items():
        if name in widgets:
            widgets[name].value = value
    return widgets


def _loaded(workshop: Workshop, session: Session | None) -> LayeredVideo:
    if session is None:
        raise InputError("no clip is loaded yet; choose one and press 'Load clip' first.")
    return workshop.clip(session.clip)


def _with(session: Session, **changes: Edit) -> Session:
    return Session(**{**vars(session), **changes})


def shown_atlas(picture: Tensor) -> np.ndarray:
    """An atlas as the page shows it: uint8 [h, w, 3], its long side at most SHOWN_PX."""
    scale = min(1.0, SHOWN_PX / max(picture.shape[1:]))
    size = [max(1, round(side * scale)) for side in picture.shape[1:]]
    return to_uint8(resize(picture[None].cpu(), size)[0]).permute(1, 2, 0).numpy()


def _canvas(atlas: Tensor) -> Any:
    picture = shown_atlas(atlas)
    return gr.ImageEditor(value=picture, canvas_size=(picture.shape[1], picture.shape[0]))


def brush_mask(painted: dict[str, Any] | None, size: tuple[int, int]) -> Tensor:
    """What the brush touched -> [1, Ha, Wa] in [0, 1] at the atlas's own size."""
    mask = torch.zeros(1, *size)
    for layer in (painted or {}).get("layers") or []:
        if layer is None or layer.ndim != 3 or layer.shape[2] != 4:
            continue
        alpha = torch.from_numpy(layer[..., 3].copy())[None, None].float() / 255
        scaled = F.interpolate(alpha, size, mode="bilinear", align_corners=False, antialias=True)[0]
        mask = torch.maximum(mask, scaled)
    return mask


def _keyframe_pictures(edit: Edit) -> list[tuple[np.ndarray, str]]:
    return [
        (shown_atlas(getattr(keyframe, part)), f"frame {keyframe.frame}, {part}")
        for keyframe in edit.keyframes
        for part in ("before", "hint", "after")
    ]


def _preview(clip: LayeredVideo) -> str:
    """The source as a video the browser plays, in a folder of its own."""
    path = Path(tempfile.mkdtemp(prefix="stablevideo-")) / f"{clip.name}.mp4"
    sound = clip.video.path if clip.video.has_audio else None
    write_video(clip.video.chunks(), path, clip.video.fps, audio=sound)
    return str(path)


def _served(path: Path) -> str:
    """A copy in a folder of the session's own: of log/, nothing but what a session made is ever served to it."""
    return str(shutil.copy(path, tempfile.mkdtemp(prefix="stablevideo-")))
