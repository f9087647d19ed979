"""Procedural places: valleys, beaches, streets, avenues, forests, walls of rock, ground seen from above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from .drawing import leaf_colour, noise, patch, relief
from .painting import Painting, soft
from .sources import Source
from .terrain import (
    dressed,
    housing,
    natural,
    paint_fence,
    paint_forest_edge,
    paint_ground,
    paint_houses,
    paint_mountains,
    paint_road,
    paint_sky,
    paint_water,
    scatter,
    way,
)


def paint_landscape(rng: np.random.Generator, size: int) -> Source:
    """A place of `size` x `size` pixels, with its regions and distances; the same state gives the same place."""
    names = list(SCENES)
    name = names[rng.choice(len(names), p=[share for _, share in SCENES.values()])]
    return replace(SCENES[name][0](rng, size).finish(), name=name)


def valley(rng: np.random.Generator, size: int) -> Painting:
    """Sky, mountains, a forest's edge, meadow; a road, river or lake; trees, rocks, houses, a fence."""
    p = Painting(rng, size, rng.uniform(0.25, 0.62))
    paint_sky(p)
    if rng.random() < 0.75:
        paint_mountains(p)
    if rng.random() < 0.7:
        paint_forest_edge(p)
    paint_ground(p)
    offset, _ = way(p)
    chance = rng.random()
    if chance < 0.45:
        paint_road(p, offset)
    elif chance < 0.65:
        paint_water(p, soft((1 - np.abs(offset + 0.2 * noise(rng, size, 6, 2))) * (0.3 * p.near + 0.01), size))
    elif chance < 0.75:
        paint_water(p, soft(rng.uniform(0.2, 0.6) - p.near + 0.04 * noise(rng, size, 4, 3), size, 2))
    if rng.random() < 0.3:
        paint_houses(p, int(rng.integers(1, 5)), rng.uniform(0.3, 0.8))
    if rng.random() < 0.3:
        paint_fence(p)
    kinds = tuple(
        rng.choice(["cone", "round", "bush", "rock", "bare", "poplar"], 3, p=[0.25, 0.25, 0.2, 0.2, 0.05, 0.05])
    )
    scatter(p, int(rng.integers(3, 26)), kinds, rng.uniform(0.3, 1.0), offset if chance < 0.65 else None)
    return p


def beach(rng: np.random.Generator, size: int) -> Painting:
    """Sky, sea and sand, with palms and rocks."""
    p = Painting(rng, size, rng.uniform(0.2, 0.55))
    paint_sky(p)
    if rng.random() < 0.4:
        paint_mountains(p)
    paint_ground(p, "sand" if rng.random() < 0.7 else "gravel")
    shore = rng.uniform(0.25, 0.7) + rng.normal(0, 0.3) * (p.x - 0.5) + 0.05 * noise(rng, size, 3, 3) - p.near
    paint_water(p, soft(shore, size, 2))
    foam = np.exp(-np.square(shore / 0.018)) * (0.6 + 0.5 * patch(rng, size, "lumps", 1.5))
    p.picture += np.clip(foam, 0, 1)[..., None] * (0.95 - p.picture)
    scatter(
        p,
        int(rng.integers(2, 14)),
        ("palm", "rock", "bush") if rng.random() < 0.6 else ("rock",),
        rng.uniform(0.4, 1.1),
        np.where(shore > 0, 0, 9),
    )
    return p


def avenue(rng: np.random.Generator, size: int) -> Painting:
    """A road between rows of trees or houses."""
    p = Painting(rng, size, rng.uniform(0.3, 0.6))
    paint_sky(p)
    if rng.random() < 0.5:
        paint_forest_edge(p)
    paint_ground(p)
    goal, wide = rng.uniform(0.35, 0.65), rng.uniform(0.25, 0.6)
    paint_road(p, (p.x - goal - rng.normal(0, 0.15) * p.near) / (wide * p.near + 0.004))
    tint, tall, houses = leaf_colour(rng), rng.uniform(0.8, 1.6), rng.random() < 0.45
    kind = str(rng.choice(["round", "cone", "poplar", "bare", "palm"], p=[0.45, 0.25, 0.12, 0.1, 0.08]))
    for near in np.geomspace(0.03, 1.1, int(rng.integers(7, 12))):
        foot = p.horizon + (1 - p.horizon) * near
        for side in (-1, 1):
            x = goal + side * near * (wide * rng.uniform(1.25, 1.5) + 0.02)
            high = (0.02 + tall * near) * rng.uniform(0.8, 1.2)
            if houses and rng.random() < 0.7:
                p.stamp(
                    "house",
                    housing(rng),
                    x + side * high * 0.3,
                    foot,
                    high * 0.9,
                    rng.uniform(0.8, 1.3),
                )
            else:
                p.shadow(x, foot, high * 0.4)
                p.stamp("trees", dressed(rng, kind, tint), x, foot, high, rng.uniform(0.9, 1.3))
    return p


