"""Frames with those around them, as a video streams by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from ..device import one_thread_a_core
from .consensus import sharpness
from .correspondence import MOST_BEHIND, Correspondence

AT_ONCE = {"cuda": 16}  # frames whose motion is searched in one go; elsewhere a few keep all cores busy
FEW_AT_ONCE = 4
# Values of all pictures of the windows that are computed a core each; larger ones, one after the other by all cores.
WINDOWS_VALUES = 120_000_000


@dataclass(frozen=True)
class Frame:
    """A frame under way.

    Attributes
    ----------
    number
        Counted from 0.
    picture
        [1, 3, H, W] in [0, 1].
    guide
        What it was made from, likewise, in half precision: finer than 8 bits, and many are held; None where that is
        not known.
    look
        What is searched in, as its matcher has it.
    """

    number: int
    picture: Tensor
    guide: Tensor | None
    look: Tensor

    @cached_property
    def sharpness(self) -> Tensor:
        """How sharp the picture is at each place, [1, 1, H / 4, W / 4]."""
        return sharpness(self.picture)


@dataclass(frozen=True)
class Window:
    """A frame, those around it of the same scene in their order, and where everything is."""

    frame: Frame
    around: list[Frame]
    known: Correspondence


def windows(frames: Iterable[Frame], known: Correspondence, radius: int, search: bool = True) -> Iterator[Window]:
    """The window of each frame, in order; no more than so many frames as it spans are held, and a few read ahead.

    Parameters
    ----------
    search
        False where the frames are in `known` by the time they come.
    """
    held: dict[int, Frame] = {}
    stream, next_up, ended = iter(frames), 0, False
    while not ended:
        device = held[next_up].picture.device if next_up in held else torch.device("cpu")
        fresh = list(islice(stream, at_once(device)))
        ended = not fresh
        held |= {frame.number: frame for frame in fresh}
        if fresh and search:
            known.add(fresh[0].number, [frame.look for frame in fresh])
        while next_up in held and (ended or next_up + radius in held):
            span = range(next_up - radius, next_up + radius + 1)
            around = [held[j] for j in span if j in held and j != next_up and known.same_scene(next_up, j)]
            yield Window(held[next_up], around, known)
            next_up += 1
            held.pop(next_up - radius - 1, None)


def at_once(device: torch.device) -> int:
    """How many frames are read in one go."""
    return AT_ONCE.get(device.type, FEW_AT_ONCE)


def each(stream: Iterable[Window], make: Callable[[Window], Frame]) -> Iterator[Frame]:
    """What is made of each window, in order; on a CPU a core each, as far as memory allows."""
    stream = iter(stream)
    together = 1
    while group := list(islice(stream, together)):
        yield from _made(group, make)
        together = _together(group[-1])


def _together(window: Window) -> int:
    """How many windows like this one are computed at a time."""
    if window.frame.picture.device.type != "cpu":
        return 1
    values = 2 * (1 + len(window.around)) * window.frame.picture.numel()
    return max(1, min(MOST_BEHIND, torch.get_num_threads(), WINDOWS_VALUES // values))


def _made(group: list[Window], make: Callable[[Window], Frame]) -> list[Frame]:
    if len(group) == 1:
        return [make(group[0])]

    @torch.inference_mode()  # of each thread its own
    def made(window: Window) -> Frame:
        return make(window)

    with one_thread_a_core() as (pool, _):
        return list(pool.map(made, group))
