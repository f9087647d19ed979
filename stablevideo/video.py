"""Clips on disk: frames at a constant rate from a file or a folder of pictures."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace, Interpolation
from torch import Tensor

from .errors import InputError

logger = logging.getLogger(__name__)

MAX_SIDE_PX = 8192
FOLDER_FPS = Fraction(24)
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_KINDS = "mp4, mov, webm, mkv, gif or avi"

# The only demuxers ever tried: none of them names other files. `file` is the only protocol.
VIDEO_FORMATS = "mov,mp4,matroska,webm,gif,avi"
_PICTURE_FORMATS = "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe"
_USUAL_RATES = [Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1))]
_USUAL_RATES += [Fraction(60000, 1001), Fraction(60)]
_FORWARD = 16  # frames: up to here decoding on is cheaper than seeking
# Chroma interpolated and rounding exact: the default shortcut is off by several levels at colour edges.
EXACT_COLOURS = int(
    Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
)


class VideoError(InputError):
    """A clip cannot be read or written; the message says what was got, what is expected and what to do."""


@dataclass(frozen=True)
class Video:
    """A clip on disk; frames are decoded when asked for, so a long clip never sits in memory.

    `height` and `width` are as displayed: rotation and the pixels' aspect ratio are applied. Frame `i` is
    what is shown at `i / fps` seconds after the first picture. Transparent pictures are laid on white.
    """

    path: Path
    frame_count: int
    height: int
    width: int
    fps: Fraction
    has_audio: bool
    _reader: _FileReader | _FolderReader = field(repr=False, compare=False)

    def __len__(self) -> int:
        return self.frame_count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    def frames(self, indices: Sequence[int]) -> Tensor:
        """Decode the frames `indices`, in any order and with repeats: uint8 [n, 3, H, W], RGB.

        Raises IndexError for an index outside the clip, VideoError where the data cannot be decoded.
        """
        return self._decode(self._reader, indices)

    def part(self, first: int, count: int) -> Video:
        """`count` frames from frame `first` on as a clip of their own, silent where it begins later."""
        if not (first >= 0 and count >= 1 and first + count <= self.frame_count):
            raise IndexError(f"frames {first} to {first + count - 1} of {self.path}, which has {self.frame_count}")
        sound = self.has_audio and first == 0
        return replace(self, frame_count=count, has_audio=sound, _reader=self._reader.part(first, count))

    def chunks(self, length: int = 16) -> Iterator[Tensor]:
        """Yield the clip in order, as consecutive uint8 [<=length, 3, H, W]; memory holds one chunk."""
        if length < 1:
            raise ValueError(f"a chunk holds at least 1 frame, got {length}")
        reader = self._reader.fresh()  # its own: two walks through one clip do not disturb each other
        for start in range(0, self.frame_count, length):
            yield self._decode(reader, range(start, min(start + length, self.frame_count)))

    def _decode(self, reader: _FileReader | _FolderReader, indices: Sequence[int]) -> Tensor:
        for index in indices:
            if not 0 <= index < self.frame_count:
                raise IndexError(f"frame {index} asked of {self.path}, which has frames 0 to {self.frame_count - 1}")
        result = torch.empty(len(indices), 3, self.height, self.width, dtype=torch.uint8)
        with reader.lock:
            for place, index in sorted(enumerate(indices), key=lambda pair: pair[1]):
                picture = np.ascontiguousarray(reader.read(int(index)))
                result[place] = torch.from_numpy(picture).permute(2, 0, 1)
        return result


def read_video(path: Path | str, fps: Fraction | float | None = None, limit: int | None = None) -> Video:
    """Open a video file or a folder of pictures (taken in natural order) and index its frames.

    Args:
        path: mp4, mov, webm, mkv, gif, avi, or a folder of jpg, png, webp, bmp or tiff pictures of one size.
        fps: the constant rate to show the clip at; by default the file's own, exactly, or 24 for a folder.
            A clip of variable rate gets the rate of its usual frame; frames are repeated or left out so that
            it keeps step with its sound.
        limit: use only the first `limit` frames.

    Raises FileNotFoundError, and VideoError for anything that is not a whole clip of a known kind.
    """
    path = Path(path)
    rate = None if fps is None else as_rate(fps)
    if limit is not None and limit < 1:
        raise VideoError(f"limit must be at least 1 frame, got {limit}")
    video = _read_folder(path, rate or FOLDER_FPS, limit) if path.is_dir() else _read_file(path, rate, limit)
    logger.debug("%s: %d frames, %dx%d, %s fps", path, len(video), video.width, video.height, video.fps)
    return video


def _read_folder(path: Path, fps: Fraction, limit: int | None) -> Video:
    pictures = [p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")]
    pictures.sort(key=lambda p: [(len(s), s) if s.isdigit() else (0, s) for s in re.split(r"(\d+)", p.name)])
    pictures = pictures[:limit]
    if not pictures:
        raise VideoError(f"{path} holds no pictures; put in jpg, png or webp files, one a frame")
    first = _read_picture(pictures[0])
    with _open_picture(pictures[0]) as opened:
        stored = _stored_size(opened, pictures[0])
    for picture in pictures[1:]:
        with _open_picture(picture) as opened:
            if (size := _stored_size(opened, picture)) != stored:
                raise VideoError(
                    f"pictures of a clip must have one size, but {pictures[0]} is {stored[1]}x{stored[0]} "
                    f"and {picture} is {size[1]}x{size[0]}; resize one"
                )
    height, width = first.shape[:2]
    return Video(path, len(pictures), height, width, fps, False, _FolderReader(pictures, (height, width)))


def _read_file(path: Path, fps: Fraction | None, limit: int | None) -> Video:
    with open_container(path, VIDEO_FORMATS) as container:
        stream = video_stream(container)
        if stream is None:
            raise VideoError(f"{path} holds no video stream; choose a file with pictures ({VIDEO_KINDS})")
        height, width = _stored_size(container, path)
        aspect = stream.sample_aspect_ratio or 1
        width = min(MAX_SIDE_PX, round(width * aspect)) if 0.25 < aspect < 4 else width
        stamps, keys, last = _index(container, stream, path)
        rates = [Fraction(r) for r in (stream.guessed_rate, stream.average_rate) if r] or [FOLDER_FPS]
        fps, shown = _timeline(stamps, float(stream.time_base), last, rates, fps)
        has_audio = bool(container.streams.audio)
        # AVI keeps the order of decoding, not of display: there the decoded frames are counted.
        order = stamps if container.format.name == "avi" else None
    picked = [stamps[k] for k in shown[:limit]]
    reader = _FileReader(path, (height, width), picked, keys, order)
    height, width = reader.read(0).shape[:2]
    return Video(path, len(picked), height, width, fps, has_audio, reader)


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


@contextlib.contextmanager
def _open_picture(path: Path) -> Iterator[Any]:
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


def _read_picture(path: Path) -> np.ndarray:
    """Decode one picture: uint8 [H, W, 3]; its EXIF orientation is applied."""
    with _open_picture(path) as container:
        stored = _stored_size(container, path)
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        try:
            frame = next(container.decode(video=0))
        except (av.FFmpegError, StopIteration) as error:
            raise _bad_picture(path) from error
        return _rgb(frame, stored)


def _bad_picture(path: Path) -> VideoError:
    return VideoError(f"the picture {path} is damaged or not a picture; replace or remove it")


def video_stream(container: Any) -> Any:
    """The first stream of pictures that is no cover of an album; None without one."""
    covers = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & covers), None)


def _stored_size(container: Any, path: Path) -> tuple[int, int]:
    stream = video_stream(container)
    height, width = stream.codec_context.height, stream.codec_context.width
    if min(height, width) < 1:
        raise VideoError(f"{path} has no frames that can be decoded; copy or convert it again")
    if max(height, width) > MAX_SIDE_PX:
        raise VideoError(
            f"{path} is {width}x{height} pixels; at most {MAX_SIDE_PX} a side can be read; resize it first"
        )
    return height, width


def _index(container: Any, stream: Any, path: Path) -> tuple[list[int], dict[int, int], int]:
    """Walk through the packets: display times in order, key frame -> time to seek to, last one's duration."""
    counted = container.format.name == "avi"
    stamps: dict[int, int] = {}
    keys: dict[int, int] = {}
    end, found = 0.0, 0
    for packet in container.demux():
        time = packet.dts if counted or packet.pts is None else packet.pts
        if packet.stream.index == stream.index and time is not None:
            found += 1
        if time is None or not packet.size or packet.is_discard:
            continue
        end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index == stream.index:
            stamps[time] = packet.duration or 0
            if packet.is_keyframe:
                keys[time] = min(time, time if packet.dts is None else packet.dts)
    first = min(keys, default=np.inf)  # what comes before it cannot be decoded
    stamps = {time: stamps[time] for time in sorted(stamps) if time >= first}
    if not stamps:
        raise VideoError(f"{path} has a video stream but no frames; record or convert it again")
    promised = (container.duration or 0) / av.time_base + max(0, (container.start_time or 0) / av.time_base)
    if counted and stream.average_rate:  # its duration is made up from the size of the file
        promised, end = (float(count / stream.average_rate) for count in (stream.frames, found))
    if promised - end > max(0.5, 0.05 * promised):
        raise VideoError(
            f"{path} is cut short: it announces {promised:.1f} s and holds {end:.1f} s; copy it again, whole"
        )
    times = list(stamps)
    return times, dict(sorted(keys.items())), stamps[times[-1]]