def street(rng: np.random.Generator, size: int) -> Painting:
    """House beside house in front of us, a pavement, a road across."""
    p = Painting(rng, size, rng.uniform(0.4, 0.6))
    paint_sky(p)
    paint_ground(p, "gravel" if rng.random() < 0.5 else "")
    x, high = -0.1, rng.uniform(0.35, 0.75)
    foot = p.horizon + rng.uniform(0.05, 0.25)
    while x < 1.1:
        wide = rng.uniform(0.6, 1.1)
        tall = high * rng.uniform(0.8, 1.3)
        p.stamp("house", housing(rng), x + tall * wide / 2, foot, tall, wide)
        x += tall * wide * rng.uniform(0.75, 1.1)
    rows = soft(p.y - foot - rng.uniform(0.02, 0.1), size)
    offset = (p.y - foot - rng.uniform(0.15, 0.45)) / 0.3
    paint_road(p, np.where(rows > 0.5, np.clip(offset, -0.99, 0.99), 9))
    scatter(p, int(rng.integers(1, 7)), ("round", "bush", "cone", "poplar"), rng.uniform(0.4, 0.9), offset + 0.2)
    return p


def wall(rng: np.random.Generator, size: int) -> Painting:
    """A wall of stones, bricks or rock that hides the sky, with ground, boulders and plants before it."""
    p = Painting(rng, size, rng.uniform(0.2, 0.7))
    base, kind = (
        natural(rng, (15, 60), (0.05, 0.4), (0.3, 0.75)),
        str(rng.choice(["stones", "brick", "ridges", "planks", "leaves", "pebbles"])),
    )
    height = patch(rng, size, kind, rng.uniform(0.8, 2.2))
    light = (
        0.8 + 0.22 * height
        if kind != "ridges"
        else relief(height, rng.uniform(-1, 1), 0.6) * (1 + 0.12 * patch(rng, size, "rough"))
    )
    light = light * (1 + 0.12 * patch(rng, size, "cloud", 0.7))
    name = {"ridges": "rocks", "leaves": "trees"}.get(kind, "walls")
    p.lay(
        name,
        np.ones((size, size), np.float32),
        (leaf_colour(rng) if kind == "leaves" else base) * light[..., None],
        0.6,
    )
    p.tilt(rng.normal(0, 0.25))
    paint_ground(p, str(rng.choice(["soil", "gravel", "grass"])))
    scatter(p, int(rng.integers(3, 14)), tuple(rng.choice(["rock", "bush", "rock", "round"], 2)), rng.uniform(0.4, 1.2))
    return p


def down(rng: np.random.Generator, size: int) -> Painting:
    """The ground, seen from above: grass, earth, a path or brook, stones."""
    p = Painting(rng, size, rng.uniform(-1.2, -0.15))
    paint_ground(p)
    chance, (offset, _) = rng.random(), way(p)
    if chance < 0.35:
        paint_road(p, offset * 1.5)
    elif chance < 0.5:
        paint_water(p, soft((1 - np.abs(offset + 0.3 * noise(rng, size, 5, 3))) * 0.3, size))
    scatter(
        p,
        int(rng.integers(4, 30)),
        tuple(rng.choice(["rock", "bush", "bush", "round", "cone"], 2)),
        rng.uniform(0.15, 0.5),
    )
    return p


def forest(rng: np.random.Generator, size: int) -> Painting:
    """Among trees: leaves behind, trunks, a floor of leaves or grass."""
    p = Painting(rng, size, rng.uniform(0.4, 0.75))
    paint_sky(p)
    tint, cover = leaf_colour(rng), rng.uniform(-1.0, 0.6)
    leaves = patch(rng, size, "leaves", rng.uniform(0.8, 1.8))
    thick = np.clip((patch(rng, size, "lumps", 0.8) + 0.4 * leaves - cover + 1.5 * p.y) * 3, 0, 1)
    p.lay("trees", thick, tint * (0.6 + 0.25 * leaves)[..., None], 0.9)
    paint_ground(p, str(rng.choice(["soil", "grass"])))
    bark = np.array([0.36, 0.3, 0.25]) * rng.uniform(0.5, 1.5)
    for near in np.sort(rng.random(int(rng.integers(5, 16))) ** 2):
        foot, x, wide = p.horizon + (1 - p.horizon) * near, rng.uniform(0, 1), 0.01 + rng.uniform(0.04, 0.11) * near
        lean = rng.normal(0, 0.06) * (p.y - foot) + 0.01 * noise(rng, size, (4, 2))
        across = (p.x - x - lean) / wide
        rough = cv2.resize(patch(rng, size, "fur", 1.2)[: size // 3], (size, size))
        tone = (1 + 0.25 * rough) * (0.55 + 0.5 * np.sqrt(np.clip(1 - (across - 0.3) ** 2 / 2, 0, 1)))
        inside = soft((1 - np.abs(across)) * wide, size) * soft(foot - p.y, size)
        p.shadow(x, foot, wide * 3)
        p.lay("trees", inside, bark * tone[..., None], p.away(foot))
    scatter(p, int(rng.integers(2, 12)), ("bush", "cone", "round"), rng.uniform(0.3, 1.0))
    return p


SCENES: dict[str, tuple[Callable[[np.random.Generator, int], Painting], float]] = {
    "landscape": (valley, 0.4),
    "beach": (beach, 0.08),
    "road": (avenue, 0.14),
    "street": (street, 0.09),
    "wall": (wall, 0.12),
    "ground": (down, 0.09),
    "forest": (forest, 0.08),
}
