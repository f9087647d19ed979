"""What is kept of an edit: the video, and how steady it is beside the clip that it was made from."""

import shutil
from pathlib import Path

import gradio as gr

from ..measure import measure
from ..options import RenderOptions
from ..results import result_of, save_edits
from ..steadiness import Measures
from ..video.read import read_video
from .clip_part import show_result
from .edit_layout import EditLayout
from .events import EDIT_QUEUE, STEADY_QUEUE, Changes
from .messages import with_messages
from .stage import begin_edit
from .steady_results import as_table
from .widgets import with_options
from .workshop import Workshop

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
        made = {layer: edit for layer, edit in visit.loaded().edits.items() if edit is not None}
        folder = save_edits(opened.clip, workshop.log(served), made, options, report)
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
        return {part.said: in_words(found), part.table: as_table(["edit", "clip"], [found])}

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
