"""What can be done to a clip in the tab for whole clips: how the three choices are laid out, each with its button."""

from dataclasses import dataclass
from typing import cast

import gradio as gr

from ..options import ColorCorrectionOptions, DeflickerOptions, RestyleOptions
from .models import lay_out_model, model_defaults
from .right_frames import MOST_RESTYLED
from .settings import Settings
from .widgets import Widget, begin_at, option_widgets

COLOURS = "Drift and leaps of the colours go. What was changed on purpose stays changed."
FLICKER = """What changes from one frame to the next for no reason goes: light, colours, and what is drawn. What moves
stays sharp. With its source above, the clip is steadied along the source's motion."""
RESTYLE = "Every frame is painted anew by your words, so that all of them agree. Shapes and motion stay."
PROMPT = "a watercolour painting, autumn"
MORE = "steady-more"  # options in two columns, where there is room
# Of flicker, what a visitor is asked; the other engines take hours where several people share a page.
OF_FLICKER = ("mode", "window", "color_correction")


@dataclass(frozen=True)
class ColoursPart:
    """Steadying colours: which frames are right, and how."""

    right: gr.State
    said: gr.Markdown
    frames: gr.Gallery
    chosen: gr.Column
    options: dict[str, Widget]
    run: gr.Button

    @property
    def numbers(self) -> gr.Textbox:
        """The numbers of the frames that are right."""
        return cast(gr.Textbox, self.options["references"])


@dataclass(frozen=True)
class FlickerPart:
    """Taking flicker out."""

    options: dict[str, Widget]
    run: gr.Button


@dataclass(frozen=True)
class RestylePart:
    """Painting all frames anew."""

    prompt: gr.Textbox
    model: gr.Dropdown
    about: gr.Markdown
    options: dict[str, Widget]
    run: gr.Button


def lay_out_colours() -> ColoursPart:
    """The frames to click on, and the options."""
    gr.Markdown(COLOURS)
    right, said = gr.State(None), gr.Markdown(elem_id="steady-said")
    frames = gr.Gallery(
        label="frames of your clip",
        show_label=False,
        columns=6,
        object_fit="contain",
        format="jpeg",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=False,
        elem_id="steady-frames",
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300, visible=False) as chosen:
            options = option_widgets(ColorCorrectionOptions, only=("references",))
        with gr.Column(min_width=300):
            options |= option_widgets(ColorCorrectionOptions, only=("strength",))
    numbers = options["references"]
    numbers.label = "right frames"
    numbers.info = "their numbers; a click on a frame writes it here, and you can write others, such as '0, 40, 90'"
    shown = ("enable", "reference_frame", "references", "strength")
    with gr.Accordion("More", open=False, elem_classes=MORE):
        options |= option_widgets(ColorCorrectionOptions, without=shown)
    run = gr.Button("Steady the colours", variant="primary", elem_id="steady-run")
    return ColoursPart(right, said, frames, chosen, options, run)


def lay_out_flicker() -> FlickerPart:
    """Nothing but the button, until more is asked for."""
    gr.Markdown(FLICKER)
    with gr.Accordion("More", open=False, elem_classes=MORE):
        options = option_widgets(DeflickerOptions, only=OF_FLICKER)
    return FlickerPart(options, gr.Button("Take out flicker", variant="primary", elem_id="deflicker-run"))


def lay_out_restyle(settings: Settings) -> RestylePart:
    """The words, the model, the seed, and the rest."""
    most = "" if settings.one_person else f" The clip may have up to {MOST_RESTYLED} frames."
    gr.Markdown(RESTYLE + most)
    with gr.Row(equal_height=True):
        with gr.Column(scale=3, min_width=280):
            prompt = gr.Textbox(
                PROMPT, label="prompt", info="what the whole picture should be", elem_id="restyle-prompt"
            )
        with gr.Column(scale=1, min_width=280):
            options = option_widgets(RestyleOptions, only=("seed",))
    model, words = lay_out_model(settings, "restyle-model")
    with gr.Accordion("More", open=False, elem_classes=MORE):
        options |= option_widgets(RestyleOptions, without=("seed",))
    begin_at(options, model_defaults(settings))
    run = gr.Button("Restyle the clip", variant="primary", elem_id="restyle-run")
    return RestylePart(prompt, model, words, options, run)
