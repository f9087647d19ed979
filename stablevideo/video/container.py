"""Opening media files safely: only the kinds named here, only files, nothing that names other files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from ..errors import InputError

MAX_SIDE_PX = 8192
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_KINDS = "mp4, mov, webm, mkv, gif or avi"

# The only demuxers ever tried: none of them names other files. `file` is the only protocol.
VIDEO_FORMATS = "mov,mp4,matroska,webm,gif,avi"
# Chroma interpolated and rounding exact: the default shortcut is off by several levels at colour edges.
_EXACT = Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
EXACT_COLOURS = int(Interpolation.BILINEAR | _EXACT)
EXACT_MEANS = int(Interpolation.AREA | _EXACT)  # of what lies under each pixel, for smaller pictures


class VideoError(InputError):
    """A clip cannot be read or written; the message says what was got, what is expected and what to do."""


def open_container(path: Path, formats: str) -> Any:
    """Open a media file, trying only the demuxers named. Raises VideoError for what is none of them."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); copy it again, whole")
    try:
        # The prefix keeps a name with a colon from being taken for another protocol.
        options = {"protocol_whitelist": "file", "format_whitelist": formats}
        return av.open(f"file:{path.resolve()}", options=options)
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise VideoError(
            f"{path} is not a video that can be read: expected a whole {VIDEO_KINDS} file; convert it, or copy it again"
        ) from error


def video_stream(container: Any) -> Any:
    """The first stream of pictures that is no cover of an album; None without one."""
    covers = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & covers), None)


def stored_size(container: Any, path: Path) -> tuple[int, int]:
    """(height, width) as the file stores its pictures. Raises VideoError for none, or too large ones."""
    stream = video_stream(container)
    height, width = stream.codec_context.height, stream.codec_context.width
    if min(height, width) < 1:
        raise VideoError(f"{path} has no frames that can be decoded; copy or convert it again")
    if max(height, width) > MAX_SIDE_PX:
        raise VideoError(
            f"{path} is {width}x{height} pixels; at most {MAX_SIDE_PX} a side can be read; resize it first"
        )
    return height, width


def as_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as a fraction. Raises VideoError for one that is none."""
    rate = Fraction(fps).limit_denominator(100_000) if np.isfinite(float(fps)) else Fraction(0)
    if not 0 < rate <= 1000:
        raise VideoError(f"fps must be more than 0 and at most 1000, got {fps}")
    return rate
