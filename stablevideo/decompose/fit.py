"""Frames and masks -> two sheets and a matte, by turns: atlases splatted, maps, light and alpha solved for.

Each turn is a walk through the clip in chunks; a frame's maps, light and alpha depend on the atlases alone, so what
is computed at a time does not grow with the clip: only frames (8 bits) and flow (16) do.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import files
from ..layers import coords
from ..layers.layer import spread_light
from ..progress import Progress, quiet
from ..video.flow import ClipFlow
from .schedule import Level
from .sheet import Sheet, Size
from .solve import fit_alpha, fit_light, map_step, robust_weights

LOGGER = logging.getLogger(__name__)
CHUNK_PX = 1_000_000  # pixels of frames at a time
EDGE = 5  # pixels across which no other layer shows, around a pixel that is clearly one layer's
RIM = 0.02  # what others count in the foreground
MASK_TRUST = 0.5  # of the mask against the pixels, where alpha is solved for: less, and thin things dissolve
FARTHEST_PX = 6.0  # a step of a map
SAVE_S = 10.0  # between two states kept for resuming

# Called after each turn with the fit as it is then.
Watch = Callable[["Fit"], None]


class Fit:
    """The state of a fit: frames, masks, foreground and background sheet, alpha.

    Attributes
    ----------
    curve
        PSNR in dB found at the beginning of each turn, at that turn's size.
    done
        Turns done.
    fraction
        Of the work done, in [0, 1].
    """

    def __init__(
        self, frames: Tensor, masks: Tensor, flow: ClipFlow, foreground_maps: np.ndarray, background_maps: np.ndarray
    ) -> None:
        """frames uint8 [T, 3, H, W]; masks bool [T, H, W]; maps [T, 3, 3]."""
        self.frames, self.masks, self.flow = frames, masks, flow
        self.size = tuple(frames.shape[2:])
        self.sheets = Sheet(foreground_maps, self.size), Sheet(background_maps, self.size)
        self.alpha = (masks * 255).byte()
        self.curve: list[float] = []
        self.done, self.fraction, self.farthest_px = 0, 0.0, FARTHEST_PX
        self.texels = 0.0

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

    def run(
        self,
        schedule: tuple[Level, ...],
        progress: Progress = quiet,
        watch: Watch | None = None,
        key: str | None = None,
    ) -> None:
        """Fit, level by level; under a key, going on from where the last run with that key was stopped."""
        turns = [(level, turn) for level in schedule for turn in range(level.turns)]
        work = np.cumsum([level.scale * (1 + bool(level.sharpen)) for level, _ in turns])  # as it takes time
        if key is not None:
            self.resume(key)
        saved = time.monotonic()
        for level, turn in turns[self.done :]:
            size = tuple(max(16, round(side * level.scale)) for side in self.size)
            self.fraction = float(work[self.done] / work[-1])
            progress(self.fraction, f"frames at {size[1]}x{size[0]}, turn {turn + 1} of {level.turns}")
            if turn == 0:
                self.enter(level, size)
            self.turn_or_step_back(level, size)
            self.done += 1
            if key is not None and time.monotonic() - saved >= SAVE_S:
                self.keep(key)
                saved = time.monotonic()
            if watch is not None:
                watch(self)

    @torch.no_grad()
    def enter(self, level: Level, size: Size) -> None:
        """Bring lattices, light and atlases to a level's fineness."""
        texels = level.scale * level.texels
        shown = F.interpolate(self.alpha[:, None].float(), size, mode="area")[:, 0] / 255
        for sheet, stride, seen in zip(self.sheets, level.strides, (shown > 0.1, shown < 0.9), strict=True):
            if stride != sheet.stride:
                sheet.refined(stride)
            if level.light_px:
                sheet.light = spread_light(sheet.light, tuple(max(2, side // level.light_px) for side in self.size))
            if texels != self.texels:
                sheet.place_window(seen, texels)
        if texels != self.texels:
            self.splat(size)
        self.texels = texels

    def turn_or_step_back(self, level: Level, size: Size) -> None:
        """A turn; where it ends in numbers that are none, back to before it, and smaller steps from then on."""
        before = self.state()
        error = self.turn(level, size)
        # Looked at through maps that are no numbers, an atlas's gradient would lie anywhere in memory.
        if math.isfinite(error) and self.is_finite():
            if level.sharpen:
                self.sharpen(level.sharpen, size)
            else:
                self.splat(size)
            if self.is_finite():
                self.curve.append(-10 * math.log10(max(error, 1e-10)))
                return
        self.restore(before)
        self.farthest_px /= 2
        LOGGER.warning("turn %d of the fit gave no finite numbers; going on from before it.", self.done + 1)

    def is_finite(self) -> bool:
        """Whether all that a turn changes is numbers."""
        return all(bool(getattr(sheet, part).isfinite().all()) for sheet in self.sheets for part in Sheet.PARTS)

    def state(self) -> dict[str, Tensor]:
        """Copies of all that a turn changes."""
        tensors = {"alpha": self.alpha}
        for i, sheet in enumerate(self.sheets):
            tensors |= {f"{i}.{part}": getattr(sheet, part) for part in Sheet.PARTS}
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a `state`."""
        self.alpha = state["alpha"]
        for i, sheet in enumerate(self.sheets):
            for part in Sheet.PARTS:
                setattr(sheet, part, state[f"{i}.{part}"])

    def keep(self, key: str) -> None:
        """Put the state where `resume` finds it, even after a crash."""
        strides = [sheet.stride for sheet in self.sheets]
        scales = [sheet.scale for sheet in self.sheets]
        facts = {"done": self.done, "strides": strides, "scales": scales, "texels": self.texels, "curve": self.curve}
        files.store(key, self.state(), facts)

    def resume(self, key: str) -> None:
        """Go on from the state kept under a key, if there is one."""
        found = files.fetch(key)
        if found is None:
            return
        state, facts = found
        for sheet, stride, scale in zip(self.sheets, facts["strides"], facts["scales"], strict=True):
            sheet.refined(stride)
            sheet.scale = scale
        self.restore(state)
        self.done, self.texels, self.curve = (facts[name] for name in ("done", "texels", "curve"))
        LOGGER.info("going on after turn %d", self.done)

    @torch.no_grad()
    def splat(self, size: Size) -> None:
        """Both atlases anew from the frames.

        Along the matte's edge a pixel shows both layers a little, whatever alpha says: there the background is taken
        for not seen, and the foreground, which may be thin, trusts such pixels little.
        """
        totals = [sheet.empty() for sheet in self.sheets]
        for chunk in self.chunks(size):
            pictures, alpha = self.frame(chunk, size), self.matte(chunk, size)
            for sheet, total, share, rim in zip(self.sheets, totals, (alpha, 1 - alpha), (RIM, 0), strict=True):
                clear = 1 - F.max_pool2d(1 - share, EDGE, 1, EDGE // 2)
                weights = share * (share > 0.6) * (clear > 0.9).float().clamp(min=rim)
                sheet.splat(total, pictures / sheet.lights(chunk, size), weights, sheet.texels(chunk, size))
        for sheet, total in zip(self.sheets, totals, strict=True):
            sheet.take(total)

    @torch.no_grad()
    def turn(self, level: Level, size: Size) -> float:
        """Light, alpha and maps of every frame anew, against the atlases as they are; the mean squared error found."""
        pictures_and_slopes = [sheet.with_slopes() for sheet in self.sheets]
        squared = 0.0
        for chunk in self.chunks(size):
            pictures, alpha = self.frame(chunk, size), self.matte(chunk, size)
            looks = [
                sheet.look(picture, sheet.texels(chunk, size))
                for sheet, picture in zip(self.sheets, pictures_and_slopes, strict=True)
            ]
            if level.light_px:
                for sheet, own, share in zip(self.sheets, looks, (alpha, 1 - alpha), strict=True):
                    clear = (share > 0.9).float()
                    sheet.light[chunk] = fit_light(own[:, :3], pictures, clear, tuple(sheet.light.shape[2:]))
            lights = [sheet.lights(chunk, size) for sheet in self.sheets]
            front, back = (own[:, :3] * light for own, light in zip(looks, lights, strict=True))
            if level.sharpen:
                self.alpha[chunk] = self.new_alpha(chunk, pictures, front, back)
                alpha = self.matte(chunk, size)
            residual = pictures - (back + alpha * (front - back))
            squared += residual.square().sum().item()
            weights = robust_weights(residual)
            for sheet, own, share, light in zip(self.sheets, looks, (alpha, 1 - alpha), lights, strict=True):
                follow = None
                if level.follow:
                    towards, valid = self.followed(sheet, chunk, size)
                    follow = towards, level.follow * valid * (share > 0.5)
                step = map_step(
                    sheet, sheet.nodes[chunk], own[:, 3:], residual, share * light, weights, level.stiffness, follow
                )
                sheet.nodes[chunk] += step.clamp(-self.farthest_px, self.farthest_px)
        return squared / (len(self.frames) * 3 * size[0] * size[1])

    def sharpen(self, steps: int, size: Size) -> None:
        """Least squares for both atlases together by conjugate gradients, from what they are now.

        A splatted atlas is a mean, which blurs; this one is what reproduces the frames best. Preconditioned by a blur
        over a pixel's side, as finer detail is where the pixels happen to lie and not the scene's.
        """
        rest = self.atlas_gradient(None, size)
        smooth = [sheet.smoothed(part) for sheet, part in zip(self.sheets, rest, strict=True)]
        direction, squared = smooth, _dot(rest, smooth)
        for _ in range(steps):
            image = self.atlas_gradient(direction, size)
            step = squared / _dot(image, direction).clamp(min=1e-12)
            for sheet, d in zip(self.sheets, direction, strict=True):
                sheet.atlas = sheet.atlas + step * d
            rest = [part - step * a for part, a in zip(rest, image, strict=True)]
            smooth = [sheet.smoothed(part) for sheet, part in zip(self.sheets, rest, strict=True)]
            new = _dot(rest, smooth)
            direction = [part + new / squared * d for part, d in zip(smooth, direction, strict=True)]
            squared = new
        for sheet in self.sheets:
            sheet.atlas = sheet.atlas.clamp(0, 1)

    def atlas_gradient(self, atlases: list[Tensor] | None, size: Size) -> list[Tensor]:
        """The adjoint of rendering, applied to the render of these atlases; with None, to what the frames lack."""
        missing = atlases is None
        pictures = [picture.detach().requires_grad_() for picture in atlases or [s.atlas for s in self.sheets]]
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
        """Alpha, uint8 [n, H, W]: the mask's, but for a band along its edge where the frames decide with it."""
        mask = self.masks[chunk][:, None].float()
        alpha = fit_alpha(pictures, front, back, F.avg_pool2d(mask, 3, 1, 1), MASK_TRUST)
        band = F.max_pool2d(mask, 9, 1, 4) - (1 - F.max_pool2d(1 - mask, 9, 1, 4))
        return (torch.where(band > 0, alpha, mask)[:, 0] * 255).round().byte()


def _dot(first: list[Tensor], second: list[Tensor]) -> Tensor:
    return sum((a * b).sum() for a, b in zip(first, second, strict=True))
