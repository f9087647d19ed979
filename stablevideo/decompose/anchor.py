"""Where the foreground begins: its motion as a chain of affine maps, held by its masks where the chain is lost.

An object that passes behind something leaves too little flow to be followed, and the chain drifts: on the reference the
object would stand in several places. Its masks say where it is, if not exactly: they shrink where something hides a
part of it. So each frame is placed where flow and masks agree best.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..video.flow import ClipFlow
from .align import chain, step

TRUSTED = 0.1  # of the mask, whose flow must be known for the chain to hold
DRIFT = 1.0  # of the object's side, that its middle may have moved on the reference where the flow was good
DOUBTED = 0.5  # of the mask: where less of its flow is known somewhere, less drift is believed
STEP_PX, MASK_SIDES = 0.5, 0.05  # how exact a step of the chain is, and a mask's ends, in sides of the object
ROUNDS = 30


def foreground_maps(masks: np.ndarray, flow: ClipFlow, reference: int) -> np.ndarray:
    """Maps from every frame's pixels to the reference frame's, [T, 3, 3]; masks bool [T, H, W]: the object."""
    inside = np.stack([cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for mask in masks])
    trust = np.array(
        [(flow.forward_valid[i] & inside[i]).sum() / max(int(m.sum()), 1) for i, m in enumerate(masks[:-1])]
    )
    maps = chain(flow, inside, reference, "affine")
    if is_lost(maps, masks, trust, reference):
        return anchored(masks, flow, inside, trust, reference)
    return maps


def is_lost(maps: np.ndarray, masks: np.ndarray, trust: np.ndarray, reference: int) -> bool:
    """Whether less than a tenth of the object's flow can be trusted somewhere, or the object leaves its place.

    maps [T, 3, 3], masks bool [T, H, W]; trust [T - 1]: the share of each mask whose flow is known.
    """
    seen = np.flatnonzero(masks.any((1, 2)))
    if len(seen) < 2 or (trust[seen[:-1]] < TRUSTED).any():
        return True
    places = np.array([maps[i] @ [*_ends(masks[i]).mean(0), 1.0] for i in seen])
    places = places[:, :2] / places[:, 2:]
    side = np.sqrt(masks[reference].sum())
    believed = DRIFT * side * min(1.0, trust[seen[:-1]].min() / DOUBTED)
    return bool((np.linalg.norm(places - _ends(masks[reference]).mean(0), axis=1) > believed).any())


def anchored(masks: np.ndarray, flow: ClipFlow, inside: np.ndarray, trust: np.ndarray, reference: int) -> np.ndarray:
    """Similarities without rotation, [T, 3, 3], by which the object's middle and size stay where they are on the
    reference, as far as the steps between frames allow.

    What is hidden in part looks turned and sheared, so neither is asked for. Robust least squares, by reweighting: a
    mask that something cuts off and a step that something misleads both count little.
    """
    count = len(masks)
    ends = np.stack([_ends(mask) if mask.any() else np.full((2, 2), np.nan) for mask in masks])
    known = np.isfinite(ends[:, 0, 0])
    for axis in range(2):
        for end in range(2):
            ends[:, end, axis] = np.interp(np.arange(count), np.flatnonzero(known), ends[known, end, axis])
    middle, size = ends.mean(1), np.linalg.norm(ends[:, 1] - ends[:, 0] + 1, axis=1)
    side = np.sqrt(masks[reference].sum())
    steps = np.stack([step(flow, inside[i], i, "zoom") for i in range(count - 1)])
    zoom = steps[:, 0, 0]
    held, sure = known.astype(float), np.where(trust < TRUSTED, 0.01, trust)

    wanted = np.log(size[reference] / size)[:, None]
    exact = STEP_PX / side, MASK_SIDES
    scale = np.exp(_smoothed(wanted, -np.log(zoom)[:, None], held, sure, *exact)[:, 0])
    # Where a step takes the middle back to, from the middle before it, in pixels of the reference.
    back = (middle[1:] - steps[:, :2, 2]) / zoom[:, None] - middle[:-1]
    target = np.tile(middle[reference], (count, 1))
    place = _smoothed(target, scale[:-1, None] * back, held, sure, STEP_PX, MASK_SIDES * side)
    maps = np.tile(np.eye(3), (count, 1, 1))
    maps[:, 0, 0] = maps[:, 1, 1] = scale
    maps[:, :2, 2] = place - scale[:, None] * middle
    return maps


def _smoothed(
    wanted: np.ndarray, steps: np.ndarray, held: np.ndarray, sure: np.ndarray, step_px: float, mask_px: float
) -> np.ndarray:
    """Values [T, d] near the wanted ones, whose differences are near the steps [T - 1, d]; by absolute distance.

    held [T] and sure [T - 1] weigh them; `mask_px` and `step_px` are how exact either is.
    """
    count = len(wanted)
    differences = np.diff(np.eye(count), axis=0)
    values = wanted.copy()
    for _ in range(ROUNDS):
        off = np.linalg.norm(values - wanted, axis=1) / mask_px
        missed = np.linalg.norm(differences @ values - steps, axis=1) / step_px
        own, between = held / mask_px**2 / (1 + off), sure / step_px**2 / (1 + missed)
        normal = np.diag(own + 1e-9) + differences.T @ (between[:, None] * differences)
        values = np.linalg.solve(normal, own[:, None] * wanted + differences.T @ (between[:, None] * steps))
    return values


def _ends(mask: np.ndarray) -> np.ndarray:
    """Where a mask's pixels begin, and where they end, in (x, y), but for one in fifty: [2, 2]."""
    rows, columns = np.nonzero(mask)
    return np.stack([np.percentile(axis, (2, 98)) for axis in (columns, rows)], 1)
