"""What the live viewer is told: a clip's layers, and its atlases as they are by now."""

import itertools
from pathlib import Path
from typing import Any

from ...edit.painting import Edit
from ...layers.coords import LAYER_NAMES, LayerName
from ...layers.layered_video import LayeredVideo
from .component import served
from .scene import write_atlas, write_change, write_scene

Written = dict[LayerName, tuple[Edit, Path | None, tuple[int, int]]]  # edits that lie in a file already, and where

_VERSIONS = itertools.count(1)


def open_scene(clip: LayeredVideo, folder: Path) -> dict[str, Any]:
    """Write what the viewer needs of a clip, whatever is done to it later, into a folder: a value without edits."""
    facts = write_scene(clip, folder / "layers.bin")
    originals = {name: write_atlas(clip, name, folder) for name in LAYER_NAMES}
    atlases = {name: {"original": served(path), "edited": None, "corner": [0, 0]} for name, path in originals.items()}
    return facts | {"clip": clip.name, "file": served(folder / "layers.bin"), "atlases": atlases}


def with_edits(
    value: dict[str, Any],
    clip: LayeredVideo,
    edits: dict[LayerName, Edit | None],
    folder: Path,
    undo: bool,
    redo: bool,
    written: Written | None = None,
) -> dict[str, Any]:
    """The value with these edits; always another than any before.

    What differs on their atlases is written into the folder, but for those that `written` has; it is brought up to
    date.
    """
    version, written = next(_VERSIONS), {} if written is None else written
    atlases = {}
    for name, edit in edits.items():
        if edit and (name not in written or written[name][0] is not edit):
            written[name] = edit, *write_change(clip, name, edit.atlas, folder / f"{name}-{version}.png")
        _, path, corner = written[name] if edit else (None, None, (0, 0))
        atlases[name] = value["atlases"][name] | {"edited": served(path), "corner": list(corner)}
    return value | {"atlases": atlases, "version": version, "undo": undo, "redo": redo}
