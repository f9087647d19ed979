"""The steps from a video to a `LayeredVideo`: its footage, the masks of its object, the fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from .. import files
from ..device import resolve
from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..layers.matte import Matte
from ..options import DecomposeOptions
from ..places import default_folder
from ..progress import Progress, quiet, within
from ..video.flow import ClipFlow, clip_flow, raft
from ..video.read import Video, read_video
from ..video.together import pictures, same_shape
from .align import align_background, reference_frame
from .anchor import foreground_maps
from .estimate import Estimate
from .fit import Fit, Watch
from .masks import carry, masks_from_motion
from .preflight import SeveralScenes, preflight
from .sam import masks_from_sam
from .schedule import SCHEDULES, for_object

# The object: masks of all frames, of some frames by number, or none.
Marks = np.ndarray | Mapping[int, np.ndarray] | None

LOGGER = logging.getLogger(__name__)
CLEAR_PX = 4  # the background's alignment keeps this far from the object
LEAST_FRAMES = 2
MOST_PX = 250_000_000  # of all frames together: 700 of 768x432; what is held takes about 20 bytes a pixel
FIT_VERSION = b"fit 3"  # change when a fit goes another way, so that no older state is gone on from


@dataclass(frozen=True)
class Footage:
    """The part of a video that is decomposed, at the size it is worked on at.

    Attributes
    ----------
    video
        That part of the video, at its own size.
    frames
        uint8 [H, W, 3] each, RGB.
    flow
        Between them.
    warnings
        What a look at the motion found, a sentence each.
    """

    video: Video
    frames: list[np.ndarray]
    flow: ClipFlow
    warnings: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self.frames[0].shape[:2]

    @property
    def pictures(self) -> torch.Tensor:
        """All frames, uint8 [T, 3, H, W]."""
        return torch.from_numpy(np.stack(self.frames)).permute(0, 3, 1, 2).contiguous()


def prepare(
    video: Video,
    options: DecomposeOptions,
    progress: Progress = quiet,
    ckpt: Path | None = None,
    device: torch.device | None = None,
) -> Footage:
    """Read the part of a video that the options choose, and its motion.

    Raises SeveralScenes where it is cut, InputError for fewer than two frames, or more than can be held.
    """
    last = video.frame_count if options.frames == 0 else min(video.frame_count, options.first_frame + options.frames)
    count, (height, width) = last - options.first_frame, options.size(video.size)
    if count < LEAST_FRAMES:
        asked = f"from frame {options.first_frame} on, {video.path.name} with its {video.frame_count} frames"
        raise InputError(f"{asked} gives fewer than {LEAST_FRAMES}; choose a longer part.")
    if count * height * width > MOST_PX:
        most = MOST_PX // (height * width)
        raise InputError(
            f"{count} frames of {width}x{height} are too many at once; choose at most {most}, or a smaller size."
        )
    part = video.part(options.first_frame, count)
    frames = read_frames(part, (height, width), within(progress, 0, 0.4))
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    search = raft(ckpt or default_folder("ckpt"), resolve(device)) if options.flow == "raft" else None
    flow = clip_flow(frames, within(progress, 0.4, 0.9), search)
    seen = preflight(greys, flow)
    if len(seen.parts) > 1:
        raise SeveralScenes(tuple((options.first_frame + first, n) for first, n in seen.parts))
    for warning in seen.warnings:
        LOGGER.warning("%s: %s", video.path.name, warning)
    return Footage(part, frames, flow, seen.warnings)


def fit_layers(
    footage: Footage,
    masks: np.ndarray,
    progress: Progress = quiet,
    watch: Watch | None = None,
    quality: str = "fine",
    device: torch.device | None = None,
) -> LayeredVideo:
    """Fit layers and matte to frames and masks, bool [T, H, W]; goes on from the state an earlier call kept.

    On a GPU by CUDA; on the CPU where the device is none of that kind, as others lack what the fit needs.
    """
    device = resolve(device)
    far = np.stack([cv2.dilate(m.astype(np.uint8), np.ones((2 * CLEAR_PX + 1,) * 2, np.uint8)) == 0 for m in masks])
    reference = reference_frame(masks)
    pictures = footage.pictures
    estimate = Estimate(
        pictures,
        torch.from_numpy(masks),
        footage.flow,
        foreground_maps(masks, footage.flow, reference),
        align_background(footage.flow, far, reference),
        device if device.type == "cuda" else torch.device("cpu"),
    )
    fit = Fit(estimate)
    flow = [part.tobytes() for part in vars(footage.flow).values()]
    key = files.content_key(
        FIT_VERSION, quality.encode(), pictures.numpy().tobytes(), np.packbits(masks).tobytes(), *flow
    )
    schedule = for_object(SCHEDULES[quality], float(np.sqrt(masks.sum((1, 2)).max())))
    fit.run(schedule, progress, watch, key)
    files.forget(key)
    return as_layers(estimate, footage.video)


def as_layers(estimate: Estimate, video: Video) -> LayeredVideo:
    """What is known by now of a video's layers."""
    foreground, background = (sheet.as_layer() for sheet in estimate.sheets)
    matte = Matte.pack([alpha[0].cpu().float() / 255 for alpha in estimate.alpha])
    return LayeredVideo(video.path.stem, video, foreground, background, matte)


