"""Painted keyframes of the foreground -> whole frames; and those that a run has kept."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..video.pictures import read_picture, resize
from .choice import keyframe_region
from .keyframe import Keyframe

PARTS = ("before", "hint", "after")  # of a keyframe, as a run's folder has them


def keyframe_frames(clip: LayeredVideo, keyframes: Sequence[Keyframe]) -> dict[int, Tensor]:
    """Each keyframe's painted crop laid over its source frame by the matte: number -> [3, H, W] in [0, 1], on the CPU.

    H and W are the clip's. What lies outside the foreground stays the source's, to the bit.
    """
    return {keyframe.frame: _laid_over(clip, keyframe) for keyframe in keyframes}


def _laid_over(clip: LayeredVideo, keyframe: Keyframe) -> Tensor:
    top, left, bottom, right = keyframe.region
    frame = clip.source([keyframe.frame])[0].cpu()
    after, alpha = keyframe.at_clip_size(frame.device)
    window = (..., slice(top, bottom), slice(left, right))
    frame[window] = torch.lerp(frame[window], after, alpha)
    return frame


def saved_keyframes(clip: LayeredVideo, run: Path) -> list[Keyframe]:
    """The keyframes of an edit of this clip that a run's folder keeps. Raises InputError where there are none."""
    keyframes = []
    for path in sorted((run / "keyframes").glob("*-after.png")):
        number = path.name.removesuffix("-after.png")
        if not number.isdigit() or int(number) >= clip.frame_count:
            raise InputError(f"{path.name} in {run.name} is of no frame of {clip.name}, which has {clip.frame_count}.")
        before, hint, after = (read_picture(path.with_name(f"{number}-{part}.png")) for part in PARTS)
        top, left, bottom, right = region = keyframe_region(clip, int(number))
        size = (after.shape[1], after.shape[2])
        alpha = resize(clip.alpha([int(number)])[:, :, top:bottom, left:right], size)[0]
        keyframes.append(Keyframe.pack(int(number), region, before, hint, after, alpha))
    if not keyframes:
        raise InputError(f"{run} holds no keyframes; give the folder of a run that edited the foreground with words.")
    return keyframes
