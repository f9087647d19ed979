"""Every frame becomes what it and its neighbours agree on: all of them looked at, or by a tree of sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .consensus import ENOUGH, Consensus, consensus, grain, harmless, likeness, sharpened, without_grain
from .correspondence import Matcher, Neighbours, remapped, scaled
from .filters import enlarged, soft, squared
from .settle import settled
from .window import Frame, Window, each

# Of samples, so many are compared at a time: memory does not grow with the frames.
BAND_VALUES = {"cpu": 16_000_000, "cuda": 200_000_000}
LEAST_WEIGHT = 0.01  # of a frame in a sum: where nobody else is, it stands for itself
HALO_PX = 32  # beyond a band, that its borders look at


def balanced(frames: Iterable[Window]) -> Iterator[Frame]:
    """Every neighbour is brought into each frame's place by itself: 2 radius remaps a frame."""
    return each(frames, lambda window: replace(window.frame, picture=steadied(window)))


def steadied(window: Window) -> Tensor:
    """The window's frame as its neighbours have it, [1, 3, H, W]."""
    return _over_bands(window, lambda found, picture, guide: settled(picture, found, guide))


def agreed(window: Window) -> Tensor:
    """The mean of the window's frames in the place of its frame, [1, 3, H, W]."""
    alone = replace(window, frame=replace(window.frame, guide=None))  # which has no part in the mean but to sharpen it
    return _over_bands(alone, lambda found, picture, guide: found.mean)


