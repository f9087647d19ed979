"""Procedural objects cut out on black. Each painter takes a generator and a size, and gives picture and mask."""

from __future__ import annotations

import numpy as np

from .drawing import Canvas, photo_crop, random_colour, shade, surface


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


OBJECTS = (paint_animal, paint_vehicle, paint_vessel, paint_house, paint_blob)
