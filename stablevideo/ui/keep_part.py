"""What is kept of an edit: the video, and how steady it is beside the clip that it was made from."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from ..measure import measure
from ..options import RenderOptions
from ..results import result_of, save_edits
from ..steadiness import Measures
from ..video.read import read_video
from .edit_layout import EditLayout
from .events import EDIT_QUEUE, PRIVATE, STEADY_QUEUE, Changes
from .messages import with_messages
from .stage import begin_edit
from .steady_results import as_table
from .videos_part import keep, row, show_result, shown
from .widgets import with_options
from .workshop import Workshop

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
        served = visit.further_folder("result")
        made = {layer: edit for layer, edit in visit.loaded().edits.items() if edit is not None}
        folder = save_edits(opened.clip, workshop.log(served), made, options, report)
        result = result_of(folder)
        files = [to_download(result, served), Path(shutil.copy(folder / "settings.json", served))]
        return shown(layout, keep(visit, opened.clip.name, made, result, files, options.part))

    inputs, outputs = [*part.options.values()], [part.video, part.files]
    rendered = part.run.click(run, inputs, outputs, **(EDIT_QUEUE | {"api_name": "render"}))
    show_result(rendered, layout, True)

    def show_row(request: gr.Request) -> list[dict[str, Any]]:
        return row(workshop.visits.of(request))

    rendered.success(show_row, None, [part.videos], **PRIVATE)

    @with_messages
    def examine(request: gr.Request) -> Changes:
        visit = workshop.visits.of(request)
        made = visit.shown
        if made and made.measured and made.clip == visit.loaded().folder.name:
            found = measure(read_video(made.files[0]), read_video(workshop.opened(visit).source))
            made.said, made.table = in_words(found), as_table(["edit", "clip"], [found])
        return {part.said: made.said if made else "", part.table: made.table if made else ""}

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
