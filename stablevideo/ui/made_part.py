"""What was made on this page so far: each edit with its picture and words, to be taken up again or combined."""

import itertools

import gradio as gr
import torch

from ..edit.history import Step
from ..edit.painting import Edit
from ..errors import InputError
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..video.pictures import write_picture
from .edit_layout import EditLayout
from .events import AT_ONCE, Changes
from .messages import with_messages
from .stage import on_stage, pictures
from .strip import strip, strip_size
from .videos_part import words_for
from .visits import Earlier, Visit
from .workshop import Opened, Workshop

MOST_EARLIER = 8  # of all clips; an edit weighs as much as its atlas
_NUMBERS = itertools.count(1)


def taken(layout: EditLayout, visit: Visit, opened: Opened, layer: LayerName, edit: Edit) -> Changes:
    """Take an edit into the work, keep it for later, and show it."""
    visit.take(Step(layer, edit), opened.clip)
    _keep(visit, opened.clip, layer, edit)
    return shown(layout, visit, opened)


def shown(layout: EditLayout, visit: Visit, opened: Opened) -> Changes:
    """The work as it is by now, and the earlier edits of the clip, the latest first."""
    earlier = {layout.earlier: strip([(each.picture, each.words) for each in _of_the_clip(visit)])}
    return {layout.clip.canvas: on_stage(visit, opened)} | pictures(layout, visit, opened.clip) | earlier


def _keep(visit: Visit, clip: LayeredVideo, layer: LayerName, edit: Edit) -> None:
    """An edit is kept with a picture of it: the clip's middle frame with this edit alone."""
    folder = visit.folder / "earlier"
    folder.mkdir(parents=True, exist_ok=True)
    front, back = (edit.atlas.to(clip.device) if name == layer else None for name in LAYER_NAMES)
    frame = torch.cat(list(clip.render(front, back, strip_size(clip.size), [clip.frame_count // 2])))[0]
    picture = folder / f"{next(_NUMBERS)}.png"
    write_picture(picture, frame)
    visit.earlier.append(Earlier(clip.name, layer, edit, picture, f"{layer}: {words_for(edit)}"))
    for old in visit.earlier[:-MOST_EARLIER]:
        old.picture.unlink(missing_ok=True)
    del visit.earlier[:-MOST_EARLIER]


def bind_earlier(workshop: Workshop, layout: EditLayout) -> None:
    """An earlier edit that is clicked is its layer's edit again; the other layer stays as it is."""

    @with_messages
    def take(event: gr.EventData, request: gr.Request) -> Changes:
        visit, number = workshop.visits.of(request), (event._data or {}).get("number")
        opened, mine = workshop.opened(visit), _of_the_clip(visit)
        if type(number) is not int or not 0 <= number < len(mine):
            raise InputError("this edit is not kept any more; there are newer ones by now.")
        chosen = mine[number]
        visit.take(Step(chosen.layer, chosen.edit), opened.clip)
        return {layout.clip.canvas: on_stage(visit, opened)} | pictures(layout, visit, opened.clip)

    layout.earlier.take(take, None, layout.of_an_edit, **(AT_ONCE | {"api_visibility": "private"}))


def _of_the_clip(visit: Visit) -> list[Earlier]:
    return [each for each in reversed(visit.earlier) if each.clip == visit.loaded().folder.name]
