"""Both layers edited with words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions, ForegroundOptions
from ..progress import Progress, quiet, within
from .background import edit_background
from .keyframes import edit_foreground
from .painting import Edit

if TYPE_CHECKING:
    from ..diffusion.picture_editor import PictureEditor

BACKGROUND_SHARE = 0.4  # of the time, beside a foreground of a few keyframes


def edit_with_words(
    clip: LayeredVideo,
    words: Mapping[LayerName, str | None],
    editor: "PictureEditor",
    front: ForegroundOptions,
    back: BackgroundOptions,
    progress: Progress = quiet,
) -> dict[LayerName, Edit]:
    """The edits of the layers that words are given for; a layer without words, or with empty ones, has none."""
    edits: dict[LayerName, Edit] = {}
    if behind := (words.get("background") or "").strip():
        part = within(progress, 0, BACKGROUND_SHARE, "background: ")
        edits["background"] = edit_background(clip, behind, editor, back, part)
    if ahead := (words.get("foreground") or "").strip():
        part = within(progress, BACKGROUND_SHARE, 1, "foreground: ")
        edits["foreground"] = edit_foreground(clip, ahead, editor, front, part)
    return edits
