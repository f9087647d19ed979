"""Footage in files: the system pages in what is read, so that many videos waiting for their owners need no memory."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ..decompose import Footage
from ..options import DecomposeOptions
from ..video.flow import ClipFlow
from .uploads import Upload, used_frames

BYTES_A_PIXEL = 14  # of a frame: its colours, flow both ways and where that holds, its mask


def in_file(array: np.ndarray, path: Path) -> np.ndarray:
    """The same array, kept in a file; what is written into it stays in memory."""
    np.save(path, array)
    return np.asarray(np.load(path, mmap_mode="c"))


def in_files(footage: Footage, folder: Path) -> Footage:
    """The same footage, its arrays kept in files of a folder."""
    frames = in_file(np.stack(footage.frames), folder / "frames.npy")
    parts = {item.name: getattr(footage.flow, item.name) for item in fields(ClipFlow)}
    flow = ClipFlow(**{name: in_file(part, folder / f"{name}.npy") for name, part in parts.items()})
    return replace(footage, frames=list(frames), flow=flow)


def bytes_needed(upload: Upload, options: DecomposeOptions) -> int:
    """About the room that a video takes while it is worked on."""
    height, width = options.size(upload.size)
    return len(used_frames(upload, options)) * height * width * BYTES_A_PIXEL
