"""Bilinear looking, the other way round: sums over pixels for the texels that they look at.

A pixel looks into a cell of four texels, and sees each by its share. What pixels give back is added up for each texel,
and for each pair of texels in a cell where the normal equations are wanted: that takes one walk through the clip, after
which the size of the atlas alone counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .scaled import Size

PAIRS = 4  # planes


@dataclass(frozen=True)
class Cells:
    """The cells that N pixels look into.

    Attributes
    ----------
    index
        int64 [N]: number of the cell's upper left texel.
    x, y
        [N] in [0, 1]: how far towards its right and lower texels.
    width
        Texels in a row of the atlas.
    """

    index: Tensor
    x: Tensor
    y: Tensor
    width: int

    @classmethod
    def of(cls, texels: Tensor, size: Size) -> Cells:
        """The cells around places [N, 2] on an atlas of a size; what lies beyond looks at its rim."""
        height, width = size
        x, y = texels[:, 0].clamp(0, width - 1), texels[:, 1].clamp(0, height - 1)
        left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
        return cls((top * width + left).long(), x - left, y - top, width)

    def add(self, planes: Tensor, values: Tensor) -> None:
        """Add values [C, N] to planes [C, texels] by the shares of the corners: the adjoint of looking."""
        for plane, value in zip(planes, values, strict=True):
            lower = value * self.y
            for down, part in ((0, value - lower), (1, lower)):
                right = part * self.x
                self._add(plane, part - right, down, 0)
                self._add(plane, right, down, 1)

    def add_pairs(self, planes: Tensor, weights: Tensor) -> None:
        """Add weights [N], by products of two corners' shares, to the planes of a `Stencil`, [4, texels]."""
        own, right, below, across = planes
        left_left, left_right, right_right = (1 - self.x).square(), (1 - self.x) * self.x, self.x.square()
        for down, row in ((0, (1 - self.y).square()), (1, self.y.square())):
            row = row * weights
            self._add(own, row * left_left, down, 0)
            self._add(own, row * right_right, down, 1)
            self._add(right, row * left_right, down, 0)
        between = (1 - self.y) * self.y * weights
        self._add(below, between * left_left, 0, 0)
        self._add(below, between * right_right, 0, 1)
        self._add(across, between * left_right, 0, 0)

    def _add(self, plane: Tensor, values: Tensor, down: int, along: int) -> None:
        """To the corner that lies `down` and `along` from the upper left one."""
        plane[down * self.width + along :].scatter_add_(0, self.index, values)


@dataclass(frozen=True)
class Stencil:
    """A^T W A of looking (A) at an atlas with a weight for each pixel (W): a texel and its eight neighbours.

    Attributes
    ----------
    own, right, below, across
        [Ha, Wa]: the weight of each texel itself, of its pairs with the one to the right and the one below, and, of
        each cell, the two pairs of opposite corners.
    """

    own: Tensor
    right: Tensor
    below: Tensor
    across: Tensor

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
