"""The edit that the first screen shows: it lies beside the clip as two pictures, so that nobody waits for it."""

import json
from pathlib import Path
from typing import Any

import cv2
import gradio as gr

from ..edit.history import Step
from ..edit.painting import Edit
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..video.pictures import read_picture, to_uint8

FOLDER, QUALITY = "welcome", 90


def save_welcome(edits: dict[LayerName, Edit], folder: Path) -> Path:
    """Write the edits of a clip into the folder `welcome` of its own; where they lie."""
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    settings: dict[str, Any] = {}
    for layer, edit in edits.items():
        pixels = to_uint8(edit.atlas).permute(1, 2, 0).numpy()
        cv2.imwrite(str(place / f"{layer}.webp"), pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        settings[layer] = edit.settings
    (place / "settings.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return place


def welcome_steps(clip: LayeredVideo, folder: Path) -> list[Step]:
    """What was done to a clip for its first screen; nothing where nothing lies there, or what no longer fits it."""
    place = folder / FOLDER
    if not (place / "settings.json").is_file():
        return []
    settings = json.loads((place / "settings.json").read_text(encoding="utf-8"))
    steps = []
    for layer in LAYER_NAMES:
        path = place / f"{layer}.webp"
        atlas = read_picture(path) if path.is_file() else None
        if atlas is None or atlas.shape[1:] != clip.layer(layer).size:
            return []
        changed = clip.layer(layer).coverage.cpu()
        steps.append(Step(layer, Edit(atlas, changed, (), settings[layer])))
    return steps


def came_by_link(request: gr.Request) -> bool:
    """Whether the page was opened by an address that says what is asked for (see `link`)."""
    names = {name.partition(".")[0] for name in getattr(request, "query_params", ())}
    return bool(names & {"clip", "model", *LAYER_NAMES})
