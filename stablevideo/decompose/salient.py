"""What stands out in a picture: U^2-Net (Qin et al. 2020), the small one, from `ckpt/` or its release."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ..download import download
from ..errors import InputError

LOGGER = logging.getLogger(__name__)

FILE = "u2netp.onnx"  # Apache-2.0, 4.6 MB, as rembg releases it
URL = f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{FILE}"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
SIDE_PX = 320
MEAN, SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
LEAST_SHARE, MOST_SHARE = 0.002, 0.85  # of a frame that an object may take
SURE = 0.5
missed: set[Path] = set()  # files that could not be had, since the program began


def salient_file(ckpt: Path) -> Path | None:
    """Where the network lies, fetched once; None where it cannot be had, which is not tried again."""
    path = ckpt / FILE
    if not path.is_file() and path not in missed:
        try:
            download(URL, path, SHA256, "what moves is taken for the object")
        except InputError as error:
            LOGGER.info("%s", error)
            missed.add(path)
    return path if path.is_file() else None


def salience(frame: np.ndarray, path: Path) -> np.ndarray:
    """How much each place of a frame, uint8 [H, W, 3] RGB, stands out: [H, W] in [0, 1]; stretched to all of that."""
    small = cv2.resize(frame, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    normal = (small / max(float(small.max()), 1.0) - MEAN) / SPREAD
    network = _network(path)
    network.setInput(np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32))
    # Seven maps come out, the finest first.
    found = network.forward(network.getUnconnectedOutLayersNames()[0])[0, 0]
    low, high = float(found.min()), float(found.max())
    stretched = (found - low) / max(high - low, 1e-6)
    return cv2.resize(stretched, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR).clip(0, 1)


def salient_mask(frame: np.ndarray, path: Path) -> np.ndarray | None:
    """The one thing that stands out in a frame, bool [H, W]; None where nothing does, or all."""
    mask = (salience(frame, path) > SURE).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    share = facts[largest, cv2.CC_STAT_AREA] / mask.size
    return labels == largest if LEAST_SHARE <= share <= MOST_SHARE else None


@lru_cache(maxsize=1)
def _network(path: Path) -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(str(path))
