"""A grade: gain and gamma of each channel, then a matrix and an offset; fitted where both sides are equally noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .maps import apply_tables

Statistic = Callable[[np.ndarray], np.ndarray]  # of weighted sums of products [n, 7, 7] of (1, colour, wanted)

SIZE = (
    18  # numbers of a grade: log gain and log gamma of each channel, what the matrix adds to the identity, the offset
)
NOISE = 1e-4  # variance that is taken for granted in every direction of colour
CERTAIN = 2.0  # variances of doubt that a change must exceed before any of it counts
# What each hand-over of colours from points to new ones may lose: of a log gamma, and of a colour in [0, 1].
GAMMA_LOSS, COLOUR_LOSS = 0.03, 0.004
SHOWN = 100  # samples on which the matrix is weighed against its doubt
LEVELS = np.maximum(np.arange(256), 0.5)[:, None] / 255


class Samples(NamedTuple):
    """Colours of the same things before and after, and where in the picture they lie.

    Attributes
    ----------
    colours, wanted
        [N, 3], above 0.
    cells
        One-hot [N, cells]: parts of the picture that may each have changed for a reason of their own.
    """

    colours: np.ndarray
    wanted: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True)
class Grade:
    """What a primary colour grade does, in gamma-encoded RGB: M (gain * colour ** gamma) + offset.

    Attributes
    ----------
    coefficients
        float64 [18], all zeros for nothing changed: log gain [3], log gamma [3], M - 1 by rows [9], offset [3].
    """

    coefficients: np.ndarray

    @classmethod
    def identity(cls) -> Grade:
        """Nothing is changed."""
        return cls(np.zeros(SIZE))

    @classmethod
    def fit(cls, samples: Samples, before: Grade, handovers: float) -> Grade:
        """The grade that samples show beyond doubt; `before`, of a frame nearby, says which of them to trust.

        Least squares would take noise for a lack of contrast. Both sides are equally noisy here, so spreads are
        compared instead (the reduced major axis; of three channels, spreads and the best rotation between them). What a
        jackknife over the picture's cells doubts, or `handovers` may have lost, is not changed.
        """
        colours, wanted, cells = samples
        off = np.abs(wanted - before.of(colours)).max(1)
        usual = np.median(off) + 0.01
        weights = cells * (usual / (off + usual))[:, None]
        logs, wanted_logs = np.log(colours), np.log(wanted)
        log_gamma, doubt = _jackknife(_log_gamma, logs, wanted_logs, weights)
        unsure = CERTAIN * np.square(doubt).sum(0) + GAMMA_LOSS**2 * handovers
        log_gamma = log_gamma * np.maximum(0, 1 - unsure / np.maximum(log_gamma**2, 1e-12))
        log_gain = np.median(wanted_logs - np.exp(log_gamma) * logs, 0)
        curved = np.exp(log_gain + np.exp(log_gamma) * logs)
        linear, doubt = _jackknife(_matrix_and_offset, curved, wanted, weights)
        shown = np.insert(curved[:: max(1, len(curved) // SHOWN)], 3, 1, 1)
        unsure = CERTAIN * np.square(shown @ doubt.swapaxes(1, 2)).sum(0).mean() + COLOUR_LOSS**2 * handovers
        linear = linear * max(0, 1 - unsure / max(np.square(shown @ linear.T).mean(), 1e-12))
        return cls(np.concatenate([log_gain, log_gamma, linear[:, :3].ravel(), linear[:, 3]]))

    @classmethod
    def match(cls, colours: np.ndarray, wanted: np.ndarray) -> Grade:
        """The grade that gives colours [N, 3] the mean and covariance of others [K, 3], moving them least.

        The Monge-Kantorovich map between Gaussians (Pitie and Kokaram 2007, equation 19).
        """
        (mean, spread), (wanted_mean, wanted_spread) = (
            (c.mean(0), np.cov(c.T) + NOISE * np.eye(3)) for c in (colours, wanted)
        )
        root, back = _power(spread, 0.5), _power(spread, -0.5)
        matrix = back @ _power(root @ wanted_spread @ root, 0.5) @ back
        found = np.zeros(SIZE)
        found[6:15], found[15:] = (matrix - np.eye(3)).ravel(), wanted_mean - matrix @ mean
        return cls(found)

    def of(self, colours: np.ndarray) -> np.ndarray:
        """Colours [N, 3] in [0, 1], graded; not clipped."""
        curved = self._curved(np.maximum(colours, 0.5 / 255))
        return curved + curved @ self.coefficients[6:15].reshape(3, 3).T + self.coefficients[15:]

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """A frame, uint8 [H, W, 3], graded."""
        return apply_tables(frame, self.tables())

    def weakened(self, strength: float) -> Grade:
        """So much of it, in [0, 1]."""
        return Grade(strength * self.coefficients)

    def tables(self) -> np.ndarray:
        """As `apply_tables` wants them."""
        matrix = np.eye(3) + self.coefficients[6:15].reshape(3, 3)
        tables = matrix.T[:, :, None] * self._curved(LEVELS).T[:, None]
        tables[0] += self.coefficients[15:, None]
        return tables

    def _curved(self, colours: np.ndarray) -> np.ndarray:
        return np.exp(self.coefficients[:3] + np.exp(self.coefficients[3:6]) * np.log(colours))


def _jackknife(
    statistic: Statistic, first: np.ndarray, second: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of weighted pairs of colours, and for each cell its share of the doubt, to be squared and added up.

    Tukey's jackknife (1958): how far the statistic moves when the cell is left out.
    """
    both = np.concatenate([np.ones((len(first), 1)), first, second], 1)
    products = (both[:, :, None] * both[:, None, :]).reshape(len(both), -1)
    sums = (weights.T @ products).reshape(-1, 7, 7)
    whole = sums.sum(0)
    found = statistic(np.concatenate([whole[None], whole - sums]))
    return found[0], (found[1:] - found[0]) * np.sqrt(1 - 1 / len(sums))


