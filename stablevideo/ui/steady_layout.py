"""How the tab for whole clips is laid out: the clip, what is to be done with it, the result."""

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from .settings import MOST_UPLOAD_MB, Settings
from .steady_tasks import ColoursPart, FlickerPart, RestylePart, lay_out_colours, lay_out_flicker, lay_out_restyle

INTRODUCTION = """**Any clip, from here or elsewhere, made steady, or painted anew.** Give the clip, choose what is to
be done, and see before and after beside each other. *Only measure* says how steady it is, and leaves it as it is."""
NO_CLIP = "A clip of at least two frames. Its sound and its frame rate are kept."
SOURCE = """If the clip was made from another video, give that one, of as many frames: its colours and its motion are
right. A picture gives the clip its look when you steady colours. To restyle, give neither."""
LEAPS = "**The frames whose colours leap most**, and how far they are from the frame before, as CIEDE2000."
TABLE = """**How to read it.** Smaller is steadier, but for warp SSIM and the share of the pixels.

A clip that stands still scores best: things that move, and light that changes, count as well. So read a clip beside
its source, if there is one: its figures are as good as they should be.

CIEDE2000 says how far two colours are apart; of 1, an eye just sees it.

Warp error, warp SSIM and colour step compare each frame with the one before, moved along with what moves."""
COLOURS = {
    "before": "#e08a1e",
    "clip": "#e08a1e",
    "after": "#2563eb",
    "restyled": "#2563eb",
    "source": "#8a8f98",
}
BOTH_PX, PLOT_PX, THUMBNAIL_PX = 280, 260, 320
# Gallery's own tiles are square, and as many in a row on a phone as on a desk.
STYLE = """
#steady-frames { --least: max(150px, 15%); --shape: 16 / 9 }
#steady-leaps { --least: min(360px, 100%); --shape: 32 / 9 }
:is(#steady-frames, #steady-leaps) .grid-container {
    grid-template: none / repeat(auto-fill, minmax(var(--least), 1fr)); grid-auto-rows: auto
}
:is(#steady-frames, #steady-leaps) .thumbnail-item { aspect-ratio: var(--shape); height: auto }
:is(#steady-frames, #steady-leaps) .caption-label { opacity: 1 }
:is(#steady-frames, #steady-leaps) .grid-wrap { min-height: 0 }
.steady-more .form { display: grid; grid-template-columns: repeat(auto-fill, minmax(max(280px, 40%), 1fr)) }
#steady-comparison video { max-height: 70vh }
#steady-table :is(th, td) { padding: 6px 10px }
#steady-table :is(th, td):not(:first-child) { white-space: nowrap; text-align: right }
"""


@dataclass(frozen=True)
class SteadyInputs:
    """The clip, and what is to be done with it."""

    video: gr.Video
    facts: gr.Markdown
    source: gr.File
    tasks: gr.Tabs
    colours: ColoursPart
    flicker: FlickerPart
    restyle: RestylePart
    measure: gr.Button
    cancel: gr.Button

    @property
    def files(self) -> list[Component]:
        """What the handlers read."""
        return [self.video, self.source]


@dataclass(frozen=True)
class SteadyResults:
    """What comes out."""

    status: gr.Markdown
    made: gr.Row
    compared: gr.Column
    comparison: gr.Video
    files: gr.Files
    still: gr.Button
    found: gr.Column
    verdict: gr.Markdown
    table: gr.Markdown
    steps: gr.LinePlot
    drift: gr.LinePlot
    leaps: gr.Gallery

    @property
    def outputs(self) -> list[Block]:
        """All of it, as a caller of the endpoints gets it."""
        return [
            self.status,
            self.made,
            self.compared,
            self.comparison,
            self.files,
            self.still,
            self.found,
            self.verdict,
            self.table,
            self.steps,
            self.drift,
            self.leaps,
        ]


@dataclass(frozen=True)
class SteadyLayout:
    """The widgets of the tab."""

    inputs: SteadyInputs
    results: SteadyResults

    @property
    def of_a_clip(self) -> list[Block]:
        """What another clip changes."""
        part = self.inputs.colours
        of_frames = [part.right, part.said, part.frames, part.chosen, part.numbers]
        return [self.inputs.facts, *of_frames, *self.results.outputs]


def lay_out_steady_tab(settings: Settings) -> SteadyLayout:
    """Lay out the whole tab."""
    gr.Markdown(INTRODUCTION)
    return SteadyLayout(_lay_out_inputs(settings), _lay_out_results())


def _lay_out_inputs(settings: Settings) -> SteadyInputs:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            video = gr.Video(
                label=f"your clip, up to {MOST_UPLOAD_MB} MB",
                sources=["upload"],
                height=BOTH_PX,
                elem_id="steady-video",
            )
            facts = gr.Markdown(NO_CLIP, elem_id="steady-facts")
        with gr.Column(min_width=300):
            source = gr.File(
                label="its source or a picture, if any",
                file_types=["video", "image"],
                height=180,
                elem_id="steady-source",
            )
            gr.Markdown(SOURCE)
    with gr.Tabs(elem_id="steady-tasks") as tasks:
        # Short names: on a phone, what does not fit into one line is hidden behind three dots.
        with gr.Tab("Colours", id="colours"):
            colours = lay_out_colours()
        with gr.Tab("Flicker", id="flicker"):
            flicker = lay_out_flicker()
        with gr.Tab("Restyle", id="restyle"):
            restyle = lay_out_restyle(settings)
    with gr.Row():
        measure = gr.Button("Only measure", scale=3, elem_id="steady-measure")
        cancel = gr.Button("Cancel", scale=1, min_width=80, elem_id="steady-cancel")
    return SteadyInputs(video, facts, source, tasks, colours, flicker, restyle, measure, cancel)


def _lay_out_results() -> SteadyResults:
    status = gr.Markdown(elem_id="steady-status")
    with gr.Row(equal_height=False, visible=False) as made:
        with gr.Column(scale=2, min_width=300, visible=False) as compared:
            gr.Markdown("**Before on the left, after on the right.**")
            comparison = gr.Video(
                label="before and after",
                show_label=False,
                interactive=False,
                autoplay=True,
                loop=True,
                elem_id="steady-comparison",
            )
        with gr.Column(scale=1, min_width=300):
            files = gr.Files(label="to download", interactive=False, elem_id="steady-files")
            still = gr.Button("Take out what still flickers", visible=False, elem_id="steady-still")
    with gr.Column(visible=False) as found:
        verdict = gr.Markdown(elem_id="steady-verdict")
        with gr.Row(equal_height=False):
            steps = _plot("colour step", "colour step from frame to frame", "steady-steps")
            drift = _plot("drift", "drift of the mean colour", "steady-drift")
        gr.Markdown(LEAPS)
        leaps = gr.Gallery(
            label="frames that leap most",
            show_label=False,
            columns=3,
            object_fit="contain",
            format="jpeg",
            interactive=False,
            buttons=["fullscreen"],
            elem_id="steady-leaps",
        )
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                table = gr.Markdown(elem_id="steady-table")
            with gr.Column(min_width=300):
                gr.Markdown(TABLE)
    return SteadyResults(status, made, compared, comparison, files, still, found, verdict, table, steps, drift, leaps)


def _plot(y: str, title: str, elem_id: str) -> gr.LinePlot:
    return gr.LinePlot(
        x="frame",
        y=y,
        color="clip",
        color_map=COLOURS,
        title=title,
        y_title="CIEDE2000",
        height=PLOT_PX,
        min_width=300,
        buttons=[],
        elem_id=elem_id,
    )
