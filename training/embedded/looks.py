"""What a word does to a picture: the image processing that makes the training targets.

Every look keeps the light and shade of its source (the drawing) and sets the rest: colours and materials
repaint what lies inside the mask, scenes change light and weather, styles redraw. Lines of the hint are inked
in before a style redraws, so that what the hint shows can be seen in every look. Black outside the mask stays black.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from .drawing import LUMA, grid, noise
from .scenes import Source

# Tone curves: what a dark, a middling and a bright place of the source become, RGB in 0..255.
COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((50, 2, 4), (212, 22, 24), (255, 118, 108)),
    "orange": ((62, 24, 0), (240, 122, 10), (255, 190, 110)),
    "yellow": ((74, 60, 0), (242, 208, 16), (255, 246, 140)),
    "green": ((2, 36, 6), (28, 158, 36), (140, 234, 130)),
    "cyan": ((0, 46, 52), (12, 190, 202), (150, 250, 252)),
    "blue": ((4, 8, 60), (26, 66, 216), (118, 156, 255)),
    "purple": ((28, 2, 48), (124, 32, 180), (206, 138, 246)),
    "pink": ((78, 14, 46), (248, 92, 168), (255, 190, 222)),
    "brown": ((24, 11, 4), (112, 64, 28), (182, 130, 86)),
    "black": ((1, 1, 2), (22, 22, 25), (74, 74, 80)),
    "white": ((112, 112, 118), (226, 226, 229), (255, 255, 255)),
    "grey": ((30, 30, 31), (122, 122, 124), (206, 206, 208)),
}
MATERIAL_TONES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "wood": ((40, 18, 6), (158, 96, 46), (224, 172, 112)),
    "gold": ((52, 24, 0), (206, 146, 22), (255, 244, 170)),
    "silver": ((16, 18, 24), (146, 152, 162), (252, 254, 255)),
    "brick": ((50, 14, 8), (166, 72, 48), (214, 128, 100)),
    "grass": ((8, 30, 2), (66, 140, 24), (164, 216, 80)),
    "marble": ((122, 118, 120), (222, 218, 216), (252, 250, 248)),
    "ice": ((66, 128, 162), (168, 220, 240), (244, 254, 255)),
    "stone": ((34, 32, 30), (128, 124, 116), (198, 194, 184)),
    "lava": ((10, 2, 2), (48, 16, 12), (110, 52, 34)),
}
SCENE_TONES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "snow": ((58, 70, 92), (206, 216, 232), (254, 255, 255)),
    "autumn": ((40, 12, 4), (196, 88, 18), (250, 196, 70)),
    "night": ((0, 1, 8), (14, 24, 66), (76, 100, 168)),
    "sunset": ((38, 8, 40), (226, 92, 42), (255, 214, 110)),
    "desert": ((82, 44, 16), (214, 160, 92), (252, 226, 170)),
    "fog": ((126, 132, 138), (182, 187, 192), (226, 229, 232)),
    "rain": ((18, 24, 32), (84, 98, 112), (156, 170, 182)),
    "underwater": ((0, 22, 44), (8, 112, 146), (116, 226, 226)),
    "spring": ((16, 52, 10), (108, 178, 56), (252, 214, 228)),
    "storm": ((6, 6, 14), (62, 58, 82), (150, 146, 176)),
}
INK = 0.45  # share of the light that a line takes
STYLES = ("oil", "sketch", "watercolour", "cartoon", "mosaic", "pixel")
PATTERNS = ("stripes", "dots", "checks")
MATERIALS = (*MATERIAL_TONES, *PATTERNS)
SCENES = tuple(SCENE_TONES)


def apply_looks(
    source: Source, looks: Sequence[str], rng: np.random.Generator, hint: np.ndarray | None = None
) -> np.ndarray:
    """The source with the named looks, [H, W, 3] in [0, 1]: material, then weather, then ink, then style.

    hint, [H, W] uint8 of 0 or 255, holds the lines to ink; none are without it.
    """
    picture = expose(source)
    colours = [look for look in looks if look in COLOURS]
    materials = [look for look in looks if look in MATERIALS]
    if materials:
        picture = paint_material(source, materials[0], colours[0] if colours else None, rng)
    elif colours:
        picture = paint_colour(source, colours[0])
    for look in looks:
        if look in SCENES:
            picture = paint_scene(picture, source.mask, look, rng)
    if hint is not None:
        picture = ink(picture, hint)
    for look in looks:
        if look in STYLES:
            picture = STYLE_PAINTERS[look](picture, source.mask, rng)
    return np.clip(picture * source.mask[..., None], 0, 1).astype(np.float32)


def expose(source: Source) -> np.ndarray:
    """The source as a photographer would have it: its middle brightness near one half."""
    inside = (source.picture @ LUMA)[source.mask > 0.5]
    middle = float(np.median(inside)) if inside.size else 0.5
    return np.clip(source.picture * np.clip(0.48 / max(middle, 1e-3), 0.6, 4), 0, 1)


def ink(picture: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """Darken a picture along the hint's lines; lighten it there where it is too dark for that."""
    stroke = np.clip(2 * cv2.GaussianBlur((hint > 0).astype(np.float32), (0, 0), 0.8), 0, 1)[..., None]
    around = cv2.GaussianBlur((picture @ LUMA).astype(np.float32), (0, 0), 2)[..., None]
    bright = np.clip((around - 0.12) / 0.12, 0, 1)
    darker, lighter = picture * (1 - INK * stroke), picture + (1 - picture) * 0.5 * INK * stroke
    return (lighter + (darker - lighter) * bright).astype(np.float32)


