"""How the tab that edits a clip is laid out: the clip alive beside the words; everything else below, folded away."""

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from ..clips import list_clips
from ..layers.coords import LAYER_NAMES, LayerName
from ..options import BackgroundOptions, DiffusionOptions, ForegroundOptions, RenderOptions
from .canvas.component import layer_canvas
from .chips import Words, word_chips
from .edit_more_layout import AgainPart, RecolourPart, lay_out_again, lay_out_atlas_resolution, lay_out_recolour
from .events import PRIVATE
from .models import first_model, lay_out_model, model_defaults, models_table, vocabulary
from .settings import Settings
from .strip import picture_strip
from .widgets import Widget, option_widgets, options_panel

PROMPTS: dict[LayerName, str] = {"foreground": "red", "background": "autumn"}
ASKED: dict[LayerName, str] = {
    "foreground": "What should the thing in front become?",
    "background": "And what should be behind it?",
}
# The kinds of a model's words that suit a layer.
WORDS: dict[LayerName, tuple[str, ...]] = {
    "foreground": ("colours", "materials", "patterns", "styles"),
    "background": ("scenes", "styles"),
}
OPTIONS: dict[LayerName, type[DiffusionOptions]] = {"foreground": ForegroundOptions, "background": BackgroundOptions}
OWN_PICTURE = """The clip's two layers as still pictures, its *atlases*. Save one, draw on it in any program, and lay
it back: where your picture is transparent the atlas stays; without transparency it takes the atlas's place."""
IN_SIGHT: dict[LayerName, tuple[str, ...]] = {
    "foreground": ("keyframes", "seed", "hints"),
    "background": ("seed", "hints"),
}
# The page is as wide as the screen, up to where the clip would push the rest below it.
STYLE = """
.gradio-container .main { max-width: 1500px; margin: 0 auto; padding-block: 8px }
button[role="tab"].selected { color: var(--primary-700) }
.dark button[role="tab"].selected { color: var(--primary-300) }
footer :is(a, button) { color: var(--body-text-color) !important }
#way { gap: 8px }
#way .block { padding-block: 6px }
"""
ATLAS_PX, KEYFRAMES_PX = 240, 260


@dataclass(frozen=True)
class ClipPart:
    """Choosing, showing and deleting a clip."""

    clip: gr.Dropdown
    delete: gr.Button
    sure: gr.Row
    really_delete: gr.Button
    keep: gr.Button
    canvas: gr.HTML
    source: gr.File
    atlas_resolution: gr.Slider


@dataclass(frozen=True)
class LayerPart:
    """Editing one layer: by words, or by a picture of one's own."""

    prompt: gr.Textbox
    chips: gr.HTML
    options: dict[str, Widget]
    run: gr.Button
    atlas: gr.Image
    edited: gr.Image
    picture: gr.Image
    lay: gr.Button


@dataclass(frozen=True)
class ResultPart:
    """What is kept of an edit."""

    options: dict[str, Widget]
    run: gr.Button
    video: gr.Video
    files: gr.Files
    said: gr.Markdown
    table: gr.Markdown
    steady: gr.Button
    videos: gr.HTML


@dataclass(frozen=True)
class EditLayout:
    """The widgets of the tab."""

    clip: ClipPart
    run: gr.Button
    cancel: gr.Button
    model: gr.Dropdown
    about: gr.Markdown
    layers: dict[LayerName, LayerPart]
    by_file: gr.Accordion
    keyframes: gr.Gallery
    again: AgainPart
    recolour: RecolourPart
    result: ResultPart
    earlier: gr.HTML

    @property
    def pictures(self) -> list[Component]:
        """The atlases as pictures: both layers' own, and edited."""
        return [picture for part in self.layers.values() for picture in (part.atlas, part.edited)]

    @property
    def of_an_edit(self) -> list[Component]:
        """What another edit changes."""
        return [self.clip.canvas, *self.pictures, self.earlier]

    @property
    def of_a_clip(self) -> list[Component]:
        """What loading a clip changes."""
        shown = [self.clip.source, *self.of_an_edit]
        result = self.result
        kept = [result.video, result.files, result.said, result.table, result.videos]
        return [*shown, self.keyframes, *kept, self.keyframe_numbers]

    @property
    def keyframe_numbers(self) -> Widget:
        """Which frames of the foreground are painted."""
        return self.layers["foreground"].options["keyframes"]


