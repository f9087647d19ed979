"""A video on its way to becoming a clip, step by step: read it, mark its object, find that, fit, examine, save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..device import resolve
from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..layers.store import save_layers
from ..options import DecomposeOptions
from ..places import default_folder
from ..progress import Progress, quiet, within
from ..video.read import Video, read_video
from .clip import Footage, Marks, check_mask, find_masks, fit_layers, prepare, read_masks
from .fit import Watch
from .masks import mask_from_box, mask_from_scribble
from .report import Report, examine
from .salient import salient_file, salient_mask
from .sam import sam_folder

LEAST_BOX_PX = 4
LEAST_OBJECT_PX = 64  # of the frame that shows most of it: less gives the fit nothing to hold on to
MOST_MASK_PX = 1_000_000_000  # of a mask video's frames together

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two not included


def decompose(
    video: Video,
    masks: Marks = None,
    options: DecomposeOptions | None = None,
    progress: Progress = quiet,
    watch: Watch | None = None,
    ckpt: Path | None = None,
    device: torch.device | str | None = None,
) -> LayeredVideo:
    """Split a clip into foreground and background.

    Stopped half-way, the same call goes on from the last state it kept.

    Parameters
    ----------
    video
        At any size; it is worked on at the options' size.
    masks
        The object: bool [T, H, W] for every frame, or some frames' masks [H, W] by number, carried through the clip;
        None takes what moves against the background. Any size of the video's aspect.
    watch
        Called after each turn of the fit, with the fit as it is then.
    ckpt
        Where weights lie, if the options ask for RAFT or SAM; the home's `ckpt` by default.
    device
        Where the fit and these networks run; the best there is by default.

    Raises
    ------
    InputError
        Fewer than two frames or too many, a cut, a mask that is empty, covers all or does not fit, or nothing that
        moves.
    """
    session = DecomposeSession.begin(video, options, within(progress, 0, 0.1), ckpt, resolve(device))
    session.find(masks, within(progress, 0.1, 0.2))
    return session.fit(within(progress, 0.2, 1), watch)


@dataclass(frozen=True, eq=False)
class Mark:
    """What shows the object in one frame: a mask, bool [H, W], and the box it was cut from, if it was.

    Where nobody marked it yet, what stands out is `proposed`.
    """

    mask: np.ndarray
    box: Box | None = None
    proposed: bool = False

    @property
    def way(self) -> str:
        """How it came to be, in a word."""
        return "proposed" if self.proposed else "box" if self.box else "strokes"


@dataclass(eq=False)
class DecomposeSession:
    """One video under way. Each step says by InputError, in one sentence, what it still lacks.

    Attributes
    ----------
    video
        All of it, at its own size.
    options
        Which part is used, at which size, how well and by what means.
    footage
        That part. Marks are in its frames, counted from 0, and in their pixels.
    ckpt, device
        Where weights lie, if the options ask for RAFT or SAM, and where they and the fit run.
    marks
        By frame; they may change while anything else runs.
    masks
        The object as it was found in every frame, bool [T, H, W].
    clip, report
        What the fit gave for these masks, and how good that is.
    """

    video: Video
    options: DecomposeOptions
    footage: Footage
    ckpt: Path
    device: torch.device
    marks: dict[int, Mark]
    masks: np.ndarray | None = None
    clip: LayeredVideo | None = None
    report: Report | None = None
    _found_with: dict[int, Mark] | None = None

    @classmethod
    def begin(
        cls,
        video: Video,
        options: DecomposeOptions | None = None,
        progress: Progress = quiet,
        ckpt: Path | None = None,
        device: torch.device | None = None,
    ) -> DecomposeSession:
        """Read the part of a video that the options choose, and its motion. Raises as `prepare` does."""
        options, ckpt, device = options or DecomposeOptions(), ckpt or default_folder("ckpt"), resolve(device)
        return cls(video, options, prepare(video, options, progress, ckpt, device), ckpt, device, {})

    @property
    def frame_count(self) -> int:
        """Frames that are worked on."""
        return len(self.footage.frames)

    @property
    def marks_changed(self) -> bool:
        """Whether the masks were found with other marks than there are now."""
        return self._found_with is not None and self.marks != self._found_with

    def frame(self, number: int) -> np.ndarray:
        """A frame as it is worked on, uint8 [H, W, 3]. Raises InputError for one that is not used."""
        if not 0 <= number < self.frame_count:
            raise InputError(f"frame {number} is not used; the part that is has frames 0 to {self.frame_count - 1}.")
        return self.footage.frames[number]

    def box_of(self, box: Box) -> Box:
        """A box in the whole video's pixels, in those of the frames that are worked on."""
        height, width = self.footage.size
        across, down = width / self.video.width, height / self.video.height
        return round(box[0] * across), round(box[1] * down), round(box[2] * across), round(box[3] * down)

    def mark_box(self, number: int, box: Box) -> None:
        """Cut the object of a frame out of a box. Raises InputError where nothing stands out in it."""
        frame = self.frame(number)
        if min(box[2] - box[0], box[3] - box[1]) < LEAST_BOX_PX:
            raise InputError(
                f"the box is {box[2] - box[0]}x{box[3] - box[1]} pixels; choose two opposite corners of a box around "
                f"the object, at least {LEAST_BOX_PX} pixels apart both ways."
            )
        self._mark(number, Mark(mask_from_box(frame, box), box))

    def mark_strokes(self, number: int, inside: np.ndarray, outside: np.ndarray) -> None:
        """Cut the object of a frame out by strokes on it and beside it, bool [H, W]; these may be none.

        Raises InputError where no stroke lies on the object.
        """
        self._mark(number, Mark(mask_from_scribble(self.frame(number), inside, outside)))

    def mark_mask(self, number: int, mask: np.ndarray) -> None:
        """Take a frame's mask as it is, bool, of any size of the frame's shape. Raises InputError if it is empty."""
        self._mark(number, Mark(check_mask(mask, self.frame(number), number)))

    def _mark(self, number: int, mark: Mark) -> None:
        """Take a mark; what was only proposed makes room for it, in all frames."""
        self.marks = {of: kept for of, kept in self.marks.items() if not kept.proposed} | {number: mark}

    def unmark(self, number: int) -> None:
        """Forget what was marked in a frame."""
        self.marks.pop(number, None)

    def find(self, marks: Marks, progress: Progress = quiet) -> np.ndarray:
        """The masks by what `decompose` takes: those of all frames, of some by number, or none for what moves."""
        if marks is None:
            return self.find_moving(progress)
        if isinstance(marks, Mapping):
            for number, mask in marks.items():
                self.mark_mask(number, mask)
            return self.find_marked(progress)
        return self.take_masks(marks)

    def find_marked(self, progress: Progress = quiet) -> np.ndarray:
        """Carry the marks through all frames -> the masks. Raises InputError where there are none."""
        marks = dict(self.marks)
        if not marks:
            raise InputError("nothing is marked yet; mark the object in a frame first.")
        sam = sam_folder(self.ckpt) if self.options.tracker == "sam" else None
        shown = {number: mark.mask for number, mark in marks.items()}
        masks = find_masks(self.footage, shown, progress, sam, self.device)
        return self._found(masks, marks)

    def propose(self) -> bool:
        """Mark what stands out in a few frames, where the network that knows lies in `ckpt`; whether anything does."""
        path = salient_file(self.ckpt)
        if path is None:
            return False
        for number in {0, self.frame_count // 2, self.frame_count - 1}:
            mask = salient_mask(self.frame(number), path)
            if mask is not None:
                self.marks[number] = Mark(mask, proposed=True)
        return bool(self.marks)

    def find_moving(self, progress: Progress = quiet) -> np.ndarray:
        """Take what moves against the background -> the masks. Raises InputError where nothing does."""
        before = dict(self.marks)
        return self._found(find_masks(self.footage, None, progress), {}, before)

    def take_masks(self, masks: np.ndarray) -> np.ndarray:
        """Take the object's masks, bool [T, H, W], one for each frame used or one for each of the whole video.

        Raises InputError for another number or shape, and where they mark nothing.
        """
        self._check_mask_count(len(masks))
        if len(masks) != self.frame_count:
            masks = masks[self.options.first_frame :][: self.frame_count]
        before = dict(self.marks)
        return self._found(find_masks(self.footage, masks), {}, before)

    def read_masks(self, path: Path) -> np.ndarray:
        """Take the masks of a video or a folder of pictures, white on the object. Raises as `take_masks` does."""
        video = read_video(path)
        self._check_mask_count(video.frame_count)
        if video.frame_count * video.height * video.width > MOST_MASK_PX:
            height, width = self.footage.size
            raise InputError(f"the masks are too large to be read at once; make them {width}x{height} pixels.")
        return self.take_masks(read_masks(path))

    def fit(self, progress: Progress = quiet, watch: Watch | None = None) -> LayeredVideo:
        """The layers; what was fitted to the same masks before is not fitted again.

        Stopped half-way, the same call goes on from the last state it kept. Raises InputError before anything is found.
        """
        masks = self.masks
        if masks is None:
            raise InputError("the object is not found yet; find it first.")
        clip = self.clip
        if clip is None:
            clip = fit_layers(self.footage, masks, progress, watch, self.options.quality, self.device)
            if self.masks is masks:  # and no others were found meanwhile
                self.clip = clip
        return clip

    def decompose(self, folder: Path, progress: Progress = quiet, watch: Watch | None = None) -> Report:
        """Fit the layers, examine them, and write them as a new clip. What was done before is not done again.

        `folder` must not be there yet; it appears only when it is whole. `watch` is called after each turn of the fit.
        """
        clip = self.fit(within(progress, 0, 0.94), watch)
        report = self.report if clip is self.clip else None
        if report is None:
            report = examine(clip, self.footage, within(progress, 0.94, 0.98))
            if clip is self.clip:
                self.report = report
        progress(0.98, "saving the clip")
        save_layers(clip, folder, {"report": asdict(report)})
        return report

    def _check_mask_count(self, count: int) -> None:
        if count not in (self.frame_count, self.video.frame_count):
            raise InputError(
                f"there are {count} masks; {self.frame_count} are needed, one for each frame that is used"
                + (f", or {self.video.frame_count}, one for each of the video." if self._is_part else ".")
            )

    @property
    def _is_part(self) -> bool:
        return self.frame_count != self.video.frame_count

    def _found(self, masks: np.ndarray, marks: dict[int, Mark], done_with: dict[int, Mark] | None = None) -> np.ndarray:
        """Keep masks and the marks they come from; `done_with` are marks that these masks make void."""
        largest = int(masks.sum((1, 2)).max())
        if largest < LEAST_OBJECT_PX:
            height, width = self.footage.size
            raise InputError(
                f"the object covers {largest} pixels of {width}x{height} at most, and at least {LEAST_OBJECT_PX} are "
                "needed; mark more of it, or work at a larger size."
            )
        for number, mark in (done_with or {}).items():
            if self.marks.get(number) is mark:
                del self.marks[number]
        self.masks, self._found_with, self.clip, self.report = masks, marks, None, None
        return masks