def read_frames(video: Video, size: tuple[int, int], progress: Progress) -> list[np.ndarray]:
    """All frames, uint8 [H, W, 3], at a size (height, width)."""
    frames = []
    for picture in pictures(video, size):
        frames.append(picture)
        progress(len(frames) / video.frame_count, f"frame {len(frames)} of {video.frame_count}")
    return frames


def find_masks(
    footage: Footage,
    marks: Marks,
    progress: Progress = quiet,
    sam: Path | None = None,
    device: torch.device | None = None,
) -> np.ndarray:
    """Masks of all frames, bool [T, H, W], from what was given: see `decompose`; `sam` is SAM 2.1's folder, if used,
    and `device` where it runs."""
    frames, flow = footage.frames, footage.flow
    if marks is None:
        return masks_from_motion(frames, flow, progress)
    if isinstance(marks, Mapping):
        shown = {i: check_mask(mask, frames[0], i) for i, mask in marks.items()}
        return masks_from_sam(frames, shown, sam, progress, device) if sam else carry(frames, flow, shown, progress)
    if len(marks) != len(frames):
        raise InputError(f"there are {len(marks)} masks for {len(frames)} frames; give one for each.")
    fitted = np.stack([check_mask(mask, frames[0], i, may_be_empty=True) for i, mask in enumerate(marks)])
    if not fitted.any():
        raise InputError("the masks are empty in every frame; white must mark the object.")
    return fitted


def read_masks(path: Path) -> np.ndarray:
    """Masks from a folder of pictures or a video, white on black -> bool [T, H, W]."""
    return np.concatenate([chunk.amax(1).numpy() > 127 for chunk in read_video(path).chunks()])


def check_mask(mask: np.ndarray, frame: np.ndarray, number: int, may_be_empty: bool = False) -> np.ndarray:
    """A mask at the frame's size. Raises InputError for another aspect, or where it is empty or covers all."""
    height, width = frame.shape[:2]
    if not same_shape((mask.shape[0], mask.shape[1]), (height, width)):
        got = f"{mask.shape[1]}x{mask.shape[0]}"
        raise InputError(f"the mask of frame {number} is {got}, which does not fit frames of {width}x{height}.")
    fitted = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA) > 127
    if fitted.all():
        raise InputError(f"the mask of frame {number} covers the whole frame; nothing is left for the background.")
    if not fitted.any() and not may_be_empty:
        raise InputError(f"the mask of frame {number} is empty; mark the object.")
    return fitted
