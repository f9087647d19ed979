"""A first round before the one that counts: frames come into their right places, and are steadier to search in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..video.flow import dense_inverse_search
from .blend import agreed, steadied
from .consensus import sharpened, sharpness
from .correspondence import Neighbours, scaled
from .filters import soft
from .flow_match import FlowMatch
from .window import Frame, Window, each

SMOOTH_PX = 5  # what moves a frame's parts about does not change within so little
STILL_PX = 0.25  # parts that are off by less stay
NO_WOBBLE_PX, WOBBLE_PX = 0.5, 0.8  # without a guide: below, flow is not that sure; beyond, it is
SURE = 0.3  # trust of what is looked at for that
STRAIGHT = 2  # frames to one side; where there are no more, a pixel's path is a straight line
PATH = 8  # frames to either side, through which a pixel's path is laid


def rehearsed(frames: Iterable[Window]) -> Iterator[Frame]:
    """The frames, each moved to where its neighbours have it, as far as they wobble.

    With a guide, whose motion they should have: to the mean of the window. Without: onto the smooth path of their
    pixels, where it is not the whole frame that shakes; and the next search is in frames steadied once.
    """
    return each(frames, _in_place)


def _in_place(window: Window) -> Frame:
    frame, flow = window.frame, FlowMatch(dense_inverse_search())
    if not window.around:
        return frame
    if frame.guide is not None:
        wobble = _off_mean(frame, agreed(window), flow)
        return replace(frame, picture=_moved(frame.picture, wobble, flow))
    wobble = _off_path(window)
    look = window.known.matcher.look(_moved(steadied(window), wobble, flow), None)
    return replace(frame, picture=_moved(frame.picture, wobble, flow), look=look)


def _moved(picture: Tensor, wobble: Tensor, flow: FlowMatch) -> Tensor:
    maps = scaled(wobble, picture)
    if not bool(maps.any()):
        return picture
    return sharpened(flow.remap(picture, maps), sharpness(picture)).clamp(0, 1)


def _off_mean(frame: Frame, mean: Tensor, flow: FlowMatch) -> Tensor:
    """From where a frame's parts should be to where they are, [1, h, w, 2] in pixels of the search."""
    found = _smooth(flow.match(flow.look(mean, None), flow.look(frame.picture, None)))
    return found * _beyond(_smooth(_squared(found)))


def _off_path(window: Window) -> Tensor:
    """The same, by the paths of the pixels through the frames around; nothing where all shakes as one.

    A parabola through where a pixel is in the frames around it, by least squares; what it leaves of the pixel's own
    place is how far the frame's part is off.
    """
    number = window.frame.number
    near = window.known.neighbours(number, [o.number for o in window.around if abs(o.number - number) <= PATH])
    share = (wobble_px(near, number) - NO_WOBBLE_PX) / (WOBBLE_PX - NO_WOBBLE_PX)
    if share <= 0:
        return torch.zeros_like(near.maps[:1])
    curved = number - min(near.frames) > STRAIGHT < max(near.frames) - number
    return -_smooth(_intercept(near, number, 2 if curved else 1)) * min(1.0, share)


def wobble_px(near: Neighbours, number: int) -> float:
    """How far a frame's parts are off their way, in pixels of the search; 0 where all shakes as one.

    By the median of how much a pixel turns back in three frames next to each other, of which it is one: things that
    speed up turn little in one frame, and what cannot be followed says nothing.
    """
    middle = min(max(number, min(near.frames) + 1), max(near.frames) - 1)
    factors = {middle - 1: 1.0, middle: -2.0, middle + 1: 1.0}
    beside = [k for k, other in enumerate(near.frames) if other in factors]
    if len(beside) < 2:
        return 0.0
    surely = (near.trust[beside].amin(0, keepdim=True) > SURE).permute(0, 2, 3, 1)
    turned = sum((factors[near.frames[k]] * near.maps[k] for k in beside), torch.zeros_like(near.maps[:1]))
    turned = _smooth(turned * surely) / _smooth(surely + 1e-3)
    parts = _squared(turned - _affine(turned))[surely]
    # Of three places of one deviation a part the sum has 6 of its squares; the median is 1.4 of a part's, of two.
    return float((parts.median() / (6 * 0.69)).sqrt()) if len(parts) else 0.0


def _intercept(near: Neighbours, number: int, degree: int) -> Tensor:
    """Where the smooth path is at the time of the frame, [1, h, w, 2]: weighted least squares at each pixel."""
    times = torch.tensor([0.0] + [float(other - number) for other in near.frames], device=near.maps.device)
    powers = torch.stack([times**k for k in range(degree + 1)], 1)
    places = torch.cat([torch.zeros_like(near.maps[:1]), near.maps])
    weights = torch.cat([torch.ones_like(near.trust[:1]), near.trust])[:, 0] + 1e-3
    normal = torch.einsum("ta,tb,thw->hwab", powers, powers, weights)
    right = torch.einsum("ta,thw,thwc->hwac", powers, weights, places)
    return torch.linalg.solve(normal, right)[..., 0, :][None]


def _affine(field: Tensor) -> Tensor:
    """The part of a field [1, h, w, 2] that moves all as one: shifted, turned, scaled, sheared."""
    height, width = field.shape[1:3]
    sides = (torch.linspace(-1, 1, side, device=field.device) for side in (height, width))
    y, x = torch.meshgrid(*sides, indexing="ij")
    basis = torch.stack([torch.ones_like(x), x, y], -1).flatten(0, 1)
    return (basis @ torch.linalg.lstsq(basis, field.flatten(0, 2)).solution).view_as(field)


def _smooth(field: Tensor) -> Tensor:
    return soft(field.permute(0, 3, 1, 2), SMOOTH_PX).permute(0, 2, 3, 1)


def _squared(field: Tensor) -> Tensor:
    """The squared lengths [1, h, w, 1] of a field."""
    return field.square().sum(-1, keepdim=True)


def _beyond(size_px2: Tensor) -> Tensor:
    """The share of a wobble that counts, by its squared size."""
    return (1 - STILL_PX**2 / size_px2.clamp(min=1e-9)).clamp(min=0)
