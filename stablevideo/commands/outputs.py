"""Where commands for videos write to."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..video.read import Video
from ..video.write import SUFFIXES, write_video

LONGEST_WORDS = 40  # of a prompt, that go into a file's name


def check_video_name(path: Path) -> None:
    """Raise InputError for a name under which no video is written."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"a video is written as {', '.join(SUFFIXES)}; got the name {path.name}.")


def write_beside(frames: Iterable[Tensor], path: Path, video: Video) -> dict[str, Any]:
    """Write what was made of a video, with its rate and sound, whole or not at all; what a command says of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(frames, path, video.fps, video.path if video.has_audio else None)
    return {"video": str(path), "frames": video.frame_count}


def file_names(clips: Iterable[Path], prompts: Iterable[str]) -> Iterator[str]:
    """For each clip with each prompt, a video's name that tells which: no two are alike."""
    prompts, taken = list(prompts), set[str]()
    for clip in clips:
        for prompt in prompts:
            stem = "-".join(part for part in (clip.stem, slug(prompt)) if part)
            name, number = stem, 2
            while name.lower() in taken:
                name, number = f"{stem}-{number}", number + 1
            taken.add(name.lower())
            yield f"{name}.mp4"


def slug(text: str) -> str:
    """A text as a part of a file's name: 'A winter scene!' is 'a-winter-scene'."""
    words = "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()
    while len("-".join(words)) > LONGEST_WORDS and len(words) > 1:
        words.pop()
    return "-".join(words)[:LONGEST_WORDS]
