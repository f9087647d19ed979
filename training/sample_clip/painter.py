"""Flat shapes with soft light: the few strokes that both atlases are painted with."""

from __future__ import annotations

import cv2
import numpy as np

PAINT = 4  # sub-pixels a world pixel is painted with
Colour = tuple[float, float, float]


class Painter:
    """A picture float32 [H, W, 3] in [0, 255], painted at `PAINT` sub-pixels in world coordinates."""

    def __init__(self, box: tuple[int, int, int, int], seed: int) -> None:
        self.left, self.top, right, bottom = box
        self.shape = (bottom - self.top) * PAINT, (right - self.left) * PAINT
        self.pixels = np.zeros((*self.shape, 3), np.float32)
        self.matte = np.zeros(self.shape, np.float32)
        self.random = np.random.default_rng(seed)
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32) + 0.5
        self.u, self.v = columns / PAINT + self.left, rows / PAINT + self.top

    def noise(self, across: float, down: float, octaves: int = 4) -> np.ndarray:
        """Smooth noise [H, W] in about [-1, 1], its largest features `across` x `down` world pixels."""
        total = np.zeros(self.shape, np.float32)
        for octave in range(octaves):
            step = PAINT / 2**octave
            cells = (int(self.shape[0] / (down * step)) + 3, int(self.shape[1] / (across * step)) + 3)
            grid = self.random.uniform(-1, 1, cells).astype(np.float32)
            total += cv2.resize(grid, self.shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
        return total / 1.5

    def mask(self, points: np.ndarray) -> np.ndarray:
        """The inside of a polygon [n, 2]: bool [H, W]."""
        inside = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(inside, [self._corners(points)], 1, shift=4)
        return inside.astype(bool)

    def fill(self, where: np.ndarray, colour: Colour | np.ndarray, opacity: float | np.ndarray = 1.0) -> None:
        """Lay a flat colour, or a picture [H, W, 3], over the pixels `where`."""
        rows = np.flatnonzero(where.any(axis=1))
        if not len(rows):
            return
        band = slice(rows[0], rows[-1] + 1)
        over = np.broadcast_to(np.asarray(colour, np.float32), self.pixels.shape)[band]
        cover = where[band] * np.broadcast_to(np.asarray(opacity, np.float32), self.shape)[band]
        self.pixels[band] += (over - self.pixels[band]) * cover[..., None]
        self.matte[band] = np.maximum(self.matte[band], cover)

    def polygon(self, points: np.ndarray | list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon [n, 2] with a flat colour."""
        cv2.fillPoly(self.pixels, [self._corners(points)], colour, shift=4)
        cv2.fillPoly(self.matte, [self._corners(points)], 1.0, shift=4)

    def _corners(self, points: np.ndarray | list[tuple[float, float]]) -> np.ndarray:
        return ((np.asarray(points) - (self.left, self.top)) * PAINT * 16).round().astype(np.int32)

    def disc(self, u: float, v: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """Fill a circle, or an ellipse `squash` times as high as wide."""
        centre = round((u - self.left) * PAINT * 16), round((v - self.top) * PAINT * 16)
        axes = max(1, round(radius * PAINT * 16)), max(1, round(radius * squash * PAINT * 16))
        cv2.ellipse(self.pixels, centre, axes, 0, 0, 360, colour, -1, shift=4)
        cv2.ellipse(self.matte, centre, axes, 0, 0, 360, 1.0, -1, shift=4)

    def line(self, points: np.ndarray | list[tuple[float, float]], width: float, colour: Colour) -> None:
        """Draw a line through `points`."""
        for target, value in ((self.pixels, colour), (self.matte, 1.0)):
            cv2.polylines(target, [self._corners(points)], False, value, max(1, round(width * PAINT)), shift=4)


def mix(low: Colour, high: Colour, share: np.ndarray | float) -> np.ndarray:
    """A picture [H, W, 3] that goes from one colour to the other as `share` [H, W] goes from 0 to 1."""
    share = np.clip(np.asarray(share, np.float32), 0, 1)[..., None]
    return np.asarray(low, np.float32) * (1 - share) + np.asarray(high, np.float32) * share


def curve(*points: tuple[float, float], closed: bool = True) -> np.ndarray:
    """A smooth line (Catmull-Rom) through `points`; a repeated point makes a corner: [n, 2]."""
    knots = np.array(points, float)
    around = [np.roll(knots, k, 0) for k in (1, 0, -1, -2)]
    t = np.linspace(0, 1, 9)[:, None, None]
    a, b, c, d = around
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    kept = np.abs(c - b).max(axis=1) > 0  # between the two halves of a corner nothing is drawn
    kept[-1] &= closed
    return line.transpose(1, 0, 2)[kept].reshape(-1, 2)


def corner(u: float, v: float) -> tuple[tuple[float, float], ...]:
    """A point where `curve` turns sharply."""
    return (u, v), (u, v)
