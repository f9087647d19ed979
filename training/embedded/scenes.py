"""Source pictures for training: seeded procedural objects and places, and crops of sample photographs.

A source is what an edit starts from: an object cut out on black, as a keyframe cropped to its matte, or
a place, whole or with the ragged border of an atlas. Its own colours are random, so that only the words
decide the target's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .drawing import grid, noise, photo_crop, points, random_colour, surface
from .objects import OBJECTS


@dataclass(frozen=True)
class Source:
    """A picture [H, W, 3] in [0, 1], its mask [H, W] in {0, 1} (black outside), and "object" or "place"."""

    picture: np.ndarray
    mask: np.ndarray
    kind: str


def make_source(rng: np.random.Generator, size: int) -> Source:
    """Draw one source of `size` x `size` pixels; the same generator state gives the same source."""
    if rng.random() < 0.62:
        paint_object = OBJECTS[rng.choice(len(OBJECTS), p=(0.34, 0.16, 0.14, 0.12, 0.24))]
        picture, mask = paint_object(rng, size)
        kind = "object"
    else:
        paint_place = PLACES[rng.choice(len(PLACES), p=(0.5, 0.2, 0.3))]
        picture = paint_place(rng, size)
        mask = ragged_border(rng, size) if rng.random() < 0.2 else np.ones((size, size), np.float32)
        kind = "place"
    if rng.random() < 0.35:  # enlarged video frames are soft
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4))
    picture = np.clip(picture, 0, 1) ** rng.uniform(0.75, 1.35)
    if rng.random() < 0.5:
        picture, mask = picture[:, ::-1], mask[:, ::-1]
    return Source(np.ascontiguousarray(picture * mask[..., None], np.float32), np.ascontiguousarray(mask), kind)


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


PLACES = (paint_landscape, paint_stones, photo_crop)


def ragged_border(rng: np.random.Generator, size: int) -> np.ndarray:
    """A mask [size, size] like an atlas's covered part: an uneven edge on black, sometimes with holes."""
    y, x = grid(size)
    inset = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    mask = inset + 0.05 * noise(rng, size, 7, 3) > rng.uniform(-0.05, 0.14)
    if rng.random() < 0.3:
        mask &= noise(rng, size, 4, 2) < 0.75
    return mask.astype(np.float32)
