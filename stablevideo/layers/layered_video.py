"""A clip as two layers and a matte: render (atlas -> frames) and lift (frame -> atlas)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..video.pictures import resize
from ..video.read import Video
from . import coords
from .coords import LayerName
from .layer import Layer
from .matte import Matte, shares
from .warp import Region

# Pixels rendered at a time: enough to keep the cores busy, little enough to stay in their cache; a GPU wants more.
RENDER_PX = {"cpu": 1_400_000, "cuda": 16_000_000}
# Light is smooth: what the atlas does not hold of it is found on frames this large and scaled up.
LIGHT_SIDE_PX = 48
# A frame is lifted as a mesh with a vertex at every second pixel, that reaches two pixels over its sides.
MESH_STEP_PX = 2
LIFT_MARGIN_PX = 2
# A frame lifted out of the dark is brightened by no more than the inverse of this.
LEAST_LIGHT = 0.25


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

        Raises
        ------
        InputError
            A frame that the clip does not have, or an atlas of another shape.
        """
        size = size or self.size
        edits: dict[LayerName, Tensor | None] = {"foreground": foreground, "background": background}
        pictures: dict[LayerName, Tensor] = {}
        originals: dict[LayerName, Tensor] = {}
        for name, edit in edits.items():
            layer = self.layer(name)
            pictures[name] = layer.for_frames(layer.atlas if edit is None else self.check_atlas(name, edit), size)
            if shading:
                small = self._light_size(size)
                originals[name] = layer.for_frames(layer.atlas, small)
        for chunk in self.chunks(size, frames):
            if not shading:
                yield self._composite(pictures, chunk, size)
                continue
            light = self._light(originals, chunk, size)
            lit = {name: light for name, edit in edits.items() if edit is not None}
            yield self._composite(pictures, chunk, size, lit)

    def chunks(self, size: tuple[int, int], frames: Sequence[int] | None = None) -> Iterator[list[int]]:
        """Frames, all by default, so many at a time as are rendered together at a size.

        Raises InputError for a frame that the clip does not have.
        """
        order = list(range(self.frame_count) if frames is None else frames)
        missing = [frame for frame in order if not 0 <= frame < self.frame_count]
        if missing:
            raise InputError(f"there is no frame {missing[0]}; {self.name} has frames 0 to {self.frame_count - 1}.")
        length = max(1, RENDER_PX.get(self.device.type, RENDER_PX["cpu"]) // (size[0] * size[1]))
        for start in range(0, len(order), length):
            yield order[start : start + length]

    def _composite(
        self,
        pictures: dict[LayerName, Tensor],
        frames: list[int],
        size: tuple[int, int],
        light: dict[LayerName, Tensor] | None = None,
    ) -> Tensor:
        """alpha * foreground + (1 - alpha) * background; the foreground only where there is any."""
        light = light or {}
        result = self.background.lit(pictures["background"], frames, size)
        if "background" in light:
            result = result * light["background"]
        region = self.matte.region(frames, size)
        if region is not None:
            top, left, bottom, right = region
            window = (..., slice(top, bottom), slice(left, right))
            front = self.foreground.lit(pictures["foreground"], frames, size, region)
            if "foreground" in light:
                front = front * light["foreground"][window]
            result[window].lerp_(front, self.alpha(frames, size)[window])
        return result.clamp_(0, 1)

    def _light(self, originals: dict[LayerName, Tensor], frames: list[int], size: tuple[int, int]) -> Tensor:
        """Source over reconstruction, in grey and without detail -> [n, 1, H, W] in [0.5, 2] at `size`."""
        small = self._light_size(size)
        source = self.source(frames, small).mean(1, keepdim=True)
        known = self._composite(originals, frames, small).mean(1, keepdim=True)
        ratio = ((source + 0.02) / (known + 0.02)).clamp(0.5, 2)
        return F.interpolate(ratio, size, mode="bilinear", align_corners=False)

    @staticmethod
    def _light_size(size: tuple[int, int]) -> tuple[int, int]:
        scale = LIGHT_SIDE_PX / max(size)
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

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
        pixels = coords.pixel_mesh((vertices.shape[0], vertices.shape[1]), step, -margin, vertices.device)
        window, grid = target.invert(vertices, coords.pixel_to_unit(pixels, size))
        # Beyond the outermost pixels' centres nothing is known.
        limit = 1 - 1 / torch.tensor([size[1], size[0]], device=grid.device)
        covered = (grid.abs() <= limit).all(-1)

        share = shares(self.alpha([frame])[:, :, top:bottom, left:right])[layer]
        share = resize(share, (picture.shape[1], picture.shape[2]))
        if target.light is not None and len(picture) == 3:
            light = target.light_at([frame], self.size, region)
            picture = picture.to(share) / resize(light, (picture.shape[1], picture.shape[2]))[0].clamp(min=LEAST_LIGHT)
        both = torch.cat([picture[None].to(share), share], dim=1)
        found = F.grid_sample(both, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
        colours = torch.zeros(len(picture), *target.size, device=grid.device)
        coverage = torch.zeros(1, *target.size, device=grid.device)
        colours[window] = found[:-1]
        coverage[window] = found[-1:] * covered
        return colours, coverage
