"""Source pictures for training: seeded procedural objects and places, and crops of sample photographs.

A source is what an edit starts from: an object cut out on black, as a keyframe cropped to its matte, or
a place, whole or with the ragged border of an atlas. Its own colours are random, so that only the words
decide the target's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

PHOTOS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg", "coins.png",
    "brick.png", "grass.png", "gravel.png", "moon.png", "hubble_deep_field.jpg",
)  # fmt: skip
TEXTURES = ("brick.png", "grass.png", "gravel.png", "chelsea.png", "moon.png")


@dataclass(frozen=True)
class Source:
    """A picture [H, W, 3] in [0, 1], its mask [H, W] in {0, 1} (black outside), and "object" or "place"."""

    picture: np.ndarray
    mask: np.ndarray
    kind: str


def make_source(rng: np.random.Generator, size: int) -> Source:
    """Draw one source of `size` x `size` pixels; the same generator state gives the same source."""
    if rng.random() < 0.62:
        painter = OBJECTS[rng.choice(len(OBJECTS), p=(0.34, 0.16, 0.14, 0.12, 0.24))]
        picture, mask = painter(rng, size)
        kind = "object"
    else:
        painter = PLACES[rng.choice(len(PLACES), p=(0.5, 0.2, 0.3))]
        picture = painter(rng, size)
        mask = ragged_border(rng, size) if rng.random() < 0.6 else np.ones((size, size), np.float32)
        kind = "place"
    if rng.random() < 0.35:  # enlarged video frames are soft
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4))
    picture = np.clip(picture, 0, 1) ** rng.uniform(0.75, 1.35)
    if rng.random() < 0.5:
        picture, mask = picture[:, ::-1], mask[:, ::-1]
    return Source(np.ascontiguousarray(picture * mask[..., None], np.float32), np.ascontiguousarray(mask), kind)


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

    data = cv2.imread(str(Path(skimage.__file__).parent / "data" / name))
    return cv2.cvtColor(data, cv2.COLOR_BGR2RGB).astype(np.float32) / 255


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


def paint_animal(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A four-legged animal from the side: body, legs, head, ears, eye."""
    canvas = Canvas(rng, size)
    fur = random_colour(rng)
    far = fur * rng.uniform(0.5, 0.8)
    body_y, body_h = rng.uniform(0.4, 0.52), rng.uniform(0.14, 0.24)
    left, right = rng.uniform(0.28, 0.36), rng.uniform(0.68, 0.8)
    thick, floor = rng.uniform(0.035, 0.08), rng.uniform(0.84, 0.95)
    for base, colour in ((0.05, far), (0.0, fur)):
        for hip in (left, right - 0.04):
            x, step = hip + base, rng.uniform(-0.07, 0.07)
            leg = [
                (x - thick, body_y),
                (x + thick, body_y),
                (x + step + thick * 0.8, floor),
                (x + step - thick, floor),
            ]
            canvas.polygon(leg, colour * rng.uniform(0.8, 1.1), 0.03)
        if base:
            canvas.ellipse((right + 0.05, body_y), (rng.uniform(0.02, 0.12), 0.03), rng.uniform(-60, 60), fur)
            middle = ((left + right) / 2, body_y)
            canvas.ellipse(middle, ((right - left) / 2 + 0.1, body_h), rng.uniform(-8, 8), fur, 0.1)
            canvas.ellipse((left + 0.05, body_y - 0.03), (0.14, body_h * rng.uniform(0.8, 1.1)), 20, fur, 0.1)
    head_x, head_y, head = (
        left - rng.uniform(0.02, 0.12),
        body_y - rng.uniform(0.0, 0.16),
        rng.uniform(0.09, 0.15),
    )
    for side in (-0.6, 0.5):
        canvas.ellipse((head_x + side * head, head_y - head * 0.9), (head * 0.3, head * rng.uniform(0.3, 0.8)), 0, far)
    canvas.ellipse((head_x, head_y), (head, head * rng.uniform(0.8, 1.1)), 0, fur * rng.uniform(0.85, 1.1), 0.08)
    canvas.ellipse(
        (head_x - head * 0.7, head_y + head * 0.3), (head * 0.6, head * 0.4), -15, fur * rng.uniform(0.6, 1.2)
    )
    canvas.ellipse((head_x - head * 0.3, head_y - head * 0.1), (0.012, 0.012), 0, np.full(3, 0.04, np.float32))
    canvas.ellipse((head_x - head * 1.2, head_y + head * 0.15), (0.025, 0.02), 0, np.full(3, 0.06, np.float32))
    return canvas.picture, canvas.mask