def _spreads(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means [n, 6] and covariances [n, 6, 6] of weighted sums of products [n, 7, 7]."""
    sums = sums / np.maximum(sums[:, :1, :1], 1e-12)
    means = sums[:, 0, 1:]
    return means, sums[:, 1:, 1:] - means[:, :, None] * means[:, None]


def _log_gamma(sums: np.ndarray) -> np.ndarray:
    """[n, 3], of logarithms: the ratio of their standard deviations."""
    variances = np.maximum(np.diagonal(_spreads(sums)[1], axis1=1, axis2=2), NOISE)
    return np.log(variances[:, 3:] / variances[:, :3]) / 2


def _matrix_and_offset(sums: np.ndarray) -> np.ndarray:
    """[n, 3, 4]: what it adds to the identity, and the offset; S_w^1/2 R S^-1/2 with the rotation R that fits best."""
    means, spreads = _spreads(sums)
    spreads[:, range(6), range(6)] += NOISE
    spreads[:, range(3), range(3, 6)] += NOISE
    own, wanted, across = spreads[:, :3, :3], spreads[:, 3:, 3:], spreads[:, :3, 3:].swapaxes(1, 2)
    left, _, right = np.linalg.svd(_power(wanted, -0.5) @ across @ _power(own, -0.5))
    matrix = _power(wanted, 0.5) @ left @ right @ _power(own, -0.5)
    offset = means[:, 3:] - (matrix @ means[:, :3, None])[..., 0]
    return np.concatenate([matrix - np.eye(3), offset[..., None]], 2)


def _power(spread: np.ndarray, exponent: float) -> np.ndarray:
    """Of symmetric matrices [..., 3, 3] that are not negative."""
    values, vectors = np.linalg.eigh(spread)
    return (vectors * np.maximum(values, 1e-9)[..., None, :] ** exponent) @ vectors.swapaxes(-1, -2)
