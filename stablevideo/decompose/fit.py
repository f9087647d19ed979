"""Frames and masks -> two sheets and a matte, by turns: maps, light and alpha solved for, then the atlases.

A frame's maps, light and alpha depend on the atlases alone, and the atlases on sums over all frames.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import numpy as np

from .. import files
from ..layers.layer import spread_light
from ..metrics import psnr
from ..progress import Progress, quiet
from .estimate import Estimate
from .schedule import Level
from .sharpen import sharpen
from .turn import turn

LOGGER = logging.getLogger(__name__)
FARTHEST_PX = 6.0  # a step of a map
SAVE_S = 10.0  # between two states kept for resuming

# Called after each turn with the fit as it is then.
Watch = Callable[["Fit"], None]


class Fit:
    """The state of a fit.

    Attributes
    ----------
    estimate
        What is known so far; the fit improves it.
    curve
        PSNR in dB found at the beginning of each turn, at that turn's size.
    done
        Turns done.
    fraction
        Of the work done, in [0, 1].
    """

    def __init__(self, estimate: Estimate) -> None:
        self.estimate = estimate
        self.curve: list[float] = []
        self.done, self.fraction, self.farthest_px = 0, 0.0, FARTHEST_PX
        self.texels = 0.0

    def run(
        self,
        schedule: tuple[Level, ...],
        progress: Progress = quiet,
        watch: Watch | None = None,
        key: str | None = None,
    ) -> None:
        """Fit, level by level; under a key, going on from where the last run with that key was stopped."""
        estimate = self.estimate
        turns = [(level, number) for level in schedule for number in range(level.turns)]
        work = np.cumsum([level.scale**2 * (1 + level.sharpen / 40) for level, _ in turns])  # as it takes time
        if key is not None:
            self.resume(key)
        saved = time.monotonic()
        for level, number in turns[self.done :]:
            height, width = (max(16, round(side * level.scale)) for side in estimate.clip.size)
            self.fraction = float(work[self.done] / work[-1])
            progress(self.fraction, f"frames at {width}x{height}, turn {number + 1} of {level.turns}")
            if estimate.view.size != (height, width):
                estimate.view = estimate.clip.at((height, width))
            if number == 0:
                self.enter(level)
            self.turn_or_step_back(level)
            self.done += 1
            if key is not None and time.monotonic() - saved >= SAVE_S:
                self.keep(key)
                saved = time.monotonic()
            if watch is not None:
                watch(self)

    def enter(self, level: Level) -> None:
        """Bring lattices, light and atlases to a level's fineness."""
        estimate, texels = self.estimate, level.scale * level.texels
        for sheet, stride, light_px in zip(estimate.sheets, level.strides, level.light_px, strict=True):
            if stride != sheet.stride:
                sheet.refined(stride)
            if light_px:
                rows, columns = (max(2, side // light_px) for side in estimate.clip.size)
                sheet.light = spread_light(sheet.light, (rows, columns))
        if texels != self.texels:
            shown = estimate.matte(list(range(len(estimate.alpha))))[:, 0]
            for sheet, own in zip(estimate.sheets, (shown > 0.1, shown < 0.9), strict=True):
                sheet.place_window(own, texels)
            estimate.splat()
            self.texels = texels

    def turn_or_step_back(self, level: Level) -> None:
        """A turn; where it ends in numbers that are none, back to before it, and smaller steps from then on."""
        estimate = self.estimate
        before = estimate.state()
        error = turn(estimate, level, self.farthest_px)
        # Looked at through maps that are no numbers, an atlas's sums would lie anywhere in memory.
        if math.isfinite(error) and estimate.is_finite():
            if level.sharpen:
                sharpen(estimate, level.sharpen)
            else:
                estimate.splat()
            if estimate.is_finite():
                self.curve.append(psnr(error))
                return
        estimate.restore(before)
        self.farthest_px /= 2
        LOGGER.warning("turn %d of the fit gave no finite numbers; going on from before it.", self.done + 1)

    def keep(self, key: str) -> None:
        """Put the state where `resume` finds it, even after a crash."""
        strides = [sheet.stride for sheet in self.estimate.sheets]
        scales = [sheet.scale for sheet in self.estimate.sheets]
        facts = {"done": self.done, "strides": strides, "scales": scales, "texels": self.texels, "curve": self.curve}
        files.store(key, {name: tensor.cpu() for name, tensor in self.estimate.state().items()}, facts)

    def resume(self, key: str) -> None:
        """Go on from the state kept under a key, if there is one."""
        found = files.fetch(key)
        if found is None:
            return
        state, facts = found
        for sheet, stride, scale in zip(self.estimate.sheets, facts["strides"], facts["scales"], strict=True):
            sheet.refined(stride)
            sheet.scale = scale
        self.estimate.restore(state)
        self.done, self.texels, self.curve = (facts[name] for name in ("done", "texels", "curve"))
        LOGGER.info("going on after turn %d", self.done)
