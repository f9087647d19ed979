"""A large picture in parts that a network sees as it would see the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch.nn.functional as F
from torch import Tensor

Spans = tuple[slice, slice]  # of rows and columns


@dataclass(frozen=True)
class Tile:
    """A part of a picture: what a network is shown of it, and what of that counts.

    Attributes
    ----------
    seen
        Rows and columns of the picture: the part and as much around it as a result looks at.
    within
        Rows and columns of what is seen, that are the part.
    part
        Rows and columns of the picture, that are the part: those of all tiles cover it, none twice.
    """

    seen: Spans
    within: Spans
    part: Spans


def tiles(size: tuple[int, int], side_px: int, halo_px: int) -> Iterator[Tile]:
    """Tiles of a picture; corners of what is seen lie at multiples of whatever divides `side_px` and `halo_px`."""
    for top, left in product(range(0, size[0], side_px), range(0, size[1], side_px)):
        rows, columns = (
            (max(0, first - halo_px), first, min(first + side_px, whole), min(first + side_px + halo_px, whole))
            for first, whole in ((top, size[0]), (left, size[1]))
        )
        yield Tile(
            seen=(slice(rows[0], rows[3]), slice(columns[0], columns[3])),
            within=(
                slice(rows[1] - rows[0], rows[2] - rows[0]),
                slice(columns[1] - columns[0], columns[2] - columns[0]),
            ),
            part=(slice(rows[1], rows[2]), slice(columns[1], columns[2])),
        )


def coarser(spans: Spans, stride: int) -> Spans:
    """Rows and columns of features that lie that many pixels apart; the borders must be multiples of it."""
    rows, columns = (slice(span.start // stride, span.stop // stride) for span in spans)
    return rows, columns


def padded(picture: Tensor, stride: int) -> Tensor:
    """[n, C, H, W] continued to the right and below by its own border, to whole multiples of a stride: two at least."""
    right, below = (max(2 * stride, side + -side % stride) - side for side in (picture.shape[3], picture.shape[2]))
    return F.pad(picture, (0, right, 0, below), mode="replicate") if right or below else picture
