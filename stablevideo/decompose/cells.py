"""Bilinear looking, the other way round: sums over pixels for the texels that they look at.

A pixel looks into a cell of four texels, and sees each by its share. What pixels give back is added up by cell first,
one plane for each of the four corners, and for each pair of them where the normal equations are wanted: that takes one
walk through the clip, after which the size of the atlas alone counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .scaled import Size

CORNERS, PAIRS = 4, 9  # planes


@dataclass(frozen=True)
class Cells:
    """The cells that N pixels look into.

    Attributes
    ----------
    index
        int64 [N]: number of the cell's upper left texel.
    x, y
        [N] in [0, 1]: how far towards its right and lower texels.
    """

    index: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, texels: Tensor, size: Size) -> Cells:
        """The cells around places [N, 2] on an atlas of a size; what lies beyond looks at its rim."""
        height, width = size
        x, y = texels[:, 0].clamp(0, width - 1), texels[:, 1].clamp(0, height - 1)
        left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
        return cls((top * width + left).long(), x - left, y - top)

    def add_corners(self, planes: Tensor, values: Tensor) -> None:
        """Add values [C, N], by the shares of the corners, to planes [4, C, texels]."""
        lower = values * self.y
        for plane, part in zip(planes.view(2, 2, *planes.shape[1:]), (values - lower, lower), strict=True):
            right = part * self.x
            self._add(plane[0], part - right)
            self._add(plane[1], right)

    def add_pairs(self, planes: Tensor, values: Tensor) -> None:
        """Add values [N], by products of two corners' shares, to planes [9, texels]."""
        across = ((1 - self.x).square(), (1 - self.x) * self.x, self.x.square())
        down = ((1 - self.y).square(), (1 - self.y) * self.y, self.y.square())
        self._add(planes, torch.stack([values * row * column for row in down for column in across]))

    def _add(self, planes: Tensor, values: Tensor) -> None:
        for plane, row in zip(planes, values, strict=True):
            plane.scatter_add_(0, self.index, row)


def from_corners(planes: Tensor, size: Size) -> Tensor:
    """Sums by cell [4, C, texels] -> by texel [C, Ha, Wa]."""
    upper_left, upper_right, lower_left, lower_right = planes.reshape(CORNERS, -1, *size)
    total = upper_left.clone()
    total[:, :, 1:] += upper_right[:, :, :-1]
    total[:, 1:] += lower_left[:, :-1]
    total[:, 1:, 1:] += lower_right[:, :-1, :-1]
    return total


@dataclass(frozen=True)
class Stencil:
    """A^T W A of looking (A) at an atlas with a weight for each pixel (W): a texel and its eight neighbours.

    Attributes
    ----------
    own, right, below, across
        [Ha, Wa]: the weight of each texel itself, and of its pairs with the one to the right, the one below, and, of
        each cell, the two pairs of opposite corners.
    """

    own: Tensor
    right: Tensor
    below: Tensor
    across: Tensor

    @classmethod
    def of(cls, planes: Tensor, size: Size) -> Stencil:
        """From the sums that `Cells.add_pairs` made, [9, texels]."""
        upper, between, lower = planes.reshape(3, 3, *size)
        own = from_corners(torch.stack([upper[0], upper[2], lower[0], lower[2]])[:, None], size)[0]
        right, below = upper[1].clone(), between[0].clone()
        right[1:] += lower[1, :-1]
        below[:, 1:] += between[2, :, :-1]
        return cls(own, right, below, between[1].clone())

    def __call__(self, picture: Tensor) -> Tensor:
        """Of a plane [Ha, Wa], the same."""
        result = self.own * picture
        for weight, (down, along) in ((self.right, (0, 1)), (self.below, (1, 0)), (self.across, (1, 1))):
            rows, columns = picture.shape[0] - down, picture.shape[1] - along
            weight = weight[:rows, :columns]
            near, far = (slice(rows), slice(columns)), (slice(down, None), slice(along, None))
            result[near].addcmul_(weight, picture[far])
            result[far].addcmul_(weight, picture[near])
        near, far = (slice(-1), slice(1, None)), (slice(1, None), slice(-1))
        result[near].addcmul_(self.across[:-1, :-1], picture[far])
        result[far].addcmul_(self.across[:-1, :-1], picture[near])
        return result
