"""What things are made of: colours, materials and patterns, laid on in the light of the source.

A material is its colours and its grain; where it can, grain grows out of the source's own relief (veins along its
valleys, blades along its fur), so that it sits on the thing and not before it. Lattices, which nothing in a picture
foretells, have fixed periods in pixels and begin at the picture's corner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from .drawing import photo
from .light import lab_of, main_colour, mix, shading, to_lab, to_rgb, tone
from .sources import Source

Colour = tuple[int, int, int]
Grain = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
BRICK_PX, STRIPE_PX, DOT_PX, CHECK_PX = (10, 20), 16, 16, 16  # a brick's height and width; the others' periods
JOINT_PX = 2
DETAIL_PX = 2.5  # sigma of what tells relief from shape


@cache
def photo_grain(name: str) -> np.ndarray:
    """A texture of scikit-image's wheel, [512, 512], evened out: zero mean, spread 1."""
    grey = photo(name).mean(-1)
    flat = grey - cv2.GaussianBlur(grey, (0, 0), 24)
    return (flat / flat.std()).astype(np.float32)


def photo_piece(name: str, scale: float = 1.0) -> Grain:
    """Grain from a photographed texture, cut anywhere."""

    def cut(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = shade.shape
        whole = photo_grain(name)
        if scale != 1:
            whole = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top = int(rng.integers(max(1, whole.shape[0] - height + 1)))
        left = int(rng.integers(max(1, whole.shape[1] - width + 1)))
        piece = whole[top : top + height, left : left + width]
        return np.pad(piece, ((0, height - piece.shape[0]), (0, width - piece.shape[1])), mode="symmetric")

    return cut


def pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns [H, W] float32, from 0."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return rows, columns


def smooth_noise(shape: tuple[int, int], rng: np.random.Generator, cell_px: tuple[float, float]) -> np.ndarray:
    """[H, W], zero mean, about -1 to 1; cells of that height and width."""
    cells = [max(2, round(side / cell) + 1) for side, cell in zip(shape, cell_px, strict=True)]
    return cv2.resize(rng.random(cells, np.float32) * 2 - 1, shape[::-1], interpolation=cv2.INTER_CUBIC)


def valleys(relief: np.ndarray, width: float) -> np.ndarray:
    """Lines where a relief crosses its middle, [H, W] in [0, 1]."""
    smooth = cv2.GaussianBlur(relief, (0, 0), 1.2)
    return np.clip(1 - np.abs(smooth) / width, 0, 1)


def wood_grain(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fibres along the rows, bent by the thing's form, and fine pores."""
    rows, _ = pixels(shade.shape)
    bend = 12 * cv2.GaussianBlur(shade, (0, 0), 4) + 3 * smooth_noise(shade.shape, rng, (40, 90))
    pores = smooth_noise(shade.shape, rng, (1.5, 14))
    rings = np.sin((rows + bend) * (2 * np.pi / 10))
    return 0.30 * rings + 0.22 * pores


def veins(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Marble: dark veins where the form's large relief crosses its middle, and some of their own."""
    own = smooth_noise(shade.shape, rng, (16, 16)) + 0.5 * smooth_noise(shade.shape, rng, (7, 7))
    broad = cv2.GaussianBlur(shade, (0, 0), 3.0)
    drawn = np.maximum(valleys(broad, 0.12), valleys(np.abs(broad) - 0.5, 0.1))
    return -1.3 * np.maximum(0.7 * valleys(own, 0.10), drawn)


def reflections(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Polished metal: bands of sky and floor mirrored, by how the surface is lit."""
    smooth = cv2.GaussianBlur(shade, (0, 0), 1.5)
    return 0.55 * np.sin(4.2 * smooth) + 0.25 * np.clip(smooth - 0.4, 0, 1)


def blades(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grass: upright blades, a photograph's, stronger where the source is rough."""
    upright = smooth_noise(shade.shape, rng, (7, 1.7))
    return 0.45 * upright + 0.16 * photo_piece("grass.png")(shade, relief, rng) + 0.5 * relief


def tufts(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moss: soft round cushions."""
    cushions = smooth_noise(shade.shape, rng, (6, 6)) + 0.6 * smooth_noise(shade.shape, rng, (2.5, 2.5))
    return 0.38 * cushions


def rubble(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stone: gravel, photographed, and hard relief."""
    return 0.26 * photo_piece("gravel.png")(shade, relief, rng) + 0.8 * relief


def cracks_in_ice(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White cracks and shining edges."""
    own = smooth_noise(shade.shape, rng, (14, 14)) + 0.4 * smooth_noise(shade.shape, rng, (6, 6))
    return 0.9 * np.maximum(valleys(own, 0.06), np.clip(1.6 * np.abs(relief) - 0.15, 0, 1)) + 0.15 * own


def courses(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brick: rows in bond, each brick of its own tone, rough like a photographed one."""
    rows, columns = pixels(shade.shape)
    course = np.floor(rows / BRICK_PX[0])
    along = columns + (course % 2) * BRICK_PX[1] / 2
    joints = (rows % BRICK_PX[0] < JOINT_PX) | (along % BRICK_PX[1] < JOINT_PX)
    number = (course * 7 + np.floor(along / BRICK_PX[1]) * 3) % 5
    return np.where(joints, 1.15, 0.09 * (number - 2) + 0.1 * photo_piece("brick.png")(shade, relief, rng))


def wrinkles(shade: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leather: a net of fine wrinkles."""
    net = smooth_noise(shade.shape, rng, (5, 5))
    return -0.4 * valleys(net, 0.22) + 0.12


MATERIALS: dict[str, tuple[Colour, float, Grain]] = {  # its colour, how far light reaches, its grain
    "wood": ((150, 94, 48), 26, wood_grain),
    "gold": ((206, 152, 38), 40, reflections),
    "silver": ((158, 162, 170), 42, reflections),
    "copper": ((178, 98, 62), 38, reflections),
    "brick": ((160, 74, 52), 24, courses),
    "grass": ((78, 142, 40), 30, blades),
    "moss": ((92, 110, 38), 26, tufts),
    "marble": ((226, 222, 218), 22, veins),
    "ice": ((164, 212, 236), 30, cracks_in_ice),
    "stone": ((128, 124, 118), 30, rubble),
    "leather": ((112, 62, 36), 26, wrinkles),
}
LAVA_DARK, LAVA_GLOW = (40, 26, 24), (255, 120, 20)
PATTERNS = ("stripes", "dots", "checks")


def paint_colour(lab: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """A source's Lab [H, W, 3] with its main colour repainted: Lab."""
    painted = tone(0.9 * shading(lab[..., 0], mask), lab_of(colour))
    return mix(lab, painted, main_colour(lab, mask))


def paint_material(
    lab: np.ndarray, mask: np.ndarray, material: str, colour: Colour | None, rng: np.random.Generator
) -> np.ndarray:
    """A source's Lab [H, W, 3] made of a material, which a colour tints: Lab."""
    shade = shading(lab[..., 0], mask)
    relief = shade - cv2.GaussianBlur(shade, (0, 0), DETAIL_PX)
    if material == "lava":
        return paint_lava(shade, relief, colour, rng)
    own, reach, grain = MATERIALS[material]
    middle = lab_of(own)
    if colour:
        wanted = lab_of(colour)
        middle = np.array([0.4 * middle[0] + 0.6 * wanted[0], *(0.12 * middle[1:] + 0.88 * wanted[1:])], np.float32)
    grown = grain(shade, relief, rng)
    light = np.clip(shade, -1.3, 1.3)
    if material in ("gold", "silver", "copper"):
        light = 0.55 * light  # what is mirrored says how a polished thing is lit
    painted = tone(light + grown, middle, reach)
    if material == "brick":  # mortar is grey
        painted[..., 1:] *= np.where(grown > 1, 0.25, 1)[..., None]
    return painted


def paint_lava(shade: np.ndarray, relief: np.ndarray, colour: Colour | None, rng: np.random.Generator) -> np.ndarray:
    """Black crust, and a glow in its cracks and in the thing's own dark lines: Lab [H, W, 3]."""
    own = smooth_noise(shade.shape, rng, (14, 14)) + 0.4 * smooth_noise(shade.shape, rng, (6, 6))
    deep = np.maximum(np.clip(-3 * relief - 0.1, 0, 1), valleys(cv2.GaussianBlur(shade, (0, 0), 2.5) + 0.25, 0.1))
    glow = np.clip(np.maximum(valleys(own, 0.2), deep) * 1.3, 0, 1)
    crust = tone(0.9 * shade, lab_of(LAVA_DARK), 26)
    hot = tone(0.6 * shade + glow - 0.4, lab_of(colour or LAVA_GLOW), 26)
    return mix(crust, hot, cv2.GaussianBlur(glow, (0, 0), 0.8))


def pattern(name: str, shape: tuple[int, int]) -> np.ndarray:
    """Where a pattern's second tone goes, [H, W] in [0, 1]."""
    rows, columns = pixels(shape)
    if name == "stripes":
        return np.clip(0.5 + 4 * np.sin((columns + 0.35 * rows) * 2 * np.pi / STRIPE_PX), 0, 1)
    if name == "dots":
        u, v = columns / DOT_PX, rows / DOT_PX
        radius = np.hypot(u % 1 - 0.5, (v + 0.5 * (np.floor(u) % 2)) % 1 - 0.5)
        return np.clip((0.29 - radius) * DOT_PX + 0.5, 0, 1)
    return ((np.floor(columns * 2 / CHECK_PX) + np.floor(rows * 2 / CHECK_PX)) % 2).astype(np.float32)


def paint_pattern(painted: np.ndarray, lab: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
    """A pattern upon what is painted already, both Lab [H, W, 3]; white, or black upon what is light."""
    shade = shading(lab[..., 0], mask)
    inside = painted[..., 0][mask > 0.5]
    is_light = inside.size > 0 and float(np.median(inside)) > 72
    second = tone(0.9 * shade, lab_of((28, 28, 32) if is_light else (238, 238, 236)))
    return mix(painted, second, pattern(name, shade.shape))


def repaint(
    source: Source,
    colour: Colour | None,
    material: str | None,
    pattern: str | None,
    region: str | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The source with a colour, a material and a pattern, [H, W, 3] in [0, 1], upon all of it or a region."""
    lab = to_lab(source.picture)
    where = source.regions[region] * source.mask if region else source.mask
    solid = (where > 0.5).astype(np.float32)
    painted = lab
    if material:
        painted = paint_material(lab, solid, material, colour, rng)
    elif colour:
        painted = paint_colour(lab, solid, colour)
    if pattern:
        painted = paint_pattern(painted, lab, solid, pattern)
    return mix(source.picture, to_rgb(painted), where)
