"""Things made of parts: animals, vehicles, vessels, houses; and the trees and rocks that stand in landscapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from .drawing import Canvas, blob_outline, hsv, noise, patch, random_colour, relief

SPRITE_PX, SPRITES = 224, 14  # of a tree or rock, and how many there are of each kind
TREES = ("cone", "round", "poplar", "bush", "bare", "palm")
DARK = np.full(3, 0.05, np.float32)


def paint_animal(rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """A four-legged animal from the side: "body", "legs", "head"."""
    canvas = Canvas(rng, size)
    fur = random_colour(rng)
    far = fur * rng.uniform(0.5, 0.8)
    body_y, body_h = rng.uniform(0.36, 0.5), rng.uniform(0.16, 0.27)
    left, right = rng.uniform(0.26, 0.34), rng.uniform(0.7, 0.84)
    floor = rng.uniform(0.86, 0.97)
    paint_legs(canvas, (left + 0.05, right + 0.02), (body_y, floor), far)
    canvas.ellipse((right + 0.06, body_y), (rng.uniform(0.02, 0.14), 0.03), rng.uniform(-60, 60), fur, name="body")
    middle = ((left + right) / 2, body_y)
    canvas.ellipse(middle, ((right - left) / 2 + 0.1, body_h), rng.uniform(-8, 8), fur, 0.1, "body")
    canvas.ellipse((left + 0.05, body_y - 0.03), (0.15, body_h * rng.uniform(0.8, 1.1)), 20, fur, 0.1, "body")
    canvas.ellipse((right - 0.05, body_y), (0.14, body_h * rng.uniform(0.8, 1.1)), -20, fur * 0.97, 0.1, "body")
    paint_legs(canvas, (left, right - 0.04), (body_y + 0.05, floor), fur)
    paint_head(canvas, left - rng.uniform(0.0, 0.1), body_y - rng.uniform(-0.05, 0.18), fur, far)
    return canvas, "animal"


def paint_legs(canvas: Canvas, hips: tuple[float, float], rows: tuple[float, float], colour: np.ndarray) -> None:
    """A pair of legs from the body's row down to the floor's."""
    rng, (top, floor) = canvas.rng, rows
    thick = rng.uniform(0.04, 0.075)
    for hip in hips:
        knee, foot = hip + rng.uniform(-0.05, 0.05), hip + rng.uniform(-0.09, 0.09)
        middle = (top + floor) / 2 + rng.uniform(0, 0.08)
        right = [
            (hip + thick * 1.5, top),
            (knee + thick, middle),
            (foot + thick * 0.8, floor - 0.04),
            (foot + thick, floor),
        ]
        left = [
            (foot - thick * 1.7, floor),
            (foot - thick, floor - 0.05),
            (knee - thick, middle),
            (hip - thick * 1.5, top),
        ]
        canvas.polygon(right + left, colour * rng.uniform(0.85, 1.1), 0.03, 0.006, "legs", 0.012)


def paint_head(canvas: Canvas, x: float, y: float, fur: np.ndarray, far: np.ndarray) -> None:
    """Ears, skull, muzzle, eye and nose, looking left."""
    rng = canvas.rng
    head = rng.uniform(0.09, 0.16)
    for side in (-0.6, 0.5):
        canvas.ellipse(
            (x + side * head, y - head * 0.9), (head * 0.3, head * rng.uniform(0.3, 0.8)), 0, far, name="head"
        )
    canvas.ellipse((x, y), (head, head * rng.uniform(0.8, 1.1)), 0, fur * rng.uniform(0.85, 1.1), 0.08, "head")
    muzzle = (x - head * 0.7, y + head * 0.3)
    canvas.ellipse(muzzle, (head * 0.6, head * 0.4), -15, fur * rng.uniform(0.6, 1.25), name="head")
    canvas.ellipse((x - head * 0.35, y - head * 0.12), (head * 0.1, head * 0.1), 0, DARK, name="head")
    canvas.ellipse((x - head * 1.2, y + head * 0.15), (head * 0.2, head * 0.16), 0, DARK, name="head")


def paint_vehicle(rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """A car or van from the side: "body", "roof", "windows", "wheels"."""
    canvas = Canvas(rng, size)
    body, glass = random_colour(rng), np.full(3, rng.uniform(0.08, 0.5)) * rng.uniform(0.9, 1.1, 3)
    roof, belt, floor = rng.uniform(0.2, 0.36), rng.uniform(0.43, 0.52), rng.uniform(0.68, 0.78)
    front, back = rng.uniform(0.22, 0.4), rng.uniform(0.7, 0.92)
    bonnet, bumper = front - 0.14, belt + 0.06
    hull = [(bonnet, belt), (back + 0.03, belt), (0.95, belt + 0.05), (0.96, floor), (0.04, floor), (0.05, bumper)]
    canvas.polygon(hull, body, 0.08, 0.012, "body", 0.006)
    cabin = [(front, roof), (back, roof), (back + 0.04, belt + 0.01), (bonnet, belt + 0.01)]
    canvas.polygon(cabin, body * 0.95, 0.05, 0.006, "body", 0.006)
    canvas.box((front, roof - 0.015, back, roof + 0.03), body * 1.05, 0.03, "roof")
    edges = np.linspace(front - 0.04, back + 0.01, int(rng.integers(3, 5)))
    for start, end, lean in zip(edges[:-1] + 0.008, edges[1:] - 0.008, (0.05, 0, 0), strict=False):
        upper, lower = roof + 0.045, belt - 0.01
        pane = [(start + lean, upper), (end, upper), (end, lower), (start - lean * 0.6, lower)]
        canvas.polygon(pane, glass * rng.uniform(0.8, 1.25), 0.02, 0.003, "windows")
        canvas.box((end, belt, end + 0.008, floor - 0.02), body * 0.45, 0.01)
        canvas.box((end - 0.07, belt + 0.04, end - 0.02, belt + 0.055), body * 0.4, 0.01)
    canvas.box((0.03, floor - 0.03, 0.97, floor + 0.02), np.full(3, rng.uniform(0.1, 0.4)), 0.02)
    canvas.box((0.05, belt + 0.07, 0.11, belt + 0.13), np.array((0.95, 0.9, 0.75)), 0.02)
    canvas.box((0.9, belt + 0.07, 0.96, belt + 0.14), np.array((0.8, 0.1, 0.08)), 0.02)
    for x in (rng.uniform(0.2, 0.27), rng.uniform(0.73, 0.8)):
        paint_wheel(canvas, x, floor, rng.uniform(0.1, 0.135))
    return canvas, str(rng.choice(["car", "vehicle"]))


def paint_wheel(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """An arch, a tyre, a rim and its spokes."""
    rim = np.full(3, canvas.rng.uniform(0.4, 0.85))
    canvas.ellipse((x, y - 0.01), (radius * 1.17, radius * 1.17), 0, DARK * 0.6)
    canvas.ellipse((x, y), (radius, radius), 0, np.full(3, canvas.rng.uniform(0.08, 0.2)), 0.03, "wheels")
    canvas.ellipse((x, y), (radius * 0.64, radius * 0.64), 0, rim, 0.03, "wheels")
    for angle in np.arange(5) * 1.257 + canvas.rng.uniform(0, 6):
        hole = (x + radius * 0.4 * np.cos(angle), y + radius * 0.4 * np.sin(angle))
        canvas.ellipse(hole, (radius * 0.15, radius * 0.1), np.degrees(angle), DARK, 0.02, "wheels")


def paint_vessel(rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """A turned body: vase, bottle, lamp, doll; a mirrored random profile with bands."""
    canvas = Canvas(rng, size)
    rows = np.linspace(0.06, 0.94, 14)
    width = np.convolve(np.abs(rng.normal(0.19, 0.1, 16)) + 0.06, np.ones(3) / 3, "valid")
    outline = [(0.5 + w, y) for w, y in zip(width, rows, strict=True)]
    outline += [(0.5 - w, y) for w, y in zip(width[::-1], rows[::-1], strict=True)]
    base = random_colour(rng)
    canvas.polygon(outline, base, 0.12, name="body")
    for row in rng.choice(12, 4, replace=False):
        half, y = width[row] * 0.95, rows[row]
        band = base * rng.uniform(0.5, 1.4) if rng.random() < 0.6 else random_colour(rng)
        canvas.box((0.5 - half, y, 0.5 + half, y + 0.04), band, 0.1)
    return canvas, "vase"


def paint_house(rng: np.random.Generator, size: int) -> tuple[Canvas, str]:
    """A house: "walls", "roof", "windows", "door"."""
    canvas = Canvas(rng, size)
    wall, roof, frame = (random_colour(rng) for _ in range(3))
    if rng.random() < 0.7:  # as houses mostly are
        wall = hsv(rng.uniform(15, 55), rng.uniform(0.03, 0.4), rng.uniform(0.45, 0.95))
        roof = hsv(rng.uniform(0, 35), rng.uniform(0.1, 0.65), rng.uniform(0.25, 0.6))
    frame = frame * 0.5 + 0.5
    left, right = rng.uniform(0.06, 0.2), rng.uniform(0.8, 0.94)
    block = rng.random() < 0.3  # of flats, with a low roof
    eaves, floor = rng.uniform(0.1, 0.2) if block else rng.uniform(0.34, 0.48), rng.uniform(0.86, 0.96)
    canvas.box((left, eaves, right, floor), wall, 0.15, "walls")
    peak, top = rng.uniform(0.3, 0.7), eaves - rng.uniform(0.03, 0.08) if block else rng.uniform(0.06, 0.18)
    slant, overhang = rng.uniform(0, 0.2, 2), 0.05
    if block:
        slant, overhang, peak = np.full(2, (right - left) / 2), 0.015, (left + right) / 2
    if rng.random() < 0.4:
        chimney = rng.uniform(left + 0.15, right - 0.2)
        canvas.box((chimney, max(0.02, top - 0.05), chimney + 0.08, eaves), wall * 0.7, 0.03)
    ends = (left - overhang, eaves + 0.02), (right + overhang, eaves + 0.02)
    canvas.polygon([ends[0], (peak - slant[0], top), (peak + slant[1], top), ends[1]], roof, 0.1, 0.006, "roof")
    columns, floors = (
        int(value) for value in (rng.integers((3, 3), (7, 6)) if block else rng.integers((2, 1), (6, 3)))
    )
    door = int(rng.integers(columns))
    wide, high = (right - left) / columns, (floor - eaves) / floors
    for column in range(columns):
        for level in range(floors):
            x, y = left + wide * column, eaves + high * level
            if column == door and level == floors - 1:
                paint_opening(canvas, (x + wide * 0.25, y + high * 0.25, x + wide * 0.75, floor), frame, "door")
            elif rng.random() < 0.9:
                sides = (x + wide * 0.2, y + high * 0.22, x + wide * 0.8, y + high * 0.75)
                paint_opening(canvas, sides, frame, "windows")
    return canvas, "house"


def paint_opening(canvas: Canvas, sides: tuple[float, float, float, float], frame: np.ndarray, name: str) -> None:
    """A window or a door in its frame; sides are left, top, right, bottom."""
    left, top, right, bottom = sides
    canvas.box(sides, frame, 0.03, name)
    rim, panes = min(0.012, (right - left) / 8), 1 if name == "door" else 2
    inside = frame * 0.4 if name == "door" else np.full(3, canvas.rng.uniform(0.05, 0.5))
    edges = np.linspace(left, right, panes + 1)
    for start, end in zip(edges[:-1] + rim, edges[1:] - rim, strict=True):
        tone = inside * canvas.rng.uniform(0.7, 1.4)
        canvas.box((start, top + rim, end, bottom - rim), tone, 0.03, name)


Painter = Callable[[np.random.Generator, int], tuple[Canvas, str]]
OBJECTS: tuple[Painter, ...] = (paint_animal, paint_vehicle, paint_house, paint_vessel)


@cache
def tree(kind: str, number: int) -> np.ndarray:
    """A tree of `TREES` [224, 224, 3]: its light, around 1; how much of it is leaf, not wood; its alpha."""
    rng = np.random.default_rng((TREES.index(kind), number))
    canvas = np.zeros((SPRITE_PX, SPRITE_PX, 3), np.float32)
    if kind != "bush":
        trunk(rng, canvas, kind)
    for x, y, radius, tone in foliage(rng, kind):
        long, lean = radius * SPRITE_PX * 16, float(rng.uniform(0, 180))
        where = int(x * SPRITE_PX * 16), int(y * SPRITE_PX * 16)
        axes = int(long), int(long * 0.55)
        cv2.ellipse(canvas, where, axes, lean, 0, 360, (float(tone), 1.0, 1.0), -1, cv2.LINE_AA, shift=4)
    canvas[..., 0] *= 1 + 0.1 * patch(rng, SPRITE_PX, "grain")
    return canvas


def trunk(rng: np.random.Generator, canvas: np.ndarray, kind: str) -> None:
    """Stem and branches, drawn as lines."""
    top = 0.1 if kind in ("cone", "poplar") else 0.3

    def branch(x: float, y: float, angle: float, length: float, wide: float) -> None:
        end = x + length * np.sin(angle), y - length * np.cos(angle)
        ends = [tuple(int(value * SPRITE_PX) for value in point) for point in ((x, y), end)]
        tone = (float(rng.uniform(0.5, 0.9)), 0.0, 1.0)
        cv2.line(canvas, ends[0], ends[1], tone, max(1, round(wide * SPRITE_PX)), cv2.LINE_AA)
        if length > 0.05 and kind in ("round", "bare"):
            for _ in range(3 if kind == "bare" else 2):
                branch(*end, angle + rng.normal(0, 0.55), length * rng.uniform(0.55, 0.8), wide * 0.6)

    tall = 1.0 - top if kind not in ("round", "bare") else rng.uniform(0.25, 0.36)
    branch(0.5, 1.0, rng.normal(0, 0.05), tall, rng.uniform(0.02, 0.045))


def foliage(rng: np.random.Generator, kind: str) -> list[tuple[float, float, float, float]]:
    """Leaf clumps in the order they are drawn: x, y, radius, light."""
    if kind == "bare":
        return []
    if kind == "palm":
        clumps = []
        for angle in rng.uniform(-2.4, 2.4, 9):
            reach = np.linspace(0.02, rng.uniform(0.25, 0.45), 26)
            clumps += [
                (0.5 + r * np.sin(angle), 0.28 - r * np.cos(angle) + 0.9 * r * r, 0.022, rng.uniform(0.5, 1.3))
                for r in reach
            ]
        return clumps
    count = 2400 if kind in ("round", "bush") else 1500
    height = np.sort(rng.random(count) ** 0.75) if kind == "cone" else rng.random(count)
    if kind == "cone":  # tiers of boughs: widest at each one's lower end
        tiers = rng.integers(7, 13)
        part = height * tiers % 1
        spread = (0.03 + 0.34 * height * rng.uniform(0.6, 1)) * (0.55 + 0.45 * part)
        side = rng.uniform(-1, 1, count)
        light = 0.4 + 0.75 * part + 0.25 * side + rng.normal(0, 0.2, count)
        return [
            (0.5 + s * w, 0.03 + 0.88 * h, rng.uniform(0.006, 0.014), t)
            for s, w, h, t in zip(side, spread, height, light, strict=True)
        ]
    centre, wide, tall = {"round": (0.36, 0.4, 0.35), "poplar": (0.46, 0.17, 0.45), "bush": (0.74, 0.46, 0.25)}[kind]
    angles, reach = rng.uniform(0, 6.3, 16), 0.72 * np.sqrt(rng.random(16))
    balls = np.stack([np.cos(angles), np.sin(angles)], -1) * reach[:, None]
    chosen, inner = balls[rng.integers(16, size=count)], rng.normal(0, 0.2, (count, 2))
    inner *= np.minimum(1, 0.32 / np.maximum(np.hypot(*inner.T), 1e-3))[:, None]
    order = np.argsort(-chosen[:, 1] + rng.normal(0, 0.35, count))  # the lower and darker first
    light = 0.9 - 0.3 * chosen[:, 1] - 1.1 * inner[:, 1] + 0.2 * chosen[:, 0] + rng.normal(0, 0.18, count)
    places = chosen + inner
    return [
        (0.5 + wide * places[i, 0], centre + tall * places[i, 1], rng.uniform(0.006, 0.015), light[i]) for i in order
    ]


@cache
def rock(number: int) -> np.ndarray:
    """A rock [224, 224, 3] as a tree is, with no leaf."""
    rng = np.random.default_rng((99, number))
    mask = np.zeros((SPRITE_PX, SPRITE_PX), np.float32)
    outline = blob_outline(rng, 0.1) * (1.1, rng.uniform(0.7, 1.0)) - (0.05, 0.0)
    cv2.fillPoly(mask, [np.round(outline * SPRITE_PX * 16).astype(np.int32)], 1.0, cv2.LINE_AA, shift=4)
    dome = np.sqrt(cv2.GaussianBlur(mask, (0, 0), 22))
    facets = cv2.resize(np.round(noise(rng, SPRITE_PX, 3, 1) * 2.5), (SPRITE_PX, SPRITE_PX))
    height = dome * 9 + 1.2 * cv2.GaussianBlur(facets, (0, 0), 5) + 0.8 * patch(rng, SPRITE_PX, "ridges", 1.2)
    light = relief(height, rng.uniform(-0.8, 0.8), 0.55) * (1 + 0.12 * patch(rng, SPRITE_PX, "rough"))
    return np.stack([light.astype(np.float32), np.zeros_like(mask), mask], -1)
