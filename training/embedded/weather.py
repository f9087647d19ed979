"""Weather, season and light, as a person knows them: snow lies on what faces up, night keeps the drawing.

Every scene is a function of the source's picture and of what is where in it (`Ground`). Pictures are sRGB [H, W, 3]
float32 in [0, 1], maps [H, W] in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .light import mix, shading, to_lab, to_rgb, tone
from .materials import Grains, around_zero
from .sources import Source

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Ground:
    """What is where, each [H, W]: shade, about -1 to 1; up, how far a place faces up, -1 to 1; the rest in [0, 1]."""

    lab: np.ndarray
    shade: np.ndarray
    up: np.ndarray
    sky: np.ndarray
    leaves: np.ndarray
    windows: np.ndarray
    distance: np.ndarray
    height: np.ndarray


def survey(source: Source) -> Ground:
    """What is where in a source; sky and distance are guessed where they are not known."""
    lab, mask = to_lab(source.picture), source.mask
    shade = shading(lab[..., 0], mask)
    sky = source.regions.get("sky", guess_sky(lab, mask) if source.kind == "place" else np.zeros_like(mask))
    height = np.linspace(1, 0, mask.shape[0], dtype=np.float32)[:, None].repeat(mask.shape[1], 1)
    distance = source.distance
    if distance is None:
        distance = np.maximum(sky, 0.9 * height**1.3) if source.kind == "place" else np.full_like(mask, 0.3)
    a, b = lab[..., 1], lab[..., 2]
    leaves = np.clip((0.55 * b - a - 2) / 12, 0, 1) * np.clip((b + 2) / 6, 0, 1) * (1 - sky)
    soft = cv2.GaussianBlur(shade, (0, 0), 2.0)
    up = np.clip(-2.5 * cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3, scale=0.5), -1, 1)
    windows = source.regions.get("windows", np.zeros_like(mask))
    return Ground(lab, shade, up, sky, leaves, windows, distance, height)


def guess_sky(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What hangs down from the upper border, is light, smooth, and no plant: [H, W] in [0, 1]."""
    light = lab[..., 0]
    smooth = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)) < 28
    green = (lab[..., 2] > 12) & (lab[..., 1] < 0)
    bright = (light > 70) | ((light > 45) & (lab[..., 2] < -6))
    open_sky = cv2.medianBlur((bright & smooth & ~green & (mask > 0.5)).astype(np.uint8), 5)
    parts = cv2.connectedComponents(open_sky)[1]
    reached = np.isin(parts, np.setdiff1d(parts[0], 0))
    if reached.mean() < 0.06 or reached[0].mean() < 0.3:
        return np.zeros_like(mask)
    return cv2.GaussianBlur(reached.astype(np.float32), (0, 0), 1.0)


def flat(colour: Colour) -> np.ndarray:
    """A colour in 0..255 as [1, 1, 3]."""
    return np.array(colour, np.float32)[None, None] / 255


def gradient(height: np.ndarray, colours: tuple[Colour, ...]) -> np.ndarray:
    """Colours in 0..255 from the bottom to the top, [H, W, 3]."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(height, stops, [colour[c] / 255 for colour in colours]) for c in range(3)], -1)


def clouds(ground: Ground, amount: float) -> np.ndarray:
    """The source's own clouds, as a factor [H, W, 1] around 1."""
    own = ground.lab[..., 0] - cv2.GaussianBlur(ground.lab[..., 0], (0, 0), 8)
    return (1 + amount * np.clip(own / 18, -1, 1))[..., None]


