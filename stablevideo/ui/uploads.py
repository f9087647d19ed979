"""An uploaded video before anything is computed: what it is, what of it will be used, what to call its clip."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..errors import InputError
from ..options import DecomposeOptions
from ..video.container import VideoError
from ..video.read import Video, read_video

LONG_S, LONG_FRAMES = 10, 300  # of a longer video only as much is preselected
LEAST_FRAMES = 2
SECONDS_A_MEGAPIXEL = {"fine": 12, "quick": 7}  # of frames, measured on two cores


@dataclass(frozen=True)
class Upload:
    """The facts of an uploaded video."""

    path: Path
    frame_count: int
    fps: Fraction
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width


def open_upload(path: str | None) -> Upload:
    """Look at an uploaded file. Raises InputError for what is no video, or has a single frame."""
    return described(read_upload(path))


def read_upload(path: str | None) -> Video:
    """Open an uploaded file. Raises InputError for what is no video, or has a single frame."""
    if not path:
        raise InputError("there is no video yet; upload one first.")
    file = Path(path)
    with hidden_folder(file):
        video = read_video(file)
    if video.frame_count < LEAST_FRAMES:
        raise InputError(
            f"the file {file.name} has a single frame; a video of at least {LEAST_FRAMES} frames is needed."
        )
    return video


def described(video: Video) -> Upload:
    """The facts of a video that was opened."""
    return Upload(video.path, video.frame_count, video.fps, video.height, video.width)


@contextlib.contextmanager
def hidden_folder(file: Path) -> Iterator[None]:
    """Let errors about an uploaded file name it without saying where the server keeps it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"the file {file.name} is not here any more; upload it again.") from None
    except VideoError as error:
        raise InputError(str(error).replace(str(file), f"the file {file.name}")) from None


@contextlib.contextmanager
def hidden_folders(*videos: Video | None) -> Iterator[None]:
    """The same for several opened ones."""
    with contextlib.ExitStack() as stack:
        for video in videos:
            if video:
                stack.enter_context(hidden_folder(video.path))
        yield


def suggested(upload: Upload) -> DecomposeOptions:
    """All frames of a short video, the beginning of a long one."""
    most = max(LEAST_FRAMES, min(LONG_FRAMES, round(LONG_S * upload.fps)))
    return DecomposeOptions(frames=0 if upload.frame_count <= most else most)


def height_for(upload: Upload | None, width: int) -> int:
    """The even height that keeps a video's shape at that width."""
    return 2 * round(width * upload.height / upload.width / 2) if upload else 0


def used_frames(upload: Upload, options: DecomposeOptions) -> range:
    """The frames that the options choose. Raises InputError for fewer than two."""
    rest = range(options.first_frame, upload.frame_count)
    used = rest[: options.frames] if options.frames else rest
    if len(used) < LEAST_FRAMES:
        raise InputError(
            f"from frame {options.first_frame} on these options use {len(used)} of {upload.frame_count} frames; "
            f"at least {LEAST_FRAMES} are needed."
        )
    return used


def statement(upload: Upload, options: DecomposeOptions) -> str:
    """What a video is and what of it will be worked on, in words."""
    used, (height, width) = used_frames(upload, options), options.size(upload.size)
    if len(used) == upload.frame_count:
        chosen = f"All {len(used)} will be used"
    else:
        length = f"{float(len(used) / upload.fps):.1f}"
        chosen = f"Frames {used[0]} to {used[-1]} will be used, {len(used)} frames or {length} seconds"
    takes = duration(len(used) * width * height, options.quality)
    words = f"{facts(upload)} {chosen}, at {width}x{height}; decomposing takes about {takes}."
    if suggested(upload).frames and options == suggested(upload):
        words += (
            f" It is longer than {LONG_S} seconds or {LONG_FRAMES} frames, so only its beginning is preselected: "
            "long parts take long, and things show too many sides."
        )
    return words


def facts(upload: Upload) -> str:
    """How long, how large and how fast a video is, in words."""
    rate = f"{float(upload.fps):.4g}"
    seconds = f"{float(upload.frame_count / upload.fps):.1f}"
    return f"**{upload.frame_count:,} frames of {upload.width}x{upload.height}** at {rate} a second, {seconds} seconds."


def scene_choices(parts: Sequence[tuple[int, int]], upload: Upload) -> list[tuple[str, str]]:
    """The scenes of a cut video, (first frame, number of frames) each, as labels and values 'FIRST+COUNT'."""
    most = suggested(upload).frames or LONG_FRAMES
    return [
        (f"frames {first} to {first + count - 1}, {float(count / upload.fps):.1f} s", f"{first}+{min(count, most)}")
        for first, count in parts
        if count >= LEAST_FRAMES
    ]


def duration(pixels: int, quality: str) -> str:
    """About how long so many pixels of frames take to decompose."""
    seconds = pixels / 1e6 * SECONDS_A_MEGAPIXEL[quality]
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds on two cores"
    return f"{seconds / 60:.0f} minutes on two cores"
