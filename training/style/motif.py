"""The motif of the style pictures: a landscape of flat parts, in random colours."""

from __future__ import annotations

import cv2
import numpy as np

from ..embedded.drawing import grid, noise, points, random_colour


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
