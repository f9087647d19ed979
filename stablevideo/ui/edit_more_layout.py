"""What only some will want of the tab that edits a clip: an earlier run once more, other colours, larger atlases."""

from dataclasses import dataclass

import gradio as gr

from ..clips import ATLAS_RESOLUTION
from ..layers.coords import LAYER_NAMES
from ..options import RecolourOptions
from .widgets import Widget, option_widgets

RECOLOUR = """Without words or a model: the layer's colours are turned, strengthened or lightened; shapes stay.
It begins from the edited atlas where there is one; pressing again begins there too, so the sliders never add up."""
LEAST_ATLAS, MOST_ATLAS, ATLAS_STEP = 500, 4000, 100


@dataclass(frozen=True)
class AgainPart:
    """Doing an earlier run's edits again."""

    settings: gr.File
    run: gr.Button


@dataclass(frozen=True)
class RecolourPart:
    """Other colours for a layer, without words."""

    layer: gr.Radio
    options: dict[str, Widget]
    run: gr.Button


def lay_out_again() -> AgainPart:
    """A place for the settings of an earlier run."""
    with gr.Row(equal_height=True):
        settings = gr.File(
            label="settings.json of an earlier video", file_types=[".json"], height=90, scale=4, elem_id="settings"
        )
        run = gr.Button("Do it again", scale=1, min_width=120, elem_id="again")
    return AgainPart(settings, run)


def lay_out_atlas_resolution() -> gr.Slider:
    """How large the atlases of networks are sampled."""
    return gr.Slider(
        LEAST_ATLAS,
        MOST_ATLAS,
        ATLAS_RESOLUTION,
        step=ATLAS_STEP,
        label="atlas resolution",
        info="pixels across the atlas of a clip from networks; a change loads the clip again, without its edits",
        elem_id="atlas-resolution",
    )


def lay_out_recolour() -> RecolourPart:
    """Colours of a layer, folded away."""
    with gr.Accordion("Other colours, without words", open=False, elem_id="recolour"):
        gr.Markdown(RECOLOUR)
        with gr.Row():
            layer = gr.Radio(list(LAYER_NAMES), value="foreground", label="layer", elem_id="recolour-layer")
            options = option_widgets(RecolourOptions)
        run = gr.Button("Recolour the layer", elem_id="recolour-run")
    return RecolourPart(layer, options, run)
