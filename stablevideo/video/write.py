"""Frames -> H.264 with the source's sound, whole or not at all."""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace
from torch import Tensor

from ..files import whole_file
from .container import EXACT_MEANS, MAX_SIDE_PX, VIDEO_FORMATS, VideoError, as_rate, open_container, video_stream

SUFFIXES = (".mp4", ".m4v", ".mov")  # of the names under which a clip is written
_SOUND_FORMATS = VIDEO_FORMATS + ",mp3,wav,flac,ogg,aac"
_MP4_SOUND = {"aac", "mp3", "ac3", "eac3"}  # copied into an mp4 as they are


def write_video(
    frames: Iterable[Tensor],
    path: Path | str,
    fps: Fraction | float,
    audio: Path | str | None = None,
    crf: int = 18,
) -> None:
    """Encode `frames` as H.264 (yuv420p, BT.709, fast start) into the mp4 file `path`, replaced when whole.

    Parameters
    ----------
    frames
        Chunks [n, 3, H, W] of one size, RGB, uint8 or floats in [0, 1] (clamped); taken one by one. yuv420p needs even
        sides: an odd one gets its last row or column once more.
    path
        The file, ending in .mp4 or .m4v or .mov, in a folder that exists.
    fps
        Frames a second, kept exactly.
    audio
        A file whose sound is laid under the clip from its start, cut to the clip's length: copied where mp4 can hold it
        (AAC, MP3, AC-3), else encoded as AAC. A silent file or a folder of pictures gives a silent clip.
    crf
        x264's quality, 0 (lossless) to 51 (worst).

    Raises
    ------
    VideoError
        Wrong input.
    FileNotFoundError
        A missing folder or sound file.
    OSError
        The disk is full. After any error, one raised by `frames` included, nothing is left of the new file.
    """
    path, rate = Path(path), as_rate(fps)
    if path.suffix.lower() not in SUFFIXES:
        raise VideoError(f"a clip is written as .mp4, got the name {path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in")
    if not 0 <= crf <= 51:
        raise VideoError(f"crf must be from 0 (lossless) to 51 (worst), got {crf}")
    pictures = even_pictures(frames)
    first = next(pictures, None)
    if first is None:
        raise VideoError(f"there are no frames to write to {path}")
    try:
        with whole_file(path) as partial:
            _encode(chain([first], pictures), first.shape[:2], partial, rate, Path(audio) if audio else None, crf)
    except av.FFmpegError as error:
        raise OSError(error.errno, f"{path} could not be written: {error.strerror}") from error


def even_pictures(frames: Iterable[Tensor], channels: int = 3) -> Iterator[np.ndarray]:
    """Yield uint8 [H, W, channels], one frame each, with even sides. Raises VideoError for frames of another shape."""
    size = None
    for chunk in frames:
        if chunk.ndim != 4 or chunk.shape[1] != channels:
            raise VideoError(f"frames must be [n, {channels}, H, W], got {list(chunk.shape)}")
        size = size or chunk.shape[2:]
        if chunk.shape[2:] != size or not 1 <= min(size) <= max(size) <= MAX_SIDE_PX:
            raise VideoError(f"frames must have one size up to {MAX_SIDE_PX} px, got {list(size)}, {list(chunk.shape)}")
        if chunk.dtype != torch.uint8:
            if not chunk.is_floating_point():
                raise VideoError(f"frames must be uint8 or floats in [0, 1], got {chunk.dtype}")
            chunk = (chunk.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
        for picture in chunk.permute(0, 2, 3, 1).cpu().numpy():
            yield np.pad(picture, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")


def _encode(
    pictures: Iterable[np.ndarray],
    size: tuple[int, int],
    path: Path,
    fps: Fraction,
    audio: Path | None,
    crf: int,
) -> None:
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_container(audio, _SOUND_FORMATS)) if audio and not audio.is_dir() else None
        output = stack.enter_context(
            contextlib.closing(av.open(f"file:{path.resolve()}", "w", format="mp4", options={"movflags": "+faststart"}))
        )
        # Chroma is the mean of each four pixels, and lies between them. Where a file does not say so, readers take it
        # for the left ones', and colour would move half a pixel each time that a clip is written and read.
        stream = output.add_stream("libx264", rate=fps, options={"crf": str(crf), "x264-params": "chromaloc=1"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1  # BT.709, limited
        sound = _sound(source, output, audio) if audio and source and source.streams.audio else iter(())
        waiting = next(sound, None)
        output.start_encoding()  # the file is made now, so a folder that cannot be written to shows at once
        for count, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range="MPEG",
                interpolation=EXACT_MEANS,
            )
            frame.pts, frame.time_base = count, 1 / fps
            output.mux(stream.encode(frame))
            while waiting is not None and waiting.pts * waiting.time_base < (count + 1) / fps:
                output.mux(waiting)
                waiting = next(sound, None)
        output.mux(stream.encode(None))


def _sound(source: Any, output: Any, path: Path) -> Iterator[Any]:
    """Yield packets for `output` in order, their time counted from the first picture of `source`."""
    stream, pictures = source.streams.audio[0], video_stream(source)
    start = (pictures.start_time or 0) * pictures.time_base if pictures else Fraction(0)
    copied = stream.codec_context.codec.canonical_name in _MP4_SOUND
    if copied:
        target = output.add_stream_from_template(stream)
    else:
        rate = stream.rate if stream.rate in (44100, 48000) else 48000
        target = output.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")
    try:
        for packet in _copied(source, stream, start) if copied else _as_aac(source, stream, target, start):
            packet.stream = target
            yield packet
    except av.FFmpegError as error:
        raise VideoError(f"the sound of {path} cannot be decoded; give another file, or none") from error


def _copied(source: Any, stream: Any, start: Fraction) -> Iterator[Any]:
    shift = round(start / stream.time_base)
    for packet in source.demux(stream):
        # A packet that ends exactly at the start only primes the decoder, but it does so.
        if packet.pts is not None and packet.size and packet.pts + (packet.duration or 0) >= shift:
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            yield packet


def _as_aac(source: Any, stream: Any, target: Any, start: Fraction) -> Iterator[Any]:
    context = target.codec_context
    resampler = av.AudioResampler(context.format, context.layout, context.sample_rate, 1024)
    for frame in chain(source.decode(stream), [None]):
        for piece in resampler.resample(frame):
            if piece.pts is None or piece.time_base is None:
                raise VideoError("the sound has no times; give another file, or none")
            piece.pts -= round(start / piece.time_base)
            if piece.pts + piece.samples > 0:
                yield from target.encode(piece)
    yield from target.encode(None)
