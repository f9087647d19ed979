"""The clip on the edit tab: the list of those that may be loaded, loading one, deleting one's own."""

from collections.abc import Callable

import gradio as gr

from ..edit.choice import choose_keyframes
from ..layers.coords import LAYER_NAMES
from ..options import ForegroundOptions
from ..progress import within
from .atlas_pictures import preview, shown_atlas
from .edit_layout import EditLayout
from .events import AT_ONCE, EDIT_QUEUE, PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .messages import with_messages
from .visits import Work
from .workshop import Workshop


def clip_loader(workshop: Workshop, layout: EditLayout) -> Callable[..., Changes]:
    """The handler that loads a clip: its inputs are the clip's name and the atlas resolution."""
    part = layout.clip

    @with_messages
    def load_clip(
        clip: str,
        atlas_resolution: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "edit", progress)
        folder = workshop.shelf(visit).folder(clip or "")
        loaded = workshop.clip(folder, int(atlas_resolution), within(report, 0, 0.8))
        report(0.9, "preparing the preview")
        source = preview(loaded, visit.fresh_folder("source"))
        keyframes = ", ".join(map(str, choose_keyframes(loaded)))
        visit.work = Work(folder, int(atlas_resolution))
        changes = _emptied(layout) | {part.source: source, layout.keyframe_numbers: keyframes}
        return changes | {part.atlases[name]: shown_atlas(loaded.layer(name).atlas) for name in LAYER_NAMES}

    return load_clip


def bind_clips(workshop: Workshop, layout: EditLayout) -> None:
    """Bind what loads a clip and what deletes one."""
    part, load = layout.clip, clip_loader(workshop, layout)
    inputs = [part.clip, part.atlas_resolution]
    part.load.click(load, inputs, layout.of_a_clip, **(EDIT_QUEUE | {"api_name": "load_clip"}))
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

    bound: EventOptions = EDIT_QUEUE | {"api_visibility": "private", "trigger_mode": "always_last"}
    part.atlas_resolution.release(load_again, inputs, layout.of_a_clip, **bound)


def _emptied(layout: EditLayout) -> Changes:
    """Nothing is left of a clip that was loaded before."""
    return {**dict.fromkeys(layout.of_a_clip), layout.keyframe_numbers: ForegroundOptions().keyframes}


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
