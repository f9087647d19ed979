"""Edited keyframes -> all frames of a clip: what was edited moves as the source does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise, repeat
from pathlib import Path

import torch
from torch import Tensor

from ..device import resolve
from ..errors import InputError
from ..options import DeflickerOptions, InterpolateOptions
from ..places import default_folder
from ..progress import Progress, quiet, within
from ..video.flow import dense_inverse_search
from ..video.pictures import resample
from ..video.read import Video
from ..video.together import same_shape
from .between import Side, between
from .carry import HELD, Carrier
from .correspondence import Neighbours, scaled
from .filters import enlarged
from .flow_match import FlowMatch
from .scenes import scene_starts
from .steady_motion import load_matcher

SCENES_SHARE = 0.05  # of the time, about, that looking for cuts takes
LEAST_PX = 12  # a side; no motion is found in less
ROUNDED = 1e-3  # by which a picture's values may lie outside [0, 1]


def interpolate(
    video: Video,
    keyframes: Mapping[int, Tensor],
    options: InterpolateOptions | None = None,
    device: torch.device | str | None = None,
    ckpt: Path | None = None,
    progress: Progress = quiet,
) -> Iterator[Tensor]:
    """Edit a whole clip by some of its frames: those between follow the source's motion.

    Parameters
    ----------
    video
        The source.
    keyframes
        Frame number -> that frame edited, [3, h, w], floats in [0, 1] or uint8; brought to the clip's size.
    ckpt
        Where RAFT's weights are looked for.

    Returns
    -------
    The frames one after the other, [1, 3, H, W] in [0, 1], float32 on the CPU. Keyframes of the clip's size are what
    was given, bit by bit. Memory does not grow with the clip.

    Raises
    ------
    InputError
        At once: no keyframe, one outside the clip, a picture of another shape or of no numbers, a scene without a
        keyframe (nothing is carried across a cut), a clip of a few pixels, missing weights.
    """
    options = options or InterpolateOptions()
    given = _checked(video, keyframes)
    place, ckpt = resolve(device), ckpt or default_folder("ckpt")
    carrier = _carrier(options, ckpt, place)
    starts = scene_starts(video, within(progress, 0, SCENES_SHARE))
    scenes = [range(*ends) for ends in pairwise([*starts, video.frame_count])]
    _check_scenes(scenes, given)
    return _Painter(video, given, carrier, place, within(progress, SCENES_SHARE, 1)).frames(scenes)


class _Painter:
    """Makes the frames of one clip in their order, and holds what few of them need."""

    def __init__(
        self, video: Video, given: dict[int, Tensor], carrier: Carrier, device: torch.device, progress: Progress
    ) -> None:
        self.given, self.carrier, self.device, self.progress = given, carrier, device, progress
        self.total, self.done = video.frame_count, 0
        # Two walks through the clip: maps are made ahead of the frames that they serve.
        walks = [video.part(0, video.frame_count) for _ in range(2)]
        self.source = lru_cache(3)(lambda frame: self._read(walks[0], frame))
        self.look = lru_cache(HELD + 4)(lambda frame: self._look(walks[1], frame))

    @torch.no_grad()
    def frames(self, scenes: list[range]) -> Iterator[Tensor]:
        for scene in scenes:
            before: int | None = None
            for key in [*(number for number in sorted(self.given) if number in scene), None]:
                first = scene.start if before is None else before + 1
                yield from self._counted(self._stretch(range(first, scene.stop if key is None else key), before, key))
                if key is not None:
                    yield from self._counted(iter([_float(self.given[key]).clone()]))
                before = key

    def _stretch(self, frames: range, before: int | None, after: int | None) -> Iterator[Tensor]:
        """The frames between two keyframes, or to one side of one."""
        if not frames:
            return
        keys = [key for key in (before, after) if key is not None]
        edits = {key: _float(self.given[key]).to(self.device) for key in keys}
        ahead: Iterator[Neighbours | None] = repeat(None)
        behind: Iterator[Neighbours | None] = repeat(None)
        if before is not None:
            ahead = self.carrier.ahead(before, frames[-1], self.look)
        if after is not None:
            behind = self.carrier.behind(after, frames[0], self.look)
        for frame, *found in zip(frames, ahead, behind, strict=False):
            sides = [self._side(frame, one, edits[one.frames[0]]) for one in found if one is not None]
            yield between(self.source(frame), sides).cpu()

    def _side(self, frame: int, found: Neighbours, edit: Tensor) -> Side:
        """A keyframe as it is seen in the place of a frame."""
        key, remap = found.frames[0], self.carrier.fine.remap
        maps = scaled(found.maps, edit)
        trust = enlarged(found.trust, edit)
        return Side(remap(edit, maps).clamp(0, 1), remap(self.source(key), maps), trust, abs(frame - key))

    def _look(self, video: Video, frame: int) -> Tensor:
        self.progress(self.done / self.total, f"motion of frame {frame}")  # where it is asked to stop, it stops
        return self.carrier.fine.look(self._read(video, frame), None)

    def _read(self, video: Video, frame: int) -> Tensor:
        return video.frames([frame]).to(self.device).float() / 255

    def _counted(self, frames: Iterator[Tensor]) -> Iterator[Tensor]:
        for frame in frames:
            yield frame
            self.done += 1
            self.progress(self.done / self.total, f"frame {self.done} of {self.total}")


def _carrier(options: InterpolateOptions, ckpt: Path, device: torch.device) -> Carrier:
    matcher = load_matcher(DeflickerOptions(options.engine, options.flow, seed=options.seed), ckpt, device)
    if options.engine == "flow" and options.flow == "dis":
        return Carrier(matcher, FlowMatch(dense_inverse_search(fine=True)))
    return Carrier(matcher, matcher)


def _float(picture: Tensor) -> Tensor:
    """[3, H, W] as given -> float32 [1, 3, H, W] in [0, 1]."""
    return picture[None] / 255 if picture.dtype == torch.uint8 else picture[None].float()


def _checked(video: Video, keyframes: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """The keyframes on the CPU at the clip's size; those that have it stay as they are."""
    if not keyframes:
        raise InputError("there is no keyframe; give at least one edited frame of each scene.")
    if min(video.size) < LEAST_PX:
        raise InputError(f"a clip of {video.width}x{video.height} is too small; give {LEAST_PX} pixels a side or more.")
    checked = {}
    for number, picture in keyframes.items():
        if not 0 <= number < video.frame_count:
            raise InputError(f"there is no frame {number}; the clip has frames 0 to {video.frame_count - 1}.")
        _check_picture(number, picture, video.size)
        own = picture.detach().cpu()
        checked[number] = own if tuple(own.shape[1:]) == video.size else resample(_float(own)[0], video.size)
    return checked


