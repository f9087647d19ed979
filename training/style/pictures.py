"""Pictures from folders, as squares of one size, drawn by number: the same number, the same square."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stablevideo.errors import InputError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class Squares:
    """Squares out of the pictures of a folder.

    Each is read, brought to `resize_px` on its shorter side, and cropped to `crop_px` at random, as published.
    """

    def __init__(self, folder: Path, resize_px: int, crop_px: int, seed: int) -> None:
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
        if not self.paths:
            raise InputError(f"{folder} holds no pictures; give a folder of {', '.join(ENDINGS)}.")
        self.resize_px, self.crop_px, self.seed = resize_px, crop_px, seed

    def draw(self, step: int, count: int) -> Tensor:
        """Those of a step: [count, 3, crop_px, crop_px] in [0, 1]."""
        rng = np.random.default_rng((self.seed, step))
        return self.cut(rng.integers(0, len(self.paths), count).tolist(), rng)

    def cut(self, numbers: Sequence[int], rng: np.random.Generator) -> Tensor:
        """One square of each of these pictures."""
        seeds = rng.integers(0, 2**32, len(numbers))
        with ThreadPoolExecutor() as pool:
            squares = list(pool.map(self._square, numbers, seeds))
        return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255

    def _square(self, number: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        found = cv2.imread(str(self.paths[number]))
        if found is None:
            raise InputError(f"{self.paths[number]} is no picture; remove it.")
        scale = self.resize_px / min(found.shape[:2])
        size = [max(self.crop_px, round(side * scale)) for side in found.shape[1::-1]]
        found = cv2.resize(found, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        top, left = (int(rng.integers(0, side - self.crop_px + 1)) for side in found.shape[:2])
        part = found[top : top + self.crop_px, left : left + self.crop_px, ::-1]
        return part[:, ::-1] if rng.random() < 0.5 else part
