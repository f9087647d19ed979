"""The live viewer on the page: it shows the clip that is worked on, and hands over what is painted there."""

import time
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import api
from torch import Tensor

from ..edit.history import Step
from ..edit.painting import Edit
from ..edit.strokes import parse_stroke
from ..errors import InputError
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..progress import Progress
from .atlas_pictures import write_shown
from .canvas.values import with_edits
from .edit_layout import EditLayout
from .events import PRIVATE, UNDOCUMENTED, Changes, EventOptions
from .messages import with_messages
from .visits import Visit, Work
from .workshop import Opened, Workshop

# Strokes come in the order in which they were painted, and never wait for an edit.
STROKES: EventOptions = UNDOCUMENTED | {
    "concurrency_id": "strokes",
    "concurrency_limit": 1,
    "trigger_mode": "multiple",
    "show_progress": "hidden",
}
TAKEN_S = 120


def begin_edit(workshop: Workshop, request: gr.Request, progress: gr.Progress) -> tuple[Visit, Opened, Progress]:
    """Begin a job on the clip that is loaded."""
    visit, report = workshop.begin(request, "edit", progress)
    return visit, workshop.opened(visit), report


def on_stage(visit: Visit, opened: Opened, work: Work | None = None) -> dict[str, Any]:
    """The viewer's value as the work is by now, or as another is."""
    work, folder = work or visit.loaded(), visit.folder / "atlases"
    folder.mkdir(exist_ok=True)
    kept = {path for _, path, _ in visit.written.values()}
    for path in folder.iterdir():  # what Gradio has taken over by now
        if path not in kept and time.time() - path.stat().st_mtime > TAKEN_S:
            path.unlink(missing_ok=True)
    done, undone = bool(work.history.done), bool(work.history.undone)
    return with_edits(opened.scene, opened.clip, work.edits, folder, done, undone, visit.written)


def preview(visit: Visit, opened: Opened, layer: LayerName, atlas: Tensor) -> dict[str, Any]:
    """The viewer's value with an atlas that is still being painted."""
    work = visit.loaded()
    rough = Edit(atlas, atlas.new_ones(1, 1, 1), (), {})
    return on_stage(visit, opened, work.holding(work.history, work.edits | {layer: rough}))


def pictures(layout: EditLayout, visit: Visit, clip: LayeredVideo) -> Changes:
    """The atlases as pictures to look at and to save."""
    changes: Changes = {}
    folder = visit.fresh_folder("pictures")
    for layer, edit in visit.loaded().edits.items():
        part = layout.layers[layer]
        changes[part.atlas] = write_shown(clip.layer(layer).atlas, folder / f"{layer}.png")
        changes[part.edited] = edit and write_shown(edit.atlas, folder / f"{layer}-edited.png")
    return changes


def bind_stage(workshop: Workshop, layout: EditLayout) -> None:
    """Bind what the viewer sends: strokes, undo and redo, and its wish to be told anew."""
    canvas = layout.clip.canvas

    def handler(act: Callable[[Visit, LayeredVideo], None]) -> Callable[..., Changes]:
        @with_messages
        def run(request: gr.Request) -> Changes:
            visit = workshop.visits.of(request)
            opened = workshop.opened(visit)
            act(visit, opened.clip)
            return {canvas: on_stage(visit, opened)}

        return run

    @with_messages
    def stroke(event: gr.EventData, request: gr.Request) -> None:
        sent = event._data or {}
        paint(workshop, request, sent.get("clip"), sent.get("stroke"))

    @with_messages
    def paint_stroke(stroke: dict, request: gr.Request) -> dict:
        """Paint a stroke, as the page does: {"layer", "tool", "points", "radius", "colour", "softness", "opacity"}."""
        visit = workshop.visits.of(request)
        paint(workshop, request, visit.loaded().folder.name, stroke)
        return {"steps": len(visit.loaded().history.done)}

    @with_messages
    def show_pictures(request: gr.Request) -> Changes:
        visit = workshop.visits.of(request)
        return pictures(layout, visit, workshop.work_clip(visit)) if visit.work else dict.fromkeys(layout.pictures)

    def choose_keyframe(event: gr.EventData, request: gr.Request) -> str:
        frame = (event._data or {}).get("frame")
        frames = workshop.opened(workshop.visits.of(request)).clip.frame_count
        if type(frame) is not int or not 0 <= frame < frames:
            raise InputError(f"a keyframe must be one of the clip's {frames} frames, got {frame!r}.")
        gr.Info(f"The next edit of what is in front is painted on frame {frame}, and carried to the others.")
        return str(frame)

    canvas.keyframe(with_messages(choose_keyframe), None, [layout.keyframe_numbers], **PRIVATE)
    canvas.stroke(stroke, None, None, **(STROKES | {"api_visibility": "private"}))
    canvas.undo(handler(Visit.turn_back), None, [canvas], **(STROKES | {"api_name": "undo"}))
    canvas.redo(handler(Visit.go_forth), None, [canvas], **(STROKES | {"api_name": "redo"}))
    canvas.refresh(handler(lambda visit, clip: None), None, [canvas], **(STROKES | {"api_visibility": "private"}))
    layout.by_file.expand(show_pictures, None, layout.pictures, **PRIVATE)
    api(paint_stroke, api_name="paint", concurrency_id="strokes", concurrency_limit=1)


def paint(workshop: Workshop, request: gr.Request, name: Any, given: Any) -> None:
    """Paint a stroke that came from outside upon a visitor's work; for a clip that is not loaded any more, nothing."""
    visit = workshop.visits.of(request)
    stroke = parse_stroke(given)
    if visit.loaded().folder.name != name:
        raise InputError("this stroke belongs to another clip than the one that is loaded.")
    visit.take(Step(stroke.layer, stroke), workshop.work_clip(visit))
