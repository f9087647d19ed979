"""Training samples: a source, a caption, and the source as the caption wishes it, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stablevideo.diffusion.grain import LATTICE_PX, SHEET_PX
from stablevideo.options import HintKind

from .captions import sample_caption
from .library import Library
from .lines import as_drawn, canny_lines
from .looks import apply_looks
from .materials import grains_for
from .scenes import make_source
from .sources import Source

SCALES = (1.0, 1.4, 2.0)  # of the whole picture against the window that is cut out of it
LEAST_CONTENT = 0.25  # of a window, or another is cut
LEAST_REGION = 0.03  # of a window, for a part to be asked for


@dataclass(frozen=True)
class Sample:
    """Source, hint and target [H, W, 3] uint8, the caption, and where in their sheet the target's grains begin."""

    source: np.ndarray
    hint: np.ndarray
    target: np.ndarray
    caption: str
    place: tuple[int, int]


def make_sample(
    seed: int, size: int, library: Library, hint: HintKind = "picture", scales: tuple[float, ...] = SCALES
) -> Sample:
    """The sample of this seed: always the same, for one library and kind of hint.

    It is a window of `size` pixels out of a picture up to twice as large, so that small and cheap samples have forms
    and textures of the sizes that large pictures have.
    """
    rng = np.random.default_rng(seed)
    whole = make_source(rng, round(size * scales[rng.integers(len(scales))]), library)
    source = cut_window(rng, whole, size)
    there = [name for name, where in source.regions.items() if (where * source.mask).mean() > LEAST_REGION]
    caption, wish = sample_caption(rng, source.kind, source.name, there)
    # Whole periods, since tiles and pixels begin at the corner as the lattices do.
    top, left = (int(n) * LATTICE_PX for n in rng.integers(SHEET_PX // LATTICE_PX, size=2))
    shown = to_bytes(source.picture)
    if hint == "canny":
        shown = canny_lines(shown, rng)
        source = as_drawn(source, shown)
    target = apply_looks(source, wish, grains_for(size, (top, left)))
    return Sample(to_bytes(source.picture), shown, to_bytes(target), caption, (top, left))


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """[0, 1] to uint8."""
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def cut_window(rng: np.random.Generator, source: Source, size: int) -> Source:
    """A square of `size` pixels of a source: anywhere that is not nearly empty."""
    room = source.mask.shape[0] - size
    for _ in range(8):
        top, left = rng.integers(room + 1, size=2)
        window = slice(top, top + size), slice(left, left + size)
        if source.mask[window].mean() > LEAST_CONTENT:
            break
    return replace(
        source,
        picture=np.ascontiguousarray(source.picture[window], np.float32),
        mask=np.ascontiguousarray(source.mask[window], np.float32),
        regions={name: np.ascontiguousarray(where[window], np.float32) for name, where in source.regions.items()},
        distance=None if source.distance is None else np.ascontiguousarray(source.distance[window], np.float32),
    )
