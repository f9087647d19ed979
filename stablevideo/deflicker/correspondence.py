"""For each pixel of a frame: where it is in another frame, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.coords import inside, looked_at
from .gaps import bridged

# How far from its start a pixel may come, there and back (Sundaram et al. 2010): pixels, and a share of its way.
RETURN_PX, RETURN_SHARE = 0.7, 0.05
# Of two frames of one scene, this share of the pixels comes back, and to what looks like it. At the least 0.28 was
# seen, of noisy frames by patches, and at the most 0.1 across real cuts, 0.2 across drawn ones.
SAME_SCENE = 0.22
MOST_BEHIND = 8  # frames that are still looked at together with one that is done
ALIKE = 0.08  # two normalised greys that differ by less show the same


class Matcher(Protocol):
    """An engine that finds the same things in two frames."""

    def look(self, picture: Tensor, guide: Tensor | None) -> Tensor:
        """What is searched in, [1, c, h, w], of a frame [1, 3, H, W] in [0, 1] and of what guides it."""

    def match(self, targets: Tensor, sources: Tensor, start: Tensor | None = None) -> Tensor:
        """Looks [n, c, h, w] -> displacements [n, h, w, 2] in pixels: what is at p of a target is at p + d of its
        source. `start` is where the search may begin.
        """

    def remap(self, pictures: Tensor, maps: Tensor) -> Tensor:
        """Pictures [n, C, H, W] through maps [n, h, w, 2] -> [n, C, h, w]."""


def remapped(pictures: Tensor, maps: Tensor) -> Tensor:
    """Pictures [n, C, h, w] at the ends of maps [n, h, w, 2] in pixels, bilinear."""
    size = (pictures.shape[2], pictures.shape[3])
    return F.grid_sample(pictures, looked_at(maps, size), "bilinear", padding_mode="border", align_corners=False)


def lookup(fields: Tensor, maps: Tensor) -> Tensor:
    """Fields [n, h, w, C], other maps for one, likewise."""
    return remapped(fields.permute(0, 3, 1, 2), maps).permute(0, 2, 3, 1)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """The map that goes by `first` and from there by `second`; all [n, h, w, 2] in pixels."""
    return first + lookup(second, first)


def scaled(maps: Tensor, picture: Tensor) -> Tensor:
    """Maps [n, h, w, 2] in pixels, as they are on a picture [1, C, H, W] of another size."""
    size, (height, width) = picture.shape[2:], maps.shape[1:3]
    if (height, width) == tuple(size):
        return maps
    larger = F.interpolate(maps.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    return larger * maps.new_tensor([size[1] / width, size[0] / height])


@dataclass(frozen=True)
class Neighbours:
    """Where each pixel of one frame is in others of its scene.

    Attributes
    ----------
    frames
        Their numbers.
    maps
        [n, h, w, 2]: displacements in pixels of the size at which was searched.
    return_px2, length_px2
        [n, 1, h, w]: the squared distance from the start after going there and back, and the squared way.
    """

    frames: list[int]
    maps: Tensor
    return_px2: Tensor
    length_px2: Tensor

    @property
    def trust(self) -> Tensor:
        """[n, 1, h, w] in [0, 1]: 1 where going there and back ends at the start."""
        return _trust(self.return_px2, self.length_px2)


class Correspondence:
    """Maps between the frames of a window that slides along a video.

    Between frames 1, 2, 4, 8, ... apart they are searched, each search beginning where the composition of two halves
    leads; between all others they are composed of these: n frames cost 2 n log2(radius) searches. Nothing is found
    across a cut. What is more than `behind` frames behind is forgotten.
    """

    def __init__(self, matcher: Matcher, radius: int, behind: int | None = None) -> None:
        self.matcher, self.behind = matcher, 2 * radius + MOST_BEHIND if behind is None else behind
        self.spans = [2**k for k in range(max(1, radius).bit_length())]
        self.searches = 0
        self._looks: dict[int, Tensor] = {}
        self._steps: dict[tuple[int, int], Tensor] = {}
        self._scenes: dict[int, int] = {}

    def add(self, first: int, looks: list[Tensor]) -> None:
        """Take in the next frames, from number `first` on, by what is searched in them."""
        numbers = range(first, first + len(looks))
        self._looks |= dict(zip(numbers, looks, strict=True))
        self._search([(i, i - 1) for i in numbers if i - 1 in self._looks])
        for i in numbers:
            before = self._scenes.get(i - 1, 0)
            self._scenes[i] = before + (i - 1 in self._scenes and not self._continues(i))
        for span in self.spans:
            pairs = [(i, i - span) for i in numbers if self.same_scene(i, i - span)]
            if span > 1:
                self._search(pairs)
            self._bridge(pairs)
        self._forget(first - self.behind)

    def same_scene(self, frame: int, other: int) -> bool:
        """Whether both are known, and no cut lies between them."""
        return self._scenes.get(frame, -1) == self._scenes.get(other, -2)

    def look(self, frame: int) -> Tensor:
        """What is searched in of a frame."""
        return self._looks[frame]

    def step(self, frame: int, other: int) -> Tensor:
        """The map [1, h, w, 2] between frames 1, 2, 4, ... apart."""
        return self._steps[frame, other].float()

    def neighbours(self, frame: int, others: list[int]) -> Neighbours:
        """The maps from a frame to others of its scene, none of them itself, and how sure they are."""
        there: dict[int, Tensor] = {}
        back: dict[int, Tensor] = {}
        for side in (1, -1):
            for apart in range(1, max((side * (j - frame) for j in others), default=0) + 1):
                last = apart & -apart  # of binary 110, 010: the rest of the way is known already
                via, end = frame + side * (apart - last), frame + side * apart
                out, home = self.step(via, end), self.step(end, via)
                there[end] = out if via == frame else compose(there[via], out)
                back[end] = home if via == frame else compose(home, back[via])
        maps = torch.cat([there[j] for j in others])
        returned = compose(maps, torch.cat([back[j] for j in others]))
        return Neighbours(others, maps, _squared(returned), _squared(maps))

    def _search(self, pairs: list[tuple[int, int]]) -> None:
        """Both ways between frames, each pair (later, earlier) equally far apart."""
        pairs = pairs + [(j, i) for i, j in pairs]
        if not pairs:
            return
        start = None
        if abs(pairs[0][0] - pairs[0][1]) > 1:
            halves = [(i, (i + j) // 2, j) for i, j in pairs]
            start = torch.cat([compose(self.step(i, half), self.step(half, j)) for i, half, j in halves])
        targets, sources = (torch.cat([self._looks[pair[k]] for pair in pairs]) for k in (0, 1))
        self._keep(pairs, self.matcher.match(targets, sources, start))
        self.searches += len(pairs)

    def _bridge(self, pairs: list[tuple[int, int]]) -> None:
        """What could not be followed moves like what is around it: of pairs of frames that were searched."""
        pairs = pairs + [(j, i) for i, j in pairs]
        if pairs:
            maps, back = (torch.cat([self.step(*pair[::order]) for pair in pairs]) for order in (1, -1))
            trust = _trust(_squared(compose(maps, back)), _squared(maps))
            self._keep(pairs, bridged(maps, trust))

    def _keep(self, pairs: list[tuple[int, int]], maps: Tensor) -> None:
        # In half precision, which keeps a thirtieth of a pixel where motion is 60, and less below.
        self._steps |= {pair: one[None] for pair, one in zip(pairs, inside(maps).half(), strict=True)}

    def _continues(self, frame: int) -> bool:
        """Whether a frame shows the scene of the one before it."""
        near = self.neighbours(frame, [frame - 1])
        shown = remapped(self._looks[frame - 1], near.maps)
        alike = (shown - self._looks[frame]).abs().mean(1, keepdim=True) < ALIKE
        same = (near.trust > 0.5) & alike
        return same.float().mean().item() >= SAME_SCENE

    def _forget(self, before: int) -> None:
        self._looks = {i: look for i, look in self._looks.items() if i >= before}
        self._scenes = {i: scene for i, scene in self._scenes.items() if i >= before}
        self._steps = {pair: step for pair, step in self._steps.items() if min(pair) >= before}


def _trust(return_px2: Tensor, length_px2: Tensor) -> Tensor:
    return torch.exp(-return_px2 / (2 * (RETURN_PX**2 + RETURN_SHARE**2 * length_px2)))


def _squared(maps: Tensor) -> Tensor:
    """The squared lengths [n, 1, h, w] of displacements."""
    return maps.square().sum(-1)[:, None]
