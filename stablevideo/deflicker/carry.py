"""Where each pixel of a frame is in a keyframe many frames away, by a video's own motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers.coords import inside
from .correspondence import Matcher, Neighbours, compose, remapped
from .filters import soft, squared

HELD = 24  # frames whose maps to the next keyframe are held; beyond, the way back is walked again
LOST_PX2 = 9.0  # whoever comes back this far off is lost, and further does not count for more
RETURNED_PX2, ALIKE = 1.0, 0.03  # what a chosen map weighs: coming back so far off, or looks that differ by so much

# Frame number -> what is searched in of it, [1, c, h, w].
Looks = Callable[[int], Tensor]


@dataclass(frozen=True)
class Carrier:
    """Follows what a keyframe shows, frame after frame.

    Each frame is reached twice: by one step more than the frame before it, and by a search in the keyframe itself that
    begins where the step leads. The step loses nothing that moves on in between, and the search lets no errors add up;
    each place takes the better.

    Attributes
    ----------
    steps, fine
        The engine that searches between neighbouring frames, and the one that searches in keyframes.
    """

    steps: Matcher
    fine: Matcher

    def ahead(self, key: int, last: int, looks: Looks) -> Iterator[Neighbours]:
        """For the frames after a keyframe up to `last`, in order: where their pixels are in the keyframe."""
        ways: Tensor | None = None
        for frame in range(key + 1, last + 1):
            ways = self._followed(looks(frame), looks(frame - 1), looks(key), ways)
            yield _found(key, ways)

    def behind(self, key: int, first: int, looks: Looks) -> Iterator[Neighbours]:
        """For the frames from `first` up to a keyframe, in order: where their pixels are in it.

        They are reached from the keyframe backwards. Of a long way only every `HELD`th frame is kept, from which the
        frames before it are reached once more when they are asked for.
        """
        starts = range(first, key, HELD)
        kept: dict[int, Tensor | None] = {key: None}
        block: list[Neighbours] = []
        for start in reversed(starts):
            block = self._back(key, start, min(start + HELD, key), looks, kept, held=start == first)
        for start in starts:
            yield from block if start == first else self._back(key, start, min(start + HELD, key), looks, kept, True)

    def _back(
        self, key: int, first: int, end: int, looks: Looks, kept: dict[int, Tensor | None], held: bool
    ) -> list[Neighbours]:
        """The frames from `first` up to `end`, whose own way is kept; that of `first` is kept too."""
        shown = {frame: looks(frame) for frame in range(first, end + 1)}
        ways, found = kept[end], []
        for frame in reversed(range(first, end)):
            ways = self._followed(shown[frame], shown[frame + 1], looks(key), ways)
            if held:
                found.append(_found(key, ways))
        kept[first] = ways
        return found[::-1]

    def _followed(self, look: Tensor, before: Tensor, key: Tensor, ways: Tensor | None) -> Tensor:
        """From a frame to its keyframe and back, [2, h, w, 2], by the ways of the frame next to it."""
        step = self.steps.match(torch.cat([look, before]), torch.cat([before, look]))
        if ways is not None:
            step = torch.cat([compose(step[:1], ways[:1]), compose(ways[1:], step[1:])])
        chain = inside(step)
        both = torch.cat([look, key])
        searched = inside(self.fine.match(both, both.flip(0), chain))
        better = _cost(searched, both) < _cost(chain, both)
        return torch.lerp(chain, searched, soft(better.float(), 2).permute(0, 2, 3, 1))


def _cost(ways: Tensor, looks: Tensor) -> Tensor:
    """How wrong both ways are at each place, [2, 1, h, w]; `looks` of where they begin, the other's where they end."""
    shown = remapped(looks.flip(0), ways)
    unlike = squared(shown - looks) / ALIKE**2
    return soft(unlike + _returned(ways).clamp(max=LOST_PX2) / RETURNED_PX2, 3)


def _returned(ways: Tensor) -> Tensor:
    """How far from the start going there and back ends, squared: [2, 1, h, w]."""
    return compose(ways, ways.flip(0)).square().sum(-1)[:, None]


def _found(key: int, ways: Tensor) -> Neighbours:
    maps = ways[:1].clone()
    return Neighbours([key], maps, _returned(ways)[:1].clone(), maps.square().sum(-1)[:, None])
