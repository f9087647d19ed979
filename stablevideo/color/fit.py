"""The grade that colours of the same things show, where both sides are equally noisy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .grade import NOISE, Grade, power

Statistic = Callable[[np.ndarray], np.ndarray]  # of weighted sums of products [n, 7, 7] of (1, colour, wanted)

CERTAIN = 2.0  # variances of doubt that a change must exceed before any of it counts
# What each hand-over of colours from points to new ones may lose: of a log gamma, of the hue's angle in radians or a
# log saturation, and of a colour in [0, 1].
GAMMA_LOSS, TURN_LOSS, COLOUR_LOSS = 0.03, 0.05, 0.004
LOST, SURE = 0.88, 0.92  # correlation of logarithms: of points on fast motion, and least of those followed well
SHOWN = 100  # samples on which the matrix is weighed against its doubt
# Orthonormal axes across grey: red - green, yellow - blue.
OPPONENT = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
OWN, WANTED = slice(0, 3), slice(3, 6)
BLOCKS = ((OWN, OWN), (WANTED, WANTED), (WANTED, OWN))  # of covariances, rows and columns


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


def fit_grade(samples: Samples, before: Grade, handovers: float) -> Grade:
    """The grade that samples show beyond doubt; `before`, of a frame nearby, says which of them to trust.

    Least squares would take noise for a lack of contrast. Both sides are equally noisy here, so spreads are compared
    instead (the reduced major axis): each channel's, then hue and saturation, then what is left. What a jackknife over
    the picture's cells doubts, or `handovers` may have lost, is not changed.
    """
    colours, wanted, cells = samples
    off = np.abs(wanted - before.of(colours)).max(1)
    usual = np.median(off) + 0.01
    weights = cells * (usual / (off + usual))[:, None]
    followed = _followed(colours, wanted, weights.sum(1))
    curves = _curves(colours, wanted, weights, handovers, followed)
    curved = Grade(curves).of(colours)
    turning, centre = _turning(curved, wanted, weights, handovers, followed)
    matrix, offset = _rest(curved @ turning.T + centre, wanted, weights, handovers, followed)
    curves[6:15], curves[15:] = (matrix @ turning - np.eye(3)).ravel(), matrix @ centre + offset
    return Grade(curves)


def _curves(
    colours: np.ndarray, wanted: np.ndarray, weights: np.ndarray, handovers: float, followed: float
) -> np.ndarray:
    """Gains and gammas, as a grade's coefficients [18]."""
    logs, wanted_logs = np.log(colours), np.log(wanted)
    log_gamma, doubt = _jackknife(_log_gamma, logs, wanted_logs, weights)
    log_gamma = (
        log_gamma * _certain(np.square(log_gamma), np.square(doubt).sum(0), GAMMA_LOSS**2 * handovers) * followed
    )
    log_gain = np.median(wanted_logs - np.exp(log_gamma) * logs, 0)
    return np.concatenate([log_gain, log_gamma, np.zeros(12)])


def _turning(
    colours: np.ndarray, wanted: np.ndarray, weights: np.ndarray, handovers: float, followed: float
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and offset that turn hue and scale saturation about the mean colour."""
    turn, doubt = _jackknife(_turn_and_saturation, colours, wanted, weights)
    turn = turn * _certain(np.square(turn), np.square(doubt).sum(0), TURN_LOSS**2 * handovers) * followed
    matrix = _chroma_matrix(*turn)
    mean = np.average(colours, 0, weights.sum(1))
    return matrix, mean - matrix @ mean


def _rest(
    colours: np.ndarray, wanted: np.ndarray, weights: np.ndarray, handovers: float, followed: float
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and offset that are left, as far as the colours they move are moved beyond doubt."""
    linear, doubt = _jackknife(_matrix_and_offset, colours, wanted, weights)
    shown = np.insert(colours[:: max(1, len(colours) // SHOWN)], 3, 1, 1)
    doubted = np.square(shown @ doubt.swapaxes(1, 2)).sum(0).mean()
    linear = linear * _certain(np.square(shown @ linear.T).mean(), doubted, COLOUR_LOSS**2 * handovers) * followed
    return np.eye(3) + linear[:, :3], linear[:, 3]


def _followed(colours: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> float:
    """How surely the samples show the same things, 0 to 1: what was lost on the way correlates less.

    Only gains are read off samples that were lost: a median of ratios bears them, spreads do not.
    """
    logs, wanted_logs = (np.log(side) - np.average(np.log(side), 0, weights) for side in (colours, wanted))
    together, own, other = (
        weights @ (a * b) for a, b in ((logs, wanted_logs), (logs, logs), (wanted_logs, wanted_logs))
    )
    correlation = (together / np.sqrt(np.maximum(own * other, 1e-12))).mean()
    return float(np.clip((correlation - LOST) / (SURE - LOST), 0, 1))


def _certain(squared: np.ndarray, variance: np.ndarray, lost: float) -> np.ndarray:
    """The share of changes of that square that counts: positive-part shrinkage (James and Stein 1961)."""
    return np.maximum(0, 1 - (CERTAIN * variance + lost) / np.maximum(squared, 1e-12))


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


def _turn_and_saturation(sums: np.ndarray) -> np.ndarray:
    """[n, 2]: the angle, in radians, that turns chroma onto the wanted one, and the logarithm of its growth."""
    spreads = _spreads(sums)[1]
    own, wanted, across = (OPPONENT @ spreads[:, rows, :][:, :, columns] @ OPPONENT.T for rows, columns in BLOCKS)
    angle = np.arctan2(across[:, 1, 0] - across[:, 0, 1], across[:, 0, 0] + across[:, 1, 1])
    growth = np.trace(wanted, axis1=1, axis2=2) + NOISE, np.trace(own, axis1=1, axis2=2) + NOISE
    return np.stack([angle, np.log(growth[0] / growth[1]) / 2], 1)


def _chroma_matrix(angle: float, log_saturation: float) -> np.ndarray:
    """Chroma turned about the grey axis of RGB, and scaled."""
    cos, sin = np.exp(log_saturation) * np.cos(angle), np.exp(log_saturation) * np.sin(angle)
    return np.full((3, 3), 1 / 3) + OPPONENT.T @ np.array([[cos, -sin], [sin, cos]]) @ OPPONENT


def _matrix_and_offset(sums: np.ndarray) -> np.ndarray:
    """[n, 3, 4]: what it adds to the identity, and the offset; S_w^1/2 R S^-1/2 with the rotation R that fits best."""
    means, spreads = _spreads(sums)
    spreads[:, range(6), range(6)] += NOISE
    spreads[:, range(3), range(3, 6)] += NOISE
    own, wanted, across = spreads[:, :3, :3], spreads[:, 3:, 3:], spreads[:, :3, 3:].swapaxes(1, 2)
    left, _, right = np.linalg.svd(power(wanted, -0.5) @ across @ power(own, -0.5))
    matrix = power(wanted, 0.5) @ left @ right @ power(own, -0.5)
    offset = means[:, 3:] - (matrix @ means[:, :3, None])[..., 0]
    return np.concatenate([matrix - np.eye(3), offset[..., None]], 2)
