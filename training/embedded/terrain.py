"""What places are made of: sky, mountains, trees, ground, roads, water, houses, fences."""

from __future__ import annotations

import cv2
import numpy as np

from .drawing import hsv, leaf_colour, noise, patch, plane, random_colour, relief
from .objects import SPRITES, TREES
from .painting import Painting, Thing, soft


def natural(
    rng: np.random.Generator, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
) -> np.ndarray:
    """A colour [3] within these ranges, one time in twelve any colour."""
    return (
        random_colour(rng)
        if rng.random() < 0.03
        else hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    )


def paint_sky(p: Painting) -> None:
    """Blue, grey, white or the colours of evening, with clouds or without."""
    rng, size = p.rng, p.size
    mood = rng.choice(["blue", "grey", "white", "evening"], p=[0.5, 0.22, 0.13, 0.15])
    high, low = {
        "blue": (
            natural(rng, (200, 225), (0.3, 0.75), (0.6, 0.95)),
            natural(rng, (190, 215), (0.08, 0.35), (0.75, 0.97)),
        ),
        "grey": (natural(rng, (200, 240), (0.02, 0.15), (0.4, 0.7)), natural(rng, (30, 230), (0.0, 0.1), (0.6, 0.85))),
        "white": (natural(rng, (190, 230), (0.0, 0.1), (0.85, 1)), natural(rng, (40, 220), (0.0, 0.08), (0.9, 1))),
        "evening": (natural(rng, (200, 290), (0.2, 0.6), (0.25, 0.6)), natural(rng, (8, 48), (0.4, 0.8), (0.7, 1))),
    }[mood]
    climb = np.clip(p.y / max(0.15, p.horizon), 0, 1)[..., None]
    colours = high + (low - high) * climb ** rng.uniform(0.7, 1.8)
    if rng.random() < 0.75:
        puffs = patch(rng, size, "cloud", rng.uniform(0.5, 1.6)) + 0.35 * patch(rng, size, "lumps", rng.uniform(0.4, 1))
        cover = np.clip((puffs - rng.uniform(-0.6, 0.9)) * rng.uniform(0.5, 1.6), 0, 1)
        white = np.minimum(low * 0.4 + 0.62, 1) * (0.9 + 0.1 * np.tanh(puffs))[..., None]
        colours = colours + cover[..., None] * rng.uniform(0.5, 1) * (white - colours)
    p.haze = np.asarray(low, np.float32)
    p.lay("sky", np.ones((size, size), np.float32), colours.astype(np.float32), 1.0)


def crest(p: Painting, base: float, height: float, jagged: int = 4) -> np.ndarray:
    """A skyline [H, W]: how far each pixel lies below it, negative above."""
    line = base - height * (0.5 + 0.6 * noise(p.rng, p.size, (2, jagged), 4)[0])
    return p.y - line[None]


def paint_mountains(p: Painting) -> None:
    """Ridge behind ridge, of rock, wood or snow."""
    rng, size = p.rng, p.size
    for rank in range(int(rng.integers(1, 4))):
        below = crest(p, p.horizon, rng.uniform(0.08, 0.4) / (1 + 0.7 * rank), int(rng.integers(3, 7)))
        height = patch(rng, size, "ridges", rng.uniform(0.6, 1.6))
        light = relief(height, rng.uniform(-1.3, 1.3), rng.uniform(0.12, 0.4) * size / 128)
        bare = natural(rng, (15, 240), (0.04, 0.3), (0.3, 0.65))
        wooded = leaf_colour(rng) * 0.7
        wood = np.clip((below - rng.uniform(0, 0.25)) * 8 + patch(rng, size, "lumps") * 0.5, 0, 1)[..., None] * (
            rng.random() < 0.6
        )
        rough = 1 + 0.22 * patch(rng, size, "leaves", rng.uniform(1.5, 3)) * wood[..., 0]
        colours = (bare + wood * (wooded - bare)) * (light * rough)[..., None]
        if rng.random() < 0.4:
            snow = np.clip((rng.uniform(0.05, 0.3) - below) * 12 + height, 0, 1)[..., None]
            colours = colours + snow * (0.8 * light[..., None] - colours)
        p.lay("mountains", soft(below, size), colours, 0.95 - 0.06 * rank)


