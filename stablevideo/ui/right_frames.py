"""What a clip that is steadied is held to: its source, a picture, or those of its own frames that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..parse import parse_frames
from ..video.read import Video, read_video
from ..video.side_by_side import spread_frames
from ..video.together import check_together
from .settings import Settings
from .uploads import hidden_folder, read_upload

HeldTo = Literal["its own frames", "its source", "a picture"]
MOST_FRAMES = 600  # of a visitor's clip, as in the tab "Your video"
MOST_RESTYLED = 120  # of one that is painted anew: each takes as long as a picture


@dataclass(frozen=True)
class RightFrames:
    """Which frames of a clip can be clicked on, and what the others are held to."""

    shown: tuple[int, ...]
    held_to: HeldTo
    video: Path

    @classmethod
    def of(cls, video: Video, reference: Video | None) -> RightFrames:
        """Those of an opened clip. Raises InputError for a source that does not fit it."""
        if reference is None:
            return cls(spread_frames(video.frame_count), "its own frames", video.path)
        if reference.frame_count == 1:
            return cls(spread_frames(video.frame_count), "a picture", video.path)
        check_together(video, reference, None)
        return cls((), "its source", video.path)

    def toggled(self, references: str, place: int) -> str:
        """The numbers after a click on the shown frame at that place: taken in, or away. Raises InputError as `said`"""
        frame, right = self.shown[place], self._named(references)
        kept = [other for other in right if other != frame]
        return ", ".join(map(str, kept if frame in right else sorted([*kept, frame])))

    def captions(self, references: str) -> list[str]:
        """A caption for each shown frame. Raises InputError as `said`."""
        right = self._named(references)
        return [f"✓ {frame} is right" if frame in right else f"{frame}" for frame in self.shown]

    def said(self, references: str) -> str:
        """What the clip is held to, in words. Raises InputError for numbers that are none of its frames."""
        if self.held_to == "its source":
            return "Each frame gets the colours of the same frame of its source: there is nothing to choose."
        right = self._named(references)
        if self.held_to == "a picture":
            return f"{_frames(right or [0])} gets the picture's look, and the other frames follow."
        if not right:
            return "**Click the frames whose colours are right**, one or several. Until you do, it is the first one."
        return f"{_frames(right)} {'is' if len(right) == 1 else 'are'} right, and the others follow."

    def _named(self, references: str) -> list[int]:
        return parse_frames(references, self.shown[-1] + 1) if references.strip() and self.shown else []


def read_reference(path: str | None) -> Video | None:
    """Open what a clip was made from, or a picture, if there is one. Raises InputError for what is neither."""
    if not path:
        return None
    with hidden_folder(Path(path)):
        return read_video(Path(path))


def read_pair(path: str | None, reference: str | None, settings: Settings) -> tuple[Video, Video | None]:
    """Open an uploaded clip, and what it is held to. Raises InputError for what cannot be worked on here."""
    video = read_upload(path)
    check_length(video, MOST_FRAMES, settings)
    return video, read_reference(reference)


def check_length(video: Video, most: int, settings: Settings) -> None:
    """Raise InputError for a clip of more frames than a visitor's may have."""
    if video.frame_count > most and not settings.one_person:
        raise InputError(
            f"the clip has {video.frame_count:,} frames, and {most} is the most on a page for several people; "
            "cut it into parts, or run StableVideo on your own machine."
        )


def _frames(numbers: Sequence[int]) -> str:
    """As 'Frames 0, 20 and 40'."""
    *most, last = map(str, numbers)
    return f"Frames {', '.join(most)} and {last}" if most else f"Frame {last}"
