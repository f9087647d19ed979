"""What painters of sources draw with: noise, photographs' structure, light and shade, and a canvas of solid parts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from stablevideo.video.pictures import read_picture

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue in brightness (BT.601)
PHOTOS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg", "coins.png",
    "brick.png", "grass.png", "gravel.png", "moon.png", "hubble_deep_field.jpg",
)  # fmt: skip
TEXTURES = ("brick.png", "grass.png", "gravel.png", "chelsea.png", "moon.png")


def noise(rng: np.random.Generator, size: int, cells: tuple[int, int] | int, octaves: int = 1) -> np.ndarray:
    """Smooth noise [size, size], zero mean, about unit range; cells (rows, columns) across the picture."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        grid = rng.random((max(2, rows << octave), max(2, columns << octave)), np.float32) * 2 - 1
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    return total


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates (y, x), each [size, size] in [0, 1]."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.meshgrid(axis, axis, indexing="ij")


@cache
def photo(name: str) -> np.ndarray:
    """A sample photograph of scikit-image's wheel, [H, W, 3] floats in [0, 1]."""
    import skimage

    picture = read_picture(Path(skimage.__file__).parent / "data" / name)
    return picture.permute(1, 2, 0).numpy()


def photo_crop(rng: np.random.Generator, size: int, names: tuple[str, ...] = PHOTOS) -> np.ndarray:
    """A random crop [size, size, 3] of a random photograph, its colours pushed about."""
    picture = photo(names[rng.integers(len(names))])
    side = int(min(picture.shape[:2]) * rng.uniform(0.3, 1.0))
    top, left = (rng.integers(length - side + 1) for length in picture.shape[:2])
    crop = cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    mix = np.eye(3) + rng.normal(0, 0.25, (3, 3))
    return np.clip(crop @ mix.astype(np.float32), 0, 1)


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """A base colour [3]: any hue, with greys and browns as frequent as nature has them."""
    value, saturation = rng.uniform(0.2, 0.95), rng.uniform(0, 1) ** 1.3
    hue = rng.uniform(0, 360) if rng.random() < 0.6 else rng.uniform(15, 50)
    pixel = np.array([[[hue, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]


def shade(rng: np.random.Generator, mask: np.ndarray, softness: float) -> np.ndarray:
    """Light and shade [H, W], about 0.4 to 1.3, as if the mask were a rounded body lit from one side."""
    size = mask.shape[0]
    height = cv2.GaussianBlur(mask, (0, 0), softness * size)
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)
    angle = rng.uniform(-1.2, 1.2)  # the light mostly comes from above
    lit = (down * np.cos(angle) + across * np.sin(angle)) * size * softness
    return np.clip(0.85 + 0.5 * lit, 0.35, 1.35)


def surface(rng: np.random.Generator, size: int) -> np.ndarray:
    """Fine relief [size, size] around 1: fur, grain, a photograph's texture, or smooth."""
    choice = rng.integers(4)
    if choice == 0:
        return np.ones((size, size), np.float32)
    if choice == 1:
        return 1 + 0.35 * noise(rng, size, (int(rng.integers(8, 40)), int(rng.integers(8, 40))), 2)
    if choice == 2:
        grey = photo_crop(rng, size, TEXTURES).mean(-1)
        return 0.7 + 0.9 * (grey - grey.mean())
    return 1 + 0.25 * noise(rng, size, 5, 3)


def points(rng: np.random.Generator, size: int, outline: list[tuple[float, float]], jitter: float = 0.02) -> np.ndarray:
    """Polygon corners in pixels, shifted a little, from (x, y) in [0, 1]."""
    return np.round((np.array(outline) + rng.normal(0, jitter, (len(outline), 2))) * size * 8).astype(np.int32)


class Canvas:
    """Parts painted one over the other: each part has its own albedo and is shaded as a body."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size = rng, size
        self.picture = np.zeros((size, size, 3), np.float32)
        self.mask = np.zeros((size, size), np.float32)
        self.relief = surface(rng, size)

    def polygon(
        self,
        outline: list[tuple[float, float]],
        colour: np.ndarray,
        softness: float = 0.05,
        jitter: float = 0.02,
    ) -> None:
        """Fill a polygon given as (x, y) in [0, 1]."""
        part = np.zeros((self.size, self.size), np.float32)
        cv2.fillPoly(part, [points(self.rng, self.size, outline, jitter)], 1.0, lineType=cv2.LINE_8, shift=3)
        self.add(part, colour, softness)

    def ellipse(
        self,
        centre: tuple[float, float],
        axes: tuple[float, float],
        angle: float,
        colour: np.ndarray,
        softness: float = 0.06,
    ) -> None:
        """Fill an ellipse; centre and axes in [0, 1], angle in degrees."""
        part = np.zeros((self.size, self.size), np.float32)
        where = tuple(int(value * self.size * 8) for value in centre)
        cv2.ellipse(
            part,
            where,
            tuple(max(4, int(value * self.size * 8)) for value in axes),
            angle,
            0,
            360,
            1.0,
            -1,
            shift=3,
        )
        self.add(part, colour, softness)

    def add(self, part: np.ndarray, colour: np.ndarray, softness: float) -> None:
        """Paint a part [H, W] with its colour [3]."""
        light = shade(self.rng, part, softness) * self.relief
        inside = part[..., None] > 0.5
        self.picture = np.where(inside, colour * light[..., None], self.picture)
        self.mask = np.maximum(self.mask, (part > 0.5).astype(np.float32))
