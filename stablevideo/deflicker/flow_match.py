"""Correspondence by optical flow: dense inverse search, or RAFT."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.coords import inside, looked_at
from ..video.flow import Search
from ..video.pictures import to_uint8
from .correspondence import compose, remapped
from .filters import no_larger, normalised

LONGEST_PX = 960  # of what is searched in: motion is smooth, and known to a fraction of a pixel


@dataclass(frozen=True)
class FlowMatch:
    """A `Matcher` by optical flow between frames that are grey and of one local contrast."""

    search: Search

    def look(self, picture: Tensor, guide: Tensor | None) -> Tensor:
        """[1, 1, h, w]: the guide's grey, else the frame's."""
        shown = normalised(picture if guide is None else guide)
        return no_larger(shown, LONGEST_PX)

    def match(self, targets: Tensor, sources: Tensor, start: Tensor | None = None) -> Tensor:
        """As in `Matcher`: what is left of the way after `start` is searched in the source brought near by it."""
        if start is not None:
            start = inside(start)
            sources = remapped(sources, start)
        pairs = zip(_pictures(targets), _pictures(sources), strict=True)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(pool.map(lambda pair: self.search(*pair), pairs))
        left = inside(torch.from_numpy(np.stack(found)).to(targets))
        return left if start is None else compose(left, start)

    def remap(self, pictures: Tensor, maps: Tensor) -> Tensor:
        """As in `Matcher`, by cubic interpolation: through it, detail keeps its contrast."""
        size = (pictures.shape[2], pictures.shape[3])
        grid = looked_at(maps, size)
        return F.grid_sample(pictures, grid, "bicubic", padding_mode="border", align_corners=False)


def _pictures(looks: Tensor) -> list[np.ndarray]:
    """Grey looks as uint8 [h, w, 3]."""
    pixels = to_uint8(looks).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return list(pixels.contiguous().cpu().numpy())
