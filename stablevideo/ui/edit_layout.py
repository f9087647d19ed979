"""How the tab that edits a clip is laid out: the clip, its two layers side by side, the result."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from ..clips import ATLAS_RESOLUTION, list_clips
from ..layers.coords import LAYER_NAMES, LayerName
from ..options import BackgroundOptions, DiffusionOptions, ForegroundOptions, RecolourOptions, RenderOptions
from .models import lay_out_model, model_defaults
from .settings import Settings
from .widgets import Widget, option_widgets, options_panel

PROMPTS: dict[LayerName, str] = {"foreground": "a picture of an orange suv", "background": "winter scene"}
OPTIONS: dict[LayerName, type[DiffusionOptions]] = {"foreground": ForegroundOptions, "background": BackgroundOptions}
OWN_PICTURE = """A picture of the atlas's shape: save the atlas from above and draw on it. Where yours is transparent,
the atlas stays; without transparency it takes the atlas's place."""
RECOLOUR = """Without words or a model: the layer's colours are turned, strengthened or lightened; shapes stay.
It begins from the edited atlas where there is one; pressing again begins there too, so the sliders never add up."""
IN_SIGHT: dict[LayerName, tuple[str, ...]] = {
    "foreground": ("keyframes", "seed", "hints"),
    "background": ("seed", "hints"),
}
ATLAS_PX = 240  # as high as the page shows the source and its atlases
KEYFRAMES_PX = 260
LEAST_ATLAS, MOST_ATLAS, ATLAS_STEP = 500, 4000, 100


@dataclass(frozen=True)
class ClipPart:
    """Choosing, loading and deleting a clip, and what it is made of."""

    clip: gr.Dropdown
    atlas_resolution: gr.Slider
    load: gr.Button
    delete: gr.Button
    sure: gr.Row
    really_delete: gr.Button
    keep: gr.Button
    source: gr.Video
    atlases: dict[LayerName, gr.Image]


@dataclass(frozen=True)
class LayerPart:
    """Editing one layer: by words, or by a picture of one's own."""

    prompt: gr.Textbox
    options: dict[str, Widget]
    run: gr.Button
    picture: gr.Image
    lay: gr.Button
    edited: gr.Image | gr.ImageEditor


@dataclass(frozen=True)
class RecolourPart:
    """Other colours for a layer, without words."""

    layer: gr.Radio
    options: dict[str, Widget]
    run: gr.Button


@dataclass(frozen=True)
class ResultPart:
    """The keyframes, and the video."""

    keyframes: gr.Gallery
    options: dict[str, Widget]
    run: gr.Button
    cancel: gr.Button
    video: gr.Video
    files: gr.Files
    steady: gr.Button


@dataclass(frozen=True)
class EditLayout:
    """The widgets of the tab."""

    clip: ClipPart
    model: gr.Dropdown
    about: gr.Markdown
    layers: dict[LayerName, LayerPart]
    recolour: RecolourPart
    result: ResultPart

    @property
    def of_a_clip(self) -> list[Component]:
        """What loading a clip changes."""
        edited = [self.layers["foreground"].edited, self.layers["background"].edited]
        shown = [self.clip.source, *self.clip.atlases.values(), *edited]
        return [*shown, self.result.keyframes, self.result.video, self.result.files, self.keyframe_numbers]

    @property
    def keyframe_numbers(self) -> Widget:
        """Which frames of the foreground are painted."""
        return self.layers["foreground"].options["keyframes"]


def lay_out_edit_tab(settings: Settings) -> EditLayout:
    """Lay out the whole tab."""
    clip = _lay_out_clip(settings)
    model, words = lay_out_model(settings, "model")
    defaults = model_defaults(settings)
    with gr.Row(equal_height=False):
        with gr.Column():
            foreground = _lay_out_layer("foreground", 2, defaults)
        with gr.Column():
            background = _lay_out_layer("background", 3, defaults)
    layers: dict[LayerName, LayerPart] = {"foreground": foreground, "background": background}
    return EditLayout(clip, model, words, layers, _lay_out_recolour(), _lay_out_result())


def _lay_out_clip(settings: Settings) -> ClipPart:
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=360):
            clip, atlas_resolution = _clip_choice(settings)
            with gr.Row():
                load = gr.Button("1 · Load clip", variant="primary", scale=3, elem_id="load")
                delete = gr.Button("Delete…", scale=1, min_width=80, visible=False, elem_id="delete")
            with gr.Row(visible=False) as sure:
                really_delete = gr.Button("Delete for good", variant="stop", elem_id="really-delete")
                keep = gr.Button("Keep it", elem_id="keep")
            gr.Markdown(settings.rule, elem_id="rule")
        with gr.Column(scale=5), gr.Row(equal_height=True):
            source = gr.Video(
                label="source",
                interactive=False,
                autoplay=True,
                loop=True,
                height=ATLAS_PX,
                buttons=[],
                elem_id="source",
            )
            atlases = {layer: _atlas(layer) for layer in PROMPTS}
    return ClipPart(clip, atlas_resolution, load, delete, sure, really_delete, keep, source, atlases)


