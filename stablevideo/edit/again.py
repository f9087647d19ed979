"""An edit made again from its settings, as `settings.json` keeps them."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..layers.coords import LAYER_NAMES
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions, ForegroundOptions, RecolourOptions
from ..progress import Progress, quiet
from .background import edit_background
from .keyframes import edit_foreground
from .painting import Edit
from .recolour import recolour
from .strokes import paint_stroke, parse_stroke

if TYPE_CHECKING:
    from ..diffusion.picture_editor import PictureEditor

MOST_BYTES = 20_000_000


def read_settings(path: Path) -> list[dict[str, Any]]:
    """The settings of a run's edits, from its `settings.json`. Raises InputError for what is none."""
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path.name} is no settings.json of a run, or larger than {MOST_BYTES // 10**6} MB.")
    try:
        edits = json.loads(path.read_text(encoding="utf-8"))["edits"]
        if not isinstance(edits, list) or not all(edit["layer"] in LAYER_NAMES for edit in edits):
            raise ValueError("it names no layers")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} is no settings.json of a run ({error}).") from None
    return edits


def edit_again(
    clip: LayeredVideo,
    settings: dict[str, Any],
    load: Callable[[str], "PictureEditor"],
    progress: Progress = quiet,
) -> Edit:
    """Make an edit again: on the same device, with the same model, it becomes the same.

    Parameters
    ----------
    settings
        An edit's own, which may come from anybody.
    load
        Gives the model of a name.

    Raises
    ------
    InputError
        It was made from a picture, which settings do not hold; or options, words or strokes in it are none.
    """
    layer = settings["layer"]
    if not settings.keys() & {"prompt", "after"} or settings.keys() & {"own_picture", "style"}:
        raise InputError(f"the {layer} was made from a picture, which settings do not hold; give it again yourself.")
    edit = _paint(clip, settings, load, progress) if "prompt" in settings else None
    for step in settings.get("after", ()):
        if "recolour" in step:
            edit = recolour(clip, layer, _options(RecolourOptions, step["recolour"]), edit)
        else:
            stroke = parse_stroke(step.get("stroke"))
            if stroke.layer != layer:
                raise InputError(f"a stroke of the {stroke.layer} stands among the steps of the {layer}.")
            edit = paint_stroke(clip, edit, stroke)
    if edit is None:
        raise InputError(f"these settings say nothing of what was done to the {layer}.")
    return edit


def _paint(
    clip: LayeredVideo, settings: dict[str, Any], load: Callable[[str], "PictureEditor"], progress: Progress
) -> Edit:
    prompt, editor = str(settings["prompt"]), load(str(settings.get("model")))
    if settings["layer"] == "foreground":
        return edit_foreground(clip, prompt, editor, _options(ForegroundOptions, settings), progress)
    return edit_background(clip, prompt, editor, _options(BackgroundOptions, settings), progress)


def _options(kind: Any, given: Any) -> Any:
    """The options of a kind among what is given. Raises InputError where a value is none."""
    names = [item.name for item in fields(kind)]
    try:
        return kind(**{name: given[name] for name in names if name in given})
    except (TypeError, AttributeError) as error:
        raise InputError(f"these settings hold no {kind.__name__} ({error}).") from None