def paint_forest_edge(p: Painting) -> None:
    """A wooded strip at the horizon, with a row of trees on it."""
    rng, size = p.rng, p.size
    tint, kind, tall = leaf_colour(rng) * 0.8, TREES[rng.choice(3, p=[0.5, 0.4, 0.1])], rng.uniform(0.05, 0.16)
    below = crest(p, p.horizon + 0.01, rng.uniform(0.02, 0.08))
    leaves = 0.7 + 0.3 * patch(rng, size, "leaves", rng.uniform(1.2, 2.5))
    p.lay("trees", soft(below, size, 2) * soft(p.horizon + 0.03 - p.y, size, 3), tint * leaves[..., None], 0.8)
    for x in np.arange(-0.05, 1.05, tall * rng.uniform(0.25, 0.6)):
        foot = p.horizon + rng.uniform(0.0, 0.035)
        p.stamp("trees", dressed(rng, kind, tint), x + rng.normal(0, 0.02), foot, tall * rng.uniform(0.6, 1.25))


def dressed(rng: np.random.Generator, kind: str, tint: np.ndarray) -> Thing:
    """One of the trees, with leaves of a colour near this."""
    leaf = tint * rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, 3)
    wood = np.array([0.34, 0.27, 0.21]) * rng.uniform(0.6, 1.4)
    return Thing((kind, int(rng.integers(SPRITES))), leaf.astype(np.float32), wood.astype(np.float32))


def rocky(rng: np.random.Generator, tint: np.ndarray) -> Thing:
    """One of the rocks, in a colour near this."""
    stone = (tint * rng.uniform(0.8, 1.15)).astype(np.float32)
    return Thing(("rock", int(rng.integers(SPRITES))), stone, stone)


def housing(rng: np.random.Generator) -> Thing:
    """One of the houses."""
    return Thing(("house", int(rng.integers(SPRITES))))


def paint_ground(p: Painting, kind: str = "") -> None:
    """Grass, soil, sand or gravel in perspective, patchy."""
    rng, size = p.rng, p.size
    kind = kind or str(rng.choice(["grass", "soil", "sand", "gravel"], p=[0.62, 0.16, 0.1, 0.12]))
    ranges = {
        "grass": ((55, 115), (0.3, 0.7), (0.3, 0.65)),
        "soil": ((15, 40), (0.15, 0.5), (0.2, 0.5)),
        "sand": ((30, 48), (0.15, 0.45), (0.6, 0.9)),
        "gravel": ((20, 220), (0.02, 0.15), (0.35, 0.65)),
    }
    base, other = natural(rng, *ranges[kind]), natural(rng, *ranges[kind if rng.random() < 0.5 else "soil"])
    texture = {
        "grass": "grass" if rng.random() < 0.5 else "blades",
        "soil": "rough",
        "sand": "rough",
        "gravel": "gravel",
    }[kind]
    zoom = rng.uniform(0.5, 1.3) * 128 / size * (1.6 if size < 200 else 2.2)
    fine = plane(rng, size, texture, p.horizon, zoom) + 0.5 * plane(rng, size, "grain", p.horizon, zoom * 0.6)
    blotch = plane(rng, size, "lumps", p.horizon, zoom * 0.4)
    colours = base + np.clip(blotch * 0.5 + 0.3, 0, 1)[..., None] * (other - base)
    strength = {"grass": 0.24, "soil": 0.22, "sand": 0.1, "gravel": 0.26}[kind] * rng.uniform(0.7, 1.3)
    light = np.clip(1 + strength * fine * (0.45 + 0.55 * p.near) + 0.1 * blotch, 0.15, 2)
    p.lay("ground", soft(p.below * (1 - p.horizon), size), colours * light[..., None], (1 - p.near) ** 2)


def way(p: Painting) -> tuple[np.ndarray, float]:
    """A bending strip towards the horizon: the offset from its middle in half widths, and where it starts."""
    rng = p.rng
    goal, foot, bend = rng.uniform(0.1, 0.9), rng.uniform(-0.1, 1.1), rng.normal(0, 0.5)
    middle = goal + (foot - goal) * p.near + bend * p.near * (1 - p.near)
    return (p.x - middle) / (rng.uniform(0.1, 0.6) * p.near + 0.004), foot


