"""A video on its way to becoming a clip: its footage, what was marked in it, what was found and fitted."""

import time
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..clips import new_clip_folder
from ..decompose import Footage, Report, examine, find_masks, fit_layers, prepare, read_masks, sam_folder
from ..decompose.fit import Watch
from ..decompose.masks import mask_from_box, mask_from_scribble
from ..errors import InputError
from ..layers.coords import LAYER_NAMES
from ..layers.layered_video import LayeredVideo
from ..layers.store import save_layers
from ..options import DecomposeOptions
from ..progress import Progress, quiet, within
from ..video.read import read_video
from .marking import Box, frame_pixel, shown, strokes, tinted_video
from .uploads import Upload, hidden_folder

Way = Literal["box", "strokes", "what moves", "mask video"]
WAYS = get_args(Way)
LEAST_BOX_PX = 4
MOST_MASK_PX = 1_000_000_000  # of a mask video's frames together


@dataclass
class Project:
    """One person's video, kept by the workshop while its page is open."""

    upload: Upload
    options: DecomposeOptions
    footage: Footage
    ckpt: Path
    corner: tuple[int, int] | None = None
    boxes: dict[int, Box] = field(default_factory=dict)
    marks: dict[int, np.ndarray] = field(default_factory=dict)
    masks: np.ndarray | None = None
    changed: bool = False  # marks since the masks were found
    clip: LayeredVideo | None = None
    report: Report | None = None

    @classmethod
    def begun(cls, upload: Upload, options: DecomposeOptions, ckpt: Path, progress: Progress = quiet) -> "Project":
        """Read the part of the video that the options choose, and its motion. Raises as `prepare` does."""
        with hidden_folder(upload.path):
            return cls(upload, options, prepare(read_video(upload.path), options, progress, ckpt), ckpt)

    @property
    def frame_count(self) -> int:
        """Frames that are worked on."""
        return len(self.footage.frames)

    def picture(self, frame: int) -> np.ndarray:
        """A frame as it is shown for marking: with its mark, else with what was found there."""
        mask = self.marks.get(frame)
        if mask is None and self.masks is not None:
            mask = self.masks[frame]
        return shown(self.footage.frames[frame], mask, self.boxes.get(frame), self.corner)

    def click(self, frame: int, index: tuple[float, float]) -> None:
        """A click on the shown picture: a box's first corner, or its second, which cuts the object out.

        Raises InputError where the corners lie together or nothing stands out between them; the box begins anew.
        """
        place = frame_pixel(index, self.footage.frames[frame])
        if self.corner is None:
            self.corner = place
            return
        columns, rows = (sorted(pair) for pair in zip(self.corner, place, strict=True))
        self.corner = None
        box = columns[0], rows[0], columns[1] + 1, rows[1] + 1
        if min(box[2] - box[0], box[3] - box[1]) < LEAST_BOX_PX:
            raise InputError("the two corners lie on one line; click two opposite corners of a box around the object.")
        self.marks[frame] = mask_from_box(self.footage.frames[frame], box)
        self.boxes[frame] = box
        self.changed = True

    def draw(self, frame: int, editor: dict[str, Any] | None) -> None:
        """Take the strokes of a frame's picture. Raises InputError where none lies on the object."""
        picture = self.footage.frames[frame]
        self.marks[frame] = mask_from_scribble(picture, *strokes(editor, picture))
        self.boxes.pop(frame, None)
        self.changed = True

    def unmark(self, frame: int) -> None:
        """Forget what was marked in a frame."""
        self.corner = None
        self.marks.pop(frame, None)
        self.boxes.pop(frame, None)
        self.changed = True

    def marked(self) -> str:
        """Which frames are marked, in words."""
        if self.corner is not None:
            return "Now click the opposite corner."
        words = []
        if self.marks:
            names = [f"{frame} ({'box' if frame in self.boxes else 'strokes'})" for frame in sorted(self.marks)]
            words.append(f"Marked: frame {', '.join(names)}.")
        if self.masks is not None and self.changed:
            words.append("Press 'Find the object' again, and the new marks count.")
        elif self.masks is not None:
            words.append(
                f"Found in {self.masks.any((1, 2)).sum()} of {self.frame_count} frames. Where the tint is wrong, "
                "mark the object in that frame and find it again; else go on below."
            )
        elif self.marks:
            words.append("Is the object tinted, and nothing else? Then find it in all frames; else mark it anew.")
        return " ".join(words) or "No frame is marked yet."

    def find(self, way: Way, mask_video: str | None, progress: Progress = quiet) -> str:
        """Find the object in every frame; a video that shows it. Raises InputError where it cannot be found."""
        marks = self.marks
        if way == "what moves":
            marks = None
        elif way == "mask video":
            marks = self._given(mask_video)
        elif not marks:
            raise InputError(
                "nothing is marked yet; click a box around the object, or draw strokes and press 'Use the strokes'."
            )
        sam = sam_folder(self.ckpt) if self.options.tracker == "sam" else None
        masks = find_masks(self.footage, marks, within(progress, 0, 0.8), sam)
        if way not in ("box", "strokes"):
            self.corner, self.boxes, self.marks = None, {}, {}
        self.masks, self.changed, self.clip, self.report = masks, False, None, None
        progress(0.85, "tinting the object")
        return tinted_video(self.footage.frames, masks, self.footage.video.fps)

    def _given(self, path: str | None) -> np.ndarray:
        """The masks of a video with one for every frame used, or for every frame of the whole video."""
        if not path:
            raise InputError("there is no mask video yet; upload one, white on the object and black elsewhere.")
        with hidden_folder(Path(path)):
            video = read_video(path)
        first, count = self.options.first_frame, self.frame_count
        if video.frame_count not in (count, self.upload.frame_count):
            raise InputError(
                f"the mask video has {video.frame_count} frames; it needs {count}, one for each frame that is used."
            )
        if video.frame_count * video.height * video.width > MOST_MASK_PX:
            height, width = self.footage.size
            raise InputError(f"the mask video is too large; make it {width}x{height} pixels.")
        masks = read_masks(Path(path))
        return masks if len(masks) == count else masks[first : first + count]

    def decompose(self, data: Path, name: str, progress: Progress = quiet, watch: Watch | None = None) -> None:
        """Fit the layers, examine them, and write them as a new clip. What was done before is not done again."""
        if self.masks is None:
            raise InputError("the object is not found yet; press 'Find the object' first.")
        folder = new_clip_folder(data, name)
        if self.clip is None:
            self.clip = fit_layers(self.footage, self.masks, within(progress, 0, 0.94), watch, self.options.quality)
        if self.report is None:
            self.report = examine(self.clip, self.footage, within(progress, 0.94, 0.98))
        progress(0.98, "saving the clip")
        save_layers(self.clip, folder, {"report": asdict(self.report)})


