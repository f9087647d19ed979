"""What the live viewer is told: a clip's layers, and its atlases as they are by now."""

import itertools
from pathlib import Path
from typing import Any

from ...edit.painting import Edit
from ...layers.coords import LAYER_NAMES, LayerName
from ...layers.layered_video import LayeredVideo
from .component import served
from .scene import write_atlas, write_scene

_VERSIONS = itertools.count(1)


def open_scene(clip: LayeredVideo, folder: Path) -> dict[str, Any]:
    """Write what the viewer needs of a clip, whatever is done to it later, into a folder: a value without edits."""
    facts = write_scene(clip, folder / "layers.bin")
    originals = {name: write_atlas(clip, name, clip.layer(name).atlas, folder, "original") for name in LAYER_NAMES}
    atlases = {name: {"original": served(path), "edited": None} for name, path in originals.items()}
    return facts | {"clip": clip.name, "file": served(folder / "layers.bin"), "atlases": atlases}


def with_edits(
    value: dict[str, Any],
    clip: LayeredVideo,
    edits: dict[LayerName, Edit | None],
    folder: Path,
    undo: bool,
    redo: bool,
) -> dict[str, Any]:
    """The value with these edits, whose atlases are written into the folder; always another than any before."""
    version = next(_VERSIONS)
    atlases = {}
    for name, edit in edits.items():
        path = write_atlas(clip, name, edit.atlas, folder, f"{version}") if edit else None
        atlases[name] = value["atlases"][name] | {"edited": served(path)}
    return value | {"atlases": atlases, "version": version, "undo": undo, "redo": redo}
