"""Frames and masks -> two sheets and a matte, by turns: atlases splatted, maps, light and alpha solved for.

Each turn is a walk through the clip in chunks; a frame's maps, light and alpha depend on the atlases alone, so what
is computed at a time does not grow with the clip: only frames (8 bits) and flow (16) do. The foreground is looked at
where it may be only.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import files
from ..layers.coords import LAYER_NAMES
from ..layers.layer import spread_light
from ..layers.matte import shares
from ..layers.warp import Region
from ..metrics import psnr
from ..progress import Progress, quiet
from ..video.flow import ClipFlow
from .follow import followed
from .scaled import BAND_PX, ScaledClip
from .schedule import Level
from .sharpen import View, sharpen
from .sheet import Sheet
from .solve import fit_alpha, fit_light, map_step, normal_terms, pool_factor, pooled_sum, robust_weights

LOGGER = logging.getLogger(__name__)
CHUNK_PX = {"cpu": 400_000, "cuda": 8_000_000}  # pixels of frames at a time: what caches hold; what fills a GPU
EDGE = 5  # pixels across which no other layer shows, around a pixel that is clearly one layer's
RIM = 0.02  # what others count in the foreground
MASK_TRUST = 0.5  # of the mask against the pixels, where alpha is solved for: less, and thin things dissolve
FARTHEST_PX = 6.0  # a step of a map
SAVE_S = 10.0  # between two states kept for resuming

# Called after each turn with the fit as it is then.
Watch = Callable[["Fit"], None]


@dataclass(frozen=True)
class Part:
    """One layer in some frames: where it may be, its share of those pixels, and what they see of it.

    `look` [n, 9, h, w] holds the atlas's colours and its slopes along x and y, `light` [n, 3, h, w].
    """

    sheet: Sheet
    region: Region
    share: Tensor
    look: Tensor
    light: Tensor

    @property
    def lit(self) -> Tensor:
        """The layer's colours in these frames, [n, 3, h, w]."""
        return self.look[:, :3] * self.light


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
        self,
        frames: Tensor,
        masks: Tensor,
        flow: ClipFlow,
        foreground_maps: np.ndarray,
        background_maps: np.ndarray,
        device: torch.device | None = None,
    ) -> None:
        """frames uint8 [T, 3, H, W]; masks bool [T, H, W]; maps [T, 3, 3]; device, the CPU by default."""
        self.device = device or torch.device("cpu")
        self.clip = self.view = ScaledClip.of(frames, masks, flow, self.device)
        size = self.clip.size
        maps = (foreground_maps, background_maps)
        self.sheets = [Sheet(name, own, size, self.device) for name, own in zip(LAYER_NAMES, maps, strict=True)]
        self.alpha = self.clip.masks.clone()
        self.curve: list[float] = []
        self.done, self.fraction, self.farthest_px = 0, 0.0, FARTHEST_PX
        self.texels = 0.0

    def chunks(self) -> Iterator[list[int]]:
        """Frame numbers, a few at a time."""
        height, width = self.view.size
        length = max(1, CHUNK_PX["cuda" if self.device.type == "cuda" else "cpu"] // (height * width))
        for start in range(0, len(self.alpha), length):
            yield list(range(start, min(start + length, len(self.alpha))))

    def frame(self, frames: list[int]) -> Tensor:
        """[n, 3, H, W] in [0, 1], at the level's size."""
        return self.view.frames[frames].float() / 255

    def matte(self, frames: list[int]) -> Tensor:
        """[n, 1, H, W] in [0, 1], at the level's size: it is solved for at the clip's own only."""
        full = self.view.size == self.clip.size
        return (self.alpha if full else self.view.masks)[frames].float() / 255

    def regions(self, frames: list[int]) -> tuple[Region, Region]:
        """Where either layer is looked at."""
        return self.view.window(frames), (0, 0, *self.view.size)

    def run(
        self,
        schedule: tuple[Level, ...],
        progress: Progress = quiet,
        watch: Watch | None = None,
        key: str | None = None,
    ) -> None:
        """Fit, level by level; under a key, going on from where the last run with that key was stopped."""
        turns = [(level, turn) for level in schedule for turn in range(level.turns)]
        work = np.cumsum([level.scale**2 * (1 + level.sharpen / 2) for level, _ in turns])  # as it takes time
        if key is not None:
            self.resume(key)
        saved = time.monotonic()
        for level, turn in turns[self.done :]:
            height, width = (max(16, round(side * level.scale)) for side in self.clip.size)
            self.fraction = float(work[self.done] / work[-1])
            progress(self.fraction, f"frames at {width}x{height}, turn {turn + 1} of {level.turns}")
            if self.view.size != (height, width):
                self.view = self.clip.at((height, width))
            if turn == 0:
                self.enter(level)
            self.turn_or_step_back(level)
            self.done += 1
            if key is not None and time.monotonic() - saved >= SAVE_S:
                self.keep(key)
                saved = time.monotonic()
            if watch is not None:
                watch(self)

    @torch.no_grad()
    def enter(self, level: Level) -> None:
        """Bring lattices, light and atlases to a level's fineness."""
        texels = level.scale * level.texels
        shown = self.matte(list(range(len(self.alpha))))[:, 0]
        seen = (shown > 0.1, shown < 0.9)
        for sheet, stride, light_px, own in zip(self.sheets, level.strides, level.light_px, seen, strict=True):
            if stride != sheet.stride:
                sheet.refined(stride)
            if light_px:
                rows, columns = (max(2, side // light_px) for side in self.clip.size)
                sheet.light = spread_light(sheet.light, (rows, columns))
            if texels != self.texels:
                sheet.place_window(own, texels)
        if texels != self.texels:
            self.splat()
        self.texels = texels

    def turn_or_step_back(self, level: Level) -> None:
        """A turn; where it ends in numbers that are none, back to before it, and smaller steps from then on."""
        before = self.state()
        error = self.turn(level)
        # Looked at through maps that are no numbers, an atlas's gradient would lie anywhere in memory.
        if math.isfinite(error) and self.is_finite():
            if level.sharpen:
                sharpen(self.sheets, self.walk, level.sharpen)
            else:
                self.splat()
            if self.is_finite():
                self.curve.append(psnr(error))
                return
        self.restore(before)
        self.farthest_px /= 2
        LOGGER.warning("turn %d of the fit gave no finite numbers; going on from before it.", self.done + 1)

    @torch.no_grad()
    def splat(self) -> None:
        """Both atlases anew from the frames.

        Along the matte's edge a pixel shows both layers a little, whatever alpha says: there the background is taken
        for not seen, and the foreground, which may be thin, trusts such pixels little.
        """
        totals = [sheet.empty() for sheet in self.sheets]
        for chunk in self.chunks():
            pictures, alpha = self.frame(chunk), self.matte(chunk)
            for sheet, total, share, rim, region in zip(
                self.sheets, totals, shares(alpha).values(), (RIM, 0), self.regions(chunk), strict=True
            ):
                clear = eroded(share, EDGE)
                weights = crop(share * (share > 0.6) * (clear > 0.9).float().clamp(min=rim), region)
                lights = sheet.lights(chunk, self.view.size, region)
                sheet.splat(
                    total, crop(pictures, region) / lights, weights, sheet.texels(chunk, self.view.size, region)
                )
        for sheet, total in zip(self.sheets, totals, strict=True):
            sheet.take(total)

    @torch.no_grad()
    def turn(self, level: Level) -> float:
        """Light, alpha and maps of every frame anew, against the atlases as they are; the mean squared error found."""
        atlases = [sheet.with_slopes() for sheet in self.sheets]
        squared = 0.0
        for chunk in self.chunks():
            pictures = self.frame(chunk)
            parts = self.parts(level, chunk, pictures, atlases)
            front, back = parts
            if level.sharpen:
                self.alpha[chunk] = self.new_alpha(chunk, pictures, front, back)
                parts = front, back = self.shared(chunk, parts)
            residual = pictures - back.lit
            crop(residual, front.region).sub_(front.share * (front.lit - crop(back.lit, front.region)))
            squared += residual.square().sum().item()
            weights = robust_weights(residual)
            for part in parts:
                self.move(level, chunk, part, crop(residual, part.region), crop(weights, part.region))
        return squared / self.view.frames.numel()

    @torch.no_grad()
    def error(self) -> float:
        """The mean squared error of the render as it is now, at the level's size."""
        pictures, squared = [sheet.seen(sheet.atlas) for sheet in self.sheets], 0.0
        for grids, lights, compose, frame in self.walk():
            front, back = (
                sheet.look(picture, grid) * light
                for sheet, picture, grid, light in zip(self.sheets, pictures, grids, lights, strict=True)
            )
            squared += (compose(front, back).clamp(0, 1) - frame).square().sum().item()
        return squared / self.view.frames.numel()

    def parts(self, level: Level, chunk: list[int], pictures: Tensor, atlases: Sequence[Tensor]) -> tuple[Part, Part]:
        """Both layers in some frames, their light solved for."""
        alpha, size = self.matte(chunk), self.view.size
        found = []
        for sheet, atlas, light_px, region, share in zip(
            self.sheets, atlases, level.light_px, self.regions(chunk), shares(alpha).values(), strict=True
        ):
            share = crop(share, region)
            look = sheet.look(atlas, sheet.texels(chunk, size, region))
            if light_px:
                clear = (share > 0.9).float()
                shape = sheet.light.shape[2], sheet.light.shape[3]
                sheet.light[chunk] = fit_light(look[:, :3], crop(pictures, region), clear, shape, size, region)
            found.append(Part(sheet, region, share, look, sheet.lights(chunk, size, region)))
        return found[0], found[1]

    def shared(self, chunk: list[int], parts: tuple[Part, Part]) -> tuple[Part, Part]:
        """The same parts under the matte as it is now."""
        front, back = (
            Part(part.sheet, part.region, crop(share, part.region), part.look, part.light)
            for part, share in zip(parts, shares(self.matte(chunk)).values(), strict=True)
        )
        return front, back

    def move(self, level: Level, chunk: list[int], part: Part, residual: Tensor, weights: Tensor) -> None:
        """A step of a layer's maps in some frames."""
        sheet, size = part.sheet, self.view.size
        factor = pool_factor(sheet.stride * size[0] / self.clip.size[0])
        shown = part.share * part.light
        terms = normal_terms(part.look[:, 3:], residual, shown, weights, factor)
        seen = (shown[:, :1] > 0.5).sum((1, 2, 3), keepdim=True)
        follow = None
        if level.follow:
            towards, valid = followed(sheet, self.view, chunk, part.region, factor)
            follow = towards, level.follow * valid * pooled_sum((part.share > 0.5).float(), factor)
        step = map_step(sheet, sheet.nodes[chunk], terms, seen, size, part.region, factor, level.stiffness, follow)
        sheet.nodes[chunk] += step.clamp(-self.farthest_px, self.farthest_px)

    def new_alpha(self, chunk: list[int], pictures: Tensor, front: Part, back: Part) -> Tensor:
        """Alpha, uint8 [n, 1, H, W]: the mask's, but for a band along its edge where the frames decide with it."""
        region, result = front.region, self.clip.masks[chunk].clone()
        mask = crop(result, region).float() / 255
        behind = crop(back.lit, region)
        alpha = fit_alpha(crop(pictures, region), front.lit, behind, F.avg_pool2d(mask, 3, 1, 1), MASK_TRUST)
        side = 2 * BAND_PX + 1
        band = dilated(mask, side) > eroded(mask, side)
        crop(result, region).copy_((torch.where(band, alpha, mask) * 255).round().byte())
        return result

    def walk(self) -> Iterator[View]:
        """The clip as `sharpen` sees it."""
        size = self.view.size
        for chunk in self.chunks():
            alpha, regions = self.matte(chunk), self.regions(chunk)
            region = regions[0]

            def compose(front: Tensor, back: Tensor, alpha: Tensor = alpha, region: Region = region) -> Tensor:
                behind = crop(back, region)
                over = crop(alpha, region) * (front - behind)
                top, left, bottom, right = region
                return back + F.pad(over, (left, size[1] - right, top, size[0] - bottom))

            grids = [sheet.texels(chunk, size, own) for sheet, own in zip(self.sheets, regions, strict=True)]
            lights = [sheet.lights(chunk, size, own) for sheet, own in zip(self.sheets, regions, strict=True)]
            yield grids, lights, compose, self.frame(chunk)

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
        self.alpha = state["alpha"].to(self.device)
        for i, sheet in enumerate(self.sheets):
            for part in Sheet.PARTS:
                setattr(sheet, part, state[f"{i}.{part}"].to(self.device))

    def keep(self, key: str) -> None:
        """Put the state where `resume` finds it, even after a crash."""
        strides = [sheet.stride for sheet in self.sheets]
        scales = [sheet.scale for sheet in self.sheets]
        facts = {"done": self.done, "strides": strides, "scales": scales, "texels": self.texels, "curve": self.curve}
        files.store(key, {name: tensor.cpu() for name, tensor in self.state().items()}, facts)

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


def crop(pictures: Tensor, region: Region) -> Tensor:
    """A view of a region of [n, C, H, W]."""
    top, left, bottom, right = region
    return pictures[:, :, top:bottom, left:right]


def dilated(pictures: Tensor, side: int) -> Tensor:
    """The largest value of [n, C, H, W] in a square of an odd side around each pixel."""
    reach = side // 2
    return F.max_pool2d(F.max_pool2d(pictures, (side, 1), 1, (reach, 0)), (1, side), 1, (0, reach))


def eroded(pictures: Tensor, side: int) -> Tensor:
    """The smallest value of [n, C, H, W] in [0, 1] in a square of an odd side around each pixel."""
    return 1 - dilated(1 - pictures, side)
