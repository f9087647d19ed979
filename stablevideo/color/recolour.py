"""A picture in other colours: hue, chroma and lightness moved in CIE LCh, and held within what sRGB shows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..options import RecolourOptions
from .spaces import lab_to_rgb, rgb_to_lab

CHUNK_PX = 1_000_000  # converted at a time, so that memory stays flat as atlases grow
TOLERANCE = 1e-4  # by how much a colour may leave [0, 1] and still count as shown: a fortieth of a grey level
HALVINGS = 16  # of the chroma that is looked for: to a hundredth


def recolour_picture(picture: Tensor, options: RecolourOptions) -> Tensor:
    """A picture [3, H, W] in [0, 1] in other colours; floats of any kind, on any device.

    The curve is laid on L*, then `lightness` is added; chroma is scaled and hue turned (CIE LCh under D65). A colour
    that sRGB does not hold keeps its hue and lightness and loses chroma. Options that change nothing give the picture
    itself.
    """
    if options == RecolourOptions():
        return picture
    colours = picture.flatten(1)[:, None]  # [3, 1, N]
    parts = [_recoloured(part.float(), options) for part in colours.split(CHUNK_PX, 2)]
    return torch.cat(parts, 2).view(picture.shape).to(picture.dtype)


def into_gamut(lab: Tensor) -> Tensor:
    """Lab colours [3, H, W] -> sRGB in [0, 1], of the same hue and lightness, as much of their chroma as it shows."""
    rgb = lab_to_rgb(lab)
    beyond = ~_shown(rgb)
    if beyond.any():
        lost = lab[:, beyond][:, None]
        low, high = (lost.new_full(lost.shape[1:], share) for share in (0.0, 1.0))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            fits = _shown(lab_to_rgb(_with_chroma(lost, middle)))
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        rgb[:, beyond] = lab_to_rgb(_with_chroma(lost, low))[:, 0]
    return rgb.clamp(0, 1)


def on_curve(values: Tensor, points: list[tuple[float, float]]) -> Tensor:
    """Values through control points (x, y) with rising x; level before the first and after the last.

    Monotone wherever the points are, and never beyond them (Fritsch and Carlson 1980: no slope above three times that
    of either neighbouring chord, none at a turn).
    """
    x, y = values.new_tensor(points).T.contiguous()
    width = x.diff()
    chord = y.diff() / width
    left, right = chord[:-1], chord[1:]
    steepest = 3 * torch.minimum(left.abs(), right.abs())
    inner = torch.where(left * right > 0, left.sign() * torch.minimum((left + right).abs() / 2, steepest), 0)
    slope = torch.cat([chord[:1], inner, chord[-1:]])
    i = torch.bucketize(values, x[1:-1])
    t = ((values - x[i]) / width[i]).clamp(0, 1)
    start, end = slope[i] * width[i] * t * (1 - t) ** 2, slope[i + 1] * width[i] * t**2 * (t - 1)
    return torch.lerp(y[i], y[i + 1], t**2 * (3 - 2 * t)) + start + end


def _recoloured(rgb: Tensor, options: RecolourOptions) -> Tensor:
    """sRGB [3, 1, N] -> sRGB."""
    light, a, b = rgb_to_lab(rgb).unbind(0)
    light = (100 * on_curve(light / 100, options.curve_points()) + options.lightness).clamp(0, 100)
    turn = math.radians(options.hue)
    across, along = options.saturation * math.cos(turn), options.saturation * math.sin(turn)
    return into_gamut(torch.stack([light, across * a - along * b, along * a + across * b]))


def _with_chroma(lab: Tensor, share: Tensor) -> Tensor:
    return torch.stack([lab[0], lab[1] * share, lab[2] * share])


def _shown(rgb: Tensor) -> Tensor:
    """Which colours [3, ...] sRGB holds -> bool [...]."""
    return ((rgb >= -TOLERANCE) & (rgb <= 1 + TOLERANCE)).all(0)
