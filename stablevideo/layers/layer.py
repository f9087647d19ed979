"""One layer of a clip: a still picture, and where each pixel of each frame lies on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..video.pictures import bounding_box
from . import coords
from .coords import LayerName
from .inverse import invert_mesh
from .warp import LatticeWarp, Region

# An atlas is averaged down before rendering until it has at most about this many texels a pixel,
# so that detail finer than a pixel does not shimmer as the layer moves.
TEXELS_PER_PIXEL = 2.0


@dataclass(frozen=True)
class Layer:
    """One still picture and where each pixel of each frame lies on it.

    Attributes
    ----------
    atlas
        [3, Ha, Wa] in [0, 1]; texels that no frame sees are a smooth continuation, not data.
    coverage
        [1, Ha, Wa], 1 where some frame sees the texel, 0 elsewhere.
    warp
        Gives uv for the frames and the size asked.
    light
        [T, 3, rows, columns] factors on a coarse grid over each frame: shadows and exposure that the atlas does not
        hold. None where it is 1 everywhere.
    footprint_texels
        Along the side of a pixel of the clip's own frame, over which that pixel sees the mean of the atlas; 0 where
        the atlas was made to be seen at points.
    """

    name: LayerName
    atlas: Tensor
    coverage: Tensor
    warp: LatticeWarp
    light: Tensor | None = None
    footprint_texels: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the atlas picture in texels."""
        return self.atlas.shape[1], self.atlas.shape[2]

    def uv(self, frames: Sequence[int], size: tuple[int, int], region: Region | None = None) -> Tensor:
        """uv of every pixel -> [n, H, W, 2] in [-1, 1], ready for `grid_sample(align_corners=False)`."""
        return self.warp.uv(frames, size, region)

    def sample(
        self, picture: Tensor, frames: Sequence[int], size: tuple[int, int], region: Region | None = None
    ) -> Tensor:
        """Look at an atlas-shaped picture [C, Ha, Wa] through the warp -> [n, C, H, W]."""
        uv = self.uv(frames, size, region)
        pictures = picture[None].expand(len(uv), -1, -1, -1)
        return F.grid_sample(pictures, uv, mode="bilinear", padding_mode="border", align_corners=False)

    def lit(
        self, picture: Tensor, frames: Sequence[int], size: tuple[int, int], region: Region | None = None
    ) -> Tensor:
        """`sample`, under the light of each frame."""
        seen = self.sample(picture, frames, size, region)
        return seen if self.light is None else seen.mul_(self.light_at(frames, size, region))

    def light_at(self, frames: Sequence[int], size: tuple[int, int], region: Region | None = None) -> Tensor:
        """The light's factors at every pixel -> [n, 3, H, W]; 1 everywhere for a layer without."""
        if self.light is None:
            top, left, bottom, right = region or (0, 0, *size)
            return self.atlas.new_ones(len(frames), 3, bottom - top, right - left)
        return spread_light(self.light[list(frames)], size, region)

    def invert(self, vertices: Tensor, places: Tensor) -> tuple[tuple[slice, slice, slice], Tensor]:
        """Where the texels that a mesh covers lie on it.

        The inverse of a smooth map is smooth: it is found for about one texel a pixel and interpolated.

        Parameters
        ----------
        vertices, places
            [rows, columns, 2] both: the texel under each vertex of a mesh over the frame, and where the vertex
            lies, in any unit.

        Returns
        -------
        window, found
            Which part of the atlas [C, Ha, Wa] the mesh covers, and for its texels the place [1, h, w, 2]; far
            beyond any place on the mesh where there is none.
        """
        factor = max(1, int(self.warp.texels_per_pixel(self.size)))
        limit = torch.tensor(self.size[::-1], device=vertices.device)
        first = vertices.amin((0, 1)).floor().long().clamp(min=0).minimum(limit - 1) // factor
        last = vertices.amax((0, 1)).ceil().long().clamp(min=0).minimum(limit - 1) // factor + 1
        reduced = coords.reduce_texels(vertices, factor) - first
        found, covered = invert_mesh(reduced, places, tuple((last - first).flip(0).tolist()))
        # So far away that any mean with it is outside too.
        found[~covered] = 1e6
        fine = F.interpolate(found.permute(2, 0, 1)[None], scale_factor=factor, mode="bilinear", align_corners=False)
        (left, top), (right, bottom) = (first * factor).tolist(), torch.minimum(last * factor, limit).tolist()
        fine = fine[:, :, : bottom - top, : right - left]
        window = (slice(None), slice(top, bottom), slice(left, right))
        return window, fine.permute(0, 2, 3, 1)

    def as_seen(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        """An atlas-shaped picture [C, Ha, Wa] as pixels of frames of `size` see it: its mean over a pixel's side.

        An atlas made to be seen at points is seen so still; but an edge drawn on it lies anywhere and would crawl, so
        there, too, edits are averaged.
        """
        if self.footprint_texels:
            return pixel_mean(picture, self.footprint_texels * max(self.warp.size) / max(size))
        if picture is self.atlas:
            return picture
        side = self.texels_a_pixel(size)
        reach = int(side / 2 + 0.5)
        changed = (picture - self.atlas).abs().amax(0) > 0.5 / 255
        box = bounding_box(changed, 2 * reach + 2)  # most edits by hand are small
        if box is None:
            return picture
        here, around = picture[:, *box], changed[box].float()[None]
        for kernel, pad in (((2 * reach + 1, 1), (reach, 0)), ((1, 2 * reach + 1), (0, reach))):
            around = F.max_pool2d(around, kernel, 1, pad)
        seen = picture.clone()
        seen[:, *box] = torch.where(around > 0, pixel_mean(here, side), here)
        return seen

    def for_frames(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        """An atlas-shaped picture [C, Ha, Wa], ready to be sampled at the pixels of frames of `size`."""
        return self.at_pixel_scale(self.as_seen(picture, size), size)

    def texels_a_pixel(self, size: tuple[int, int]) -> float:
        """How many texels of the atlas lie along a pixel's side of frames of `size`."""
        return self.warp.texels_per_pixel(self.size) * max(self.warp.size) / max(size)

    def at_pixel_scale(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        """Average an atlas-shaped picture down to about the detail that frames of `size` can show."""
        factor = int(self.texels_a_pixel(size) / TEXELS_PER_PIXEL)
        if factor <= 1:
            return picture
        reduced = [max(1, round(side / factor)) for side in picture.shape[1:]]
        return F.interpolate(picture[None], reduced, mode="area")[0]


def spread_light(light: Tensor, size: tuple[int, int], region: Region | None = None) -> Tensor:
    """Factors [n, 3, rows, columns] on a coarse grid -> [n, 3, H, W] at every pixel, or at those of a region."""
    top, left, bottom, right = region or (0, 0, *size)
    rows, columns = (
        coords.cubic_weights(coords.pixel_centres(first, last, side, own, light.device), own)
        for first, last, side, own in zip((top, left), (bottom, right), size, light.shape[2:], strict=True)
    )
    return rows @ light @ columns.T


def pixel_mean(picture: Tensor, side: float) -> Tensor:
    """The mean of [C, H, W] over a square around each texel, `side` texels wide; the picture itself up to one.

    Symmetric, so it is its own adjoint (but for the outermost texels, which are continued outwards).
    """
    reach = max(0, math.ceil((side - 1) / 2))
    if reach == 0:
        return picture
    rim = (side - (2 * reach - 1)) / 2  # of the outermost texels, what lies in the square
    for axis in (1, 2):
        length = picture.shape[axis]
        pad = (0, 0, reach, reach) if axis == 1 else (reach, reach, 0, 0)
        padded = F.pad(picture[None], pad, mode="replicate")[0]
        total = (padded.narrow(axis, 0, length) + padded.narrow(axis, 2 * reach, length)) * rim
        for shift in range(1, 2 * reach):
            total += padded.narrow(axis, shift, length)
        picture = total / side
    return picture
