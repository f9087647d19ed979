"""What things are made of: colours, materials and patterns, laid on in the light of the source.

A material is its colours and its grain, which comes from the sheet that the network is shown too, so that it knows
where each fibre and joint goes, and from the source's own relief, so that it sits on the thing and not before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from stablevideo.diffusion.grain import GRAINS, grain

from .light import lab_of, main_colour, mix, shading, to_lab, to_rgb, tone
from .sources import Source

Colour = tuple[int, int, int]
Grains = Mapping[str, np.ndarray]  # those of `stablevideo.diffusion.grain`, [H, W] in [0, 1], by their names
Grain = Callable[[np.ndarray, np.ndarray, Grains], np.ndarray]  # of shade and relief [H, W]
DETAIL_PX = 2.5  # sigma of what tells relief from shape
VIVID = 1.3  # light and shade take from a colour's chroma; so much more, and the thing as a whole has what was asked
JOINT = 0.8  # from here on a brick's grain is mortar


def grains_for(size: int, at: tuple[int, int] = (0, 0)) -> Grains:
    """The grains of a square picture, from that place of their sheet on."""
    return dict(zip(GRAINS, grain((size, size), at).numpy(), strict=True))


def around_zero(grain: np.ndarray) -> np.ndarray:
    """[0, 1] to [-1, 1]."""
    return 2 * grain - 1


def fibres(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Wood: fibres along the rows."""
    return 1.05 * around_zero(grains["rows"]) + 0.2 * relief


def veins(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Marble: dark veins, and clouds about them."""
    return -2.2 * grains["veins"] - 0.3 * around_zero(grains["round"])


def reflections(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Polished metal: bands of sky and floor mirrored, by how the surface is lit."""
    smooth = cv2.GaussianBlur(shade, (0, 0), 1.5)
    return 0.55 * np.sin(4.2 * smooth) + 0.25 * np.clip(smooth - 0.4, 0, 1)


def blades(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Grass: upright blades."""
    return 0.95 * around_zero(grains["columns"]) + 0.4 * relief


def tufts(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Moss: soft round cushions."""
    return 1.0 * around_zero(grains["round"])


def masonry(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Stone: rounded stones with dark joints."""
    return 1.25 * around_zero(grains["stones"]) + 0.3 * relief


def cracks_in_ice(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """White cracks and shining edges."""
    return 1.4 * np.maximum(grains["veins"], np.clip(1.6 * np.abs(relief) - 0.15, 0, 1)) - 0.1


def courses(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Brick: rows in bond, each brick of its own tone."""
    return np.where(grains["bricks"] > JOINT, 1.15, 1.6 * (grains["bricks"] - 0.3))


def wrinkles(shade: np.ndarray, relief: np.ndarray, grains: Grains) -> np.ndarray:
    """Leather: a net of fine wrinkles."""
    return -1.3 * grains["wrinkles"] + 0.3


MATERIALS: dict[str, tuple[Colour, float, Grain]] = {  # its colour, how far light reaches, its grain
    "wood": ((150, 94, 48), 26, fibres),
    "gold": ((206, 152, 38), 40, reflections),
    "silver": ((158, 162, 170), 42, reflections),
    "copper": ((178, 98, 62), 38, reflections),
    "brick": ((160, 74, 52), 24, courses),
    "grass": ((78, 142, 40), 30, blades),
    "moss": ((92, 110, 38), 26, tufts),
    "marble": ((226, 222, 218), 22, veins),
    "ice": ((146, 200, 230), 34, cracks_in_ice),
    "stone": ((128, 124, 118), 30, masonry),
    "leather": ((112, 62, 36), 26, wrinkles),
}
LAVA_DARK, LAVA_GLOW = (40, 26, 24), (255, 120, 20)
PATTERNS = ("stripes", "dots", "checks")  # grains of these names say where their second tone goes


def paint_colour(lab: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """A source's Lab [H, W, 3] with its main colour repainted: Lab."""
    wanted = lab_of(colour) * np.array([1, VIVID, VIVID], np.float32)
    painted = tone(0.9 * shading(lab[..., 0], mask), wanted)
    return mix(lab, painted, main_colour(lab, mask))


def paint_material(
    lab: np.ndarray, mask: np.ndarray, material: str, colour: Colour | None, grains: Grains
) -> np.ndarray:
    """A source's Lab [H, W, 3] made of a material, which a colour tints: Lab."""
    shade = shading(lab[..., 0], mask)
    relief = shade - cv2.GaussianBlur(shade, (0, 0), DETAIL_PX)
    if material == "lava":
        return paint_lava(shade, relief, colour, grains)
    own, reach, grow = MATERIALS[material]
    middle = lab_of(own)
    if colour:
        wanted = lab_of(colour)
        middle = np.array([0.4 * middle[0] + 0.6 * wanted[0], *(0.12 * middle[1:] + 0.88 * wanted[1:])], np.float32)
    grown = grow(shade, relief, grains)
    light = np.clip(shade, -1.3, 1.3)
    if material in ("gold", "silver", "copper"):
        light = 0.55 * light  # what is mirrored says how a polished thing is lit
    painted = tone(light + grown, middle, reach)
    if material == "brick":  # mortar is grey
        painted[..., 1:] *= np.where(grains["bricks"] > JOINT, 0.25, 1)[..., None]
    return painted


def paint_lava(shade: np.ndarray, relief: np.ndarray, colour: Colour | None, grains: Grains) -> np.ndarray:
    """Black crust, and a glow in its cracks and in the thing's own dark lines: Lab [H, W, 3]."""
    cracks = np.clip(1.4 * cv2.GaussianBlur(grains["veins"], (0, 0), 1.2), 0, 1)
    glow = np.clip(np.maximum(cracks, np.clip(-3 * relief - 0.1, 0, 1)) * 1.3, 0, 1)
    crust = tone(0.9 * shade, lab_of(LAVA_DARK), 26)
    hot = tone(0.6 * shade + glow - 0.4, lab_of(colour or LAVA_GLOW), 26)
    return mix(crust, hot, cv2.GaussianBlur(glow, (0, 0), 0.8))


def paint_pattern(painted: np.ndarray, lab: np.ndarray, mask: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A second tone [H, W] upon what is painted already, Lab [H, W, 3]; white, or black upon what is light."""
    shade = shading(lab[..., 0], mask)
    inside = painted[..., 0][mask > 0.5]
    is_light = inside.size > 0 and float(np.median(inside)) > 72
    second = tone(0.9 * shade, lab_of((28, 28, 32) if is_light else (238, 238, 236)))
    return mix(painted, second, where)


def repaint(
    source: Source,
    colour: Colour | None,
    material: str | None,
    pattern: str | None,
    region: str | None,
    grains: Grains,
) -> np.ndarray:
    """The source with a colour, a material and a pattern, [H, W, 3] in [0, 1], upon all of it or a region."""
    lab = to_lab(source.picture)
    where = source.regions[region] * source.mask if region else source.mask
    solid = (where > 0.5).astype(np.float32)
    painted = lab
    if material:
        painted = paint_material(lab, solid, material, colour, grains)
    elif colour:
        painted = paint_colour(lab, solid, colour)
    if pattern:
        painted = paint_pattern(painted, lab, solid, grains[pattern] * main_colour(lab, solid))
    return mix(source.picture, to_rgb(painted), where)
