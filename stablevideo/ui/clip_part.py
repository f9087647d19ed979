"""The clip on the edit tab: the list of those that may be loaded, loading one, deleting one's own."""

from collections.abc import Callable

import gradio as gr

from ..options import ForegroundOptions
from .edit_layout import EditLayout
from .events import AT_ONCE, LOAD_QUEUE, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .made_part import shown
from .messages import with_messages
from .videos_part import row, show_result
from .visits import Work
from .welcome import came_by_link, welcome_steps
from .workshop import Workshop


def clip_loader(workshop: Workshop, layout: EditLayout, welcome: bool = False) -> Callable[..., Changes]:
    """The handler that loads a clip: its inputs are the clip's name and the atlas resolution.

    To `welcome`, the clip comes already edited where an edit lies beside it, half before and half after; and where
    there is no clip, nothing happens.
    """

    @with_messages
    def load_clip(
        clip: str,
        atlas_resolution: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        if welcome and not clip:
            return {layout.clip.source: gr.skip()}
        visit, report = workshop.begin(request, "edit", progress)
        folder = workshop.shelf(visit).folder(clip or "")
        opened = workshop.open(folder, int(atlas_resolution), report)
        visit.work, visit.shown = Work(folder, int(atlas_resolution)), None
        steps = welcome_steps(opened.clip, folder) if welcome and not came_by_link(request) else []
        for step in steps:
            visit.take(step, opened.clip)
        changes = _emptied(layout) | {layout.clip.source: opened.source}
        linked = welcome and "foreground.keyframes" in request.query_params  # filled in by now
        changes[layout.keyframe_numbers] = gr.skip() if linked else ", ".join(map(str, opened.keyframes))
        changes |= shown(layout, visit, opened) | {layout.result.videos: row(visit)}
        changes[layout.clip.canvas] |= {"compare": bool(steps)}
        return changes

    return load_clip


def bind_clips(workshop: Workshop, layout: EditLayout) -> None:
    """Bind what loads a clip and what deletes one."""
    part, load = layout.clip, clip_loader(workshop, layout)
    inputs = [part.clip, part.atlas_resolution]
    shown: EventOptions = LOAD_QUEUE | {"show_progress_on": part.canvas}
    loaded = part.clip.input(load, inputs, layout.of_a_clip, **(shown | {"api_name": "load_clip"}))
    show_result(loaded, layout, False)
    _bind_delete(workshop, layout)

    @with_messages
    def load_again(
        clip: str,
        atlas_resolution: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        work = workshop.visits.of(request).work
        if work is None or work.atlas_resolution == int(atlas_resolution):
            return {part.source: gr.skip()}
        return load(work.folder.name, atlas_resolution, request, progress)

    bound: EventOptions = LOAD_QUEUE | {"api_visibility": "private", "trigger_mode": "always_last"}
    part.atlas_resolution.release(load_again, inputs, layout.of_a_clip, **bound)


def _emptied(layout: EditLayout) -> Changes:
    """Nothing is left of a clip that was loaded before."""
    nothing: Changes = dict.fromkeys(layout.of_a_clip)
    return nothing | {layout.keyframe_numbers: ForegroundOptions().keyframes}


def _bind_delete(workshop: Workshop, layout: EditLayout) -> None:
    """Deleting takes two steps: the button, which stands there for what is one's own, and a confirmation."""
    part = layout.clip

    def choose(clip: str | None, request: gr.Request) -> Changes:
        mine = workshop.shelf(workshop.visits.of(request)).may_delete(clip or "")
        return {part.delete: gr.Button(visible=mine), part.sure: gr.Row(visible=False)}

    @with_messages
    def delete(clip: str, request: gr.Request) -> Changes:
        visit = workshop.visits.of(request)
        shelf = workshop.shelf(visit)
        workshop.unload(shelf.delete(clip or ""))
        changes: Changes = {} if visit.work else _emptied(layout)
        left = shelf.choices()
        chosen = gr.Dropdown(left, value=left[0][1] if left else None)
        return changes | {part.clip: chosen, part.delete: gr.Button(visible=False), part.sure: gr.Row(visible=False)}

    part.clip.change(with_messages(choose), [part.clip], [part.delete, part.sure], **PRIVATE)
    part.delete.click(lambda: gr.Row(visible=True), None, [part.sure], **PRIVATE)
    part.keep.click(lambda: gr.Row(visible=False), None, [part.sure], **PRIVATE)
    outputs = [part.clip, part.delete, part.sure, *layout.of_a_clip]
    part.really_delete.click(delete, [part.clip], outputs, **(UNDOCUMENTED | AT_ONCE | {"api_name": "delete_clip"}))
