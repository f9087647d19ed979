"""RGB, CIE L*a*b*, and how far two colours are apart to an eye."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# sRGB's primaries under D65 (IEC 61966-2-1): linear RGB -> XYZ; its rows' sums are the white point.
RGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
LINEAR_BELOW = 0.04045  # sRGB's straight part
EPSILON, KAPPA = 216 / 24389, 24389 / 27  # CIE 15: where Lab's cube root gives way to a straight line, and its slope
CHROMA_SCALE = 128.0  # a and b of colours that RGB holds lie within about this


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB [..., 3, H, W] in [0, 1] -> CIE L*a*b* under D65 (CIE 15): L in [0, 100], a and b within about 110."""
    linear = torch.where(rgb <= LINEAR_BELOW, rgb / 12.92, ((rgb.clamp(min=LINEAR_BELOW) + 0.055) / 1.055) ** 2.4)
    matrix = rgb.new_tensor(RGB_TO_XYZ)
    ratio = _mixed(matrix / matrix.sum(1, keepdim=True), linear)
    root = torch.where(ratio > EPSILON, ratio.clamp(min=EPSILON) ** (1 / 3), (KAPPA * ratio + 16) / 116)
    x, y, z = root.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The inverse of `rgb_to_lab`; colours that sRGB does not hold come out below 0 or above 1."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], -3)
    ratio = torch.where(root**3 > EPSILON, root**3, (116 * root - 16) / KAPPA)
    matrix = lab.new_tensor(RGB_TO_XYZ)
    linear = _mixed(torch.linalg.inv(matrix / matrix.sum(1, keepdim=True)), ratio)
    least = LINEAR_BELOW / 12.92
    return torch.where(linear <= least, linear * 12.92, 1.055 * linear.clamp(min=least) ** (1 / 2.4) - 0.055)


def normalize_colorspace(frames: Tensor) -> Tensor:
    """sRGB [..., 3, H, W] in [0, 1] -> L / 100 in [0, 1], a / 128 and b / 128 in about [-1, 1].

    The 8-bit form of Lab keeps L * 255 / 100 and a + 128: of it, this is L / 255 and (a - 128) / 128.
    """
    return rgb_to_lab(frames) / _scales(frames)


def denormalize_colorspace(normalized: Tensor) -> Tensor:
    """The inverse of `normalize_colorspace`."""
    return lab_to_rgb(normalized * _scales(normalized))


def delta_e(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 between Lab colours [..., 3, H, W] -> [..., H, W] (Sharma, Wu and Dalal 2005, equations 2 to 22).

    About 1 is the least that an eye sees, side by side.
    """
    (light_1, a_1, b_1), (light_2, a_2, b_2) = first.unbind(-3), second.unbind(-3)
    chroma = (torch.hypot(a_1, b_1) + torch.hypot(a_2, b_2)) / 2
    stretch = 1.5 - 0.5 * _share_of(chroma)  # 1 + G
    a_1, a_2 = a_1 * stretch, a_2 * stretch
    chroma_1, chroma_2 = torch.hypot(a_1, b_1), torch.hypot(a_2, b_2)
    hue_1, hue_2 = torch.atan2(b_1, a_1) % math.tau, torch.atan2(b_2, a_2) % math.tau
    grey = chroma_1 * chroma_2 == 0

    turn = hue_2 - hue_1
    turn = turn - math.tau * (turn > math.pi) + math.tau * (turn < -math.pi)
    turn = torch.where(grey, torch.zeros_like(turn), turn)
    d_light, d_chroma = light_2 - light_1, chroma_2 - chroma_1
    d_hue = 2 * (chroma_1 * chroma_2).sqrt() * (turn / 2).sin()

    light, chroma, total = (light_1 + light_2) / 2, (chroma_1 + chroma_2) / 2, hue_1 + hue_2
    apart = (hue_1 - hue_2).abs() > math.pi
    hue = torch.where(apart, torch.where(total < math.tau, total + math.tau, total - math.tau), total) / 2
    hue = torch.where(grey, total, hue)
    degrees = math.pi / 180
    weight = (
        1
        - 0.17 * (hue - 30 * degrees).cos()
        + 0.24 * (2 * hue).cos()
        + 0.32 * (3 * hue + 6 * degrees).cos()
        - 0.20 * (4 * hue - 63 * degrees).cos()
    )
    off_middle = (light - 50).square()
    s_light = 1 + 0.015 * off_middle / (20 + off_middle).sqrt()
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * weight
    bend = 30 * degrees * (-((hue / degrees - 275) / 25).square()).exp()
    rotation = -(2 * bend).sin() * 2 * _share_of(chroma)
    light_term, chroma_term, hue_term = d_light / s_light, d_chroma / s_chroma, d_hue / s_hue
    squared = light_term.square() + chroma_term.square() + hue_term.square() + rotation * chroma_term * hue_term
    return squared.clamp(min=0).sqrt()


def _share_of(chroma: Tensor) -> Tensor:
    """0 for grey, 1 for the strongest colours: how blue and grey are treated apart."""
    seventh = chroma**7
    return (seventh / (seventh + 25.0**7)).sqrt()


def _mixed(matrix: Tensor, colours: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix, colours)


def _scales(like: Tensor) -> Tensor:
    return like.new_tensor([100.0, CHROMA_SCALE, CHROMA_SCALE])[:, None, None]
