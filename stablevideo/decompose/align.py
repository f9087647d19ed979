"""Where to begin: each layer's motion as a chain of homographies or affine maps to one reference frame."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from ..video.flow import ClipFlow

SAMPLES = 4000  # flow vectors that a map is fitted to
LEAST = 24  # fewer say nothing
TOLERANCE_PX = 1.0
STRETCH = 2.5  # a frame's side on the reference's plane, at most, against its own

# "zoom" is a similarity without rotation.
MapKind = Literal["homography", "affine", "similarity", "zoom"]


def reference_frame(masks: np.ndarray) -> int:
    """The frame near the middle in which most of the object is seen; masks bool [T, H, W]."""
    count = len(masks)
    area = masks.mean((1, 2))
    nearness = 1 - np.abs(np.arange(count) - (count - 1) / 2) / count
    return int((area / max(area.max(), 1e-6) * nearness**2).argmax())


def align_background(flow: ClipFlow, regions: np.ndarray, reference: int) -> np.ndarray:
    """Homographies from every frame's pixels to the reference frame's, [T, 3, 3]; regions bool [T, H, W].

    A camera that turns far would stretch some frame without bounds on the reference's plane: then similarities, which
    leave the rest to the lattice.
    """
    maps = chain(flow, regions, reference, "homography")
    height, width = regions.shape[1:]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float)
    projected = np.einsum("tij,cj->tci", maps, corners)
    flat = projected[..., :2] / projected[..., 2:]
    sides = np.linalg.norm(flat - np.roll(flat, 1, 1), axis=-1) / [height, width, height, width]
    if (projected[..., 2] <= 0).any() or sides.max() > STRETCH or sides.min() < 1 / STRETCH:
        return chain(flow, regions, reference, "similarity")
    return maps


def chain(flow: ClipFlow, regions: np.ndarray, reference: int, kind: MapKind) -> np.ndarray:
    """Maps from every frame's pixels to the reference frame's, [T, 3, 3]; regions bool [T, H, W]: the layer's."""
    count = len(regions)
    steps = [step(flow, regions[i], i, kind) for i in range(count - 1)]
    maps = np.tile(np.eye(3), (count, 1, 1))
    for i in range(reference, count - 1):
        maps[i + 1] = maps[i] @ np.linalg.inv(steps[i])
    for i in range(reference - 1, -1, -1):
        maps[i] = maps[i + 1] @ steps[i]
    return maps / maps[:, 2:, 2:]


def step(flow: ClipFlow, region: np.ndarray, frame: int, kind: MapKind) -> np.ndarray:
    """The map [3, 3] from a frame to the next that most of the trusted flow in a region [H, W] follows.

    No motion at all where there is too little flow to tell.
    """
    rows, columns = np.nonzero(flow.forward_valid[frame] & region)
    if len(rows) < LEAST:
        return np.eye(3)
    chosen = np.random.default_rng(frame).permutation(len(rows))[:SAMPLES]
    rows, columns = rows[chosen], columns[chosen]
    start = np.stack([columns, rows], 1).astype(np.float32)
    end = start + flow.forward[frame, rows, columns].astype(np.float32)
    cv2.setRNGSeed(frame)
    if kind == "homography":
        found, _ = cv2.findHomography(start, end, cv2.RANSAC, TOLERANCE_PX)
    else:
        estimate = cv2.estimateAffine2D if kind == "affine" else cv2.estimateAffinePartial2D
        affine, _ = estimate(start, end, ransacReprojThreshold=1.5 * TOLERANCE_PX)
        found = None if affine is None else np.vstack([affine, [0, 0, 1]])
        if found is not None and kind == "zoom":
            found[:2, :2] = np.eye(2) * np.hypot(found[0, 0], found[1, 0])
            found[:2, 2] = np.median(end - found[0, 0] * start, axis=0)
    return np.eye(3) if found is None or not np.isfinite(found).all() else found