def _clip_choice(settings: Settings) -> tuple[gr.Dropdown, gr.Slider]:
    clips = list_clips(settings.data)
    clip = gr.Dropdown(
        clips,
        value=clips[0] if clips else None,
        label="clip",
        # A clip made meanwhile is not among the choices the page began with; loading it says if there is none.
        allow_custom_value=True,
        elem_id="clip",
    )
    atlas_resolution = gr.Slider(
        LEAST_ATLAS,
        MOST_ATLAS,
        ATLAS_RESOLUTION,
        step=ATLAS_STEP,
        label="atlas resolution",
        info="pixels across the atlas of a clip from networks; a change loads the clip again, without its edits",
        elem_id="atlas-resolution",
    )
    return clip, atlas_resolution


def _atlas(layer: LayerName) -> gr.Image:
    return gr.Image(label=f"{layer} atlas", interactive=False, format="png", height=ATLAS_PX, elem_id=f"{layer}-atlas")


def _lay_out_layer(layer: LayerName, number: int, defaults: dict) -> LayerPart:
    prompt = gr.Textbox(PROMPTS[layer], label=f"{layer} prompt", elem_id=f"{layer}-prompt")
    options = options_panel(OPTIONS[layer], IN_SIGHT[layer], defaults)
    run = gr.Button(f"{number} · Edit {layer}", variant="primary", elem_id=f"edit-{layer}")
    with gr.Accordion("a picture of your own instead", open=False):
        gr.Markdown(OWN_PICTURE)
        picture = gr.Image(
            label=f"in the {layer} atlas",
            image_mode="RGBA",
            type="numpy",
            sources=["upload", "clipboard"],
            format="png",
            height=220,
            elem_id=f"{layer}-picture",
        )
        lay = gr.Button(f"Lay it over the {layer}", elem_id=f"lay-{layer}")
    edited = _paintable() if layer == "foreground" else _edited(layer)
    if layer == "foreground":
        gr.Markdown("Paint on it to bring the original back.")
    return LayerPart(prompt, options, run, picture, lay, edited)


def _edited(layer: LayerName) -> gr.Image:
    return gr.Image(label=f"edited {layer} atlas", interactive=False, format="png", elem_id=f"edited-{layer}")


def _paintable() -> gr.ImageEditor:
    return gr.ImageEditor(
        label="edited foreground atlas",
        type="numpy",
        format="png",
        layers=False,
        sources=(),
        transforms=(),
        brush=gr.Brush(colors=["#ff00ff"], color_mode="fixed", default_size=24),
        fixed_canvas=False,
        elem_id="paint",
    )


def _lay_out_recolour() -> RecolourPart:
    with gr.Accordion("Recolour", open=False, elem_id="recolour"):
        gr.Markdown(RECOLOUR)
        with gr.Row():
            layer = gr.Radio(list(LAYER_NAMES), value="foreground", label="layer", elem_id="recolour-layer")
            options = option_widgets(RecolourOptions)
        run = gr.Button("Recolour the layer", elem_id="recolour-run")
    return RecolourPart(layer, options, run)


def _lay_out_result() -> ResultPart:
    with gr.Row(equal_height=False):
        with gr.Column():
            keyframes = gr.Gallery(
                label="keyframes: before, hint, after",
                columns=3,
                height=KEYFRAMES_PX,
                object_fit="contain",
                format="png",
                elem_id="keyframes",
            )
            with gr.Row():
                options = option_widgets(RenderOptions, only=("width", "height"))
            options |= option_widgets(RenderOptions, without=("width", "height"))
            with gr.Row():
                run = gr.Button("4 · Render", variant="primary", scale=3, elem_id="render")
                cancel = gr.Button("Cancel", variant="stop", scale=1, min_width=80, elem_id="cancel")
        with gr.Column():
            video = gr.Video(label="result", interactive=False, autoplay=True, loop=True, elem_id="result")
            files = gr.Files(label="video and settings.json", interactive=False, height=150, elem_id="files")
            steady = gr.Button("Measure and steady this", visible=False, elem_id="steady-this")
    return ResultPart(keyframes, options, run, cancel, video, files, steady)
