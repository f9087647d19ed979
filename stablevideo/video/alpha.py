"""Frames with transparency, for compositing elsewhere: ProRes 4444, WebM (VP9) or a folder of PNG pictures."""

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from torch import Tensor

from ..files import whole_file, whole_folder
from .container import EXACT_MEANS, VideoError, as_rate
from .pictures import write_picture
from .write import even_pictures

# By the suffix: the container, the encoder, how it stores a pixel, and its options.
FORMS = {
    ".mov": ("mov", "prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0", "alpha_bits": "16"}),
    ".webm": ("webm", "libvpx-vp9", "yuva420p", {"crf": "16", "b": "0", "auto-alt-ref": "0", "row-mt": "1"}),
}


def write_alpha_video(frames: Iterable[Tensor], path: Path, fps: Fraction | float) -> None:
    """Encode frames with transparency into `path`, replaced when whole.

    Parameters
    ----------
    frames
        Chunks [n, 4, H, W] of one size in [0, 1]: RGB, not multiplied by the alpha behind it. VP9 needs even sides: an
        odd one gets its last row or column once more.
    path
        Ends in .mov (ProRes 4444, 10 bits, alpha in 16) or .webm (VP9).

    Raises VideoError for another name or frames of another shape, OSError where the disk is full.
    """
    if path.suffix not in FORMS:
        raise VideoError(f"a video with transparency is written as {' or '.join(FORMS)}, got the name {path.name}")
    container, encoder, pixel, options = FORMS[path.suffix]
    pictures = even_pictures(frames, channels=4)
    first = next(pictures, None)
    if first is None:
        raise VideoError(f"there are no frames to write to {path}")
    rate = as_rate(fps)
    try:
        with (
            whole_file(path) as partial,
            contextlib.closing(av.open(f"file:{partial.resolve()}", "w", format=container)) as output,
        ):
            stream: Any = output.add_stream(encoder, rate=rate, options=options)
            stream.height, stream.width, stream.pix_fmt = *first.shape[:2], pixel
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = context.color_range = (
                1  # BT.709, limited
            )
            for count, picture in enumerate(chain([first], pictures)):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgba").reformat(
                    format=pixel, dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG", interpolation=EXACT_MEANS
                )
                frame.pts, frame.time_base = count, 1 / rate
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OSError(error.errno, f"{path} could not be written: {error.strerror}") from error


def write_pictures(frames: Iterable[Tensor], folder: Path) -> None:
    """Write frames [n, 3 or 4, H, W] in [0, 1] as `00000.png` and so on, into a folder that appears when whole.

    Raises OSError where the disk is full.
    """
    with whole_folder(folder) as partial:
        for number, picture in enumerate(chain.from_iterable(frames)):
            write_picture(partial / f"{number:05d}.png", picture)