def paint_vehicle(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A car or van from the side: body, cabin, windows, wheels."""
    canvas = Canvas(rng, size)
    body, glass, rubber = (
        random_colour(rng),
        np.full(3, rng.uniform(0.1, 0.6)),
        np.full(3, rng.uniform(0.05, 0.15)),
    )
    roof, belt, floor = rng.uniform(0.22, 0.4), rng.uniform(0.45, 0.55), rng.uniform(0.68, 0.78)
    front, back = rng.uniform(0.2, 0.4), rng.uniform(0.68, 0.92)
    canvas.polygon(
        [
            (front, roof),
            (back, roof),
            (0.94, belt),
            (0.95, floor),
            (0.05, floor),
            (0.06, belt + 0.05),
            (front - 0.14, belt),
        ],
        body,
        0.08,
    )
    middle = (front + back) / 2
    for start, end in ((front - 0.05, middle - 0.015), (middle + 0.015, back - 0.01)):
        canvas.polygon(
            [
                (start + 0.05, roof + 0.05),
                (end, roof + 0.05),
                (end + 0.01, belt - 0.02),
                (start, belt - 0.02),
            ],
            glass,
            0.02,
        )
    for x in (rng.uniform(0.2, 0.27), rng.uniform(0.73, 0.8)):
        radius = rng.uniform(0.09, 0.13)
        canvas.ellipse((x, floor), (radius, radius), 0, rubber)
        canvas.ellipse((x, floor), (radius * 0.55, radius * 0.55), 0, np.full(3, rng.uniform(0.4, 0.8)))
    canvas.polygon(
        [(0.05, belt + 0.1), (0.1, belt + 0.1), (0.1, belt + 0.14), (0.05, belt + 0.14)],
        np.array([0.9, 0.85, 0.6]),
    )
    return canvas.picture, canvas.mask


def paint_vessel(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A turned body: vase, bottle, lamp, doll; a mirrored random profile with bands."""
    canvas = Canvas(rng, size)
    rows = np.linspace(0.08, 0.92, 14)
    width = np.convolve(np.abs(rng.normal(0.17, 0.1, 16)) + 0.05, np.ones(3) / 3, "valid")
    outline = [(0.5 + w, y) for w, y in zip(width, rows, strict=True)] + [
        (0.5 - w, y) for w, y in zip(width[::-1], rows[::-1], strict=True)
    ]
    base = random_colour(rng)
    canvas.polygon(outline, base, 0.12)
    for row in rng.choice(12, 3, replace=False):
        half, y = width[row] * 0.95, rows[row]
        band = base * rng.uniform(0.5, 1.4) if rng.random() < 0.6 else random_colour(rng)
        canvas.polygon([(0.5 - half, y), (0.5 + half, y), (0.5 + half, y + 0.04), (0.5 - half, y + 0.04)], band, 0.1)
    return canvas.picture, canvas.mask


def paint_house(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A house: wall, roof, door, windows."""
    canvas = Canvas(rng, size)
    wall, roof, hole = random_colour(rng), random_colour(rng), np.full(3, rng.uniform(0.05, 0.8))
    left, right, eaves, floor = (
        rng.uniform(0.1, 0.22),
        rng.uniform(0.78, 0.9),
        rng.uniform(0.38, 0.5),
        rng.uniform(0.82, 0.93),
    )
    canvas.polygon([(left, eaves), (right, eaves), (right, floor), (left, floor)], wall, 0.15)
    peak = rng.uniform(0.3, 0.7)
    canvas.polygon(
        [
            (left - 0.06, eaves),
            (peak - 0.08, rng.uniform(0.08, 0.2)),
            (peak + 0.1, 0.14),
            (right + 0.06, eaves),
        ],
        roof,
        0.1,
    )
    for column in range(int(rng.integers(2, 5))):
        x = left + 0.07 + column * 0.17
        bottom = floor if rng.random() < 0.3 else eaves + 0.22
        if x + 0.1 < right:
            canvas.polygon([(x, eaves + 0.08), (x + 0.1, eaves + 0.08), (x + 0.1, bottom), (x, bottom)], hole, 0.02)
    return canvas.picture, canvas.mask


def paint_blob(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random closed shape filled with a photograph's structure or parts of it."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.full(90, rng.uniform(0.26, 0.38))
    for wave in range(2, 8):
        radius += rng.normal(0, 0.16 / wave**1.4) * np.cos(wave * angles + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.1, 0.48)
    outline = list(zip(0.5 + radius * np.cos(angles), 0.5 + radius * np.sin(angles), strict=True))
    canvas = Canvas(rng, size)
    canvas.relief = np.ones((size, size), np.float32)
    canvas.polygon(outline, random_colour(rng), 0.1, jitter=0.003)
    if rng.random() < 0.7:
        grey = photo_crop(rng, size).mean(-1, keepdims=True)
        colour = random_colour(rng)
        picture = grey * (0.4 + 1.2 * colour) * shade(rng, canvas.mask, 0.12)[..., None]
        return picture * canvas.mask[..., None], canvas.mask
    return canvas.picture * surface(rng, size)[..., None], canvas.mask


def paint_landscape(rng: np.random.Generator, size: int) -> np.ndarray:
    """Sky, ridges one behind the other, ground, trees and houses: [size, size, 3]."""
    y, _ = grid(size)
    sky, land = random_colour(rng) * 0.4 + 0.5, random_colour(rng)
    picture = sky * (1.05 - 0.35 * y[..., None]) + 0.08 * noise(rng, size, (6, 3), 2)[..., None]
    horizon, layers = rng.uniform(0.25, 0.6), int(rng.integers(2, 5))
    for layer in range(layers):
        near = (layer + 1) / layers
        ridge = (
            horizon
            + (0.95 - horizon) * (near - 1 / layers)
            + rng.uniform(0.06, 0.2) * (1.1 - near) * noise(rng, size, (2, 5), 3)[0][None]
        )
        relief = 0.85 + 0.3 * noise(rng, size, (8, 8), 2) * near + 0.25 * (y - ridge)
        colour = (land * rng.uniform(0.7, 1.2)) * near + sky * (1 - near) * 0.85
        picture = np.where((y > ridge)[..., None], colour * relief[..., None], picture)
        if rng.random() < 0.6:
            picture = plant_trees(rng, size, picture, ridge[0], near)
    return picture.astype(np.float32)


def plant_trees(rng: np.random.Generator, size: int, picture: np.ndarray, ridge: np.ndarray, near: float) -> np.ndarray:
    """Trees and houses standing on a ridge line [size] (y in [0, 1]); returns the new picture."""
    picture = np.ascontiguousarray(picture, np.float32)
    leaf = random_colour(rng) * rng.uniform(0.3, 0.8)
    for _ in range(int(rng.integers(2, 8))):
        x = rng.uniform(0, 1)
        foot, tall = float(ridge[min(size - 1, int(x * size))]) + 0.02, rng.uniform(0.08, 0.3) * (0.3 + near)
        tint, wide = leaf * rng.uniform(0.7, 1.4), tall * rng.uniform(0.2, 0.45)
        shape = rng.integers(3)
        if shape == 0:
            outline = [(x - wide, foot), (x, foot - tall), (x + wide, foot)]
        elif shape == 1:
            outline = [(x + wide * np.cos(a), foot - tall * 0.7 + wide * np.sin(a)) for a in np.linspace(0, 6.28, 14)]
        else:
            outline = [
                (x - wide, foot),
                (x - wide, foot - tall * 0.6),
                (x, foot - tall * 0.8),
                (x + wide, foot - tall * 0.6),
                (x + wide, foot),
            ]
        if shape == 1:
            trunk = [
                (x - wide * 0.12, foot),
                (x - wide * 0.1, foot - tall * 0.5),
                (x + wide * 0.1, foot - tall * 0.5),
                (x + wide * 0.12, foot),
            ]
            cv2.fillPoly(picture, [points(rng, size, trunk, 0.0)], (tint * 0.5).tolist(), shift=3)
        cv2.fillPoly(picture, [points(rng, size, outline, 0.006)], tint.tolist(), cv2.LINE_AA, shift=3)
    return picture


def paint_stones(rng: np.random.Generator, size: int) -> np.ndarray:
    """Rocks or cells: nearest-seed regions with their own shade, [size, size, 3]."""
    count = int(rng.integers(8, 60))
    seeds, y_x = rng.random((count, 2)), np.stack(grid(size), -1)
    warp = np.stack([noise(rng, size, 6, 2), noise(rng, size, 6, 2)], -1) * 0.05
    distance = np.stack([np.square((y_x + warp - seed) * (1.4, 1)).sum(-1) for seed in seeds])
    nearest = distance.argmin(0)
    first = np.sqrt(distance.min(0)) * np.sqrt(count)
    tone = rng.uniform(0.5, 1.2, count)[nearest] * np.clip(1.15 - 0.7 * first, 0.2, 1.2) * surface(rng, size)
    return (random_colour(rng) * tone[..., None]).astype(np.float32)


OBJECTS = (paint_animal, paint_vehicle, paint_vessel, paint_house, paint_blob)
PLACES = (paint_landscape, paint_stones, photo_crop)


def ragged_border(rng: np.random.Generator, size: int) -> np.ndarray:
    """A mask [size, size] like an atlas's covered part: an uneven edge on black, sometimes with holes."""
    y, x = grid(size)
    inset = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    mask = inset + 0.05 * noise(rng, size, 7, 3) > rng.uniform(-0.05, 0.14)
    if rng.random() < 0.3:
        mask &= noise(rng, size, 4, 2) < 0.75
    return mask.astype(np.float32)
