"""The background: sky, mountains, hills with trees and houses, a road with its verge; back to front."""

from __future__ import annotations

import cv2
import numpy as np

from .painter import PAINT, Painter, mix

WORLD = (232, 600)  # height, width of the background in world pixels
ROAD_TOP, ROAD_BOTTOM = 166, 209


def _ridge(random: np.random.Generator, base: float, height: float, length: float, rough: float = 0.5) -> np.ndarray:
    """A skyline: v for each world u, from sines of random phase."""
    u, size = np.arange(WORLD[1] * PAINT) / PAINT, height
    line = np.zeros_like(u)
    for octave in range(7):
        phase = random.uniform(0, 2 * np.pi)
        line = line + size * np.sin(2 * np.pi * u * 1.87**octave / length + phase)
        size *= rough
    return (base - line).astype(np.float32)


def _sky(p: Painter) -> None:
    share = (p.v / 112) ** 1.15
    p.fill(p.matte < 1, mix((70, 138, 202), (176, 213, 229), share * 1.25))
    glow = np.clip((p.v - 48) / 62, 0, 1) ** 1.5
    p.fill(p.matte > 0, (255, 228, 190), 0.8 * glow)
    sun = np.hypot(p.u - 432, p.v - 50)
    p.fill(p.matte > 0, (255, 240, 205), 0.75 * np.exp(-((sun / 46) ** 2)))
    p.disc(432, 50, 10.5, (255, 250, 232))
    for u, v, size in [
        (70, 34, 1.25),
        (212, 22, 0.9),
        (318, 44, 1.1),
        (520, 30, 1.35),
        (142, 64, 0.6),
        (590, 70, 0.7),
    ]:
        puffs = p.random.normal(0, 1, (15, 3))
        for step, (low, high) in enumerate([((196, 208, 224), 5), ((226, 231, 238), 2.5), ((252, 250, 247), 0)]):
            for i, (a, b, c) in enumerate(puffs):
                side = (i - 7) / 7
                radius = size * max(3.2, (12 - 8 * side**2 + 1.6 * c) - 1.5 * step)
                x, y = (
                    u + size * (30 * side + 2 * a) - 1.1 * step,
                    v - size * (1 - side**2) * 8 + b + high - 2 * step,
                )
                p.disc(x, min(y, v + 2 * size), radius, low, 0.6)


def _mountains(p: Painter) -> None:
    for base, height, length, low, high, seed in [
        (84, 13, 190, (150, 172, 204), (190, 198, 214), 0),
        (98, 11, 128, (106, 138, 168), (150, 172, 184), 1),
    ]:
        crest = _ridge(p.random, base, height, length, 0.52)
        depth = p.v - crest[None, :]
        body = depth > 0
        slope = np.gradient(cv2.GaussianBlur(crest[None], (0, 0), 3 * PAINT)[0])
        at = (p.u - 0.55 * depth + 3 * p.noise(12, 20, 3)) * PAINT  # facets run down aslant from the crest
        facets = np.sign(slope)[np.clip(at, 0, len(slope) - 1).astype(int)]
        p.fill(body, mix(low, high, (p.v - base + 20) / 46))
        p.fill(body & (facets < 0), 0.8 * np.array(low), 0.5)
        if seed == 0:
            snow = body & (depth < 9 + 6 * p.noise(9, 30, 3) - (crest[None] - 68) * 0.55)
            p.fill(snow, (247, 247, 250))
            p.fill(snow & (facets < 0), (192, 205, 228))


def _conifer(p: Painter, u: float, v: float, height: float, tint: float) -> None:
    dark, light = (
        (34 + 14 * tint, 74 + 22 * tint, 62 + 12 * tint),
        (62 + 20 * tint, 112 + 26 * tint, 78 + 14 * tint),
    )
    p.line([(u, v), (u, v - height * 0.3)], 0.05 * height, (84, 62, 48))
    for i in range(4):
        top, low, half = (
            v - height * (1 - 0.2 * i),
            v - height * (0.58 - 0.16 * i),
            height * (0.13 + 0.055 * i),
        )
        p.polygon([(u, top), (u + half, low), (u - half, low)], light)
        p.polygon([(u, top), (u + half, low), (u - half * 0.1, low)], dark)


