"""Atlases and keyframes as the page shows them."""

from pathlib import Path

import numpy as np
from torch import Tensor

from ..edit.painting import Edit
from ..layers.layered_video import LayeredVideo
from ..video.pictures import resize, to_uint8, write_picture
from ..video.write import write_video

SHOWN_PX = 720  # the long side at which an atlas is shown


def array(picture: Tensor) -> np.ndarray:
    """A picture [3, h, w] in [0, 1] as widgets take it: uint8 [h, w, 3]."""
    return to_uint8(picture.cpu()).permute(1, 2, 0).numpy()


def shown_atlas(picture: Tensor) -> np.ndarray:
    """An atlas as the page shows it: uint8 [h, w, 3], its long side at most SHOWN_PX."""
    return array(_at_shown_size(picture))


def write_shown(picture: Tensor, path: Path) -> str:
    """Write an atlas as the page shows it, lightly compressed: a page's own way takes ten times as long."""
    write_picture(path, _at_shown_size(picture), quick=True)
    return str(path)


def _at_shown_size(picture: Tensor) -> Tensor:
    scale = min(1.0, SHOWN_PX / max(picture.shape[1:]))
    height, width = (max(1, round(side * scale)) for side in picture.shape[1:])
    return resize(picture[None].cpu(), (height, width))[0]


def keyframe_pictures(edit: Edit) -> list[tuple[np.ndarray, str]]:
    """Each keyframe before, its hint and after, with captions."""
    return [
        (shown_atlas(getattr(keyframe, part)), f"frame {keyframe.frame}, {part}")
        for keyframe in edit.keyframes
        for part in ("before", "hint", "after")
    ]


def preview(clip: LayeredVideo, folder: Path) -> str:
    """Write the source as a video that the browser plays; where it lies."""
    path = folder / f"{clip.name}.mp4"
    write_video(clip.video.chunks(), path, clip.video.fps, audio=clip.video.path if clip.video.has_audio else None)
    return str(path)