def paint_road(p: Painting, offset: np.ndarray) -> None:
    """Asphalt, concrete or earth, with lines or without."""
    rng, size = p.rng, p.size
    paved = rng.random() < 0.7
    base = (
        natural(rng, (200, 260), (0.0, 0.1), (0.3, 0.62)) if paved else natural(rng, (22, 40), (0.15, 0.4), (0.4, 0.7))
    )
    wear = plane(rng, size, "grain", p.horizon, 1.0) * 0.08 + plane(rng, size, "cloud", p.horizon, 0.5) * 0.05
    if rng.random() < 0.25:
        wear = wear + 0.2 * plane(rng, size, "pebbles", p.horizon, 200 / size)
    inside = soft((1 - np.abs(offset)) * (0.3 * p.near + 0.01), size) * soft(p.y - p.horizon, size)
    p.lay("road", inside, base * (1 + wear + 0.06 * np.cos(offset * 6))[..., None], (1 - p.near) ** 2)
    if paved and rng.random() < 0.7:
        dashes = np.sin(6 / np.maximum(p.near, 0.02)) > rng.choice([-2, 0])
        line = (np.abs(np.abs(offset) - 0.9) < 0.035) | ((np.abs(offset) < 0.03) & dashes)
        p.picture += (0.75 * line * inside * (p.near > 0.02))[..., None] * (0.88 - p.picture)


def paint_water(p: Painting, inside: np.ndarray) -> None:
    """A river, lake or sea that mirrors what stands above the horizon."""
    rng, size = p.rng, p.size
    row = np.clip((2 * p.horizon - p.y) * size, 0, size - 1).astype(np.float32)
    sway = plane(rng, size, "lumps", p.horizon, rng.uniform(0.6, 1.5)) * p.near
    mirror = cv2.remap(
        p.picture, (p.x * size + sway * 3).astype(np.float32), row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    deep = natural(rng, (165, 225), (0.2, 0.7), (0.2, 0.6))
    waves = relief(plane(rng, size, "lumps", p.horizon, rng.uniform(1, 3)), 0, rng.uniform(0.04, 0.2)) - 1
    colours = deep + rng.uniform(0.2, 0.75) * (mirror - deep) + (0.5 * waves * (0.3 + 0.7 * p.near))[..., None]
    p.lay("water", inside * soft(p.y - p.horizon, size), np.clip(colours, 0, 1), (1 - p.near) ** 2)


def scatter(p: Painting, count: int, kinds: tuple[str, ...], tall: float, free: np.ndarray | None = None) -> None:
    """Trees, bushes and rocks over the ground, the far ones first; none where offset `free` is a road's."""
    rng = p.rng
    tints = [leaf_colour(rng) for _ in range(2)]
    stone = natural(rng, (15, 240), (0.02, 0.2), (0.35, 0.75))
    for near in np.sort(rng.random(count) ** 1.6):
        foot, x = p.horizon + (1 - p.horizon) * (0.02 + 1.05 * near), rng.uniform(-0.1, 1.1)
        row, column = (min(p.size - 1, max(0, int(value * p.size))) for value in (foot, x))
        if free is not None and abs(free[row, column]) < 1.25:
            continue
        kind, high = str(rng.choice(kinds)), (0.03 + tall * near) * rng.uniform(0.6, 1.3)
        if kind == "rock":
            high *= 0.4
        p.shadow(x, foot, high * 0.4)
        sprite = rocky(rng, stone) if kind == "rock" else dressed(rng, kind, tints[rng.integers(2)])
        p.stamp("rocks" if kind == "rock" else "trees", sprite, x, foot + high * 0.08, high, rng.uniform(0.8, 1.4))


def paint_houses(p: Painting, count: int, tall: float) -> None:
    """Houses here and there, the far ones first."""
    for near in np.sort(p.rng.uniform(0.02, 0.4, count)):
        foot, high = p.horizon + (1 - p.horizon) * near, (0.04 + tall * near) * p.rng.uniform(0.7, 1.2)
        p.stamp("house", housing(p.rng), p.rng.uniform(0, 1), foot, high, p.rng.uniform(0.8, 1.8))


def paint_fence(p: Painting) -> None:
    """Posts and rails across the ground."""
    rng, size = p.rng, p.size
    start, end = p.horizon + (1 - p.horizon) * rng.uniform(0.1, 0.9, 2)
    shade = rng.uniform(0.2, 0.9)
    tone = [part * float(shade) for part in (1, 0.95, 0.88)]
    for x in np.linspace(0, 1, int(rng.integers(6, 16))):
        foot = start + (end - start) * x
        high = (foot - p.horizon) * 0.35 + 0.01
        column, rows = int(x * size), [int(value * size) for value in (foot, foot - high)]
        wide = max(1, int(high * size * 0.12))
        cv2.line(p.picture, (column, rows[0]), (column, rows[1]), tone, wide, cv2.LINE_AA)
    for part in (0.5, 0.95):
        rows = [int((foot - ((foot - p.horizon) * 0.35 + 0.01) * part) * size) for foot in (start, end)]
        cv2.line(p.picture, (0, rows[0]), (size, rows[1]), tone, max(1, size // 160), cv2.LINE_AA)