def _round_tree(p: Painter, u: float, v: float, size: float, warm: float) -> None:
    p.disc(u + 0.2 * size, v, 0.75 * size, (58, 98, 52), 0.16)
    p.line([(u, v), (u - 0.02 * size, v - size)], 0.14 * size, (92, 68, 50))
    p.line([(u, v - 0.7 * size), (u + 0.3 * size, v - 1.15 * size)], 0.08 * size, (80, 58, 44))
    tones = [
        np.array([44, 92, 56]),
        np.array([76, 130, 62]),
        np.array([122, 166, 76]),
        np.array([164, 194, 98]),
    ]
    leaves = p.random.uniform(-1, 1, (26, 2))
    for level, tone in enumerate(tones):
        red, green, blue = (float(c) for c in tone + np.array([70, 8, -18]) * warm)
        for a, b in leaves[: 26 - 6 * level]:
            x = u + 0.62 * size * a * np.sqrt(1 - 0.5 * b * b) - 0.11 * size * level
            y = v - 1.5 * size + 0.56 * size * b - 0.12 * size * level
            p.disc(x, y, size * (0.34 - 0.065 * level), (red, green, blue))


def _hills(p: Painter) -> None:
    tones = [
        ((112, 152, 122), (142, 174, 120)),
        ((104, 152, 88), (158, 186, 96)),
        ((88, 142, 70), (150, 182, 84)),
    ]
    for k, (base, height, length) in enumerate([(116, 6, 210), (130, 7, 260), (148, 6, 330)]):
        crest = _ridge(p.random, base, height, length, 0.3)
        depth = p.v - crest[None, :]
        body = depth > 0
        p.fill(body, mix(tones[k][1], tones[k][0], depth / 26))
        p.fill(body, (230, 226, 130), 0.35 * np.exp(-((depth / 2.2) ** 2)))
        p.fill(body & (p.noise(90, 12, 3) > 0.35), (196, 190, 98) if k == 1 else (76, 130, 70), 0.4)
        if k == 1:  # a field in rows
            rows = np.sin((p.u - 6 * depth + 4 * np.sin(p.u / 60)) * 0.55) > 0.15
            p.fill(body & (p.u > 240) & (p.u < 372 + depth) & (depth > 3) & rows, (118, 150, 62), 0.8)
        for u in np.sort(p.random.uniform(0, WORLD[1], (34, 30, 0)[k])):
            v = crest[min(len(crest) - 1, int(u * PAINT))] + p.random.uniform(0.5, 5 + 3 * k)
            if np.sin(u / 31 + k * 2) > -0.2:
                _conifer(p, u, v, p.random.uniform(9, 15) + 7 * k, p.random.uniform(0, 1) + (1 - k) * 0.8)


def _house(p: Painter, u: float, v: float, size: float) -> None:
    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(u + size * a, v - size * b) for a, b in points]

    p.polygon(at((0, 0), (2, 0), (2, 1), (0, 1)), (240, 230, 212))
    p.polygon(at((2, 0), (2.9, 0), (2.9, 1), (2.45, 1.75), (2, 1)), (214, 200, 184))
    p.polygon(at((-0.15, 0.95), (2, 0.95), (2.45, 1.8), (0.35, 1.8)), (186, 84, 66))
    p.polygon(at((2.45, 1.8), (3.02, 0.95), (2.9, 0.9), (2.42, 1.68)), (150, 64, 54))
    for left in (0.3, 1.35):
        p.polygon(at((left, 0.3), (left + 0.35, 0.3), (left + 0.35, 0.72), (left, 0.72)), (92, 116, 140))
    p.polygon(at((0.85, 0), (1.15, 0), (1.15, 0.62), (0.85, 0.62)), (120, 82, 62))
    p.polygon(at((0.6, 1.7), (0.85, 1.7), (0.85, 2.15), (0.6, 2.15)), (170, 120, 100))


