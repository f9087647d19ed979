"""How the tab for styles is laid out: the picture to look like, what gets its look, the result."""

from dataclasses import dataclass

import gradio as gr
import numpy as np
from gradio.blocks import Block

from ..clips import list_clips
from ..layers.coords import LAYER_NAMES
from ..options import StyleOptions
from ..style.gallery import style_pictures
from ..video.pictures import read_picture, resize
from .atlas_pictures import array
from .settings import MOST_UPLOAD_MB, Settings
from .widgets import Widget, option_widgets

INTRODUCTION = """**Make it look like this picture.** Choose one, or give your own; say what gets its look. A preview
takes a second. On the layers of a clip the strokes stay on the things they are painted on, in every frame."""
OF_LAYERS = "A clip that is made of layers: the sample, or one you made in *Your video*."
OF_VIDEO = "Any video of at least two frames. Its sound and its frame rate are kept."
BOTH = "both"
MIXED, FOR_BACKGROUND = "mix it with the first", "it is for the background"
IN_SIGHT = ("mode", "strength", "keep_colours")
THUMBNAIL_PX, LOOK_PX, BEFORE_PX = 160, 220, 240
STYLE = """
#style-pictures .grid-container {
    grid-template: none / repeat(auto-fill, minmax(max(90px, 11%), 1fr)); grid-auto-rows: auto
}
#style-pictures .thumbnail-item { aspect-ratio: 1; height: auto }
#style-pictures .caption-label { opacity: 1 }
#style-pictures .grid-wrap { min-height: 0 }
"""


@dataclass(frozen=True)
class Target:
    """One kind of thing that can get a look: what the handlers read, and its buttons."""

    inputs: list[Block]
    preview: gr.Button
    run: gr.Button


@dataclass(frozen=True)
class StyleLayout:
    """The widgets of the tab."""

    pictures: gr.Gallery
    look: gr.Image
    second: gr.Image
    use: gr.Radio
    options: dict[str, Widget]
    clip: gr.Dropdown
    layers: Target
    video: Target
    picture: Target
    cancel: gr.Button
    compared: gr.ImageSlider
    result: gr.Video
    files: gr.Files
    steady: gr.Button
    source: gr.State

    @property
    def looks(self) -> list[Block]:
        """What says how it should look."""
        return [self.look, self.second, self.use]

    @property
    def outputs(self) -> list[Block]:
        """What comes out."""
        return [self.compared, self.result, self.files, self.source]


def lay_out_style_tab(settings: Settings) -> StyleLayout:
    """Lay out the whole tab."""
    gr.Markdown(INTRODUCTION)
    pictures = gr.Gallery(
        thumbnails(),
        label="style pictures",
        show_label=False,
        columns=8,
        object_fit="cover",
        format="jpeg",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id="style-pictures",
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            look = _picture("the picture to look like", "style-look")
            options = option_widgets(StyleOptions, only=IN_SIGHT)
            with gr.Accordion("More", open=False):
                second = _picture("a second picture", "style-second")
                use = gr.Radio([MIXED, FOR_BACKGROUND], value=MIXED, label="the second picture", elem_id="style-use")
                options |= option_widgets(StyleOptions, without=IN_SIGHT)
        with gr.Column(min_width=300):
            clip, layers, video, picture = _lay_out_targets(settings)
            cancel = gr.Button("Cancel", elem_id="style-cancel")
        with gr.Column(min_width=300):
            compared = gr.ImageSlider(label="before and after", interactive=False, elem_id="style-compared")
            result = gr.Video(label="result", interactive=False, autoplay=True, loop=True, elem_id="style-result")
            files = gr.Files(label="to download", interactive=False, height=120, elem_id="style-files")
            steady = gr.Button("Measure and steady this", visible=False, elem_id="style-steady")
    return StyleLayout(
        pictures=pictures,
        look=look,
        second=second,
        use=use,
        options=options,
        clip=clip,
        layers=layers,
        video=video,
        picture=picture,
        cancel=cancel,
        compared=compared,
        result=result,
        files=files,
        steady=steady,
        source=gr.State(None),  # what the result was made from, where that is a video
    )


def _lay_out_targets(settings: Settings) -> tuple[gr.Dropdown, Target, Target, Target]:
    with gr.Tabs(elem_id="style-targets"):
        with gr.Tab("Layers"):
            gr.Markdown(OF_LAYERS)
            clips = list_clips(settings.data)
            clip = gr.Dropdown(
                clips, value=clips[0] if clips else None, label="clip", allow_custom_value=True, elem_id="style-clip"
            )
            which = gr.Radio([BOTH, *LAYER_NAMES], value=BOTH, label="layer", elem_id="style-layer")
            layers = Target([clip, which], *_buttons("layers", "Render in this style"))
        with gr.Tab("Video"):
            gr.Markdown(OF_VIDEO)
            upload = gr.Video(
                label=f"your video, up to {MOST_UPLOAD_MB} MB",
                sources=["upload"],
                height=BEFORE_PX,
                elem_id="style-video",
            )
            video = Target([upload], *_buttons("video", "Paint the video"))
        with gr.Tab("Picture"):
            shown = _picture("your picture", "style-picture")
            picture = Target([shown], *_buttons("picture", "Paint the picture"))
    return clip, layers, video, picture


def _buttons(kind: str, words: str) -> tuple[gr.Button, gr.Button]:
    with gr.Row():
        preview = gr.Button("Preview", min_width=90, elem_id=f"style-preview-{kind}")
        run = gr.Button(words, variant="primary", scale=2, elem_id=f"style-run-{kind}")
    return preview, run


def _picture(label: str, elem_id: str) -> gr.Image:
    # Handed on as the file that was given: it is checked and read where all pictures are.
    return gr.Image(
        label=label, type="filepath", image_mode=None, sources=["upload", "clipboard"], height=LOOK_PX, elem_id=elem_id
    )


def thumbnails() -> list[tuple[np.ndarray, str]]:
    """The pictures drawn by this project, small, with their names."""
    found = []
    for name, path in style_pictures().items():
        small = resize(read_picture(path)[None], (THUMBNAIL_PX, THUMBNAIL_PX))[0]
        found.append((array(small), name))
    return found
