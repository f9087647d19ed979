"""Pictures on which an object is marked: frames with a box, strokes, and the object tinted."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..decompose.session import Box
from ..video.write import write_video

SHOWN_PX = 768  # the longer side at which frames are marked; small ones are enlarged
TINT = np.array([255, 32, 144], np.float32)
TINT_SHARE = 0.5
LINE = (255, 214, 0)  # boxes, yellow
ON, BESIDE = "#00d26a", "#ff3b30"  # the brush's colours: on the object, beside it
CHUNK = 16  # frames encoded at a time


def shown_size(frame: np.ndarray) -> tuple[int, int]:
    """(width, height) at which a frame is shown."""
    height, width = frame.shape[:2]
    scale = SHOWN_PX / max(height, width)
    return round(width * scale), round(height * scale)


def shown(
    frame: np.ndarray, mask: np.ndarray | None = None, box: Box | None = None, corner: tuple[int, int] | None = None
) -> np.ndarray:
    """A frame at the size it is shown, its object tinted, with a box's outline or its first corner."""
    size = shown_size(frame)
    picture = cv2.resize(frame if mask is None else tinted(frame, mask), size, interpolation=cv2.INTER_CUBIC)
    scale = size[0] / frame.shape[1]
    if box is not None:
        left, top, right, bottom = (round(side * scale) for side in box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), LINE, 3)
    if corner is not None:
        place = round((corner[0] + 0.5) * scale), round((corner[1] + 0.5) * scale)
        cv2.drawMarker(picture, place, (0, 0, 0), cv2.MARKER_CROSS, 34, 7)
        cv2.drawMarker(picture, place, LINE, cv2.MARKER_CROSS, 32, 3)
    return picture


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [h, w, 3] whose longer side is at least half of what is shown, for atlases that begin tiny."""
    scale = max(1.0, SHOWN_PX / 2 / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def frame_pixel(index: Sequence[float], frame: np.ndarray) -> tuple[int, int]:
    """The column and row of a frame that a click on the shown picture means."""
    (height, width), (shown_width, shown_height) = frame.shape[:2], shown_size(frame)
    column, row = int(index[0] * width / shown_width), int(index[1] * height / shown_height)
    return min(width - 1, max(0, column)), min(height - 1, max(0, row))


def tinted(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A frame uint8 [H, W, 3] with a mask's pixels coloured and its edge drawn."""
    picture = frame.astype(np.float32)
    picture[mask] += TINT_SHARE * (TINT - picture[mask])
    edge = mask & ~(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    picture[edge] = 255
    return picture.round().astype(np.uint8)


def strokes(editor: dict[str, Any] | None, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What was drawn on a shown frame: bool [H, W] on the object, and beside it, at the frame's own size."""
    size = frame.shape[1::-1]
    on, beside = np.zeros(frame.shape[:2], bool), np.zeros(frame.shape[:2], bool)
    for layer in (editor or {}).get("layers") or []:
        if layer is None or layer.ndim != 3 or layer.shape[2] != 4:
            continue
        drawn = layer[..., 3] > 127
        green = layer[..., 1] > layer[..., 0]
        for total, part in ((on, drawn & green), (beside, drawn & ~green)):
            total |= cv2.resize(part.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 64
    return on, beside & ~on


def tinted_video(frames: Sequence[np.ndarray], masks: np.ndarray, fps: Fraction, path: Path) -> Path:
    """Write the clip with its object tinted, as a video that the browser plays."""

    def chunks() -> Iterator[Tensor]:
        for start in range(0, len(frames), CHUNK):
            pictures = [shown(frames[i], masks[i]) for i in range(start, min(start + CHUNK, len(frames)))]
            yield torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)

    write_video(chunks(), path, fps)
    return path
