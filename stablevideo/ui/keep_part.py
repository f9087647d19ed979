"""What is kept of an edit: the video, and how steady it is beside the clip that it was made from."""

import shutil
from pathlib import Path

import gradio as gr

from ..layers.layered_video import LayeredVideo
from ..measure import measure
from ..options import RenderOptions
from ..progress import Progress
from ..results import result_of, save_run
from ..steadiness import Measures, compared
from ..video.read import read_video
from .clip_part import show_result
from .edit_layout import EditLayout
from .events import EDIT_QUEUE, STEADY_QUEUE, Changes
from .messages import with_messages
from .visits import Visit, Work
from .widgets import with_options
from .workshop import Opened, Workshop

PLAYED = (".mp4", ".webm")  # by browsers
AS_STEADY, HARDLY_LESS = 1.03, 1.15  # times the flicker of the clip itself


def bind_keep(workshop: Workshop, layout: EditLayout) -> None:
    """Bind the button that makes the video; its figures follow by themselves."""
    part = layout.result

    @with_messages
    @with_options(RenderOptions, part.options)
    def run(
        options: RenderOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, opened, report = begin_edit(workshop, request, progress)
        served = visit.fresh_folder("result")
        folder = render(opened.clip, visit.loaded(), options, _log(workshop, served), report)
        result = to_download(result_of(folder), served)
        visit.result = result if options.part == "all" and result.suffix == ".mp4" else None
        files = [str(result), str(shutil.copy(folder / "settings.json", served))]
        return {part.video: files[0] if result.suffix in PLAYED else None, part.files: files}

    inputs, outputs = [*part.options.values()], [part.video, part.files]
    rendered = part.run.click(run, inputs, outputs, **(EDIT_QUEUE | {"api_name": "render"}))
    show_result(rendered, layout, True)

    @with_messages
    def examine(request: gr.Request) -> Changes:
        visit = workshop.visits.of(request)
        if visit.result is None:
            return {part.said: "", part.table: ""}
        found = measure(read_video(visit.result), read_video(workshop.opened(visit).source))
        return {part.said: in_words(found), part.table: as_table(found)}

    rendered.success(
        examine,
        None,
        [part.said, part.table],
        **(STEADY_QUEUE | {"api_visibility": "private", "show_progress": "hidden"}),
    )


def to_download(result: Path, folder: Path) -> Path:
    """A result copied into a folder; pictures as one zip file."""
    if result.is_dir():
        return Path(shutil.make_archive(str(folder / result.name), "zip", result))
    return Path(shutil.copy(result, folder))


def _log(workshop: Workshop, served: Path) -> Path:
    """Where results go: they are kept, or go with the visit."""
    return workshop.settings.log if workshop.settings.keeps else served / "log"


def render(clip: LayeredVideo, work: Work, options: RenderOptions, log: Path, progress: Progress) -> Path:
    """Render a clip with all that was done to it into a new folder of `log`."""
    made = {name: edit for name, edit in work.edits.items() if edit is not None}
    return save_run(
        clip,
        log,
        {"edits": [edit.settings for edit in made.values()]},
        foreground=work.foreground.atlas.to(clip.device) if work.foreground else None,
        background=work.background.atlas.to(clip.device) if work.background else None,
        keyframes=work.foreground.keyframes if work.foreground else (),
        changed={name: edit.changed for name, edit in made.items()},
        options=options,
        progress=progress,
    )


def in_words(found: Measures) -> str:
    """How steady an edit is beside its clip, in one sentence."""
    if found.flicker is None:
        return "The clip stands still, and so does the edit."
    if found.flicker <= AS_STEADY:
        return f"**As steady as the clip itself** ({found.flicker:.2f} times its flicker)."
    if found.flicker <= HARDLY_LESS:
        return f"**Hardly less steady than the clip itself** ({found.flicker:.2f} times its flicker)."
    return (
        f"**Less steady than the clip itself** ({found.flicker:.2f} times its flicker): strong new detail moves more "
        "than what it took the place of. *Measure and steady this* shows where, and can take some of it out."
    )


def as_table(found: Measures) -> str:
    """The figures of an edit beside those of its clip, as Markdown."""
    rows = compared([found])
    heads = ["edit", "clip"][: len(rows[0]) - 1]
    return "\n".join(f"| {' | '.join(row)} |" for row in [("", *heads), (":--", *["--:"] * len(heads)), *rows])


def begin_edit(workshop: Workshop, request: gr.Request, progress: gr.Progress) -> tuple[Visit, Opened, Progress]:
    """Begin a job on the clip that is loaded."""
    visit, report = workshop.begin(request, "edit", progress)
    return visit, workshop.opened(visit), report
