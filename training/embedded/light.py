"""Light and shade: what a repainted picture keeps of its source.

Lightness is CIE L*, 0 to 100, throughout; pictures are sRGB [H, W, 3] float32 in [0, 1], masks [H, W] of 0 or 1.
"""

from __future__ import annotations

import cv2
import numpy as np

LEAST_SPREAD = 24.0  # of L*: flatter things are not stretched, or their noise would become their drawing


def to_lab(picture: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to CIE Lab, both [H, W, 3]."""
    return cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2LAB)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """CIE Lab to sRGB in [0, 1], both [H, W, 3]; what sRGB cannot show is clipped."""
    return np.clip(cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2RGB), 0, 1)


def lab_of(colour: tuple[float, float, float]) -> np.ndarray:
    """The Lab [3] of a colour in 0..255."""
    return to_lab(np.array(colour, np.float32)[None, None] / 255)[0, 0]


def shading(lightness: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How much lighter or darker than its middle each place is, [H, W], about -1 to 1.

    The middle is the median of L* inside the mask, and 1 is half of the spread of nine pixels in ten: an object's own
    colour and exposure drop out.
    """
    inside = lightness[mask > 0.5]
    if inside.size == 0:
        return np.zeros_like(lightness)
    low, middle, high = np.percentile(inside, (5, 50, 95))
    return ((lightness - middle) / (0.5 * max(high - low, LEAST_SPREAD))).astype(np.float32)


def tone(shade: np.ndarray, lab: np.ndarray, reach: float = 30.0) -> np.ndarray:
    """A colour [3] under light and shade [H, W]: Lab [H, W, 3].

    L* goes `reach` up and down, less where black or white is near, and bends towards them. Chroma fades towards black
    and white, as the colours of things do.
    """
    middle = float(np.clip(lab[0], 9, 93))
    up, down = min(reach, 1.5 * (99 - middle)), min(reach, 1.1 * (middle - 1))
    lightness = np.where(
        shade > 0,
        middle + (99 - middle) * np.tanh(shade * up / (99 - middle)),
        middle + (middle - 1) * np.tanh(shade * down / (middle - 1)),
    )
    fade = np.where(
        lightness < middle,
        0.1 + 0.9 * lightness / middle,
        1 - 0.55 * (np.maximum(lightness - middle, 0) / (99 - middle)) ** 1.5,
    )
    return np.stack([lightness, lab[1] * fade, lab[2] * fade], -1).astype(np.float32)


def main_colour(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far each place has the colour that most of the object has, [H, W] in [0, 1].

    The most frequent a and b of Lab, and what is near them: so a car's body is repainted, and its lamps hardly. Where
    an object has no colour that most of it shares, all of it counts. Dark trim does not.
    """
    inside = mask > 0.5
    if not inside.any():
        return mask.copy()
    colours = lab[..., 1:][inside]
    histogram, rows, columns = np.histogram2d(colours[:, 0], colours[:, 1], bins=24, range=[[-72, 72], [-72, 72]])
    smooth = cv2.GaussianBlur(histogram.astype(np.float32), (0, 0), 1.0)
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    centre = np.array([rows[row : row + 2].mean(), columns[column : column + 2].mean()])
    near = np.exp(-np.square(lab[..., 1:] - centre).sum(-1) / (2 * 17.0**2))
    share = float(near[inside].mean())
    weight = 1 - (1 - near) * np.clip((share - 0.35) / 0.3, 0, 0.85)
    weight *= 1 - 0.85 * dark_trim(lab, inside)
    return cv2.GaussianBlur(weight.astype(np.float32), (0, 0), 0.7)


def dark_trim(lab: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How far each place of a light object is dark and nearly grey, [H, W] in [0, 1]: windows, tyres, eyes, shadow.

    A person who asks for a red car means its paint. Where most of an object is dark, that is its colour, and no trim.
    """
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    light = np.percentile(lightness[inside], 75)  # the median may lie in the shadow that a mask takes in
    dark = np.clip((light - 22 - lightness) / 12, 0, 1) * np.clip((36 - chroma) / 12, 0, 1)
    return dark * np.clip((0.65 - dark[inside].mean()) / 0.1, 0, 1)


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """first where the weight [H, W] is 0, second where it is 1, both [H, W, 3]."""
    share = weight[..., None] if isinstance(weight, np.ndarray) else weight
    return (first + (second - first) * share).astype(np.float32)