@dataclass(frozen=True)
class Glimpse:
    """A decomposition under way: its fraction, what it does, its atlases as uint8 [h, w, 3], and its curve in dB."""

    fraction: float = 0.0
    doing: str = "beginning"
    atlases: tuple[np.ndarray, ...] = ()
    curve: tuple[float, ...] = ()


class Clock:
    """Tells the time gone and the time left of a job that may have begun half-way."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.first: tuple[float, float] | None = None

    def gone(self) -> str:
        """The time gone, as '1:05'."""
        return clock_time(time.monotonic() - self.begin)

    def words(self, fraction: float) -> str:
        """As '1:05 gone, about 2:10 left'."""
        now = time.monotonic()
        if self.first is None and fraction > 0:
            self.first = now, fraction
        gone = f"{self.gone()} gone"
        done = fraction - self.first[1] if self.first else 0
        if done < 0.05:
            return gone
        return f"{gone}, about {clock_time((now - self.first[0]) * (1 - fraction) / done)} left"


def clock_time(seconds: float) -> str:
    """As '1:05'."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def bar(fraction: float, text: str) -> str:
    """A progress bar with words below it, as HTML."""
    rail = "height: 8px; border-radius: 4px; margin-bottom: 8px; background: var(--border-color-primary)"
    part = f"height: 8px; border-radius: 4px; width: {fraction:.1%}; background: var(--color-accent)"
    return f'<div style="{rail}"><div style="{part}"></div></div>{escape(text)}'


def table(report: Report) -> str:
    """A report as Markdown: the verdict, then the figures."""
    rows = [
        ("sharpness, against the video's", *(f"{report.sharpness[name]:.2f}" for name in LAYER_NAMES)),
        ("share of the atlas that is seen", *(f"{report.coverage[name]:.0%}" for name in LAYER_NAMES)),
        ("drift from the motion, a frame", *(f"{report.follow_px[name]:.2f} px" for name in LAYER_NAMES)),
    ]
    lines = ["| | foreground | background |", "|:--|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)]
    closeness = f"Rendered from its layers, the clip comes within **{report.psnr:.1f} dB** (SSIM {report.ssim:.3f})."
    return f"**{report.verdict}**\n\n{closeness}\n\n" + "\n".join(lines)
