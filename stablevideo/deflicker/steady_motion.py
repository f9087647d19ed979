"""Video -> steadier video, in pixels: what neighbouring frames agree on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..color.calibrate import calibrate
from ..device import resolve
from ..errors import InputError
from ..options import DeflickerOptions
from ..places import default_folder
from ..progress import Progress, counted, quiet, within
from ..video.ahead import ahead
from ..video.flow import dense_inverse_search, raft
from ..video.read import Video
from ..video.together import check_together, float_pictures
from .blend import balanced, fast, rounded
from .correspondence import MOST_BEHIND, Correspondence, Matcher
from .flicker import fitting_radius
from .flow_match import FlowMatch
from .rehearse import rehearsed
from .window import Frame, at_once, windows

USUAL_RADIUS = 8  # frames to either side, where the flicker cannot be measured beforehand
SAME_RATE = 0.01  # by which a guide's frames a second may differ
DRIFT_SHARE = 0.3  # of the time, that taking drift out takes


def deflicker(
    video: Video,
    guide: Video | None = None,
    options: DeflickerOptions | None = None,
    device: torch.device | str | None = None,
    ckpt: Path | None = None,
    progress: Progress = quiet,
) -> Iterator[Tensor]:
    """Steady a video: what flickers becomes what its neighbours along the motion agree on; what is steady stays.

    Parameters
    ----------
    guide
        What the video was made from, frame by frame; its motion is searched, and how far its own frames are from each
        other says what is no flicker. Without it, the video's own motion is.
    ckpt
        Where RAFT's weights are looked for.

    Returns
    -------
    The frames one after the other, [1, 3, H, W] in [0, 1], float32 on the CPU. Memory does not grow with the video.

    Raises
    ------
    InputError
        At once: a guide of another length, shape or rate, one frame, a window wider than the clip, a video that shows
        nothing, missing weights.
    """
    options = options or DeflickerOptions()
    _check(video, guide, options.radius())
    place, ckpt = resolve(device), ckpt or default_folder("ckpt")
    matcher = load_matcher(options, ckpt, place)
    radius = options.radius() or fitting_radius(video, guide)
    told = within(progress, DRIFT_SHARE if options.color_correction else 0, 1)
    frames = _frames(video, video.size)
    if options.color_correction:
        frames = (one.float() / 255 for one in calibrate(video, guide, progress=within(progress, 0, DRIFT_SHARE)))
    return counted(deflickered(frames, guide, matcher, radius, options.mode, place), video.frame_count, told)


def deflickered(
    frames: Iterable[Tensor],
    guide: Video | None,
    matcher: Matcher | None = None,
    radius: int = USUAL_RADIUS,
    mode: str = "accurate",
    device: torch.device | None = None,
) -> Iterator[Tensor]:
    """The same for frames [1, 3, h, w] in [0, 1] that stream by; the guide is brought to their size.

    Raises InputError for a frame that holds no numbers, ValueError for more or fewer frames than the guide has.
    """
    place = device or torch.device("cpu")
    matcher = matcher or FlowMatch(dense_inverse_search())
    with torch.inference_mode():
        under_way = _under_way(frames, guide, matcher, place)
        for frame in _steadied(under_way, matcher, radius, mode, guide is not None, place):
            yield frame.picture.cpu()


def _steadied(
    frames: Iterator[Frame], matcher: Matcher, radius: int, mode: str, guided: bool, device: torch.device
) -> Iterator[Frame]:
    if mode == "fast":
        radius = rounded(radius)
        return fast(windows(frames, Correspondence(matcher, radius + 1), radius + 1), radius)
    if mode == "balanced":
        return balanced(windows(frames, Correspondence(matcher, radius), radius))
    # Two rounds, the second behind the first. What moves in the guide is the same in both.
    first = Correspondence(matcher, radius, 3 * radius + 2 * (at_once(device) + MOST_BEHIND))
    second = first if guided else Correspondence(matcher, radius)
    return balanced(windows(rehearsed(windows(frames, first, radius)), second, radius, search=not guided))


def load_matcher(options: DeflickerOptions, ckpt: Path, device: torch.device) -> Matcher:
    """The engine asked for. Raises InputError where its weights are missing."""
    if options.engine == "patch":
        from .patch_look import PatchLook

        return PatchLook(options.seed)
    return FlowMatch(raft(ckpt, device) if options.flow == "raft" else dense_inverse_search())


def _check(video: Video, guide: Video | None, radius: int | None) -> None:
    if video.frame_count < 2:
        raise InputError(f"{video.path.name} has one frame; at least 2 are needed for one to flicker.")
    check_together(video, guide, None)
    # A folder of pictures has no rate of its own.
    rated = guide and not guide.path.is_dir() and not video.path.is_dir()
    if guide and rated and abs(float(guide.fps / video.fps) - 1) > SAME_RATE:
        raise InputError(
            f"the source has {float(guide.fps):.4g} frames a second and the video {float(video.fps):.4g}; give "
            "what it was made from, at its rate."
        )
    if radius is not None and radius >= video.frame_count:
        raise InputError(
            f"a window of {radius} frames to each side is wider than the clip, which has {video.frame_count}; give at "
            f"most {video.frame_count - 1}, or auto."
        )


def _frames(video: Video, size: tuple[int, int]) -> Iterator[Tensor]:
    return ahead(float_pictures(video, size))


def _under_way(
    frames: Iterable[Tensor], guide: Video | None, matcher: Matcher, device: torch.device
) -> Iterator[Frame]:
    guides: Iterator[Tensor] | None = None
    count = 0
    for number, picture in enumerate(frames):
        if not bool(torch.isfinite(picture).all()):
            raise InputError(f"frame {number} holds values that are no numbers; mend what made it.")
        picture = picture.to(device)
        if guide and guides is None:
            guides = _frames(guide, (picture.shape[2], picture.shape[3]))
        if guide and number == guide.frame_count:
            raise ValueError(f"there are more frames than the {guide.frame_count} of the guide.")
        known = next(guides).to(device) if guides else None
        yield Frame(number, picture, None if known is None else known.half(), matcher.look(picture, known))
        count = number + 1
    if guide and count < guide.frame_count:
        raise ValueError(f"there are fewer frames than the {guide.frame_count} of the guide: {count}.")
