"""A grade: gain and gamma of each channel, then a matrix and an offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .maps import apply_tables

# Log gain and log gamma of each channel, what the matrix adds to the identity, the offset.
SIZE = 18
NOISE = 1e-4  # variance that is taken for granted in every direction of colour
LEVELS = np.maximum(np.arange(256), 0.5)[:, None] / 255


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
    def match(cls, colours: np.ndarray, wanted: np.ndarray, share: float = 1.0) -> Grade:
        """The grade that gives colours [N, 3] the mean and covariance of others [K, 3], moving them least.

        The Monge-Kantorovich map between Gaussians (Pitie and Kokaram 2007, equation 19). With a share below 1 they
        have the others' mean still, and spread only so much of the way towards theirs.
        """
        (mean, spread), (wanted_mean, wanted_spread) = (
            (c.mean(0), np.cov(c.T) + NOISE * np.eye(3)) for c in (colours, wanted)
        )
        root, back = power(spread, 0.5), power(spread, -0.5)
        full = back @ power(root @ wanted_spread @ root, 0.5) @ back
        matrix = np.eye(3) + share * (full - np.eye(3))
        found = np.zeros(SIZE)
        found[6:15], found[15:] = (matrix - np.eye(3)).ravel(), wanted_mean - matrix @ mean
        return cls(found)

    @property
    def matrix(self) -> np.ndarray:
        """M [3, 3]."""
        return np.eye(3) + self.coefficients[6:15].reshape(3, 3)

    @property
    def offset(self) -> np.ndarray:
        """[3]."""
        return self.coefficients[15:]

    def of(self, colours: np.ndarray) -> np.ndarray:
        """Colours [N, 3] in [0, 1], graded; not clipped."""
        return self._curved(np.maximum(colours, 0.5 / 255)) @ self.matrix.T + self.offset

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """A frame, uint8 [H, W, 3], graded."""
        return apply_tables(frame, self.tables())

    def weakened(self, strength: float) -> Grade:
        """So much of it, in [0, 1]."""
        return Grade(strength * self.coefficients)

    def mixed(self, other: Grade, share: float) -> Grade:
        """So much of the other."""
        return Grade((1 - share) * self.coefficients + share * other.coefficients)

    def tables(self) -> np.ndarray:
        """As `apply_tables` wants them."""
        tables = self.matrix.T[:, :, None] * self._curved(LEVELS).T[:, None]
        tables[0] += self.offset[:, None]
        return tables

    def _curved(self, colours: np.ndarray) -> np.ndarray:
        return np.exp(self.coefficients[:3] + np.exp(self.coefficients[3:6]) * np.log(colours))


def power(spread: np.ndarray, exponent: float) -> np.ndarray:
    """Of symmetric matrices [..., 3, 3] that are not negative."""
    values, vectors = np.linalg.eigh(spread)
    return (vectors * np.maximum(values, 1e-9)[..., None, :] ** exponent) @ vectors.swapaxes(-1, -2)
