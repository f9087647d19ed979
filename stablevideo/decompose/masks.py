"""The object's mask in every frame: marked in one frame or more, given, or found by its motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..errors import InputError
from ..layers import coords
from ..progress import Progress, quiet
from ..video.flow import ClipFlow, warp
from .align import step

BAND = 0.02  # of the frame's short side: how far the mask's edge may move when it is refined
SETTLE = 4  # times a mask found by motion is snapped to edges before it is carried
ROUNDS = 2  # of GrabCut in a carried frame; five where the object was marked
MARGIN = 0.35  # of the mask's box, that GrabCut sees around it
PLACES, REACH = 7, 3  # where in the clip motion is looked at, and over how many frames to either side
STILL = 0.0007  # of the frame's width: less motion against the background is none
CLEAR = 4.0  # times what counts as motion, at the 95th percentile: the object is seen to move
FAST = 6.0  # times it is fast
NOISE = 3.0  # times the median is the least motion that counts


def mask_from_box(frame: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Cut out what a box holds (GrabCut, Rother et al. 2004).

    Parameters
    ----------
    frame
        uint8 [H, W, 3], RGB.
    box
        left, top, right, bottom in pixels, the last two not included.

    Returns
    -------
    bool [H, W].

    Raises
    ------
    InputError
        The box lies outside the frame, or nothing in it stands out.
    """
    height, width = frame.shape[:2]
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise InputError(f"the box {left},{top},{right},{bottom} is not inside the frame of {width}x{height} pixels.")
    labels = np.full((height, width), cv2.GC_BGD, np.uint8)
    labels[top:bottom, left:right] = cv2.GC_PR_FGD
    if (labels == cv2.GC_PR_FGD).all():
        raise InputError("the box covers the whole frame; leave some background around the object.")
    return _usable(_grab_cut(frame, labels, 5), "the box")


