"""The style pictures that the page offers, all of them drawn by code: `python -m training.style.gallery --out DIR`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .motif import paint_landscape
from .painters import Array, dots, facets, hatching, recoloured, rings, stained_glass, strokes, tesserae, wash

SIDE_PX = 512


@dataclass(frozen=True)
class Offer:
    """A style picture: its name, how it is painted, in which colours from dark to light, and the seed."""

    name: str
    technique: Callable[[Array, np.random.Generator], Array]
    colours: tuple[str, ...]
    seed: int


OFFERS = (
    Offer("oil", strokes, ("1d2440", "3b4f8a", "b8533a", "e79a3c", "f6dd9a"), 3),
    Offer("watercolour", wash, ("35505e", "5f8f8b", "a9c3a0", "e8c7a0", "f7efe0"), 5),
    Offer("mosaic", tesserae, ("14213d", "1f5f8b", "2a9d8f", "e9c46a", "f7ede2"), 8),
    Offer("stained-glass", stained_glass, ("3a0ca3", "1d6fb8", "c1121f", "f4a226", "ffe6a7"), 4),
    Offer("pointillism", dots, ("273c75", "487eb0", "44a05a", "e1b12c", "f5f0dc"), 6),
    Offer("ink", hatching, ("14110f", "4a443c", "8d8575", "c9c0aa", "f4eedd"), 7),
    Offer("waves", rings, ("10243f", "1f4e79", "4d8fac", "c2d8dd", "f5e6c8"), 2),
    Offer("facets", facets, ("10243f", "1f4e79", "4d8fac", "c2d8dd", "f5e6c8"), 13),
)


def draw(offer: Offer) -> Array:
    """The picture [512, 512, 3] in [0, 1]: a landscape in that technique and in those colours."""
    rng = np.random.default_rng(offer.seed)
    motif = cv2.GaussianBlur(paint_landscape(rng, SIDE_PX).astype(np.float32), (0, 0), 1)
    colours = np.array([[int(name[i : i + 2], 16) for i in (0, 2, 4)] for name in offer.colours], np.float32) / 255
    return offer.technique(np.ascontiguousarray(recoloured(motif, colours, 1.0)), rng).clip(0, 1)


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("stablevideo/style/pictures"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for number, offer in enumerate(OFFERS):
        eight = np.rint(draw(offer)[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}-{offer.name}.jpg"), eight, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
