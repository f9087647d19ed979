"""Frames and masks -> two sheets and a matte, by turns: atlases splatted, maps, light and alpha solved for.

Each turn is a walk through the clip in chunks; a frame's maps, light and alpha depend on the atlases alone, so what
is computed at a time does not grow with the clip: only frames (8 bits) and flow (16) do. From coarse frames to fine
ones, and from stiff lattices to pliant ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import coords
from ..flow import ClipFlow
from ..progress import Progress, quiet
from .sheet import Sheet, Size
from .solve import fit_alpha, fit_light, map_step, robust_weights

CHUNK_PX = 1_000_000  # pixels of frames at a time
RIDGE = 0.02  # keeps texels that few pixels see from ringing
LIGHT_PX = 24  # between two factors of light
FARTHEST_PX = 6.0  # a step of a map


@dataclass(frozen=True)
class Level:
    """One pass of the schedule: frames at `scale`, `turns` turns, lattice strides, stiffness, texels a frame pixel."""

    scale: float
    turns: int
    strides: tuple[int, int]
    stiffness: tuple[float, float]
    texels: float = 1.0
    light: bool = True
    alpha: bool = False
    follow: float = 0.0  # how much the flow counts against what the pixels say
    sharpen: int = 0  # steps of least squares for the atlases after each turn, in place of splatting them anew


SCHEDULE = (
    Level(0.25, 8, (16, 32), (0.02, 0.02), light=False, follow=1.0),
    Level(0.5, 4, (16, 32), (0.01, 0.01), follow=0.3),
    Level(0.5, 3, (8, 16), (0.01, 0.01), follow=0.1),
    Level(1.0, 3, (8, 16), (0.003, 0.003), texels=1.5, alpha=True, sharpen=5),
)


class Fit:
    """The state of a fit: frames, masks, foreground and background sheet, alpha."""

    def __init__(
        self, frames: Tensor, masks: Tensor, flow: ClipFlow, foreground_maps: np.ndarray, background_maps: np.ndarray
    ) -> None:
        """frames uint8 [T, 3, H, W]; masks bool [T, H, W]; maps [T, 3, 3]."""
        self.frames, self.masks, self.flow = frames, masks, flow
        size = tuple(frames.shape[2:])
        light = tuple(max(2, round(side / LIGHT_PX)) for side in size)
        strides = SCHEDULE[0].strides
        self.sheets = (
            Sheet(foreground_maps, size, strides[0], light),
            Sheet(background_maps, size, strides[1], light),
        )
        self.alpha = (masks * 255).byte()
        self.size = size

    def chunks(self, size: Size) -> Iterator[list[int]]:
        """Frame numbers, a few at a time."""
        length = max(1, CHUNK_PX // (size[0] * size[1]))
        for start in range(0, len(self.frames), length):
            yield list(range(start, min(start + length, len(self.frames))))

    def frame(self, frames: list[int], size: Size) -> Tensor:
        """[n, 3, H, W] in [0, 1]."""
        pictures = self.frames[frames].float() / 255
        return pictures if size == self.size else F.interpolate(pictures, size, mode="area")

    def matte(self, frames: list[int], size: Size) -> Tensor:
        """[n, 1, H, W] in [0, 1]."""
        alpha = self.alpha[frames][:, None].float() / 255
        return alpha if size == self.size else F.interpolate(alpha, size, mode="area")

    def run(self, schedule: tuple[Level, ...] = SCHEDULE, progress: Progress = quiet) -> None:
        """Fit, level by level."""
        total = sum(level.turns * level.scale**2 for level in schedule)
        done = 0.0
        for level in schedule:
            size = tuple(max(16, round(side * level.scale)) for side in self.size)
            for sheet, stride in zip(self.sheets, level.strides, strict=True):
                if stride != sheet.stride:
                    sheet.refined(stride)
            shown = F.interpolate(self.alpha[:, None].float(), size, mode="area")[:, 0] / 255
            for sheet, seen in zip(self.sheets, (shown > 0.1, shown < 0.9), strict=True):
                sheet.place_window(seen, level.scale * level.texels)
            self.splat(size)
            for turn in range(level.turns):
                self.turn(level, size)
                if level.sharpen:
                    self.sharpen(level.sharpen, size)
                else:
                    self.splat(size)
                done += level.scale**2
                progress(done / total, f"frames at {size[1]}x{size[0]}, turn {turn + 1} of {level.turns}")

    @torch.no_grad()
    def splat(self, size: Size) -> None:
        """Both atlases anew from the frames; only pixels that are clearly one layer's are used."""
        totals = [sheet.empty() for sheet in self.sheets]
        for chunk in self.chunks(size):
            pictures, alpha = self.frame(chunk, size), self.matte(chunk, size)
            for sheet, total, share in zip(self.sheets, totals, (alpha, 1 - alpha), strict=True):
                weights = share * (share > 0.6)
                sheet.splat(total, pictures / sheet.lights(chunk, size), weights, sheet.texels(chunk, size))
        for sheet, total in zip(self.sheets, totals, strict=True):
            sheet.take(total)

    @torch.no_grad()
    def turn(self, level: Level, size: Size) -> None:
        """Light, alpha and maps of every frame anew, against the atlases as they are."""
        for chunk in self.chunks(size):
            pictures, alpha = self.frame(chunk, size), self.matte(chunk, size)
            texels = [sheet.texels(chunk, size) for sheet in self.sheets]
            plain = [sheet.look(sheet.atlas, t) for sheet, t in zip(self.sheets, texels, strict=True)]
            if level.light:
                for sheet, own, share in zip(self.sheets, plain, (alpha, 1 - alpha), strict=True):
                    weights = (share > 0.9).float() * robust_weights(pictures - own)
                    sheet.light[chunk] = fit_light(own, pictures, weights, tuple(sheet.light.shape[2:]))
            lights = [sheet.lights(chunk, size) for sheet in self.sheets]
            front, back = (own * light for own, light in zip(plain, lights, strict=True))
            if level.alpha:
                self.alpha[chunk] = self.new_alpha(chunk, pictures, front, back)
                alpha = self.matte(chunk, size)
            residual = pictures - (back + alpha * (front - back))
            weights = robust_weights(residual)
            for sheet, own, share, light, stiffness in zip(
                self.sheets, texels, (alpha, 1 - alpha), lights, level.stiffness, strict=True
            ):
                follow = None
                if level.follow:
                    towards, valid = self.followed(sheet, chunk, size)
                    follow = towards, level.follow * valid * (share > 0.5)
                step = map_step(sheet, sheet.nodes[chunk], own, residual, share * light, weights, stiffness, follow)
                sheet.nodes[chunk] += step.clamp(-FARTHEST_PX, FARTHEST_PX)

    def sharpen(self, steps: int, size: Size) -> None:
        """Least squares for both atlases together by conjugate gradients, from what they are now.

        A splatted atlas is a mean, which blurs; this one is what reproduces the frames best.
        """
        rest = self.atlas_gradient(None, size)
        direction = [part.clone() for part in rest]
        squared = sum(part.square().sum() for part in rest)
        for _ in range(steps):
            image = [a + RIDGE * d for a, d in zip(self.atlas_gradient(direction, size), direction, strict=True)]
            step = squared / sum((a * d).sum() for a, d in zip(image, direction, strict=True)).clamp(min=1e-12)
            for sheet, d in zip(self.sheets, direction, strict=True):
                sheet.atlas = sheet.atlas + step * d
            rest = [part - step * a for part, a in zip(rest, image, strict=True)]
            new = sum(part.square().sum() for part in rest)
            direction = [part + new / squared * d for part, d in zip(rest, direction, strict=True)]
            squared = new
        for sheet in self.sheets:
            sheet.atlas = sheet.atlas.clamp(0, 1)

    def atlas_gradient(self, atlases: list[Tensor] | None, size: Size) -> list[Tensor]:
        """The adjoint of rendering, applied to the render of these atlases; with None, to what the frames lack."""
        missing = atlases is None
        pictures = (
            [s.atlas.detach().requires_grad_() for s in self.sheets]
            if missing
            else [a.requires_grad_() for a in atlases]
        )
        totals = [torch.zeros_like(picture) for picture in pictures]
        for chunk in self.chunks(size):
            front, back = (
                sheet.look(picture, sheet.texels(chunk, size)) * sheet.lights(chunk, size)
                for sheet, picture in zip(self.sheets, pictures, strict=True)
            )
            rendered = back + self.matte(chunk, size) * (front - back)
            with torch.no_grad():
                pull = self.frame(chunk, size) - rendered if missing else rendered.detach()
            for total, part in zip(totals, torch.autograd.grad(rendered, pictures, pull), strict=True):
                total += part
        return totals

    def followed(self, sheet: Sheet, chunk: list[int], size: Size) -> tuple[Tensor, Tensor]:
        """Where the neighbouring frames, looked at along the flow, would have this frame's maps: the way there, and
        by how many neighbours."""
        total, count = torch.zeros(len(chunk), 2, *size), torch.zeros(len(chunk), 1, *size)
        own = sheet.spread(sheet.nodes[chunk], size)
        last = len(self.frames) - 1
        for step, flow, valid in (
            (-1, self.flow.backward, self.flow.backward_valid),
            (1, self.flow.forward, self.flow.forward_valid),
        ):
            places = [i for i, frame in enumerate(chunk) if 0 <= frame + step <= last]
            if not places:
                continue
            neighbours = [chunk[i] + step for i in places]
            rows = [chunk[i] - (step < 0) for i in places]
            shift = torch.from_numpy(flow[rows]).float().permute(0, 3, 1, 2)
            trusted = torch.from_numpy(valid[rows]).float()[:, None]
            if size != self.size:
                shift = F.interpolate(shift, size, mode="area") * (size[0] / self.size[0])
                trusted = (F.interpolate(trusted, size, mode="area") > 0.9).float()
            pixels = coords.pixel_mesh(size, 1, 0) + shift.permute(0, 2, 3, 1)
            there = F.grid_sample(
                sheet.spread(sheet.nodes[neighbours], size), coords.pixel_to_unit(pixels, size), align_corners=False
            )
            total[places] += (there - own[places]) * trusted
            count[places] += trusted
        return total / count.clamp(min=1), count / 2

    def new_alpha(self, chunk: list[int], pictures: Tensor, front: Tensor, back: Tensor) -> Tensor:
        """Alpha, uint8 [n, H, W]: the mask's, but for a band along its edge where the frames decide."""
        mask = self.masks[chunk][:, None].float()
        soft = F.avg_pool2d(mask, 5, 1, 2)
        alpha = fit_alpha(pictures, front, back, soft, 0.05)
        band = F.max_pool2d(mask, 9, 1, 4) - (1 - F.max_pool2d(1 - mask, 9, 1, 4))
        alpha = torch.where(band > 0, alpha, mask)
        return (F.avg_pool2d(alpha, 3, 1, 1)[:, 0] * 255).round().byte()
