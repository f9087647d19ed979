"""StableVideo: edit a video with words, without flicker.

from stablevideo import edit_foreground, load_clip, load_editor, write_video

clip = load_clip("data/sample")
edit = edit_foreground(clip, "a picture of an orange suv", load_editor())
write_video(clip.render(foreground=edit.atlas), "orange.mp4", clip.video.fps)
"""

import os
from typing import TYPE_CHECKING, Any

# Threads that wait must not spin: on a machine that others use too, that alone is three times slower.
# Read when torch is first imported; a value that is already set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from .clips import list_clips, load_clip
from .color.calibrate import calibrate
from .decompose import decompose
from .deflicker import deflicker
from .deflicker.interpolate import interpolate
from .deflicker.restyle import Restyled, restyle
from .edit.background import edit_background
from .edit.keyframes import edit_foreground
from .edit.own_picture import lay_picture
from .edit.painting import Edit
from .edit.recolour import recolour
from .edit.style import stylize_layer
from .errors import InputError
from .layers.layer import Layer
from .layers.layered_video import LayeredVideo
from .measure import measure
from .options import (
    BackgroundOptions,
    ColorCorrectionOptions,
    DecomposeOptions,
    DeflickerOptions,
    ForegroundOptions,
    InterpolateOptions,
    RecolourOptions,
    RenderOptions,
    RestyleOptions,
    StyleOptions,
)
from .progress import Cancelled
from .results import save_run
from .style.load import load_painter
from .style.video import stylize
from .version import __version__
from .video.read import Video, read_video
from .video.write import write_video

if TYPE_CHECKING:
    from .diffusion.editor import Editor
    from .diffusion.load import load_editor

__all__ = [
    "BackgroundOptions",
    "Cancelled",
    "ColorCorrectionOptions",
    "DecomposeOptions",
    "DeflickerOptions",
    "Edit",
    "Editor",
    "ForegroundOptions",
    "InputError",
    "InterpolateOptions",
    "Layer",
    "LayeredVideo",
    "RecolourOptions",
    "RenderOptions",
    "RestyleOptions",
    "Restyled",
    "StyleOptions",
    "Video",
    "__version__",
    "calibrate",
    "decompose",
    "deflicker",
    "edit_background",
    "edit_foreground",
    "interpolate",
    "lay_picture",
    "list_clips",
    "load_clip",
    "load_editor",
    "load_painter",
    "measure",
    "read_video",
    "recolour",
    "restyle",
    "save_run",
    "stylize",
    "stylize_layer",
    "write_video",
]


def __getattr__(name: str) -> Any:
    # diffusers and transformers take seconds to import; loading and rendering do without them.
    if name in ("Editor", "load_editor"):
        from .diffusion import load

        return getattr(load, name)
    raise AttributeError(f"module 'stablevideo' has no attribute {name!r}")
