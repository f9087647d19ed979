"""How a picture is drawn: filters that redraw it in oil, pencil, watercolour, as a cartoon, in tiles or blocks.

Pictures are [H, W, 3] float32 in [0, 1], masks [H, W] of 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .light import mix, shading, to_lab, to_rgb
from .materials import Grains, around_zero

TILE_PX, TILE_JOINT_PX, BLOCK_PX = 8, 1, 8
OIL_PX, WASH_PX = 3, 2  # Kuwahara's windows have this reach
TONES = 5  # of a cartoon
Painter = Callable[[np.ndarray, np.ndarray, Grains], np.ndarray]


def kuwahara(picture: np.ndarray, reach_px: int) -> np.ndarray:
    """Kuwahara et al. 1976: of the four windows that meet at a pixel, the mean of the least varied one."""
    grey = picture.mean(-1)
    side = reach_px + 1
    means = cv2.blur(picture, (side, side), borderType=cv2.BORDER_REFLECT)
    light = cv2.blur(grey, (side, side), borderType=cv2.BORDER_REFLECT)
    varied = cv2.blur(grey * grey, (side, side), borderType=cv2.BORDER_REFLECT) - light * light
    half = (reach_px + 1) // 2
    shifts = [(dy, dx) for dy in (-half, half) for dx in (-half, half)]
    spreads = np.stack([_shifted(varied, *shift) for shift in shifts])
    best = spreads.argmin(0)
    result = np.zeros_like(picture)
    for number, shift in enumerate(shifts):
        chosen = best == number
        result[chosen] = _shifted(means, *shift)[chosen]
    return result


def _shifted(values: np.ndarray, down_px: int, right_px: int) -> np.ndarray:
    """values at (y + down, x + right), the border repeated."""
    move = np.array([[1, 0, -right_px], [0, 1, -down_px]], np.float32)
    size = values.shape[1::-1]
    return cv2.warpAffine(values, move, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)


def outlines(picture: np.ndarray, sigma_px: float, strength: float) -> np.ndarray:
    """How strongly a pen would draw each place, [H, W] in [0, 1]: a difference of Gaussians, dark sides only."""
    grey = picture.mean(-1)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma_px * ratio) for ratio in (1, 1.6))
    return np.clip((coarse - fine) * strength / (0.25 + coarse) - 0.08, 0, 1)


def vivid(picture: np.ndarray, gain: float) -> np.ndarray:
    """With its colours that much farther from grey."""
    grey = picture.mean(-1, keepdims=True)
    return np.clip(grey + (picture - grey) * gain, 0, 1)


def paint_oil(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Dabs of strong colour along the forms, and the brush's relief."""
    dabs = vivid(kuwahara(kuwahara(picture, OIL_PX), OIL_PX), 1.45)
    return np.clip(dabs * (1 + 0.26 * around_zero(grains["rows"]))[..., None], 0, 1)


def paint_sketch(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Pencil on white paper: lines where lightness falls, graphite where it is dark."""
    grey = picture.mean(-1)
    around = cv2.GaussianBlur(grey, (0, 0), 3)
    dodged = np.clip((grey + 0.02) / (around + 0.02), 0, 1.0)
    lines = np.clip(1 - 2.0 * (1 - dodged), 0.25, 1)
    shade = np.clip(0.5 + 0.5 * shading(to_lab(picture)[..., 0], mask), 0, 1)
    graphite = 0.55 + 0.45 * np.clip(1.5 * shade, 0, 1)
    strokes = 1 + 0.14 * around_zero(grains["rows"]) * (1.2 - shade)
    paper = np.clip(0.97 * lines * graphite * strokes, 0.08, 1)
    return np.repeat(paper[..., None], 3, -1).astype(np.float32)


def paint_watercolour(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Thin bright washes that are darker at their borders, on grainy paper."""
    wash = kuwahara(kuwahara(cv2.bilateralFilter(picture, 7, 0.2, 4), WASH_PX), WASH_PX)
    border = np.abs(wash.mean(-1) - cv2.GaussianBlur(wash.mean(-1), (0, 0), 2))
    thin = 0.30 + 0.70 * vivid(wash, 1.3) - 1.1 * border[..., None]
    paper = 0.11 * around_zero(grains["round"])
    return np.clip(thin + paper[..., None], 0, 1)


def paint_cartoon(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Few flat bright tones, and ink around them."""
    smooth = cv2.bilateralFilter(cv2.bilateralFilter(picture, 7, 0.18, 5), 7, 0.18, 5)
    lab = to_lab(smooth)
    steps = lab[..., 0] / 100 * TONES
    whole = np.floor(steps)
    lab[..., 0] = (whole + np.clip((steps - whole - 0.5) * 5 + 0.5, 0, 1)) / TONES * 92 + 6
    lab[..., 1:] *= 1.45
    return to_rgb(lab) * (1 - 0.92 * np.clip(2.2 * outlines(smooth, 1.0, 9), 0, 1))[..., None]


def paint_mosaic(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Square tiles of one colour with dark joints."""
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    joint = (rows % TILE_PX < TILE_JOINT_PX) | (columns % TILE_PX < TILE_JOINT_PX)
    tiles = vivid(cell_means(picture, mask, TILE_PX), 1.3) * 1.06
    return np.clip(mix(tiles, 0.3 * tiles, joint.astype(np.float32)), 0, 1)


def paint_pixel(picture: np.ndarray, mask: np.ndarray, grains: Grains) -> np.ndarray:
    """Big pixels of strong colours."""
    return np.clip(0.5 + 1.15 * (vivid(cell_means(picture, mask, BLOCK_PX), 1.45) - 0.5), 0, 1)


def cell_means(picture: np.ndarray, mask: np.ndarray, side_px: int) -> np.ndarray:
    """The mean colour of each square cell's part inside the mask, [H, W, 3]; cells begin at the corner."""
    height, width = mask.shape
    rows, columns = -(-height // side_px), -(-width // side_px)
    pad = ((0, rows * side_px - height), (0, columns * side_px - width))
    weighted = np.concatenate([picture * mask[..., None], mask[..., None]], -1)
    cells = np.pad(weighted, (*pad, (0, 0))).reshape(rows, side_px, columns, side_px, 4).sum((1, 3))
    mean = cells[..., :3] / np.maximum(cells[..., 3:], 1)
    return mean.repeat(side_px, 0).repeat(side_px, 1)[:height, :width].astype(np.float32)


STYLES: dict[str, Painter] = {
    "oil": paint_oil,
    "sketch": paint_sketch,
    "watercolour": paint_watercolour,
    "cartoon": paint_cartoon,
    "mosaic": paint_mosaic,
    "pixel": paint_pixel,
}
