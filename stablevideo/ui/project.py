"""An uploaded video that is being decomposed, as its page shows it: pictures to click on, and what is marked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from ..decompose.session import DecomposeSession
from ..errors import InputError
from ..options import DecomposeOptions
from ..progress import Progress, quiet, within
from ..video.read import read_video
from .marking import frame_pixel, shown, strokes, tinted_video
from .spill import in_file, in_files
from .uploads import Upload, hidden_folder

Way = Literal["box", "strokes", "what moves", "mask video"]
WAYS = get_args(Way)


@dataclass(eq=False)
class Project:
    """One visitor's video: the decomposition under way, and which frame is shown, with which first corner of a box."""

    work: DecomposeSession
    shown_frame: int = 0
    corner: tuple[int, int] | None = None

    @classmethod
    def begin(
        cls,
        upload: Upload,
        options: DecomposeOptions,
        folder: Path,
        ckpt: Path,
        progress: Progress = quiet,
        device: torch.device | None = None,
    ) -> "Project":
        """Read the part of a video that the options choose, and its motion, into files of an empty folder.

        Raises as `prepare` does.
        """
        with hidden_folder(upload.path):
            work = DecomposeSession.begin(read_video(upload.path), options, progress, ckpt, device)
        work.footage = in_files(work.footage, folder)
        work.propose()
        return cls(work)

    def show(self, frame: int) -> None:
        """Turn to a frame; a box begun in another is given up. Raises InputError for a frame that is not used."""
        self.work.frame(frame)
        self.shown_frame, self.corner = frame, None

    def picture(self) -> np.ndarray:
        """The frame as it is shown for marking: with its mark, else with what was found there."""
        frame, mark = self.shown_frame, self.work.marks.get(self.shown_frame)
        mask = mark.mask if mark else None
        if mask is None and self.work.masks is not None:
            mask = self.work.masks[frame]
        return shown(self.work.frame(frame), mask, mark.box if mark else None, self.corner)

    def click(self, index: tuple[float, float]) -> None:
        """A click on the shown picture: a box's first corner, or its second, which cuts the object out.

        Raises InputError where the corners lie together or nothing stands out between them; the box begins anew.
        """
        place = frame_pixel(index, self.work.frame(self.shown_frame))
        if self.corner is None:
            self.corner = place
            return
        columns, rows = (sorted(pair) for pair in zip(self.corner, place, strict=True))
        self.corner = None
        self.work.mark_box(self.shown_frame, (columns[0], rows[0], columns[1] + 1, rows[1] + 1))

    def draw(self, editor: dict[str, Any] | None) -> None:
        """Take the strokes on the shown frame's picture. Raises InputError where none lies on the object."""
        inside, outside = strokes(editor, self.work.frame(self.shown_frame))
        self.work.mark_strokes(self.shown_frame, inside, outside)

    def unmark(self) -> None:
        """Forget what was marked in the shown frame."""
        self.corner = None
        self.work.unmark(self.shown_frame)

    def marked(self) -> str:
        """Which frames are marked, in words."""
        work, words = self.work, []
        if self.corner is not None:
            return "Now click the opposite corner."
        if work.masks is None and work.marks and all(mark.proposed for mark in work.marks.values()):
            return (
                "**This stands out.** Is it what you want to edit? Then find it in all frames; else mark it yourself."
            )
        if work.marks:
            names = [f"{frame} ({mark.way})" for frame, mark in sorted(work.marks.items())]
            words.append(f"Marked: frame {', '.join(names)}.")
        if work.masks is not None and work.marks_changed:
            words.append("Press 'Find the object' again, and the new marks count.")
        elif work.masks is not None:
            words.append(
                f"Found in {work.masks.any((1, 2)).sum()} of {work.frame_count} frames. Where the tint is wrong, "
                "mark the object in that frame and find it again; else go on below."
            )
        elif work.marks:
            words.append("Is the object tinted, and nothing else? Then find it in all frames; else mark it anew.")
        return " ".join(words) or "No frame is marked yet."

    def find(self, way: Way, mask_video: str | None, folder: Path, progress: Progress = quiet) -> Path:
        """Find the object in every frame; a video in an empty folder that shows it.

        Raises InputError where it cannot be found.
        """
        step = within(progress, 0, 0.8)
        if way == "what moves":
            masks = self.work.find_moving(step)
        elif way == "mask video":
            masks = self._given(mask_video)
        elif self.work.marks:
            masks = self.work.find_marked(step)
        else:
            raise InputError(
                "nothing is marked yet; click a box around the object, or draw strokes and press 'Use the strokes'."
            )
        self.work.masks = in_file(masks, folder / "masks.npy")
        progress(0.85, "tinting the object")
        return tinted_video(self.work.footage.frames, masks, self.work.footage.video.fps, folder / "object.mp4")

    def _given(self, path: str | None) -> np.ndarray:
        if not path:
            raise InputError("there is no mask video yet; upload one, white on the object and black elsewhere.")
        with hidden_folder(Path(path)):
            return self.work.read_masks(Path(path))
