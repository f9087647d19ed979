"""How much a video flickers, and over how many frames that must be averaged."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from ..errors import InputError
from ..video.flow import dense_inverse_search
from ..video.read import Video
from ..video.side_by_side import spread_frames
from ..video.together import float_pictures
from .consensus import harmless
from .correspondence import Correspondence, Neighbours
from .filters import coarse, soft, squared
from .flow_match import FlowMatch
from .rehearse import NO_WOBBLE_PX, PATH, wobble_px

SIDE_PX = 256  # of the frames that are looked at
LOOKS = 12  # at the video, at three frames each
STEADY = 1.2 / 255  # what is left after averaging is not seen
PLACE_PX, WORST = 8, 0.9  # a frame flickers as much as all but the worst tenth of its places do
LEAST_TRUST = 0.3  # a place of less tells little
LEAST, MOST = 2, 15  # frames to either side
EMPTY = 1 / 255  # the deviation of a frame that shows nothing


@dataclass(frozen=True)
class Flicker:
    """How a video flickers: the medians of a few frames.

    Attributes
    ----------
    deviation
        Of frames from the mean of the two around them, along their motion, in [0, 1], in all places but the worst;
        0.004 and less is what steady clips show.
    wobble_px
        How far parts are off their way, at the video's size; that of a video without a guide.
    """

    deviation: float
    wobble_px: float


def fitting_radius(video: Video, guide: Video | None) -> int:
    """How many frames to each side must have a say.

    n frames that flicker by themselves leave 1 / sqrt(n) of it; and a path through what wobbles takes some frames too.
    Raises InputError for a video that shows nothing.
    """
    found = flicker(video, guide)
    radius = max(LEAST, round((found.deviation / STEADY) ** 2 / 2), PATH if found.wobble_px > NO_WOBBLE_PX else 0)
    return min(MOST, radius, video.frame_count - 1)


@torch.inference_mode()
def flicker(video: Video, guide: Video | None) -> Flicker:
    """Measured at a few places of the video, of three frames each; a clip of two frames tells nothing, and gives 0.

    Raises InputError where all frames looked at are of one colour.
    """
    scale = min(1.0, SIDE_PX / max(video.size))
    size = max(16, round(video.height * scale)), max(16, round(video.width * scale))
    matcher, deviations, wobbles, empty = FlowMatch(dense_inverse_search()), [], [], True
    for middle in spread_frames(video.frame_count, LOOKS):
        middle = min(max(middle, 1), video.frame_count - 2)
        order = range(max(0, middle - 1), min(middle + 2, video.frame_count))
        shown, guides = (list(float_pictures(one, size, order)) if one else None for one in (video, guide))
        assert shown is not None
        empty = empty and all(float(frame.std()) < EMPTY for frame in shown)
        if len(shown) < 3:
            continue
        known = Correspondence(matcher, 1)
        known.add(0, [matcher.look(frame, guides[i] if guides else None) for i, frame in enumerate(shown)])
        if known.same_scene(0, 2):
            near = known.neighbours(1, [0, 2])
            deviations.append(_deviation(shown, near, matcher))
            wobbles.append(0.0 if guide else wobble_px(near, 1) / scale)
    if empty:
        raise InputError(f"{video.path.name} shows nothing but one colour; there is nothing to steady.")
    return Flicker(median(deviations), median(wobbles)) if deviations else Flicker(0.0, 0.0)


def _deviation(shown: list[Tensor], near: Neighbours, matcher: FlowMatch) -> float:
    """That of the middle one of three frames."""
    around = matcher.remap(torch.cat([shown[0], shown[2]]), near.maps)
    trust = torch.maximum(near.trust, harmless(near.return_px2, soft(shown[1], 2))).amin(0, keepdim=True)
    off = squared(soft(shown[1] - around.mean(0, keepdim=True), 2))
    places = coarse(off * trust, PLACE_PX) / coarse(trust, PLACE_PX).clamp(min=LEAST_TRUST)
    return float(places.flatten().quantile(WORST).sqrt())
