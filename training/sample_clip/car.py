"""The foreground: a car seen from its right side."""

from __future__ import annotations

import numpy as np

from .painter import Painter, corner, curve, mix

CAR_BOX = (-92, -56, 92, 40)  # left, top, right, bottom of the car's picture around its centre


def _wheel(p: Painter, u: float, v: float) -> None:
    for radius, colour in [
        (15.2, (30, 32, 38)),
        (14.2, (44, 46, 52)),
        (10.4, (28, 30, 36)),
        (9.7, (204, 208, 214)),
    ]:
        p.disc(u, v, radius, colour)
    for radius, colour in [
        (8.5, (150, 156, 166)),
        (7.4, (178, 184, 192)),
        (5.6, (112, 118, 128)),
        (4.6, (164, 170, 180)),
    ]:
        p.disc(u, v, radius, colour)
    p.disc(u, v, 2.3, (226, 229, 234))
    p.disc(u, v, 1.2, (120, 126, 136))


def paint_car() -> Painter:
    """The car, seen from its right side, on nothing; `matte` says where it is."""
    p = Painter(CAR_BOX, seed=3)
    away = np.hypot(p.u / 80, (p.v - 30.6) / 4.4)
    p.fill(away < 1.15, (34, 36, 44), np.clip(4 * (1.13 - away), 0, 1))  # the shadow it stands in
    p.polygon([(-64, 19), (64, 19), (58, 27), (-60, 27)], (30, 32, 38))
    body = curve(
        *corner(-75.5, 20), (-76.5, 12), (-77, 0), (-75.5, -12), (-71.5, -25), (-66, -35.5), (-57, -39.5),
        (-22, -41.6), (4, -40.6), (17, -36.8), (29, -27.5), (38, -18.6), (56, -16), (68.5, -12.6), (74.5, -6),
        (77, 3), (77.6, 12), *corner(76, 20),
    )  # fmt: skip
    inside = p.mask(body)
    paint = mix((188, 206, 222), (112, 138, 166), (p.v + 14) / 34)
    paint += 22 * np.exp(-(((p.v + 12.5 + 0.02 * p.u) / 3.2) ** 2))[..., None]
    paint -= 20 * np.exp(-(((p.v - 2) / 2.2) ** 2))[..., None]
    p.fill(inside, np.minimum(paint, 250))
    p.fill(inside & (p.v < -33), mix((226, 235, 242), (176, 196, 214), (p.v + 42) / 9))
    p.fill(inside & (p.v > 11 + 0.6 * np.sin(p.u / 30)), (62, 66, 74))
    p.fill(inside & (p.v > 17), (44, 47, 54))
    p.fill(inside & (np.abs(p.v - 13.6) < 0.5), (96, 100, 108))
    _windows(p)
    _fittings(p)
    for u in (-45, 46):
        p.fill(inside & (np.hypot(p.u - u, p.v - 17) < 19), (62, 66, 74))
        p.fill((np.hypot(p.u - u, p.v - 17) < 17) & (p.v < 21) & inside, (20, 22, 28))
        _wheel(p, u, 17.6)
    return p


def _windows(p: Painter) -> None:
    glass = p.mask(
        curve(*corner(-67.5, -16.8), (-65, -26), (-60.5, -33.6), (-53, -36), (-22, -37.4), (3, -36.6),
              (15, -33), (24.5, -25.8), *corner(33, -16.8))
    )  # fmt: skip
    p.fill(glass, mix((46, 62, 82), (92, 116, 138), (p.v + 40) / 24))
    streak = (p.u + 0.75 * p.v) % 52
    p.fill(glass & (streak > 16) & (streak < 24), (190, 212, 226), 0.4)
    p.fill(glass & (streak > 26) & (streak < 28.5), (190, 212, 226), 0.35)
    for u, width in ((-41, 3.4), (-8, 4.2)):
        pillar = np.abs(p.u - u - 0.12 * (p.v + 17)) < width / 2
        p.fill(glass & pillar, (38, 42, 50))
    p.line([(-68, -16.4), (34.5, -16.4)], 0.9, (226, 232, 238))
    for u, v in ((-24, -21), (8, -21)):  # two headrests
        p.disc(u, v, 3.2, (36, 44, 56))
        p.polygon([(u - 3.4, v + 1), (u + 2.6, v + 1), (u + 3.4, v + 4.4), (u - 4.6, v + 4.4)], (36, 44, 56))


def _fittings(p: Painter) -> None:
    seam = (84, 104, 128)
    p.line(curve((-8.6, -17), (-9.6, -6), (-10, 6), (-8, 17), closed=False), 0.7, seam)
    p.line(curve((20.5, -16.4), (23.6, -8), (24.4, 4), (23, 17), closed=False), 0.7, seam)
    p.line([(-42, -16.4), (-43.5, -8), (-39, -1)], 0.7, seam)
    p.line([(-8, 17), (23, 17)], 0.7, (36, 38, 44))
    p.line(curve((-71, -9), (-30, -9.6), (20, -9.8), (62, -9), closed=False), 0.6, (232, 239, 245))
    for u in (-27, 5):
        p.polygon([(u, -6.6), (u + 8, -6.6), (u + 8, -4.6), (u, -4.6)], (92, 112, 136))
        p.polygon([(u, -6.8), (u + 8, -6.8), (u + 8, -5.6), (u, -5.6)], (226, 234, 242))
    p.line([(-58, -41), (-50, -42.8), (-22, -44.2), (-2, -43.4), (4, -41.2)], 1.4, (58, 62, 70))
    for u, v in ((-50, -41), (-22, -42.4), (-3, -41.6)):
        p.polygon([(u - 1.6, v), (u + 1.6, v), (u + 1.2, v - 3), (u - 1.2, v - 3)], (58, 62, 70))
    p.polygon(curve((23, -20.5), (28.5, -21), (29.5, -16.5), (24, -15.8)), (128, 150, 174))
    p.polygon(curve((24, -20), (27.6, -20.4), (28, -18.4), (24.2, -18)), (196, 212, 226))
    p.polygon([(65, -12.2), (70.4, -9.8), (75.4, -3.4), (66.4, -4.6)], (252, 246, 214))
    p.polygon([(65, -12.2), (67.8, -11), (69.4, -4.2), (66.4, -4.6)], (255, 255, 250))
    p.polygon([(73, 0.6), (76.6, 0.6), (77.5, 8.4), (73.6, 8.4)], (48, 52, 60))
    p.disc(73.6, 12.6, 1.9, (250, 240, 206))
    p.polygon([(-76, -8), (-70.6, -8.6), (-71, 1), (-76.9, 1)], (206, 48, 48))
    p.polygon([(-76, -8), (-73.4, -8.3), (-74, 1), (-76.9, 1)], (240, 96, 80))
    p.polygon([(-76.9, 1), (-71, 1), (-71.1, 3.4), (-76.8, 3.4)], (246, 196, 120))
