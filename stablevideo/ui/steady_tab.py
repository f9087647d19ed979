"""The tab for whole clips: taking drift and flicker out of them, painting them anew, saying how steady they are."""

from collections.abc import Callable

import gradio as gr

from ..errors import InputError
from ..options import RestyleOptions
from ..video.side_by_side import thumbnails
from .events import AT_ONCE, NEWEST, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .messages import sentence, with_messages
from .models import bind_model
from .right_frames import RightFrames, read_pair
from .steady_jobs import bind_jobs
from .steady_layout import NO_CLIP, THUMBNAIL_PX, SteadyLayout, lay_out_steady_tab
from .steady_results import emptied
from .steady_tasks import ColoursPart
from .uploads import described, facts
from .workshop import Workshop


def build_steady_tab(workshop: Workshop) -> SteadyLayout:
    """Lay out the tab and bind its handlers."""
    layout = lay_out_steady_tab(workshop.settings)
    part, restyle = layout.inputs, layout.inputs.restyle
    look = uploader(workshop, layout)

    @with_messages
    def look_if_new(path: str | None, source: str | None, right: RightFrames | None, request: gr.Request) -> Changes:
        return {part.facts: gr.skip()} if right and path == str(right.video) else look(path, source, request)

    # `change` too, for the player can trim a video; but it also comes when the page itself fills both files in, and
    # comes then before the second is there.
    part.video.change(look_if_new, [*part.files, part.colours.right], layout.of_a_clip, **PRIVATE)
    bound: EventOptions = UNDOCUMENTED | AT_ONCE | {"api_name": "upload_steady", "show_progress": "hidden"}
    gr.on([part.source.upload, part.source.clear], look, part.files, layout.of_a_clip, **bound)
    _bind_choice(part.colours)
    bind_model(workshop.settings, restyle.model, restyle.about, [(RestyleOptions, restyle.options)])
    bind_jobs(workshop, layout)
    _bind_still(workshop, layout)

    @with_messages
    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "steady")

    part.cancel.click(cancel, None, None, **(UNDOCUMENTED | AT_ONCE | {"queue": False, "api_name": "cancel_steady"}))
    return layout


def uploader(workshop: Workshop, layout: SteadyLayout) -> Callable[..., Changes]:
    """The handler that looks at a clip and what it is held to: its inputs are both files."""
    inputs, part = layout.inputs, layout.inputs.colours

    @with_messages
    def upload_steady(path: str | None, source: str | None, request: gr.Request) -> Changes:
        workshop.visits.cancel(request, "steady")  # what runs is of another clip
        nothing: Changes = {
            **emptied(layout.results),
            inputs.facts: NO_CLIP,
            part.right: None,
            part.said: "",
            part.frames: gr.Gallery(None, visible=False),
            part.chosen: gr.Column(visible=False),
            part.numbers: "",
        }
        if not path:
            return nothing
        try:
            video, reference = read_pair(path, source, workshop.settings)
            known = RightFrames.of(video, reference)
        except InputError as error:
            return nothing | {inputs.facts: f"**{sentence(error)}**"}
        pictures = zip(thumbnails(video, known.shown, THUMBNAIL_PX), known.captions(""), strict=True)
        clickable = bool(known.shown)
        return nothing | {
            inputs.facts: facts(described(video)),
            part.right: known,
            part.said: known.said(""),
            part.frames: gr.Gallery(list(pictures), visible=clickable),
            part.chosen: gr.Column(visible=clickable),
        }

    return upload_steady


def _bind_choice(part: ColoursPart) -> None:
    """Frames that are right are clicked on, or written."""
    numbers = part.numbers

    def marked(right: RightFrames, gallery: list[tuple[str, str]], references: str) -> Changes:
        pictures = [(path, words) for (path, _), words in zip(gallery, right.captions(references), strict=True)]
        # Without a selected one, a second click on the same frame is a click as well.
        return {part.said: right.said(references), part.frames: gr.Gallery(pictures, selected_index=None)}

    @with_messages
    def click(
        right: RightFrames | None, gallery: list[tuple[str, str]] | None, references: str, event: gr.SelectData
    ) -> Changes:
        if right is None or not gallery:
            return {part.said: gr.skip()}
        chosen = right.toggled(references, event.index)
        return marked(right, gallery, chosen) | {numbers: chosen}

    def write(right: RightFrames | None, gallery: list[tuple[str, str]] | None, references: str) -> Changes:
        if right is None or not gallery:
            return {part.said: gr.skip()}
        try:
            return marked(right, gallery, references)
        except InputError as error:
            return {part.said: f"**{sentence(error)}**"}

    inputs = [part.right, part.frames, numbers]
    part.frames.select(click, inputs, [part.said, part.frames, numbers], **PRIVATE)
    # Gradio's `input` does not come when a sign is taken away.
    gr.on([numbers.input, numbers.blur, numbers.submit], write, inputs, [part.said, part.frames], **NEWEST)


def _bind_still(workshop: Workshop, layout: SteadyLayout) -> None:
    """Lead from a restyled video to taking out what still flickers in it, along the motion of what it was made from."""
    part, results = layout.inputs, layout.results
    look = uploader(workshop, layout)

    @with_messages
    def open_restyled(video: str | None, made: list[str] | None, request: gr.Request) -> Changes:
        if not video or not made:
            raise InputError("there is no restyled video here any more; restyle the clip again.")
        files: Changes = {part.tasks: gr.Tabs(selected="flicker"), part.video: made[0], part.source: video}
        return files | look(made[0], video, request)

    outputs = [part.tasks, *part.files, *layout.of_a_clip]
    results.still.click(open_restyled, [part.video, results.files], outputs, **PRIVATE)
