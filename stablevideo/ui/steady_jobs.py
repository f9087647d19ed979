"""The jobs of the tab for whole clips: steadying, deflickering, restyling and measuring, watched while they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import gradio as gr

from ..hub import telling
from ..options import ColorCorrectionOptions, DeflickerOptions, RestyleOptions
from ..progress import Cancelled, Progress
from ..steady import Findings, Repaired, examine, steady
from ..treatments import Treatment, paint_anew, steady_colours, take_out_flicker
from ..video.read import Video
from .events import EDIT_QUEUE, STEADY_QUEUE, Changes, EventOptions
from .live import watched
from .messages import with_messages
from .models import offered_model
from .progress_view import Clock, bar
from .right_frames import MOST_RESTYLED, check_length, read_pair
from .steady_layout import SteadyLayout
from .steady_results import emptied, found, made
from .uploads import hidden_folders
from .visits import Visit
from .widgets import with_options
from .workshop import Workshop

BYTES_A_PIXEL = 0.5  # of the new video and the comparison together, at the most
Watch = Callable[[Repaired], None]
Choose = Callable[[Video, Video | None], Treatment]


@dataclass(frozen=True)
class News:
    """A job under way: its fraction, what it does, what it made so far, and what it found."""

    fraction: float = 0.0
    doing: str = "beginning"
    made: Repaired | None = None
    found: Findings | None = None


def bind_jobs(workshop: Workshop, layout: SteadyLayout) -> None:
    """Bind the buttons. Restyling waits in the queue of the edits, with whom it shares the model."""
    part, settings = layout.inputs, workshop.settings

    @with_messages
    @with_options(ColorCorrectionOptions, part.colours.options)
    def run_colours(
        video: str | None, source: str | None, options: ColorCorrectionOptions, request: gr.Request
    ) -> Iterator[Changes]:
        def choose(clip: Video, reference: Video | None) -> Treatment:
            return steady_colours(clip, reference, options)

        yield from _treated(workshop, request, layout, video, source, choose)

    @with_messages
    @with_options(DeflickerOptions, part.flicker.options)
    def run_flicker(
        video: str | None, source: str | None, options: DeflickerOptions, request: gr.Request
    ) -> Iterator[Changes]:
        def choose(clip: Video, reference: Video | None) -> Treatment:
            return take_out_flicker(clip, reference, options, settings.device, settings.ckpt)

        yield from _treated(workshop, request, layout, video, source, choose)

    @with_messages
    @with_options(RestyleOptions, part.restyle.options)
    def run_restyle(
        video: str | None, prompt: str, model: str, options: RestyleOptions, request: gr.Request
    ) -> Iterator[Changes]:
        def choose(clip: Video, reference: Video | None) -> Treatment:
            check_length(clip, MOST_RESTYLED, settings)
            offered_model(settings, model).check_video()
            return paint_anew(clip, prompt, lambda: workshop.editor(model), options)

        yield from _treated(workshop, request, layout, video, None, choose, "restyle")

    outputs, colours, flicker, restyle = layout.results.outputs, part.colours, part.flicker, part.restyle
    inputs = [*part.files, *colours.options.values()]
    colours.run.click(run_colours, inputs, outputs, **_bound(layout, "steady_colours"))
    inputs = [*part.files, *flicker.options.values()]
    flicker.run.click(run_flicker, inputs, outputs, **_bound(layout, "deflicker"))
    inputs = [part.video, restyle.prompt, restyle.model, *restyle.options.values()]
    restyle.run.click(run_restyle, inputs, outputs, **_bound(layout, "restyle", EDIT_QUEUE))
    part.measure.click(measurer(workshop, layout), part.files, outputs, **_bound(layout, "measure"))


def _treated(
    workshop: Workshop,
    request: gr.Request,
    layout: SteadyLayout,
    video: str | None,
    source: str | None,
    choose: Choose,
    kind: str = "steady",
) -> Iterator[Changes]:
    """Do one thing to the uploaded clip; its files go into a folder of that kind, for each queue has its own."""

    def work(visit: Visit, report: Progress, watch: Watch) -> Findings:
        clip, reference = read_pair(video, source, workshop.settings)
        treatment = choose(clip, reference)
        workshop.shelf(visit).check_room(round(clip.frame_count * clip.height * clip.width * BYTES_A_PIXEL))
        with telling(report), hidden_folders(clip, reference):
            folder = visit.fresh_folder(kind)
            findings = steady(clip, treatment, folder, report, watch)
        workshop.keep(folder)
        return findings

    yield from _shown(workshop, request, layout, work)


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


def _bound(layout: SteadyLayout, api_name: str, queue: EventOptions = STEADY_QUEUE) -> EventOptions:
    status = layout.results.status
    return queue | {"api_name": api_name, "show_progress": "minimal", "show_progress_on": [status]}


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
        left = "The new video is whole; its figures are missing." if seen.made else "Nothing was made."
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
    """The work as a job that tells news of itself, and that its visitor's cancel ends.

    It ends what the visitor asked for before in this tab, and still runs in the other queue: the last has the page.
    """
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

        workshop.visits.cancel(request, "steady")
        result = work(workshop.visits.of(request), workshop.stoppable(request, "steady", report), watch)
        tell(replace(state, found=result))

    return job
