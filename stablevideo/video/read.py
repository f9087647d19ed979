"""Clips on disk: frames at a constant rate from a file or a folder of pictures."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .container import (
    MAX_SIDE_PX,
    PICTURE_SUFFIXES,
    VIDEO_FORMATS,
    VIDEO_KINDS,
    VideoError,
    as_rate,
    open_container,
    stored_size,
    video_stream,
)
from .decode import FileReader, FolderReader, decode_picture, open_picture
from .index import constant_rate, read_index

logger = logging.getLogger(__name__)

FOLDER_FPS = Fraction(24)


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
    _reader: FileReader | FolderReader = field(repr=False, compare=False)

    def __len__(self) -> int:
        return self.frame_count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    def frames(self, indices: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
        """Decode the frames `indices`, in any order and with repeats: uint8 [n, 3, H, W], RGB.

        A smaller `size` (height, width) averages them to it, in a fraction of the time that their own takes.

        Raises IndexError for an index outside the clip, VideoError where the data cannot be decoded.
        """
        return self._decode(self._reader, indices, size)

    def part(self, first: int, count: int) -> Video:
        """`count` frames from frame `first` on as a clip of their own, silent where it begins later."""
        if not (first >= 0 and count >= 1 and first + count <= self.frame_count):
            raise IndexError(f"frames {first} to {first + count - 1} of {self.path}, which has {self.frame_count}")
        sound = self.has_audio and first == 0
        return replace(self, frame_count=count, has_audio=sound, _reader=self._reader.part(first, count))

    def chunks(self, length: int = 16, size: tuple[int, int] | None = None) -> Iterator[Tensor]:
        """Yield the clip in order, as consecutive uint8 [<=length, 3, H, W]; memory holds one chunk.

        `size` as in `frames`.
        """
        if length < 1:
            raise ValueError(f"a chunk holds at least 1 frame, got {length}")
        reader = self._reader.fresh()  # its own: two walks through one clip do not disturb each other
        for start in range(0, self.frame_count, length):
            yield self._decode(reader, range(start, min(start + length, self.frame_count)), size)

    def _decode(
        self, reader: FileReader | FolderReader, indices: Sequence[int], size: tuple[int, int] | None
    ) -> Tensor:
        if size and not (0 < size[0] <= self.height and 0 < size[1] <= self.width):
            raise ValueError(f"frames are only averaged to a smaller size than {self.size}, got {size}")
        smaller = None if size == self.size else size
        for index in indices:
            if not 0 <= index < self.frame_count:
                raise IndexError(f"frame {index} asked of {self.path}, which has frames 0 to {self.frame_count - 1}")
        result = torch.empty(len(indices), 3, *(smaller or self.size), dtype=torch.uint8)
        with reader.lock:
            for place, index in sorted(enumerate(indices), key=lambda pair: pair[1]):
                picture = np.ascontiguousarray(reader.read(int(index), smaller))
                result[place] = torch.from_numpy(picture).permute(2, 0, 1)
        return result


def read_video(path: Path | str, fps: Fraction | float | None = None, limit: int | None = None) -> Video:
    """Open a video file, a folder of pictures (taken in natural order) or one picture, and index its frames.

    Parameters
    ----------
    path
        mp4, mov, webm, mkv, gif, avi, or a folder of jpg, png, webp, bmp or tiff pictures of one size, or one of them.
    fps
        The constant rate to show the clip at; by default the file's own, exactly, or 24 for a folder. A clip of
        variable rate gets the rate of its usual frame; frames are repeated or left out so that it keeps step with its
        sound.
    limit
        Use only the first `limit` frames.

    Raises
    ------
    FileNotFoundError
        There is nothing at `path`.
    VideoError
        It is not a whole clip of a known kind.
    """
    path = Path(path)
    rate = None if fps is None else as_rate(fps)
    if limit is not None and limit < 1:
        raise VideoError(f"limit must be at least 1 frame, got {limit}")
    if path.is_dir():
        video = _read_folder(path, rate or FOLDER_FPS, limit)
    elif path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
        video = _read_pictures(path, [path], rate or FOLDER_FPS)
    else:
        video = _read_file(path, rate, limit)
    logger.debug("%s: %d frames, %dx%d, %s fps", path, len(video), video.width, video.height, video.fps)
    return video


def _read_folder(path: Path, fps: Fraction, limit: int | None) -> Video:
    pictures = [p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")]
    pictures.sort(key=lambda p: [(len(s), s) if s.isdigit() else (0, s) for s in re.split(r"(\d+)", p.name)])
    pictures = pictures[:limit]
    if not pictures:
        raise VideoError(f"{path} holds no pictures; put in jpg, png or webp files, one a frame")
    return _read_pictures(path, pictures, fps)


def _read_pictures(path: Path, pictures: list[Path], fps: Fraction) -> Video:
    first = decode_picture(pictures[0])
    with open_picture(pictures[0]) as opened:
        stored = stored_size(opened, pictures[0])
    for picture in pictures[1:]:
        with open_picture(picture) as opened:
            if (size := stored_size(opened, picture)) != stored:
                raise VideoError(
                    f"pictures of a clip must have one size, but {pictures[0]} is {stored[1]}x{stored[0]} "
                    f"and {picture} is {size[1]}x{size[0]}; resize one"
                )
    height, width = first.shape[:2]
    return Video(path, len(pictures), height, width, fps, False, FolderReader(pictures, (height, width)))


def _read_file(path: Path, fps: Fraction | None, limit: int | None) -> Video:
    with open_container(path, VIDEO_FORMATS) as container:
        stream = video_stream(container)
        if stream is None:
            raise VideoError(f"{path} holds no video stream; choose a file with pictures ({VIDEO_KINDS})")
        height, width = stored_size(container, path)
        aspect = stream.sample_aspect_ratio or 1
        width = min(MAX_SIDE_PX, round(width * aspect)) if 0.25 < aspect < 4 else width
        stamps, keys, last = read_index(container, stream, path)
        rates = [Fraction(r) for r in (stream.guessed_rate, stream.average_rate) if r] or [FOLDER_FPS]
        fps, shown = constant_rate(stamps, float(stream.time_base), last, rates, fps)
        has_audio = bool(container.streams.audio)
        # AVI keeps the order of decoding, not of display: there the decoded frames are counted.
        order = stamps if container.format.name == "avi" else None
    picked = [stamps[k] for k in shown[:limit]]
    reader = FileReader(path, (height, width), picked, keys, order)
    height, width = reader.read(0).shape[:2]
    return Video(path, len(picked), height, width, fps, has_audio, reader)