def _check_picture(number: int, picture: Tensor, size: tuple[int, int]) -> None:
    if picture.ndim != 3 or picture.shape[0] != 3 or not picture.numel():
        raise InputError(f"keyframe {number} is of shape {list(picture.shape)}; give [3, height, width].")
    if not same_shape((picture.shape[1], picture.shape[2]), size):
        raise InputError(
            f"keyframe {number} is {picture.shape[2]}x{picture.shape[1]}, which does not fit a clip of "
            f"{size[1]}x{size[0]}; save it without cropping."
        )
    if picture.dtype == torch.uint8:
        return
    if not picture.is_floating_point():
        raise InputError(f"keyframe {number} is of {picture.dtype}; give floats in [0, 1] or uint8.")
    if not bool(torch.isfinite(picture).all()):
        raise InputError(f"keyframe {number} holds values that are no numbers; mend what made it.")
    low, high = (float(value) for value in picture.aminmax())
    if low < -ROUNDED or high > 1 + ROUNDED:
        raise InputError(f"keyframe {number} has values from {low:.4g} to {high:.4g}; give 0 to 1, or uint8.")


def _check_scenes(scenes: list[range], given: dict[int, Tensor]) -> None:
    """Raise InputError naming the scenes in which there is no keyframe."""
    empty = [scene for scene in scenes if not any(number in scene for number in given)]
    if empty:
        named = ", ".join(f"{scene[0]} to {scene[-1]}" if len(scene) > 1 else f"{scene[0]}" for scene in empty)
        raise InputError(
            f"nothing is carried across a cut, and in these frames' scenes there is no keyframe: {named}; "
            "give one of each, or cut the clip."
        )
