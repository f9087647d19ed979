"""What words did to a picture, in numbers: hue, Lab colour, structure kept, edges, and which look a picture has."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stablevideo.metrics import luma, ssim_map

from .colours import PLAIN, Rgb
from .library import Library
from .looks import apply_looks
from .materials import grains_for
from .scenes import make_source
from .wishes import Wish

HELD_OUT_SEEDS = 7 * 10**11  # seeds from here on are never trained on
COLOURED = 0.1  # least saturation times value for a pixel to have a hue


def median_hue(picture: np.ndarray, mask: np.ndarray) -> float:
    """Median hue in degrees, on the circle, of a picture's [H, W, 3] coloured pixels inside the mask [H, W].

    NaN where there are none.
    """
    hsv = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2HSV)
    inside = (mask > 0.5) & (hsv[..., 1] * hsv[..., 2] > COLOURED)
    if not inside.any():
        return float("nan")
    hues = hsv[..., 0][inside]
    centre = np.degrees(np.angle(np.exp(1j * np.radians(hues)).mean()))
    return float((centre + np.median((hues - centre + 180) % 360 - 180)) % 360)


def hue_distance(first: float, second: float) -> float:
    """Degrees between two hues, at most 180."""
    return abs((first - second + 180) % 360 - 180)


def target_hue(colour: Rgb) -> float:
    """The hue in degrees of a colour in 0..255."""
    middle = np.array(colour, np.float32)[None, None] / 255
    return float(cv2.cvtColor(middle, cv2.COLOR_RGB2HSV)[0, 0, 0])


def target_chroma(colour: Rgb) -> float:
    """The chroma in CIE Lab of a colour in 0..255."""
    return lab_statistics(np.array(colour, np.float32)[None, None] / 255, np.ones((1, 1))).chroma


@dataclass(frozen=True)
class LabStatistics:
    """Mean CIE Lab of some pixels: lightness 0 to 100, a, b, chroma, and the spread of lightness."""

    lightness: float
    a: float
    b: float
    chroma: float
    contrast: float


def lab_statistics(picture: np.ndarray, mask: np.ndarray) -> LabStatistics:
    """Of a picture's [H, W, 3] in [0, 1] pixels inside the mask [H, W]."""
    lab = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2LAB)[mask > 0.5]
    lightness, a, b = (float(value) for value in lab.mean(0))
    return LabStatistics(lightness, a, b, float(np.hypot(lab[:, 1], lab[:, 2]).mean()), float(lab[:, 0].std()))


def edges(picture: np.ndarray) -> np.ndarray:
    """Canny edges at 100 and 200 of a picture [H, W, 3] in [0, 1], [H, W] bool."""
    grey = cv2.cvtColor((np.clip(picture, 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, 100, 200) > 0


def edge_f1(output: np.ndarray, source: np.ndarray, tolerance_px: int = 2) -> float:
    """F1 of two edge maps [H, W], output against source, where edges match within so many pixels."""
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance_px + 1,) * 2)
    near_source, near_output = (cv2.dilate(lines.astype(np.uint8), reach) > 0 for lines in (source, output))
    precision = (output & near_source).sum() / max(output.sum(), 1)
    recall = (source & near_output).sum() / max(source.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-6))


def structure(output: np.ndarray, source: np.ndarray, mask: np.ndarray) -> float:
    """How much of a source's drawing is kept, at most 1: the mean SSIM of luminance inside a mask.

    The output's luminance is first given the source's histogram there, so that a darker or paler edit loses nothing.
    Pictures [H, W, 3] in [0, 1], mask [H, W].
    """
    inside = mask > 0.5
    both = torch.from_numpy(np.stack([output, source]).astype(np.float32)).permute(0, 3, 1, 2)
    painted, drawn = luma(both).numpy()
    matched = drawn.copy()
    matched[inside] = matched_values(painted[inside], drawn[inside])
    return float(ssim_map(*(torch.from_numpy(grey)[None] for grey in (matched, drawn)))[0].numpy()[inside].mean())


def matched_values(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Values [n] with the histogram of others [n]: each is replaced by the one of the same rank."""
    result = np.empty_like(others)
    result[values.argsort(kind="stable")] = np.sort(others)
    return result


def features(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What a simple classifier may look at, [26]: Lab means and spreads, slopes and their directions at four scales."""
    lab = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2LAB)
    inside = cv2.erode((mask > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    values = [*lab[inside].mean(0), *lab[inside].std(0)]
    light = lab[..., 0]
    for _ in range(4):
        across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0)[inside], cv2.Sobel(light, cv2.CV_32F, 0, 1)[inside]
        slope = np.hypot(across, down)
        upright = np.abs(across).mean() / (np.abs(across).mean() + np.abs(down).mean() + 1e-3)
        values += [np.log1p(slope.mean()), np.log1p(slope.std()), np.log1p(np.median(slope)), upright]
        light = cv2.GaussianBlur(light, (0, 0), 1.5)
    chroma = np.hypot(lab[..., 1], lab[..., 2])[inside]
    values += [np.quantile(chroma, 0.9), np.quantile(chroma, 0.1)]
    values += [np.quantile(lab[..., 0][inside], 0.97), np.quantile(lab[..., 0][inside], 0.03)]
    return np.array(values, np.float32)


@dataclass(frozen=True)
class LookClassifier:
    """Logistic regression on `features`: does a picture have the look, or is it plain?"""

    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray

    def has_look(self, picture: np.ndarray, mask: np.ndarray) -> bool:
        """The answer for a picture [H, W, 3] inside a mask [H, W]."""
        scaled = (features(picture, mask) - self.mean) / self.spread
        return bool(scaled @ self.weights[:-1] + self.weights[-1] > 0)


def train_classifier(wish: Wish, library: Library, size: int = 256, count: int = 80) -> LookClassifier:
    """Tell a look from plain pictures (no look, or one colour), learnt from training looks on held-out sources."""
    rows: list[np.ndarray] = []
    labels: list[float] = []
    seed = HELD_OUT_SEEDS
    while len(rows) < 2 * count:
        rng = np.random.default_rng(seed)
        seed += 1
        source = make_source(rng, size, library)
        if source.mask.mean() < 0.1:
            continue
        colours = list(PLAIN.values())
        plain = Wish() if rng.random() < 0.5 else Wish(colour=colours[rng.integers(len(colours))])
        for asked, label in ((wish, 1.0), (plain, 0.0)):
            rows.append(features(apply_looks(source, asked, grains_for(size)), source.mask))
            labels.append(label)
    inputs = np.stack(rows)
    mean, spread = inputs.mean(0), inputs.std(0) + 1e-3
    weights = _logistic_regression(torch.from_numpy((inputs - mean) / spread), torch.tensor(labels))
    return LookClassifier(mean, spread, weights.numpy())


def _logistic_regression(inputs: Tensor, labels: Tensor) -> Tensor:
    """Weights [d + 1], the bias last, of inputs [n, d] and labels [n], with a small ridge."""
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    weights = torch.zeros(inputs.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(inputs @ weights, labels) + 0.01 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()
