"""What was done to a clip's layers, one thing after the other, to be undone and done again.

Edits by words or pictures keep their atlases; strokes are kept as what they are and replayed: a hundred of them weigh
less than one atlas.
"""

from dataclasses import dataclass, replace

from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from .painting import Edit
from .strokes import Sticker, Stroke, paint_stroke

MOST_EDITS, MOST_STROKES = 8, 500  # of what can be undone; what came before stays done


@dataclass(frozen=True, eq=False)
class Step:
    """One thing done to a layer: an edit in place of the earlier one, or a stroke upon it."""

    layer: LayerName
    done: Edit | Stroke | Sticker


@dataclass(frozen=True)
class History:
    """Steps done, the last one last, and those undone, the next to do again last; `start` holds what came before."""

    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()
    start: tuple[tuple[LayerName, Edit], ...] = ()

    def then(self, step: Step, clip: LayeredVideo) -> "History":
        """One step more; what was undone cannot be done again after it."""
        history = History((*self.done, step), (), self.start)
        while history._too_long():
            first = history.done[0]
            kept = dict(history.start) | {first.layer: apply(clip, dict(history.start).get(first.layer), first)}
            history = replace(history, done=history.done[1:], start=tuple(kept.items()))
        return history

    def undo(self) -> "History":
        """Without the last step."""
        if not self.done:
            return self
        return replace(self, done=self.done[:-1], undone=(*self.undone, self.done[-1]))

    def redo(self) -> "History":
        """With the step that was undone last."""
        if not self.undone:
            return self
        return replace(self, done=(*self.done, self.undone[-1]), undone=self.undone[:-1])

    def edit_of(self, clip: LayeredVideo, layer: LayerName) -> Edit | None:
        """What a layer is after all steps; None where nothing was done to it."""
        edit = dict(self.start).get(layer)
        for step in self.done:
            if step.layer == layer:
                edit = apply(clip, edit, step)
        return edit

    def _too_long(self) -> bool:
        edits = sum(isinstance(step.done, Edit) for step in self.done)
        return edits > MOST_EDITS or len(self.done) - edits > MOST_STROKES


def apply(clip: LayeredVideo, edit: Edit | None, step: Step) -> Edit:
    """A layer's edit after one step more."""
    return step.done if isinstance(step.done, Edit) else paint_stroke(clip, edit, step.done)