def _timeline(
    stamps: list[int], unit: float, last: int, rates: list[Fraction], fps: Fraction | None
) -> tuple[Fraction, list[int]]:
    """Choose a constant rate and which stored frame (an index into `stamps`) each frame shows."""
    times = (np.array(stamps) - stamps[0]) * unit
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 1 / float(rates[0])
    usual = Fraction(1 / gap).limit_denominator(1001)
    usual = min(60, next((r for r in _USUAL_RATES if abs(gap * r - 1) < 4e-4), usual))
    count = np.arange(len(times))
    steady = next((r for r in [*rates, usual] if np.abs(times * float(r) - count).max() <= 0.5), None)
    if steady is not None:
        if fps is None or fps == steady:
            return steady, count.tolist()
        times, end = count / float(steady), len(times) / float(steady)
    else:
        end = times[-1] + (last * unit or gap)
    rate = fps or Fraction(usual)
    asked = np.arange(max(1, round(end * float(rate)))) / float(rate)
    rounding = min(unit, 0.25 / float(rate))
    return rate, (np.searchsorted(times, asked + rounding, side="right") - 1).tolist()


class _FolderReader:
    def __init__(self, pictures: list[Path], size: tuple[int, int]) -> None:
        self.pictures, self.size, self.lock = pictures, size, contextlib.nullcontext()

    def fresh(self) -> _FolderReader:
        return self

    def part(self, first: int, count: int) -> _FolderReader:
        return _FolderReader(self.pictures[first : first + count], self.size)

    def read(self, index: int) -> np.ndarray:
        picture = _read_picture(self.pictures[index])
        if picture.shape[:2] != self.size:
            raise VideoError(f"{self.pictures[index]} lies on its side compared with {self.pictures[0]}; turn it")
        return picture


