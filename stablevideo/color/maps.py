"""A colour map of low order: what one frame's colours need to become another's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

ORDER = 3  # of each channel's polynomial
FEATURES = 1 + 3 * ORDER
IDENTITY = np.eye(FEATURES, 3, -1)  # nothing is changed
# Residuals much larger than this count for nothing (Geman and McClure 1987), in one round of IRLS after the other: what
# an edit changed on purpose is let go step by step.
SIGMAS = (0.06, 0.05, 0.04, 0.03, 0.025, 0.02)
# Share of the samples' weight by which each coefficient is held to that of a mere gain, offset and own channel least,
# squares and cubes most: colours that no sample shows must not be thrown far.
RIDGE = np.full((FEATURES, 3), 2e-3)
RIDGE[0] = 2e-6
RIDGE[1:4] = np.where(np.eye(3) > 0, 2e-6, 2e-4)
DARKEST, BRIGHTEST = 0.02, 0.98  # colours beyond are clipped: what they were cannot be told
LEAST, LEAST_SHARE = 50, 0.02  # samples that are not clipped, and their share of all, that a map needs
FIXED_POINT = 32.0  # of a grey level, in tables of 16 bits


@dataclass(frozen=True)
class ColorMap:
    """Each channel a sum of cubic polynomials of all three.

    Attributes
    ----------
    coefficients
        float64 [10, 3]: of 1, r, g, b, and their squares and cubes; colours in [0, 1].
    """

    coefficients: np.ndarray

    @classmethod
    def identity(cls) -> ColorMap:
        """Nothing is changed."""
        return cls(IDENTITY)

    @classmethod
    def gain(cls, colours: np.ndarray, wanted: np.ndarray) -> ColorMap:
        """A factor for each channel: the median ratio of colours [N, 3] > 0, whichever side is noisy."""
        found = IDENTITY.copy()
        found[1:4] *= np.exp(np.median(np.log(wanted / colours), 0))
        return cls(found)

    @classmethod
    def fit(cls, colours: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> ColorMap | None:
        """The map that brings colours [N, 3] closest to the wanted ones, by weights [N] >= 0; robustly.

        Where colours tell little, it stays close to a gain. None where too few are neither clipped nor without weight.
        """
        usable = _usable(colours, wanted) & (weights > 0)
        if usable.sum() < max(LEAST, LEAST_SHARE * len(colours)):
            return None
        colours, wanted, weights = colours[usable], wanted[usable], weights[usable]
        found = cls.gain(colours, wanted)
        start = found.coefficients
        features = _features(colours)
        for sigma in SIGMAS:
            mapped = found.of(colours)
            robust = weights / (1 + np.square(wanted - mapped).mean(1) / sigma**2) ** 2
            robust /= robust.sum()
            # Both sides are noisy. Least squares would take the noise of one for a lack of contrast, frame by frame; an
            # instrument with as much of either's noise does not (Fuller 1987, section 2.4).
            between = (robust[:, None] * _features((mapped + wanted) / 2)).T
            left, right = between @ features, between @ wanted
            columns = [
                np.linalg.solve(left + np.diag(RIDGE[:, i]), right[:, i] + RIDGE[:, i] * start[:, i]) for i in range(3)
            ]
            found = cls(np.stack(columns, 1))
        return found

    def weakened(self, strength: float) -> ColorMap:
        """So much of it, in [0, 1]; the rest is the identity."""
        return ColorMap(strength * self.coefficients + (1 - strength) * IDENTITY)

    def of(self, colours: np.ndarray) -> np.ndarray:
        """Colours [N, 3] in [0, 1], mapped; not clipped."""
        return _features(colours) @ self.coefficients

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """A frame, uint8 [H, W, 3], mapped."""
        return apply_tables(frame, self.tables())

    def tables(self) -> np.ndarray:
        """As `apply_tables` wants them."""
        levels = np.arange(256)[:, None] / 255
        powers = np.concatenate([levels**k for k in range(1, ORDER + 1)], 1)  # [256, 3]
        tables = np.einsum("vk,kij->ijv", powers, self.coefficients[1:].reshape(ORDER, 3, 3))
        tables[0] += self.coefficients[0][:, None]
        return tables


def apply_tables(frame: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Each channel of a frame, uint8 [H, W, 3], as a sum of functions of all three.

    Tables [3, 3, 256] hold them: from channel, to channel, at each level; in [0, 1].
    """
    fixed = np.clip(np.rint(tables * 255 * FIXED_POINT), -(2**15), 2**15 - 1).astype(np.int16)
    sources, results = cv2.split(frame), []
    for channel in range(3):
        parts = [cv2.LUT(source, fixed[i, channel]) for i, source in enumerate(sources)]
        total = np.maximum(cv2.add(cv2.add(parts[0], parts[1]), parts[2]), 0)  # the next line takes absolutes
        results.append(cv2.convertScaleAbs(total, alpha=1 / FIXED_POINT))
    return cv2.merge(results)


def _usable(colours: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.all((np.minimum(colours, wanted) > DARKEST) & (np.maximum(colours, wanted) < BRIGHTEST), 1)


def _features(colours: np.ndarray) -> np.ndarray:
    found = np.empty((len(colours), FEATURES))
    found[:, 0] = 1
    found[:, 1:4] = power = colours
    for first in range(4, FEATURES, 3):  # products: NumPy's powers take ten times longer
        found[:, first : first + 3] = power = power * colours
    return found