def lay_out_edit_tab(settings: Settings) -> EditLayout:
    """Lay out the whole tab: the way through it first, then what only some will want."""
    defaults = model_defaults(settings)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            canvas = layer_canvas(elem_id="canvas")
            earlier = picture_strip("edits so far", elem_id="earlier")
            videos = picture_strip("videos so far", elem_id="videos")
        with gr.Column(scale=3, min_width=320, elem_id="way"):
            clip, delete, sure, really_delete, keep = _clip_choice(settings)
            words = {layer: _lay_out_words(settings, layer) for layer in LAYER_NAMES}
            with gr.Row():
                run = gr.Button("Edit", variant="primary", scale=3, elem_id="edit")
                cancel = gr.Button("Cancel", variant="stop", scale=1, min_width=90, elem_id="cancel")
            result = _lay_out_result(videos)
    with gr.Accordion("The model, and its options", open=False, elem_id="options"):
        model, about = lay_out_model(settings, "model")
        with gr.Row(equal_height=False):
            panels = {layer: _lay_out_options(layer, defaults) for layer in LAYER_NAMES}
        with gr.Accordion("all models, and what each can do", open=False):
            gr.Markdown(models_table(settings), elem_id="models")
        keyframes = _lay_out_keyframes()
    with gr.Accordion("The layers: by hand and by file", open=False, elem_id="by-file") as by_file:
        gr.Markdown(OWN_PICTURE)
        with gr.Row(equal_height=False):
            pictures = {layer: _lay_out_pictures(layer) for layer in LAYER_NAMES}
        again = lay_out_again()
        atlas_resolution = lay_out_atlas_resolution()
        gr.Markdown(settings.rule, elem_id="rule")
    recolour = lay_out_recolour()
    source = gr.File(visible=False)
    layers: dict[LayerName, LayerPart] = {}
    for layer in LAYER_NAMES:
        (prompt, chips), (options, alone) = words[layer], panels[layer]
        layers[layer] = LayerPart(prompt, chips, options, alone, *pictures[layer])
    part = ClipPart(clip, delete, sure, really_delete, keep, canvas, source, atlas_resolution)
    return EditLayout(part, run, cancel, model, about, layers, by_file, keyframes, again, recolour, result, earlier)


def _clip_choice(settings: Settings) -> tuple[gr.Dropdown, gr.Button, gr.Row, gr.Button, gr.Button]:
    clips = list_clips(settings.data)
    with gr.Row():
        clip = gr.Dropdown(
            clips,
            value="sample" if "sample" in clips else clips[0] if clips else None,
            label="Clip",
            # A clip made meanwhile is not among the choices the page began with; loading it says if there is none.
            allow_custom_value=True,
            scale=4,
            elem_id="clip",
        )
        delete = gr.Button("Delete…", scale=1, min_width=80, visible=False, elem_id="delete")
    with gr.Row(visible=False) as sure:
        really_delete = gr.Button("Delete for good", variant="stop", elem_id="really-delete")
        keep = gr.Button("Keep it", elem_id="keep")
    return clip, delete, sure, really_delete, keep


def _lay_out_words(settings: Settings, layer: LayerName) -> tuple[gr.Textbox, gr.HTML]:
    prompt = gr.Textbox(PROMPTS[layer], label=ASKED[layer], lines=1, elem_id=f"{layer}-prompt")
    return prompt, word_chips(known_words(settings.ckpt, first_model(settings), layer), elem_id=f"{layer}-chips")


def known_words(ckpt: Path, model: str, layer: LayerName) -> Words:
    """The words of a model that suit a layer."""
    known = vocabulary(ckpt, model)
    return {kind: known[kind] for kind in WORDS[layer] if kind in known}


def _lay_out_options(layer: LayerName, defaults: dict) -> tuple[dict[str, Widget], gr.Button]:
    with gr.Column():
        options = options_panel(OPTIONS[layer], IN_SIGHT[layer], defaults)
        run = gr.Button(f"Edit the {layer} alone", elem_id=f"edit-{layer}")
    return options, run


def _lay_out_pictures(layer: LayerName) -> tuple[gr.Image, gr.Image, gr.Image, gr.Button]:
    with gr.Column():
        own, edited = (
            gr.Image(label=label, interactive=False, format="png", height=ATLAS_PX, elem_id=elem_id)
            for label, elem_id in (
                (f"{layer} atlas", f"{layer}-atlas"),
                (f"{layer} atlas, edited", f"edited-{layer}"),
            )
        )
        picture = gr.Image(
            label=f"your picture for the {layer} atlas",
            image_mode="RGBA",
            type="numpy",
            sources=["upload", "clipboard"],
            format="png",
            height=ATLAS_PX,
            elem_id=f"{layer}-picture",
        )
        lay = gr.Button(f"Lay it over the {layer}", elem_id=f"lay-{layer}")
    return own, edited, picture, lay


def _lay_out_keyframes() -> gr.Gallery:
    return gr.Gallery(
        label="keyframes: before, hint, after",
        columns=6,
        height=KEYFRAMES_PX,
        object_fit="contain",
        format="png",
        elem_id="keyframes",
    )


def _lay_out_result(videos: gr.HTML) -> ResultPart:
    run = gr.Button("Keep it: make the video", elem_id="render")
    with gr.Accordion("another size, or for compositing", open=False):
        with gr.Row():
            options = option_widgets(RenderOptions, only=("width", "height"))
        options |= option_widgets(RenderOptions, without=("width", "height"))
    video = gr.Video(
        label="your video",
        interactive=False,
        autoplay=True,
        loop=True,
        visible=False,
        height=ATLAS_PX,
        elem_id="result",
    )
    files = gr.Files(label="video and settings.json", interactive=False, height=130, visible=False, elem_id="files")
    said = gr.Markdown(elem_id="said")
    with gr.Accordion("how steady it is, in figures", open=False, visible=False) as figures:
        table = gr.Markdown(elem_id="figures")
    table.change(lambda words: gr.Accordion(visible=bool(words)), [table], [figures], **PRIVATE)
    steady = gr.Button("Measure and steady this", visible=False, elem_id="steady-this")
    return ResultPart(options, run, video, files, said, table, steady, videos)
