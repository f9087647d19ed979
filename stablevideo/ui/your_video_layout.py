"""How the tab for a person's own video is laid out: three steps, the later ones hidden until they can be taken."""

from dataclasses import dataclass
from typing import Literal

import gradio as gr
from gradio.components import Component

from ..options import DecomposeOptions
from .canvas.component import layer_canvas
from .marking import BESIDE, ON
from .project import WAYS
from .settings import MOST_UPLOAD_MB
from .widgets import Widget, option_widgets

Variant = Literal["primary", "secondary"]  # of a button
IN_SIGHT = (("first_frame", "frames"), ("width", "height"))
BEST = f"A few seconds of one scene, in which one thing moves, work best; up to {MOST_UPLOAD_MB} MB."
HOW = {
    "box": "**Click two opposite corners** of a box around the object, in the picture.",
    "strokes": "**Draw** on the object in green and beside it in red, then press 'Use the strokes'.",
    "what moves": "**Nothing to draw**: what moves against the background is taken. Press 'Find the object'.",
    "mask video": "**Upload a video** of as many frames, white on the object and black elsewhere.",
}


@dataclass(frozen=True)
class UploadStep:
    """The widgets of the first step."""

    video: gr.Video
    facts: gr.Markdown
    scenes: gr.Radio
    options: dict[str, Widget]
    look: gr.Button
    cancel: gr.Button


@dataclass(frozen=True)
class MarkStep:
    """The widgets of the second step."""

    panel: gr.Column
    warnings: gr.Markdown
    way: gr.Radio
    how: gr.Markdown
    frame: gr.Slider
    picture: gr.Image
    editor: gr.ImageEditor
    use: gr.Button
    mask_video: gr.File
    marked: gr.Markdown
    unmark: gr.Button
    find: gr.Button
    cancel: gr.Button
    found: gr.Video

    @property
    def outputs(self) -> list[Component]:
        """What shows a frame's mark."""
        return [self.picture, self.editor, self.marked, self.unmark]


@dataclass(frozen=True)
class FitStep:
    """The widgets of the third step."""

    panel: gr.Column
    name: gr.Textbox
    run: gr.Button
    cancel: gr.Button
    status: gr.Markdown
    canvas: gr.HTML
    foreground: gr.Image
    background: gr.Image
    curve: gr.LinePlot
    report: gr.Markdown
    edit: gr.Button
    made: gr.State

    @property
    def live(self) -> list[Component]:
        """What shows the layers while they are fitted."""
        return [self.foreground, self.background, self.curve, self.canvas]

    @property
    def outputs(self) -> list[Component]:
        """What shows the fit."""
        *pictures, canvas = self.live
        return [self.status, *pictures, self.report, self.edit, canvas]


def lay_out_upload() -> UploadStep:
    """The video, what it is, and how much of it is used."""
    gr.Markdown("### 1 · Drop a video")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1):
            video = gr.Video(label="your video", sources=["upload"], height=345, elem_id="upload")
        with gr.Column(scale=1):
            facts = gr.Markdown(BEST, elem_id="facts")
            scenes = gr.Radio([], label="scene", visible=False, elem_id="scenes")
            options: dict[str, Widget] = {}
            with gr.Accordion("which part of it, how large, and how it is taken apart", open=False, elem_id="how-much"):
                for pair in IN_SIGHT:
                    with gr.Row():
                        options |= option_widgets(DecomposeOptions, only=pair)
                options |= option_widgets(DecomposeOptions, without=sum(IN_SIGHT, ()))
            look, cancel = _run_and_cancel("Look again", "look")
    return UploadStep(video, facts, scenes, options, look, cancel)


def lay_out_marking() -> MarkStep:
    """A frame to mark the object on, in four ways, and the object found."""
    with gr.Column(visible=False) as panel:
        gr.Markdown("### 2 · Is this what you want to edit?")
        warnings = gr.Markdown(visible=False, elem_id="warnings")
        way = gr.Radio(list(WAYS), value="box", show_label=False, container=False, elem_id="way")
        how = gr.Markdown(HOW["box"], elem_id="how")
        with gr.Row(equal_height=False):
            with gr.Column(scale=1):
                picture = gr.Image(
                    label="frame", interactive=False, format="jpeg", buttons=[], container=False, elem_id="picture"
                )
                editor = gr.ImageEditor(
                    label="frame",
                    type="numpy",
                    format="png",
                    layers=False,
                    sources=(),
                    transforms=(),
                    brush=gr.Brush(colors=[ON, BESIDE], default_color=ON, color_mode="fixed", default_size=14),
                    fixed_canvas=False,
                    visible=False,
                    elem_id="strokes",
                )
                mask_video = gr.File(label="mask video", file_types=["video"], visible=False, elem_id="mask-video")
                frame = gr.Slider(0, 1, 0, step=1, precision=0, label="frame", elem_id="frame")
                unmark = gr.Button("Forget this frame's mark", visible=False, size="sm", elem_id="unmark")
            with gr.Column(scale=1):
                use = gr.Button("Use the strokes", visible=False, elem_id="use-strokes")
                marked = gr.Markdown(elem_id="marked")
                find, cancel = _run_and_cancel("Find the object", "find")
                found = gr.Video(
                    label="the object, tinted",
                    height=345,
                    interactive=False,
                    autoplay=True,
                    loop=True,
                    visible=False,
                    elem_id="found",
                )
    return MarkStep(
        panel, warnings, way, how, frame, picture, editor, use, mask_video, marked, unmark, find, cancel, found
    )


def lay_out_fit() -> FitStep:
    """The clip's name, the fit under way, and its report."""
    with gr.Column(visible=False) as panel:
        gr.Markdown("### 3 · Make its layers")
        with gr.Row(equal_height=False):
            with gr.Column(scale=1):
                name = gr.Textbox(label="name of the clip", max_lines=1, elem_id="name")
                run, cancel = _run_and_cancel("Make the layers", "decompose", "primary")
                status = gr.Markdown(elem_id="status")
                report = gr.Markdown(elem_id="report")
                edit = gr.Button("Edit this clip", variant="primary", visible=False, elem_id="edit-clip")
            with gr.Column(scale=1):
                canvas = layer_canvas(visible=False, elem_id="forming")
                with gr.Row():
                    foreground = _atlas("foreground")
                    background = _atlas("background")
                curve = gr.LinePlot(
                    x="turn", y="dB", title="closeness to the video", height=220, visible=False, elem_id="curve"
                )
        made = gr.State(None)
    return FitStep(panel, name, run, cancel, status, canvas, foreground, background, curve, report, edit, made)


def _atlas(layer: str) -> gr.Image:
    label, elem_id = f"{layer} atlas", f"live-{layer}"
    return gr.Image(
        label=label, interactive=False, format="jpeg", height=200, buttons=[], visible=False, elem_id=elem_id
    )


def _run_and_cancel(label: str, elem_id: str, variant: Variant = "secondary") -> tuple[gr.Button, gr.Button]:
    with gr.Row():
        run = gr.Button(label, variant=variant, scale=3, elem_id=elem_id)
        cancel = gr.Button("Cancel", scale=1, min_width=80, elem_id=f"{elem_id}-cancel")
    return run, cancel
