"""A clip as two layers and a matte: render (atlas -> frames) and lift (frame -> atlas)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import coords
from .coords import LayerName
from .errors import InputError
from .lattice import LatticeWarp, Matte, Region
from .raster import invert_mesh
from .video import Video

# Frames rendered at a time: enough to keep the cores busy, little enough to stay in their cache.
RENDER_CHUNK = 4
# An atlas is averaged down before rendering until it has at most about this many texels a pixel,
# so that detail finer than a pixel does not shimmer as the layer moves.
TEXELS_PER_PIXEL = 2.0
# Light is smooth: what the atlas does not hold of it is found on frames this large and scaled up.
LIGHT_SIDE_PX = 48
# A frame is lifted as a mesh with a vertex at every second pixel, that reaches two pixels over its sides.
MESH_STEP_PX = 2
LIFT_MARGIN_PX = 2


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
    """

    name: LayerName
    atlas: Tensor
    coverage: Tensor
    warp: LatticeWarp
    light: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the atlas picture in texels."""
        return tuple(self.atlas.shape[1:])

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
        """The light's factors at every pixel -> [n, 3, H, W]."""
        factors = spread_light(self.light[list(frames)], size)
        top, left, bottom, right = region or (0, 0, *size)
        return factors[:, :, top:bottom, left:right]

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

    def without_aliases(self, edit: Tensor, size: tuple[int, int]) -> Tensor:
        """An edited atlas [3, Ha, Wa], averaged over a pixel's side of frames of `size` where it was edited.

        The clip's own atlas fits the places where pixels look at it; an edge drawn on it does not, and would crawl.
        """
        side = 2 * (round(self.texels_a_pixel(size)) // 2) + 1
        if side == 1:
            return edit
        changed = ((edit - self.atlas).abs().amax(0, keepdim=True) > 0.5 / 255).float()
        changed = F.max_pool2d(changed[None], side, 1, side // 2)[0]
        mean = F.avg_pool2d(edit[None], side, 1, side // 2, count_include_pad=False)[0]
        return torch.where(changed > 0, mean, edit)

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


@dataclass(frozen=True)
class LayeredVideo:
    """The video, its two layers and the matte between them. Frozen: an edit makes new atlases."""

    name: str
    video: Video
    foreground: Layer
    background: Layer
    matte: Matte

    @property
    def frame_count(self) -> int:
        """How many frames the layers describe."""
        return len(self.matte.offsets) - 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the clip's own frame in pixels."""
        return self.matte.size

    @property
    def device(self) -> torch.device:
        """Where the atlases are."""
        return self.foreground.atlas.device

    def layer(self, name: LayerName) -> Layer:
        """The layer of that name."""
        return self.foreground if name == "foreground" else self.background

    def alpha(self, frames: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
        """How much of each pixel is foreground -> [n, 1, H, W] in [0, 1]."""
        return self.matte.alpha(frames, size or self.size).to(self.device)

    def source(self, frames: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
        """The source's own frames -> [n, 3, H, W] in [0, 1]."""
        pictures = self.video.frames(frames).to(self.device).float() / 255
        return resize(pictures, size or self.size)

    def check_atlas(self, name: LayerName, picture: Tensor) -> Tensor:
        """The picture itself, if it can stand for the layer's atlas; else InputError."""
        expected = (3, *self.layer(name).size)
        if tuple(picture.shape) != expected:
            got = f"{picture.shape[-1]}x{picture.shape[-2]} with {picture.shape[0]} channels"
            raise InputError(
                f"the {name} atlas must be {expected[2]}x{expected[1]} with 3 channels, got {got}; "
                "save it without cropping or scaling."
            )
        return picture.to(self.device)

    @torch.no_grad()
    def render(
        self,
        foreground: Tensor | None = None,
        background: Tensor | None = None,
        size: tuple[int, int] | None = None,
        frames: Sequence[int] | None = None,
        shading: bool = False,
    ) -> Iterator[Tensor]:
        """Map the atlases, edited or the clip's own, back to frames.

        Parameters
        ----------
        foreground, background
            Edited atlases, each as the layer's own in shape and range; None for the layer's own.
        size
            (height, width) of the result; the clip's own by default.
        frames
            Which frames, in which order; all by default.
        shading
            Multiply edited layers by the ratio of source frame to unedited reconstruction, so that
            shadows and highlights that the atlas does not hold stay.

        Yields
        ------
        [n, 3, H, W] in [0, 1], a few frames at a time: memory stays flat as the clip grows.
        """
        size = size or self.size
        edits = {"foreground": foreground, "background": background}
        pictures, originals = {}, {}
        for name, edit in edits.items():
            layer = self.layer(name)
            picture = layer.atlas if edit is None else layer.without_aliases(self.check_atlas(name, edit), size)
            pictures[name] = layer.at_pixel_scale(picture, size)
            if shading:
                originals[name] = layer.at_pixel_scale(layer.atlas, self._light_size(size))
        order = list(range(self.frame_count) if frames is None else frames)
        for start in range(0, len(order), RENDER_CHUNK):
            chunk = order[start : start + RENDER_CHUNK]
            if not shading:
                yield self._composite(pictures, chunk, size)
                continue
            light = self._light(originals, chunk, size)
            lit = {name: light if edit is not None else None for name, edit in edits.items()}
            yield self._composite(pictures, chunk, size, lit)

    def _composite(
        self,
        pictures: dict[str, Tensor],
        frames: list[int],
        size: tuple[int, int],
        light: dict[str, Tensor | None] | None = None,
    ) -> Tensor:
        """alpha * foreground + (1 - alpha) * background; the foreground only where there is any."""
        light = light or {}
        result = self.background.lit(pictures["background"], frames, size)
        if light.get("background") is not None:
            result = result * light["background"]
        region = self.matte.region(frames, size)
        if region is not None:
            top, left, bottom, right = region
            window = (..., slice(top, bottom), slice(left, right))
            front = self.foreground.lit(pictures["foreground"], frames, size, region)
            if light.get("foreground") is not None:
                front = front * light["foreground"][window]
            result[window].lerp_(front, self.alpha(frames, size)[window])
        return result.clamp_(0, 1)

    def _light(self, originals: dict[str, Tensor], frames: list[int], size: tuple[int, int]) -> Tensor:
        """Source over reconstruction, in grey and without detail -> [n, 1, H, W] in [0.5, 2] at `size`."""
        small = self._light_size(size)
        source = self.source(frames, small).mean(1, keepdim=True)
        known = self._composite(originals, frames, small).mean(1, keepdim=True)
        ratio = ((source + 0.02) / (known + 0.02)).clamp(0.5, 2)
        return F.interpolate(ratio, size, mode="bilinear", align_corners=False)

    @staticmethod
    def _light_size(size: tuple[int, int]) -> tuple[int, int]:
        scale = LIGHT_SIDE_PX / max(size)
        return tuple(max(1, round(side * scale)) for side in size)

    @torch.no_grad()
    def lift(
        self, layer: LayerName, frame: int, picture: Tensor, region: Region | None = None
    ) -> tuple[Tensor, Tensor]:
        """Put a frame back on the atlas: for every texel the colour the picture has there.

        Parameters
        ----------
        layer, frame
            Which layer's warp, and whose frame the picture is.
        picture
            [C, h, w] in any size, of the whole frame or of `region`.
        region
            The part of the clip's frame (top, left, bottom, right, in its own pixels) the picture shows.

        Returns
        -------
        colours, coverage
            [C, Ha, Wa] and [1, Ha, Wa] in [0, 1]: how much of the pixel belongs to this layer; 0 where the
            picture does not reach, and colours mean nothing there.
        """
        target = self.layer(layer)
        top, left, bottom, right = region = region or (0, 0, *self.size)
        size = (bottom - top, right - left)
        # The mesh reaches a little over the region, so that every texel inside lies between known places.
        margin, step = LIFT_MARGIN_PX, MESH_STEP_PX
        around = (top - margin, left - margin, bottom + margin + 1, right + margin + 1)
        vertices = coords.uv_to_texel(target.uv([frame], self.size, around)[0, ::step, ::step], target.size)
        pixels = coords.pixel_mesh(vertices.shape[:2], step, -margin, vertices.device)
        window, grid = target.invert(vertices, coords.pixel_to_unit(pixels, size))
        # Beyond the outermost pixels' centres nothing is known.
        limit = 1 - 1 / torch.tensor([size[1], size[0]], device=grid.device)
        covered = (grid.abs() <= limit).all(-1)

        share = self.alpha([frame])[:, :, top:bottom, left:right]
        share = resize(share if layer == "foreground" else 1 - share, picture.shape[1:])
        if target.light is not None and len(picture) == 3:
            light = target.light_at([frame], self.size, region)
            picture = picture.to(share) / resize(light, picture.shape[1:])[0]
        both = torch.cat([picture[None].to(share), share], dim=1)
        found = F.grid_sample(both, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
        colours = torch.zeros(len(picture), *target.size, device=grid.device)
        coverage = torch.zeros(1, *target.size, device=grid.device)
        colours[window] = found[:-1]
        coverage[window] = found[-1:] * covered
        return colours, coverage


def spread_light(light: Tensor, size: tuple[int, int]) -> Tensor:
    """Factors [n, 3, rows, columns] on a coarse grid -> [n, 3, H, W] at every pixel."""
    rows, columns = (
        coords.cubic_weights(coords.pixel_centres(0, side, side, own, light.device), own)
        for side, own in zip(size, light.shape[2:], strict=True)
    )
    return rows @ light @ columns.T


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize [n, C, H, W], averaging where it shrinks; unchanged where the size already fits."""
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True)
