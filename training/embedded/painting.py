"""A place in the making: layers laid from far to near, with what each part is and how far away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from .drawing import grid, patch
from .objects import SPRITE_PX, paint_house, rock, tree
from .sources import Source


@dataclass(frozen=True)
class Thing:
    """Something to stamp: a sprite's key, and the colours of its leaves and of the rest if it has none of its own."""

    key: tuple[str, int]
    leaf: np.ndarray | None = None
    wood: np.ndarray | None = None

    def sprite_for(self, high: int) -> np.ndarray:
        """The sprite at the size next above this height in pixels."""
        levels = sprite_levels(*self.key)
        return levels[min(len(levels) - 1, max(0, int(np.log2(SPRITE_PX / high))))]

    def coloured(self, part: np.ndarray) -> np.ndarray:
        """The colours [h, w, 3] of a part of the sprite."""
        if self.leaf is None or self.wood is None:
            return part[..., :3]
        return (self.wood + part[..., 1:2] * (self.leaf - self.wood)) * part[..., :1]


@cache
def sprite_levels(kind: str, number: int) -> list[np.ndarray]:
    """A sprite at 224 pixels and at halves of it, [n, n, 3 or 4], alpha last."""
    first = {"rock": rock, "house": house}[kind](number) if kind in ("rock", "house") else tree(kind, number)
    levels = [first]
    for _ in range(4):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return levels


class Painting:
    """A place painted from far to near: its picture, how far each pixel is, and the parts that are seen.

    `horizon` is the row, in heights of the picture, at which level ground would vanish; it may lie outside.
    """

    def __init__(self, rng: np.random.Generator, size: int, horizon: float) -> None:
        self.rng, self.size, self.horizon = rng, size, horizon
        self.y, self.x = grid(size)
        self.picture = np.zeros((size, size, 3), np.float32)
        self.distance = np.ones((size, size), np.float32)
        self.regions: dict[str, np.ndarray] = {}
        self.haze = np.full(3, 0.7, np.float32)
        self.tilt(0)

    def tilt(self, slope: float) -> None:
        """Let the ground rise to the left or right."""
        self.below = (self.y - self.horizon) / (1 - self.horizon) + slope * (self.x - 0.5)
        self.near = np.clip(self.below, 0, 1)  # 0 at the horizon, 1 at the camera's feet

    def lay(self, name: str, alpha: np.ndarray, colours: np.ndarray, distance: np.ndarray | float) -> None:
        """Cover with colours [H, W, 3] or [3] where alpha [H, W] says."""
        self.picture += alpha[..., None] * (colours - self.picture)
        self.distance += alpha * (distance - self.distance)
        self.cover(name, (slice(None), slice(None)), alpha)

    def cover(self, name: str, where: tuple[slice, slice], alpha: np.ndarray) -> None:
        """Take a part of the picture for one region from all others."""
        for region in self.regions.values():
            region[where] *= 1 - alpha
        self.regions.setdefault(name, np.zeros((self.size, self.size), np.float32))[where] += alpha

    def stamp(self, name: str, thing: Thing, x: float, foot: float, tall: float, wide: float = 1.0) -> None:
        """Put a thing on the ground, its foot at (x, foot), `tall` high and `wide` times as wide."""
        high, across = max(3, round(tall * self.size)), max(3, round(tall * wide * self.size))
        top, left = round(foot * self.size) - high, round(x * self.size - across / 2)
        rows = slice(max(0, top), min(self.size, top + high))
        columns = slice(max(0, left), min(self.size, left + across))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        part = cv2.resize(thing.sprite_for(high), (across, high), interpolation=cv2.INTER_LINEAR)
        part = part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        alpha, where = part[..., -1], (rows, columns)
        self.picture[where] += alpha[..., None] * (thing.coloured(part) - self.picture[where])
        self.distance[where] += alpha * (self.away(foot) - self.distance[where])
        self.cover(name, where, alpha)

    def away(self, foot: float) -> float:
        """The distance of ground at a row."""
        return float((1 - np.clip((foot - self.horizon) / (1 - self.horizon), 0, 1)) ** 2)

    def shadow(self, x: float, foot: float, wide: float) -> None:
        """Darken the ground under a thing."""
        radius = max(2, int(wide * self.size))
        rows = slice(max(0, int(foot * self.size) - radius // 3), min(self.size, int(foot * self.size) + radius // 3))
        columns = slice(max(0, int(x * self.size) - radius), min(self.size, int(x * self.size) + radius))
        if rows.start < rows.stop and columns.start < columns.stop:
            off = np.hypot((self.x[rows, columns] - x) / wide, (self.y[rows, columns] - foot) / wide * 3)
            self.picture[rows, columns] *= (1 - 0.55 * np.clip(1 - off, 0, 1))[..., None]

    def finish(self) -> Source:
        """Air between here and there, shadows of clouds; then the picture is done."""
        rng = self.rng
        self.distance = np.clip(self.distance, 0, 1)
        sky = self.regions.get("sky", np.zeros_like(self.distance))
        if rng.random() < 0.5:
            dark = np.clip(patch(rng, self.size, "cloud", rng.uniform(0.3, 1)) * 1.5, 0, 1) * (1 - sky)
            self.picture *= (1 - rng.uniform(0.2, 0.6) * dark)[..., None]
        air = float(rng.choice([0.15, 0.35, 0.8])) * rng.random() * self.distance**1.5 * (1 - sky)
        self.picture += air[..., None] * (self.haze - self.picture)
        mask = np.ones_like(self.distance)
        regions = {name: np.clip(region, 0, 1) for name, region in self.regions.items() if region.mean() > 0.004}
        return Source(np.clip(self.picture, 0, 1), mask, "place", None, regions, self.distance)


def soft(value: np.ndarray, size: int, width_px: float = 1.0) -> np.ndarray:
    """0 to 1 across an edge where value (in heights of the picture) is 0."""
    return np.clip(value * size / width_px + 0.5, 0, 1)


@cache
def house(number: int) -> np.ndarray:
    """A house [224, 224, 4] of textured walls."""
    rng = np.random.default_rng((7, number))
    canvas, _ = paint_house(rng, SPRITE_PX)
    for name, tiles in (("walls", ("brick", "planks", "stones", "rough")), ("roof", ("pebbles", "brick", "planks"))):
        part = canvas.regions.get(name)
        if part is not None:
            texture = patch(rng, SPRITE_PX, str(rng.choice(tiles)), rng.uniform(1.2, 2.6))
            canvas.picture *= (1 + rng.uniform(0.08, 0.25) * texture * part)[..., None]
    return np.concatenate([np.clip(canvas.picture, 0, 1), canvas.mask[..., None]], -1).astype(np.float32)
