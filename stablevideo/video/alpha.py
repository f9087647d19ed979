"""Frames with transparency, for compositing elsewhere: ProRes 4444, WebM (VP9) or a folder of PNG pictures."""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace
from torch import Tensor

from ..files import whole_file, whole_folder
from .container import EXACT_MEANS, VideoError, as_rate
from .pictures import to_uint8

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
    pictures = _pictures(frames)
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
                frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(
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
    count = 0
    with whole_folder(folder) as partial:
        for chunk in frames:
            for picture in to_uint8(chunk).permute(0, 2, 3, 1).cpu().numpy():
                order = [2, 1, 0, 3][: picture.shape[2]]
                encoded = cv2.imencode(".png", picture[..., order])[1]
                (partial / f"{count:05d}.png").write_bytes(encoded.tobytes())
                count += 1


def _pictures(frames: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Yield uint8 [H, W, 4], one frame each, with even sides."""
    for chunk in frames:
        if chunk.ndim != 4 or chunk.shape[1] != 4:
            raise VideoError(f"frames with transparency must be [n, 4, H, W], got {list(chunk.shape)}")
        for picture in to_uint8(chunk.float()).permute(0, 2, 3, 1).cpu().numpy():
            odd = [(0, side % 2) for side in picture.shape[:2]]
            yield np.ascontiguousarray(np.pad(picture, (*odd, (0, 0)), mode="edge"))