def mask_from_scribble(frame: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Cut out the object on which strokes were drawn.

    `inside` and `outside` are bool [H, W]: strokes on the object, and strokes on what does not belong to it (these may
    be none). Raises InputError where no stroke lies on the object.
    """
    if not inside.any():
        raise InputError("no stroke lies on the object; draw over it in the frame.")
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    reach = max(rows[-1] - rows[0], columns[-1] - columns[0], min(frame.shape[:2]) // 6) // 2
    near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    labels = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    close = cv2.dilate(inside.astype(np.uint8), np.ones((reach | 1,) * 2, np.uint8)) > 0
    labels[close], labels[inside], labels[outside] = cv2.GC_PR_FGD, cv2.GC_FGD, cv2.GC_BGD
    return _usable(_grab_cut(frame, labels, 5), "the strokes")


def masks_from_motion(frames: Sequence[np.ndarray], flow: ClipFlow, progress: Progress = quiet) -> np.ndarray:
    """Find what moves against the background, and carry it through the clip -> bool [T, H, W].

    The background's motion is a homography; what the flow does besides, over some frames, is the object's. Raises
    InputError where nothing moves of its own.
    """
    candidates = np.unique(np.linspace(0, len(frames) - 1, PLACES).round().astype(int)).tolist()
    found = {frame: mask_from_motion(frames[frame], *own_motion(flow, frame)) for frame in candidates}
    best = max(found, key=lambda frame: found[frame][1])
    if found[best][1] == 0:
        raise InputError("nothing moves against the background in this clip; draw a box around the object instead.")
    # Flow reaches a little beyond the object, and so does what moves: let the mask settle on edges, band by band.
    mask = found[best][0]
    for _ in range(SETTLE):
        mask = refine(frames[best], mask.astype(np.float32), *moving(flow, best, mask))
    return carry(frames, flow, {best: mask}, progress)


def mask_from_motion(frame: np.ndarray, motion: np.ndarray, limit: float) -> tuple[np.ndarray, float]:
    """Cut out what moves more than a limit: the mask, and how much it looks like one object that moves, 0 to 1.

    That is how clear the motion is (once it is clear, more is not better: the ground close to a camera moves too),
    times the share of the mask that moves, times how much of its convex hull the mask fills.
    """
    moving = motion > limit
    if moving.mean() < 0.002:
        return moving, 0.0
    labels = np.where(moving, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    reach = max(3, round(2 * BAND * min(moving.shape)))
    square = np.ones((2 * reach + 1,) * 2, np.uint8)
    near = cv2.dilate(moving.astype(np.uint8), square) > 0
    labels[near & ~moving] = cv2.GC_PR_BGD
    labels[cv2.erode(moving.astype(np.uint8), square) > 0] = cv2.GC_FGD
    mask = _largest(_grab_cut(frame, labels, 5))
    if not mask.any():
        return mask, 0.0
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = mask.sum() / max(cv2.contourArea(cv2.convexHull(np.concatenate(outlines))), 1.0)
    clear = min(1.0, float(np.percentile(motion, 95)) / limit / CLEAR)
    return mask, clear * float(moving[mask].mean()) * min(1.0, filled)


def own_motion(flow: ClipFlow, frame: int, reach: int = REACH) -> tuple[np.ndarray, float]:
    """Motion besides the background's around a frame, [H, W] in pixels a frame, and from where on it is no noise.

    It is the median over `reach` frames to either side.
    """
    height, width = flow.forward.shape[1:3]
    every = np.ones((height, width), bool)
    pixels = coords.pixel_mesh((height, width), 1, 0).numpy()
    corners = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)
    last = len(flow.forward) - 1
    steps = range(max(0, min(frame, last) - reach), min(last, frame + reach) + 1)
    rest = []
    for i in steps:
        moved = corners @ step(flow, every, i, "homography").T
        rest.append(np.linalg.norm(flow.forward[i] - (moved[..., :2] / moved[..., 2:] - pixels), axis=-1))
    motion = np.median(rest, 0).astype(np.float32)
    return motion, max(STILL * width, NOISE * float(np.median(motion)))


def carry(
    frames: Sequence[np.ndarray], flow: ClipFlow, marked: Mapping[int, np.ndarray], progress: Progress = quiet
) -> np.ndarray:
    """Take masks of some frames through the clip.

    Each frame's mask follows the flow from its neighbour and is refined there. Between two marked frames both are
    carried, and the nearer one counts more.

    Parameters
    ----------
    frames
        uint8 [H, W, 3] each.
    marked
        Frame numbers and their masks, bool [H, W]; at least one.

    Returns
    -------
    bool [T, H, W].
    """
    count, keys = len(frames), sorted(marked)
    weights = np.zeros((count, 1, 1), np.float32)
    total = np.zeros((count, *frames[0].shape[:2]), np.float32)
    for key in keys:
        later, earlier = [k for k in keys if k > key], [k for k in keys if k < key]
        walks = ((1, min(later, default=count), flow.backward), (-1, max(earlier, default=-1), flow.forward))
        for stride, end, pulls in walks:
            mask = marked[key]
            for i in range(key + stride, end, stride):
                followed = warp(mask.astype(np.float32), pulls[min(i, i - stride)])
                mask = refine(frames[i], followed, *moving(flow, i, followed > 0.5))
                weight = 1 / abs(i - key)
                total[i] += weight * mask
                weights[i] += weight
                progress(0.9 * (weights > 0).mean(), f"mask of frame {i}")
    masks = total > 0.5 * weights
    for i, mask in marked.items():
        masks[i] = mask
    return masks


def moving(flow: ClipFlow, frame: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What motion tells of where the object is: where it may be, and where it hardly is, bool [H, W] both.

    Ground that looks like the object but lies still would else be taken in, a little in each frame. An object that
    stands still may be everywhere; only one that moves fast is hardly where nothing moves (a walker's foot rests).
    """
    motion, limit = own_motion(flow, frame, reach=0)
    speed = np.median(motion[mask]) if mask.any() else 0.0
    if speed < limit:
        return np.ones(mask.shape, bool), np.zeros(mask.shape, bool)
    still = cv2.morphologyEx((motion <= limit).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    return motion > limit, still & (speed > FAST * limit)


def refine(frame: np.ndarray, followed: np.ndarray, possible: np.ndarray, unlikely: np.ndarray) -> np.ndarray:
    """Snap a carried mask [H, W] in [0, 1] to the frame's edges -> bool [H, W].

    Within a narrow band, and outwards only where it is `possible`; where it is `unlikely`, colour decides. Both are
    bool [H, W].
    """
    mask = (followed > 0.5).astype(np.uint8)
    if mask.sum() < 16:
        return mask > 0
    reach = max(2, round(BAND * min(mask.shape)))
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    inner, outer = cv2.erode(mask, ball), cv2.dilate(mask, ball)
    labels = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner > 0], labels[outer == 0] = cv2.GC_FGD, cv2.GC_BGD
    labels[(mask == 0) & ~possible] = cv2.GC_BGD
    labels[(mask > 0) & unlikely] = cv2.GC_PR_BGD
    # Where the object is thinner than the band nothing would be sure.
    if not (labels == cv2.GC_FGD).any():
        labels[(mask > 0) & (followed > 0.9)] = cv2.GC_FGD
    return _grab_cut(frame, labels, ROUNDS)


def _grab_cut(frame: np.ndarray, labels: np.ndarray, rounds: int) -> np.ndarray:
    """GrabCut on the part of the frame around what may be the object -> bool [H, W]."""
    possible = labels != cv2.GC_BGD
    rows, columns = np.flatnonzero(possible.any(1)), np.flatnonzero(possible.any(0))
    margin = [max(8, round(MARGIN * (span[-1] - span[0] + 1))) for span in (rows, columns)]
    window = tuple(
        slice(max(0, span[0] - m), span[-1] + 1 + m) for span, m in zip((rows, columns), margin, strict=True)
    )
    part, marks = np.ascontiguousarray(frame[window][..., ::-1]), labels[window].copy()
    result = np.zeros(labels.shape, bool)
    if (marks == cv2.GC_BGD).any() or (marks == cv2.GC_PR_BGD).any():
        cv2.setRNGSeed(0)
        cv2.grabCut(part, marks, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    result[window] = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return result


def _usable(mask: np.ndarray, source: str) -> np.ndarray:
    """`_largest`, or InputError where there is nothing."""
    kept = _largest(mask)
    if not kept.any():
        raise InputError(f"nothing in {source} stands out from the background; draw it closer around the object.")
    return kept


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest part of a mask and what is nearly as large; nothing where that is a few pixels."""
    count, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = facts[1:, cv2.CC_STAT_AREA]
    if count < 2 or areas.max() < 16:
        return np.zeros_like(mask)
    return np.isin(parts, 1 + np.flatnonzero(areas >= 0.05 * areas.max()))