def _over_bands(window: Window, make: Callable[[Consensus, Tensor, Tensor | None], Tensor]) -> Tensor:
    """Make a frame of what its neighbours agree on, rows after rows."""
    frame, around, matcher = window.frame, window.around, window.known.matcher
    if not around:
        return frame.picture
    near = window.known.neighbours(frame.number, [other.number for other in around])
    samples = _samples(frame.picture, [other.picture for other in around], near, matcher)
    guides = None
    if frame.guide is not None:
        guides = _samples(frame.guide, [g for other in around if (g := other.guide) is not None], near, matcher)
    sides = torch.tensor([0] + [other.number - frame.number for other in around], device=samples.device)
    returned, trust = (_with_own(part, own) for part, own in ((near.return_px2, 0.0), (near.trust, 1.0)))
    drawn = torch.cat([other.sharpness for other in around])
    drawn = torch.cat([frame.sharpness, remapped(drawn, scaled(near.maps, frame.sharpness))])
    detail = without_grain(drawn, grain(samples[:1], samples[sides.abs() == 1]))
    height, width = frame.picture.shape[2:]
    values = BAND_VALUES.get(samples.device.type, BAND_VALUES["cpu"])
    rows = max(HALO_PX, values // (3 * width * len(samples)) // HALO_PX * HALO_PX)
    made = []
    for top in range(0, height, rows):
        first, last = max(0, top - HALO_PX), min(height, top + rows + HALO_PX)
        band = (..., slice(first, last), slice(None))
        size = (last - first, width)
        here, sure = (_band(part, first, last, height, size) for part in (returned, trust))
        sharp = detail[:, :, _rows(detail, first, last, height)]
        shown = None if guides is None else guides[band].float()
        found = consensus(samples[band], sides, here, sure, sharp, shown)
        result = make(found, frame.picture[band], None if shown is None else shown[:1])
        made.append(result[:, :, top - first : top - first + rows])
    return torch.cat(made, 2)


def _samples(own: Tensor, others: list[Tensor], near: Neighbours, matcher: Matcher) -> Tensor:
    """A picture, and others brought into its place, [J, 3, H, W] in its precision."""
    made = own.new_empty((1 + len(others), *own.shape[1:]))
    made[0] = own[0]
    for place, other, one in zip(made[1:], others, near.maps, strict=True):
        place.copy_(matcher.remap(other.float(), scaled(one[None], own))[0])
    return made


def _with_own(part: Tensor, own: float) -> Tensor:
    return torch.cat([torch.full_like(part[:1], own), part])


def _band(part: Tensor, first: int, last: int, height: int, size: tuple[int, int]) -> Tensor:
    """Rows of [n, 1, h, w], counted at the frames' height, at the frames' size."""
    rows = part[:, :, _rows(part, first, last, height)]
    return rows if rows.shape[2:] == size else F.interpolate(rows, size, mode="bilinear", align_corners=False)


def _rows(part: Tensor, first: int, last: int, height: int) -> slice:
    scale = part.shape[2] / height
    return slice(round(first * scale), max(round(last * scale), round(first * scale) + 1))


def rounded(radius: int) -> int:
    """The radius that sums of 1, 2, 4, ... frames have: the nearest power of two, less one."""
    return 2 ** max(1, round(math.log2(radius + 1))) - 1


def fast(frames: Iterable[Window], radius: int) -> Iterator[Frame]:
    """Neighbours come in sums of 1, 2, 4, ... frames: 2 log2(radius + 1) remaps a frame, and no vote on each.

    The radius is one of those that `rounded` gives; the windows reach one frame further, so that the last ones that are
    summed can be held beside both their neighbours.
    """
    levels = (radius + 1).bit_length() - 1
    sums: dict[tuple[int, int, int], Tensor] = {}
    for window in frames:
        frame = window.frame
        sides = [_run(window, sums, radius, side, levels, frame.number) for side in (-1, 1)]
        found = _agreed_by_sums(sides, _run(window, sums, radius, 0, 0, frame.number), frame)
        guide = None if frame.guide is None else frame.guide.float()
        yield replace(frame, picture=settled(frame.picture, found, guide))
        for key in [key for key in sums if not _needed(*key, frame.number, levels)]:
            del sums[key]


def _needed(side: int, level: int, number: int, frame: int, levels: int) -> bool:
    """Whether a sum is asked for again after that frame."""
    if level == 0:
        return number >= frame
    return number > (frame - 2**level if side < 0 else frame + 2**levels - 2 ** (level + 1))


def _run(
    window: Window, sums: dict[tuple[int, int, int], Tensor], reach: int, side: int, level: int, number: int
) -> Tensor:
    """The sum of 2^level frames from one on, to one side, in its place: as `_own` has them."""
    side = side if level else 0
    key = (side, level, number)
    if key in sums:
        return sums[key].float()
    if level == 0:
        found = _own(window, number)
    else:
        found = _run(window, sums, reach, side, level - 1, number)
        half = 2 ** (level - 1)
        other = number + side * half
        if window.known.same_scene(number, other):
            near = window.known.neighbours(number, [other])
            trust = torch.maximum(near.trust, harmless(near.return_px2, window.known.look(number)))
            trust = trust * (1 - half / (reach + 1))  # the further away, the less it says
            found = found + _brought(_run(window, sums, reach, side, level - 1, other), near.maps, window, trust)
    sums[key] = found.half()
    return found


def _brought(picture: Tensor, maps: Tensor, window: Window, trust: Tensor | None = None) -> Tensor:
    """A picture through a map of the size at which is searched, times how far it can be trusted."""
    found = window.known.matcher.remap(picture, scaled(maps, picture))
    return found if trust is None else found * enlarged(trust, found)


def _own(window: Window, number: int) -> Tensor:
    """What is summed of a frame, [1, 5 or 8, H, W]: its weight, and times that its colours, detail, guide's colours.

    Where a frame looks like neither of those beside it, and they like each other, it has little weight.
    """
    held = {frame.number: frame for frame in [*window.around, window.frame]}
    frame = held[number]
    beside = [j for j in (number - 1, number + 1) if j in held and window.known.same_scene(number, j)]
    weight, noise = torch.ones_like(frame.picture[:, :1]), 0.0
    if len(beside) == 2:
        maps = window.known.neighbours(number, beside).maps
        samples = torch.cat([_brought(held[j].picture, one[None], window) for j, one in zip(beside, maps, strict=True)])
        near = torch.ones(3, dtype=torch.bool, device=weight.device)
        weight = likeness(torch.cat([frame.picture, samples]), near)[1][:1] + LEAST_WEIGHT
        noise = grain(frame.picture, samples)
    detail = enlarged(without_grain(frame.sharpness, noise), frame.picture)
    parts = [torch.ones_like(weight), frame.picture, detail]
    return weight * torch.cat(parts if frame.guide is None else [*parts, frame.guide], 1)


def _agreed_by_sums(sides: list[Tensor], own: Tensor, frame: Frame) -> Consensus:
    """The consensus of the sums to both sides, in each of which the frame itself is."""
    total = sides[0] + sides[1] - own
    mean = total[:, 1:] / total[:, :1]
    alone = [(side - own).clamp(min=0) for side in sides]
    means = [side[:, 1:4] / side[:, :1].clamp(min=1e-6) for side in alone]
    says = alone[0][:, :1].clamp(max=1) * alone[1][:, :1].clamp(max=1)
    halves = soft(squared(means[0] - means[1]) * says, 3) / 4
    wanted = F.interpolate(mean[:, 3:4], frame.sharpness.shape[2:], mode="area").exp()
    confidence = ((total - own)[:, :1] / ENOUGH).clamp(0, 1)
    return Consensus(sharpened(mean[:, :3], wanted), confidence, halves, mean[:, 4:] if mean.shape[1] > 4 else None)