def light(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Light and shade [H, W] in [0, 1], stretched so that the object's own colour and exposure drop out."""
    luma = picture @ LUMA
    inside = luma[mask > 0.5]
    if inside.size == 0:
        return luma
    low, middle, high = np.percentile(inside, (3, 50, 97))
    spread = max(high - low, 0.08)
    # Half way between a full stretch and the middle at one half: flat things stay flat.
    return np.clip(0.5 + (luma - middle) / spread * 0.75, 0, 1).astype(np.float32)


def tone(shade: np.ndarray, stops: np.ndarray | Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Map light and shade [H, W] in [0, 1] through a three-stop curve to RGB [H, W, 3]."""
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shade, places, [stop[c] / 255 for stop in stops]) for c in range(3)], -1).astype(
        np.float32
    )


def paint_colour(source: Source, colour: str) -> np.ndarray:
    """Repaint in one colour, keeping the shading."""
    return tone(light(source.picture, source.mask), COLOURS[colour])


def paint_material(source: Source, material: str, colour: str | None, rng: np.random.Generator) -> np.ndarray:
    """Repaint in a material or pattern; a colour tints it (patterns: its second tone)."""
    size = source.mask.shape[0]
    shade = light(source.picture, source.mask)
    y, x = grid(size)
    if material in PATTERNS:
        first = tone(shade, COLOURS[colour or "blue"])
        second = tone(shade, COLOURS["black" if colour == "white" else "white"])
        return np.where(pattern(material, x, y, rng)[..., None], first, second)
    grain = {
        "wood": lambda: 0.16 * np.sin((x * rng.uniform(1, 3) + y * 14 + 0.9 * noise(rng, size, (4, 2), 2)) * 6.3),
        "gold": lambda: 0.35 * np.sin(shade * 11) * (shade > 0.15),
        "silver": lambda: 0.35 * np.sin(shade * 11) * (shade > 0.15),
        "grass": lambda: 0.22 * noise(rng, size, (size // 8, size // 3), 2),
        "marble": lambda: -0.75 * np.clip(1 - 9 * np.abs(noise(rng, size, 4, 3)), 0, 1) ** 1.5,
        "ice": lambda: 0.12 * noise(rng, size, 7, 2) + 0.5 * np.clip(1 - 14 * np.abs(noise(rng, size, 4, 2)), 0, 1),
        "stone": lambda: 0.2 * noise(rng, size, size // 5, 2),
        "brick": lambda: np.where(mortar(x, y), 0.35, 0.0),
        "lava": lambda: 0 * x,
    }[material]()
    stops = np.array(MATERIAL_TONES[material])
    if colour:  # half of the way to the colour: "blue marble" is blue and still marble
        stops = (stops + 3 * np.array(COLOURS[colour])) // 4
    picture = tone(np.clip(shade + grain, 0, 1), stops)
    if material == "lava":
        cracks = np.clip(1 - 7 * np.abs(noise(rng, size, 5, 2)), 0, 1)[..., None]
        picture = picture * (1 - cracks) + cracks * np.array([1.0, 0.42, 0.05], np.float32)
    return picture


def pattern(name: str, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where a pattern's first tone goes, [H, W] bool."""
    if name == "stripes":
        return np.sin((x + 0.25 * y) * 6.283 * 7) > 0
    u, v = x * 8, y * 8
    if name == "dots":
        return np.hypot(u % 1 - 0.5, (v + 0.5 * np.floor(u)) % 1 - 0.5) < 0.3
    return (np.floor(u) + np.floor(v)) % 2 == 0


def mortar(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where a brick wall has its joints, [H, W] bool."""
    u, v = x * 6, y * 12
    return ((v % 1) < 0.16) | (((u + 0.5 * (np.floor(v) % 2)) % 1) < 0.09)


def paint_scene(picture: np.ndarray, mask: np.ndarray, scene: str, rng: np.random.Generator) -> np.ndarray:
    """Change light and weather; something of the former colours stays."""
    size = mask.shape[0]
    y, _ = grid(size)
    shade = light(picture, mask)
    if scene == "snow":  # snow lies where things are brighter than what is under them
        top = -cv2.Sobel(cv2.GaussianBlur(shade, (0, 0), size / 64), cv2.CV_32F, 0, 1, ksize=3) * size / 128
        shade = np.clip(0.12 + shade + 0.8 * np.clip(top, -0.1, 0.5), 0, 1)
    elif scene == "fog":
        shade = 0.5 + (shade - 0.5) * 0.7 + 0.25 * (0.5 - y)
    elif scene == "sunset":
        shade = shade * 0.8 + 0.3 * (1 - 2 * np.abs(y - 0.35))
    elif scene == "autumn":
        shade = shade + 0.12 * noise(rng, size, 8, 2)
    elif scene == "underwater":
        shade = shade * 0.85 + 0.25 * (0.6 - y) + 0.2 * np.clip(1 - 9 * np.abs(noise(rng, size, 7)), 0, 1)
    elif scene == "storm":
        shade = 0.5 + (shade - 0.5) * 1.4 - 0.15
    toned = tone(np.clip(shade, 0, 1), SCENE_TONES[scene])
    keep = {"night": 0.06, "snow": 0.1, "fog": 0.1, "desert": 0.12, "underwater": 0.1}.get(scene, 0.18)
    result = toned * (1 - keep) + picture * keep
    if scene == "rain":
        streaks = noise(rng, size, (4, size // 2))
        slant = np.array([[1, -0.2, 0], [0, 1, 0]], np.float32)
        streaks = cv2.warpAffine(streaks, slant, (size, size))
        result = result + 0.22 * np.clip(streaks - 0.45, 0, 1)[..., None]
    elif scene == "spring":
        blossom = (noise(rng, size, size // 6) > 0.62) & (shade > 0.3)
        result = np.where(blossom[..., None], np.array([0.98, 0.68, 0.82], np.float32), result)
    elif scene == "night":
        stars = rng.random((size, size)) > 0.997
        result = np.where((stars & (y < 0.5))[..., None], 0.75, result)
    return np.clip(result, 0, 1).astype(np.float32)


def edge_lines(picture: np.ndarray, width: float = 1.0) -> np.ndarray:
    """How strongly a pixel lies on an edge, [H, W] in [0, 1]."""
    grey = cv2.GaussianBlur(picture.mean(-1).astype(np.float32), (0, 0), width)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.clip(slope * 2.2 - 0.12, 0, 1)


def paint_oil(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat dabs of stronger colour with visible brush strokes."""
    size = mask.shape[0]
    dabs = (
        cv2.medianBlur((np.clip(picture, 0, 1) * 255).astype(np.uint8), 2 * (size // 50) + 1).astype(np.float32) / 255
    )
    angle = noise(rng, size, 5) * 3
    y, x = grid(size)
    strokes = noise(rng, size, (size // 3, size // 10))[
        (np.clip(y + 0.03 * np.sin(angle), 0, 0.999) * size).astype(int),
        (np.clip(x + 0.03 * np.cos(angle), 0, 0.999) * size).astype(int),
    ]
    grey = dabs.mean(-1, keepdims=True)
    return np.clip(grey + (dabs - grey) * 1.5 + 0.12 * strokes[..., None], 0, 1)


def paint_sketch(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey pencil on white paper: outlines and light hatching."""
    size = mask.shape[0]
    shade = light(picture, mask)
    y, x = grid(size)
    hatch = (np.sin((x + y) * size * 0.9) > 0.2) & (shade < 0.35)
    paper = 0.94 - 0.25 * (1 - shade) ** 2 - 0.18 * hatch - 0.6 * edge_lines(picture, 0.8)
    return np.repeat(np.clip(paper, 0.06, 1)[..., None], 3, -1).astype(np.float32)


def paint_watercolour(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thin bright washes, darker at their borders, on grainy paper."""
    size = mask.shape[0]
    wash = cv2.bilateralFilter(picture.astype(np.float32), 7, 0.25, size / 40)
    wash = 0.34 + 0.7 * wash + 0.07 * noise(rng, size, 6, 2)[..., None]
    return np.clip(wash - 0.2 * edge_lines(wash, 1.2)[..., None] + 0.03 * noise(rng, size, size // 3)[..., None], 0, 1)


def paint_cartoon(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Few flat saturated tones and black lines."""
    smooth = cv2.bilateralFilter(picture.astype(np.float32), 7, 0.3, picture.shape[0] / 30)
    grey = smooth.mean(-1, keepdims=True)
    level = (np.floor(grey * 4) + 0.5) / 4
    flat = np.clip((smooth + 0.04) * level / np.maximum(grey, 0.04), 0, 1)
    flat = np.clip(flat.mean(-1, keepdims=True) + (flat - flat.mean(-1, keepdims=True)) * 1.5, 0, 1)
    return flat * (1 - np.clip(0.8 * edge_lines(smooth, 0.9), 0, 1)[..., None])


def paint_mosaic(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Square tiles of one colour with dark joints."""
    size = mask.shape[0]
    tile = max(6, size // 18)
    flat, joint = blocks(picture, mask, tile), np.zeros((size, size), bool)
    joint[::tile], joint[:, ::tile] = True, True
    return np.where(joint[..., None], flat * 0.25, flat * 1.05)


def paint_pixel(picture: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Big pixels of few colours."""
    flat = blocks(picture, mask, max(3, picture.shape[0] // 28))
    return np.round(np.clip(flat * 1.1, 0, 1) * 4) / 4


def blocks(picture: np.ndarray, mask: np.ndarray, tile: int) -> np.ndarray:
    """The mean colour of each tile's part inside the mask, [H, W, 3]."""
    size = mask.shape[0]
    count = -(-size // tile)
    pad = count * tile - size
    both = np.pad(np.concatenate([picture * mask[..., None], mask[..., None]], -1), ((0, pad), (0, pad), (0, 0)))
    total = both.reshape(count, tile, count, tile, 4).sum((1, 3))
    mean = total[..., :3] / np.maximum(total[..., 3:], 1)
    return mean.repeat(tile, 0).repeat(tile, 1)[:size, :size].astype(np.float32)


STYLE_PAINTERS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "oil": paint_oil,
    "sketch": paint_sketch,
    "watercolour": paint_watercolour,
    "cartoon": paint_cartoon,
    "mosaic": paint_mosaic,
    "pixel": paint_pixel,
}
