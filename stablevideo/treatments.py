"""What can be done to a whole clip: its colours steadied, its flicker taken out, or all of it painted anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .color.calibrate import calibrate
from .deflicker.restyle import restyle
from .deflicker.steady_motion import deflicker
from .options import ColorCorrectionOptions, DeflickerOptions, RestyleOptions
from .progress import Progress, within
from .video.read import Video

if TYPE_CHECKING:
    from .diffusion.picture_editor import PictureEditor

# Of the time of a whole job, that the frames take, about; the rest goes into comparing and measuring.
COLOURS_SHARE, FLICKER_SHARE, RESTYLE_SHARE = 0.12, 0.85, 0.95


@dataclass(frozen=True)
class Treated:
    """A treatment under way.

    Attributes
    ----------
    frames
        As many as the clip has, [1, 3, H, W], uint8 or in [0, 1], one by one, once.
    record
        What is needed to do it again, for a JSON file.
    """

    frames: Iterator[Tensor]
    record: dict[str, Any]


@dataclass(frozen=True)
class Treatment:
    """One thing to do to a clip.

    Attributes
    ----------
    name
        How the files that come of it are called.
    begin
        Progress callback -> the frames. Raises InputError for what does not fit.
    source
        What the result is measured beside; None where the clip's motion is all there is.
    share
        Of the time of the whole job.
    repairs
        Whether it shows what the clip shows, so that the clip is measured before, too.
    """

    name: str
    begin: Callable[[Progress], Treated]
    source: Video | None
    share: float
    repairs: bool = True


def steady_colours(video: Video, reference: Video | None, options: ColorCorrectionOptions) -> Treatment:
    """Take colour drift out, held to a reference as `calibrate` has it."""
    record = _record(reference, options)

    def begin(progress: Progress) -> Treated:
        told = within(progress, 0, 1, "correcting: ")
        return Treated(calibrate(video, reference, None, options, told), record)

    return Treatment("steady", begin, moving(reference), COLOURS_SHARE)


def take_out_flicker(
    video: Video,
    guide: Video | None,
    options: DeflickerOptions,
    device: torch.device | None = None,
    ckpt: Path | None = None,
) -> Treatment:
    """Take flicker out along the motion, as `deflicker` does; a guide of one picture, which has none, has no say."""
    guide = moving(guide)
    record = _record(guide, options)

    def begin(progress: Progress) -> Treated:
        told = within(progress, 0, 1, "steadying: ")
        return Treated(deflicker(video, guide, options, device, ckpt, told), record)

    return Treatment("deflickered", begin, guide, FLICKER_SHARE)


def paint_anew(video: Video, prompt: str, load: Callable[[], PictureEditor], options: RestyleOptions) -> Treatment:
    """Restyle by words, as `restyle` does; the model is loaded when the work begins. The clip is the source."""

    def begin(progress: Progress) -> Treated:
        progress(0, "loading the model")
        made = restyle(video, prompt, load(), options, progress)
        return Treated(made.frames, {"options": made.settings})

    return Treatment("restyled", begin, video, RESTYLE_SHARE, repairs=False)


def moving(reference: Video | None) -> Video | None:
    """What a clip can be measured beside: a picture is none."""
    return reference if reference and reference.frame_count > 1 else None


def _record(reference: Video | None, options: ColorCorrectionOptions | DeflickerOptions) -> dict[str, Any]:
    return {"reference": reference.path.name if reference else None, "options": asdict(options)}