def _meadow_and_road(p: Painter) -> None:
    grass = p.noise(34, 6, 4)
    p.fill(p.v > 158 + 1.2 * grass, mix((120, 164, 70), (84, 136, 60), (p.v - 158) / 60 + 0.25 * grass))
    road = (p.v > ROAD_TOP) & (p.v < ROAD_BOTTOM)
    p.fill((p.v > ROAD_TOP - 2.2) & (p.v < ROAD_BOTTOM + 3), (186, 172, 142))
    p.fill(road, mix((104, 106, 114), (84, 86, 96), (p.v - ROAD_TOP) / 44 + 0.18 * p.noise(40, 5, 3)))
    for _ in range(60):
        u, v = p.random.uniform(0, WORLD[1]), p.random.uniform(ROAD_TOP + 5, ROAD_BOTTOM - 5)
        p.line([(u, v), (u + p.random.uniform(4, 16), v + p.random.uniform(-0.8, 0.8))], 0.5, (86, 88, 97))
    for v in (ROAD_TOP + 2.6, ROAD_BOTTOM - 3.2):
        p.fill(np.abs(p.v - v) < 0.75, (232, 230, 222), 0.9)
    p.fill((np.abs(p.v - 184.5) < 1.1) & ((p.u + 7) % 36 < 20), (244, 214, 120))


def _verge(p: Painter) -> None:
    p.line([(0, 153.5), (WORLD[1], 153.5)], 1.3, (196, 176, 148))
    p.line([(0, 159), (WORLD[1], 159)], 1.3, (182, 160, 132))
    for u in range(6, WORLD[1], 25):
        tilt = p.random.uniform(-0.6, 0.6)
        p.line([(u + 0.9, 166), (u + 0.9 + tilt, 149.6)], 2.6, (126, 102, 82))
        p.line([(u, 166), (u + tilt, 149.6)], 1.9, (206, 184, 154))
    spots = np.sort(p.random.uniform(0, WORLD[1], 44))
    for i, u in enumerate(spots):
        size, v = p.random.uniform(2.6, 4.6), 164.5 + p.random.uniform(-1, 1)
        for tone, lift in [((54, 100, 54), 0), ((92, 142, 66), 0.5), ((142, 178, 86), 1.0)]:
            for k in range(5):
                p.disc(
                    u + size * (k - 2) * 0.5 - lift,
                    v - size * (0.5 + 0.25 * (k % 2)) - lift,
                    size * (0.62 - 0.2 * lift),
                    tone,
                )
        if i % 4 == 0:
            for k in range(4):
                p.disc(u + size * (k - 1.5) * 0.6, v - size * (0.6 + 0.4 * (k % 2)), 0.7, (236, 120, 132))
    blades = p.random.uniform(0, 1, (900, 4))
    for a, b, c, d in blades[np.argsort(blades[:, 1])]:
        u, v = a * WORLD[1], ROAD_BOTTOM + 3.5 + b * 20
        tone = (72 + 80 * c, 124 + 60 * c, 52 + 22 * c)
        p.line([(u, v), (u + 3 * (d - 0.5), v - 2.4 - 3.2 * c)], 0.55, tone)
        if d > 0.94:
            p.disc(u, v - 3, 0.95, (250, 246, 240) if c > 0.5 else (246, 206, 84))


def paint_background() -> Painter:
    """The landscape, from the sky down."""
    p = Painter((0, 0, WORLD[1], WORLD[0]), seed=7)
    _sky(p)
    _mountains(p)
    _hills(p)
    _house(p, 268, 133, 9)
    _house(p, 470, 141, 11)
    _meadow_and_road(p)
    trees = [(24, 17, 0.1), (112, 13, 0.9), (196, 18, 0), (232, 12, 0.3), (330, 15, 1.1), (404, 19, 0.1)]
    for u, size, warm in [*trees, (446, 13, 0.8), (540, 18, 0.3), (578, 13, 1.0)]:
        _round_tree(p, u, 157, size, warm)
    _verge(p)
    return p
