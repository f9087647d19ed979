"""The tab that takes colour drift out of any clip, and says how steady it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import gradio as gr

from ..errors import InputError
from ..options import ColorCorrectionOptions
from ..progress import Cancelled, Progress
from ..steady import Findings, Repaired, examine, steady
from ..video.side_by_side import thumbnails
from .events import AT_ONCE, NEWEST, PRIVATE, STEADY_QUEUE, UNDOCUMENTED, Changes, EventOptions
from .live import watched
from .messages import sentence, with_messages
from .progress_view import Clock, bar
from .right_frames import RightFrames, read_pair
from .steady_layout import NO_CLIP, THUMBNAIL_PX, SteadyInputs, SteadyLayout, lay_out_steady_tab
from .steady_results import emptied, found, made
from .uploads import described, facts, hidden_folders
from .visits import Visit
from .widgets import with_options
from .workshop import Workshop

BYTES_A_PIXEL = 0.5  # of the repaired video and the comparison together, at the most
Watch = Callable[[Repaired], None]


@dataclass(frozen=True)
class News:
    """A job under way: its fraction, what it does, what it made so far, and what it found."""

    fraction: float = 0.0
    doing: str = "beginning"
    made: Repaired | None = None
    found: Findings | None = None


def build_steady_tab(workshop: Workshop) -> SteadyLayout:
    """Lay out the tab and bind its handlers."""
    layout = lay_out_steady_tab()
    part = layout.inputs
    look = uploader(workshop, layout)

    @with_messages
    def look_if_new(path: str | None, source: str | None, right: RightFrames | None, request: gr.Request) -> Changes:
        return {part.facts: gr.skip()} if right and path == str(right.video) else look(path, source, request)

    # `change` too, for the player can trim a video; but it also comes when the page itself fills both files in, and
    # comes then before the second is there.
    part.video.change(look_if_new, [*part.files, part.right], layout.of_a_clip, **PRIVATE)
    bound: EventOptions = UNDOCUMENTED | AT_ONCE | {"api_name": "upload_steady", "show_progress": "hidden"}
    gr.on([part.source.upload, part.source.clear], look, part.files, layout.of_a_clip, **bound)
    _bind_choice(part)
    _bind_run(workshop, layout)

    @with_messages
    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "steady")

    part.cancel.click(cancel, None, None, **(UNDOCUMENTED | AT_ONCE | {"queue": False, "api_name": "cancel_steady"}))
    return layout


def uploader(workshop: Workshop, layout: SteadyLayout) -> Callable[..., Changes]:
    """The handler that looks at a clip and what it is held to: its inputs are both files."""
    part = layout.inputs

    @with_messages
    def upload_steady(path: str | None, source: str | None, request: gr.Request) -> Changes:
        workshop.visits.cancel(request, "steady")  # what runs is of another clip
        nothing: Changes = {
            **emptied(layout.results),
            part.facts: NO_CLIP,
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
            return nothing | {part.facts: f"**{sentence(error)}**"}
        pictures = zip(thumbnails(video, known.shown, THUMBNAIL_PX), known.captions(""), strict=True)
        clickable = bool(known.shown)
        return nothing | {
            part.facts: facts(described(video)),
            part.right: known,
            part.said: known.said(""),
            part.frames: gr.Gallery(list(pictures), visible=clickable),
            part.chosen: gr.Column(visible=clickable),
        }

    return upload_steady


def _bind_choice(part: SteadyInputs) -> None:
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


def _bind_run(workshop: Workshop, layout: SteadyLayout) -> None:
    part, results = layout.inputs, layout.results

    @with_messages
    @with_options(ColorCorrectionOptions, part.options)
    def steady_colours(
        video: str | None, source: str | None, options: ColorCorrectionOptions, request: gr.Request
    ) -> Iterator[Changes]:
        def work(visit: Visit, report: Progress, watch: Watch) -> Findings:
            clip, reference = read_pair(video, source, workshop.settings)
            workshop.shelf(visit).check_room(round(clip.frame_count * clip.height * clip.width * BYTES_A_PIXEL))
            with hidden_folders(clip, reference):
                folder = visit.fresh_folder("steady")
                findings = steady(clip, reference, folder, options, report, watch)
            workshop.keep(folder)
            return findings

        yield from _shown(workshop, request, layout, work)

    inputs = [*part.files, *part.options.values()]
    part.run.click(steady_colours, inputs, results.outputs, **_bound(layout, "steady_colours"))
    part.measure.click(measurer(workshop, layout), part.files, results.outputs, **_bound(layout, "measure"))


def measurer(workshop: Workshop, layout: SteadyLayout) -> Callable[..., Iterator[Changes]]:
    """The handler that measures a clip as it is: its inputs are both files."""

    @with_messages
    def measure(video: str | None, source: str | None, request: gr.Request) -> Iterator[Changes]:
        def work(visit: Visit, report: Progress, watch: Watch) -> Findings:
            clip, reference = read_pair(video, source, workshop.settings)
            with hidden_folders(clip, reference):
                return examine(clip, reference, visit.fresh_folder("steady"), report)

        yield from _shown(workshop, request, layout, work)

    return measure


def _bound(layout: SteadyLayout, api_name: str) -> EventOptions:
    status = layout.results.status
    return STEADY_QUEUE | {"api_name": api_name, "show_progress": "minimal", "show_progress_on": [status]}


def _shown(
    workshop: Workshop, request: gr.Request, layout: SteadyLayout, work: Callable[[Visit, Progress, Watch], Findings]
) -> Iterator[Changes]:
    """Do the work while the page shows how far it is, what it has made, and at the end what it found."""
    results, clock, seen = layout.results, Clock(), News()
    yield emptied(results) | {results.status: bar(0, seen.doing)}
    try:
        for news in watched(_job(workshop, request, work)):
            news = news or seen
            status = bar(news.fraction, f"{clock.words(news.fraction)} · {news.doing}")
            fresh = news.made if news.made is not seen.made else None
            yield {results.status: status, **(made(fresh, results) if fresh else {})}
            seen = news
    except Cancelled:
        left = "The steadied video is whole; its figures are missing." if seen.made else "Nothing was made."
        yield {results.status: f"Cancelled after {clock.gone()}. {left}"}
        return
    except Exception:
        yield {results.status: ""}  # no bar stays behind at the error's message
        raise
    if seen.found:
        # All of it, also what is shown already: a caller of the endpoint gets the last of what is yielded.
        yield (
            emptied(results)
            | (made(seen.made, results) if seen.made else {})
            | found(seen.found, seen.made, results)
            | {results.status: f"Done in {clock.gone()}."}
        )


def _job(
    workshop: Workshop, request: gr.Request, work: Callable[[Visit, Progress, Watch], Findings]
) -> Callable[[Callable[[News], None]], None]:
    """The work as a job that tells news of itself, and that its visitor's cancel ends."""
    state = News()

    def job(tell: Callable[[News], None]) -> None:
        def report(fraction: float, doing: str) -> None:
            nonlocal state
            state = replace(state, fraction=fraction, doing=doing)
            tell(state)

        def watch(repaired: Repaired) -> None:
            nonlocal state
            state = replace(state, made=repaired)
            tell(state)

        result = work(workshop.visits.of(request), workshop.stoppable(request, "steady", report), watch)
        tell(replace(state, found=result))

    return job