class _FileReader:
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

    def __reduce__(self) -> tuple[Any, ...]:  # a copy, in this process or another, opens the file for itself
        return _FileReader, (self.path, self.size, self.shown, self.keys, self.order)

    def fresh(self) -> _FileReader:
        return self.part(0, len(self.shown))

    def part(self, first: int, count: int) -> _FileReader:
        return _FileReader(self.path, self.size, self.shown[first : first + count], self.keys, self.order)

    def read(self, index: int) -> np.ndarray:
        """Frame `index`, upright: uint8 [H, W, 3]."""
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
            return _rgb(self._held[1], self.size)
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


def _rgb(frame: Any, stored: tuple[int, int]) -> np.ndarray:
    """Turn a decoded frame upright, on white where it is transparent: uint8 [H, W, 3], maybe a view."""
    height, width = stored
    alpha = frame.format.name == "pal8" or any(c.is_alpha for c in frame.format.components)
    # 2: the file does not say; then small pictures are BT.601 and HD is BT.709, as players take them.
    unsaid = frame.colorspace == 2 and not frame.format.is_rgb
    matrix = (Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601) if unsaid else None
    picture = frame.to_ndarray(
        width=width,
        height=height,
        format="rgba" if alpha else "rgb24",
        src_colorspace=matrix,
        interpolation=EXACT_COLOURS,
    )
    if alpha:
        colour, opacity = picture[..., :3].astype(np.uint16), picture[..., 3:].astype(np.uint16)
        picture = ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    a, b, c, d = _display_matrix(frame)
    if abs(b) > abs(a):  # a quarter turn
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _display_matrix(frame: Any) -> tuple[float, float, float, float]:
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


def as_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as a fraction. Raises VideoError for one that is none."""
    rate = Fraction(fps).limit_denominator(100_000) if np.isfinite(float(fps)) else Fraction(0)
    if not 0 < rate <= 1000:
        raise VideoError(f"fps must be more than 0 and at most 1000, got {fps}")
    return rate