def snow(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """White on whatever faces up, most of it near and open; leaves stay dark beneath it; a grey sky."""
    relief = ground.shade - cv2.GaussianBlur(ground.shade, (0, 0), 10)
    faces_up = np.clip(0.84 + 0.75 * ground.up + 0.35 * relief - 0.12 * ground.leaves, 0, 1)
    lies = cv2.GaussianBlur(faces_up, (0, 0), 0.8)
    bare = ground.lab.copy()
    bare[..., 0] = 0.85 * bare[..., 0] + 6
    bare[..., 1:] = 0.4 * bare[..., 1:] + np.array([0, -4], np.float32)
    white = tone(0.5 * ground.shade + 0.3 * relief, np.array([91, -0.5, -3.5], np.float32), 22)
    result = mix(to_rgb(bare), to_rgb(white), lies)
    overcast = gradient(ground.height, ((226, 230, 236), (196, 203, 213))) * clouds(ground, 0.06)
    return mix(result, overcast, ground.sky)


def autumn(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Green turns to red and gold, fallen leaves warm the rest; the sky stays blue."""
    which = np.clip(0.5 + 0.45 * ground.shade + 0.5 * around_zero(grains["round"]), 0, 1)
    foliage = ground.lab.copy()
    foliage[..., 0] = 0.9 * foliage[..., 0] + 8 + 8 * which
    foliage[..., 1], foliage[..., 2] = 44 - 30 * which, 44 + 18 * which
    fallen = ground.lab + np.array([2, 0, 0], np.float32)
    fallen[..., 1], fallen[..., 2] = 0.4 * fallen[..., 1] + 15, 0.4 * fallen[..., 2] + 26
    turned = mix(to_rgb(fallen), to_rgb(foliage), cv2.GaussianBlur(ground.leaves, (0, 0), 0.8))
    clear = ground.lab + np.array([0, -1, -6], np.float32)
    return mix(turned, to_rgb(clear), ground.sky)


def night(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Moonlight: dark and blue, and still everything is drawn; windows shine."""
    relief = ground.shade - cv2.GaussianBlur(ground.shade, (0, 0), 3)
    middle = float(np.clip(0.52 * np.median(ground.lab[..., 0]), 13, 27))  # darker than what is dark by day
    dark = tone(1.3 * ground.shade + 0.9 * relief, np.array([middle, 3, -22], np.float32), 36)
    dark[..., 1:] += 0.14 * ground.lab[..., 1:]
    land = to_rgb(dark)
    above = gradient(ground.height, ((44, 58, 108), (20, 28, 66), (9, 13, 36))) * clouds(ground, 0.35)
    result = mix(land, above, ground.sky)
    shining = flat((255, 204, 112)) * (0.8 + 0.25 * ground.shade[..., None])
    result = mix(result, shining, 0.9 * ground.windows)
    glow = cv2.GaussianBlur(ground.windows, (0, 0), 5)[..., None]
    return np.clip(result + 0.35 * glow * flat((255, 170, 70)), 0, 1)


def sunset(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """A lit sky from gold to violet, and warm land with blue shadows."""
    colours: tuple[Colour, ...] = ((255, 214, 110), (255, 156, 72), (226, 96, 90), (122, 74, 128))
    above = gradient(np.clip((ground.height - 0.35) / 0.65, 0, 1), colours) * clouds(ground, 0.22)
    warm = ground.lab.copy()
    warm[..., 0] = 0.82 * warm[..., 0]
    lit = np.clip(0.6 + 0.5 * ground.shade, 0, 1)
    warm[..., 1] = 0.6 * warm[..., 1] + 17 + 8 * lit
    warm[..., 2] = 0.6 * warm[..., 2] + 4 + 34 * lit
    return mix(to_rgb(warm), above, ground.sky)


def desert(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Sand, and what the sand has bleached, under a pale hot sky."""
    ripples = 0.05 * np.sin(ground.height * 150 + 5 * ground.shade) * (1 - ground.leaves)
    sand = tone(0.8 * ground.shade + ripples, np.array([72, 9, 34], np.float32), 28)
    dry = tone(0.9 * ground.shade, np.array([52, 2, 28], np.float32), 28)
    land = mix(to_rgb(sand), to_rgb(dry), 0.7 * ground.leaves)
    above = gradient(ground.height, ((246, 230, 200), (176, 206, 226))) * clouds(ground, 0.05)
    return mix(land, above, ground.sky)


def fog(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """What is far is hidden, what is near is pale."""
    pale = ground.lab.copy()
    pale[..., 1:] *= 0.3
    seen = 0.66 * np.exp(-2.2 * cv2.GaussianBlur(ground.distance, (0, 0), 2)) + 0.06
    return mix(np.broadcast_to(flat((198, 203, 208)), picture.shape), to_rgb(pale), seen)


def rain(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """A low grey sky, wet dark colours, slanting streaks."""
    wet = ground.lab.copy()
    wet[..., 0] = np.clip(0.66 * wet[..., 0] + 6 * ground.shade, 0, 100)
    wet[..., 1:] = 0.5 * wet[..., 1:] + np.array([-1, -6], np.float32)
    above = gradient(ground.height, ((158, 168, 178), (98, 108, 120))) * clouds(ground, 0.15)
    result = mix(to_rgb(wet), above, ground.sky)
    streaks = np.clip(2.5 * grains["columns"] - 1.6, 0, 1)
    return np.clip(result + 0.24 * streaks[..., None], 0, 1)


def underwater(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Red goes first, then all but blue; light ripples over what faces up."""
    ripples = cv2.GaussianBlur(grains["veins"], (0, 0), 1.2) * np.clip(0.5 + ground.up, 0, 1)
    lit = ground.shade + 0.9 * ripples * (1 - ground.sky)
    near = tone(1.15 * lit, np.array([50, -20, -18], np.float32), 36)
    near[..., 1:] += 0.22 * ground.lab[..., 1:]
    deep = gradient(ground.height, ((4, 84, 120), (26, 148, 180)))
    seen = 0.95 * np.exp(-0.8 * ground.distance)
    return mix(deep, to_rgb(near), np.where(ground.sky > 0.5, 0.12, seen))


def spring(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Fresh green, blossom on it, a light blue sky."""
    fresh = tone(0.9 * ground.shade, np.array([64, -30, 46], np.float32), 28)
    mild = ground.lab.copy()
    mild[..., 0] = np.clip(mild[..., 0] * 0.9 + 12, 0, 100)
    mild[..., 1:] = 0.6 * mild[..., 1:] + np.array([-7, 12], np.float32)
    land = mix(to_rgb(mild), to_rgb(fresh), np.clip(1.2 * ground.leaves, 0, 1))
    flowers = around_zero(grains["round"]) + 0.6 * ground.shade
    blossom = tone(0.6 * ground.shade, np.array([84, 22, -3], np.float32), 18)
    land = mix(land, to_rgb(blossom), np.clip(3 * (flowers - 0.45), 0, 1) * (0.25 + 0.75 * ground.leaves))
    above = gradient(ground.height, ((222, 236, 246), (126, 184, 236))) * clouds(ground, 0.08)
    return mix(land, above, ground.sky)


def storm(picture: np.ndarray, ground: Ground, grains: Grains) -> np.ndarray:
    """Heavy clouds over dark, hard land."""
    relief = ground.shade - cv2.GaussianBlur(ground.shade, (0, 0), 3)
    hard = tone(1.2 * ground.shade + 0.8 * relief, np.array([34, 0, -5], np.float32), 38)
    hard[..., 1:] += 0.4 * ground.lab[..., 1:]
    above = gradient(ground.height, ((118, 124, 136), (66, 70, 84), (44, 47, 60)))
    above = above * (1 + 0.12 * around_zero(grains["rows"])[..., None]) * clouds(ground, 0.3)
    return np.clip(mix(to_rgb(hard), above, ground.sky), 0, 1)


SCENES: dict[str, Callable[[np.ndarray, Ground, Grains], np.ndarray]] = {
    "snow": snow,
    "autumn": autumn,
    "night": night,
    "sunset": sunset,
    "desert": desert,
    "fog": fog,
    "rain": rain,
    "underwater": underwater,
    "spring": spring,
    "storm": storm,
}


def paint_scene(source: Source, scene: str, grains: Grains) -> np.ndarray:
    """The source in that weather, season or light: [H, W, 3] in [0, 1]."""
    return np.clip(SCENES[scene](source.picture, survey(source), grains), 0, 1)
