"""Frames of a video file or a folder of pictures, one by one, upright and in RGB."""

from __future__ import annotations

import contextlib
import threading
from bisect import bisect_right
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace

from .container import EXACT_COLOURS, EXACT_MEANS, VIDEO_FORMATS, VideoError, open_container, stored_size, video_stream

_PICTURE_FORMATS = "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe"
_FORWARD = 16  # frames: up to here decoding on is cheaper than seeking

Matrix = tuple[float, float, float, float]


@contextlib.contextmanager
def open_picture(path: Path) -> Iterator[Any]:
    """A picture file as a container of one frame. Raises VideoError for what is none."""
    # As bytes it has no name: no demuxer is chosen by the name and no other file can be found from it.
    try:
        container = av.open(BytesIO(path.read_bytes()), options={"format_whitelist": _PICTURE_FORMATS})
    except av.FFmpegError as error:
        raise _bad_picture(path) from error
    with container:
        stream = video_stream(container)
        if stream is None or not stream.codec_context.width:
            raise _bad_picture(path)
        yield container


def decode_picture(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode one picture: uint8 [H, W, 3]; its EXIF orientation is applied. `size` as in `upright_rgb`."""
    with open_picture(path) as container:
        stored = stored_size(container, path)
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        try:
            frame = next(container.decode(video=0))
        except (av.FFmpegError, StopIteration) as error:
            raise _bad_picture(path) from error
        return upright_rgb(frame, stored, display_matrix(frame), size)


def _bad_picture(path: Path) -> VideoError:
    return VideoError(f"the picture {path} is damaged or not a picture; replace or remove it")


class FolderReader:
    """Pictures of a folder, each decoded when it is asked for."""

    def __init__(self, pictures: list[Path], size: tuple[int, int]) -> None:
        self.pictures, self.size, self.lock = pictures, size, contextlib.nullcontext()

    def fresh(self) -> FolderReader:
        """A reader of the same, undisturbed by this one."""
        return self

    def part(self, first: int, count: int) -> FolderReader:
        """A reader of some of the frames."""
        return FolderReader(self.pictures[first : first + count], self.size)

    def read(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """Picture `index`, upright: uint8 [H, W, 3]; `size` as in `upright_rgb`."""
        picture = decode_picture(self.pictures[index], size)
        if picture.shape[:2] != (size or self.size):
            raise VideoError(f"{self.pictures[index]} lies on its side compared with {self.pictures[0]}; turn it")
        return picture


class FileReader:
    """Decodes forward from the nearest key frame, and goes on from where it stands when that is nearer."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        shown: list[int],
        keys: dict[int, int],
        order: list[int] | None,
    ) -> None:
        self.path, self.size, self.shown, self.keys, self.order = path, size, shown, keys, order
        self.lock = threading.Lock()
        self._starts = list(keys)
        self._container: Any = None
        self._held: tuple[int, Any] | None = None  # the frame decoded last, and the one after it if known
        self._next: tuple[int, Any] | None = None
        # Of the first frame, for all: to ask a frame ties it to itself, and it stays until Python looks for such knots.
        self._matrix: Matrix | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # a copy, in this process or another, opens the file for itself
        return FileReader, (self.path, self.size, self.shown, self.keys, self.order)

    def fresh(self) -> FileReader:
        """A reader of the same, undisturbed by this one."""
        return self.part(0, len(self.shown))

    def part(self, first: int, count: int) -> FileReader:
        """A reader of some of the frames."""
        return FileReader(self.path, self.size, self.shown[first : first + count], self.keys, self.order)

    def read(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """Frame `index`, upright: uint8 [H, W, 3]; `size` as in `upright_rgb`."""
        stamp = self.shown[index]
        try:
            self._go_to(stamp)
            while self._held is None or self._held[0] != stamp:
                following = self._next or next(self._decoded, None)
                if following is not None and (following[0] <= stamp or self._held is None):
                    self._held, self._next = following, None
                elif following is None or self._held is None:
                    raise EOFError("the data ends early")
                else:  # nothing new is shown at this time: the picture before it stays
                    self._next = following
                    break
            self._matrix = self._matrix or display_matrix(self._held[1])
            return upright_rgb(self._held[1], self.size, self._matrix, size)
        except (av.FFmpegError, EOFError) as error:
            self._container = None
            raise VideoError(
                f"frame {index} of {self.path} cannot be decoded: the file is damaged or cut short"
            ) from error

    def _go_to(self, stamp: int) -> None:
        key = self._starts[max(0, bisect_right(self._starts, stamp) - 1)]
        if self._container is not None and self._held is not None and self._held[0] <= stamp:
            near = self.shown[min(len(self.shown) - 1, bisect_right(self.shown, self._held[0]) + _FORWARD)]
            if key <= self._held[0] or stamp <= near or self.order:
                return
        self._start(None if self.order or key == self._starts[0] else self.keys[key])
        first = next(self._decoded, None)
        if first is not None and first[0] > stamp and key != self._starts[0]:  # the seek went too far
            self._start(None)
            first = next(self._decoded, None)
        self._next = first

    def _start(self, seek: int | None) -> None:
        self._held = self._next = None
        if self._container is None or seek is None:
            self._container = open_container(self.path, VIDEO_FORMATS)
            video_stream(self._container).thread_type = "AUTO"
        stream = video_stream(self._container)
        if seek is not None:
            self._container.seek(seek, stream=stream)
        frames = self._container.decode(stream)
        self._decoded = (
            (self.order[min(k, len(self.order) - 1)] if self.order else frame.pts, frame)
            for k, frame in enumerate(frames)
            if self.order or frame.pts is not None
        )


def upright_rgb(
    frame: Any, stored: tuple[int, int], matrix: Matrix, smaller: tuple[int, int] | None = None
) -> np.ndarray:
    """Turn a decoded frame upright, on white where it is transparent: uint8 [H, W, 3], maybe a view.

    Parameters
    ----------
    stored
        Its (height, width) before it is turned.
    matrix
        Its `display_matrix`.
    smaller
        The (height, width) to average it to, in a fraction of the time that its own size takes.
    """
    a, b, c, d = matrix
    lies = abs(b) > abs(a)  # a quarter turn
    height, width = stored if smaller is None else (smaller[::-1] if lies else smaller)
    alpha = frame.format.name == "pal8" or any(c.is_alpha for c in frame.format.components)
    # 2: the file does not say; then small pictures are BT.601 and HD is BT.709, as players take them.
    unsaid = frame.colorspace == 2 and not frame.format.is_rgb
    colours = (Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601) if unsaid else None
    picture = frame.to_ndarray(
        width=width,
        height=height,
        format="rgba" if alpha else "rgb24",
        src_colorspace=colours,
        interpolation=EXACT_MEANS if smaller else EXACT_COLOURS,
    )
    if alpha:
        colour, opacity = picture[..., :3].astype(np.uint16), picture[..., 3:].astype(np.uint16)
        picture = ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    if lies:
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def display_matrix(frame: Any) -> Matrix:
    """(a, b, c, d) of x' = a x + c y, y' = b x + d y, y downwards: how the stored picture is to be turned."""
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV stumbles over kinds it does not know, EXIF for one; the angle it still tells
        turn = np.deg2rad(frame.rotation)
        return np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)
    if not side:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
    return a, b, c, d
