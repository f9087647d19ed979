"""One picture: read, written, resized, rounded to 8 bits."""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

MAX_PICTURE_PX = 8192


def read_picture(path: Path, alpha: bool = False) -> Tensor:
    """Read a picture from outside -> [3, h, w] in [0, 1]; with `alpha` [4, h, w], if it has transparency.

    Raises InputError for what is none.
    """
    if not path.is_file():
        raise InputError(f"there is no picture {path}.")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED if alpha else cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(f"{path.name} is no picture that can be read; give a PNG or JPEG.")
    if max(pixels.shape[:2]) > MAX_PICTURE_PX:
        raise InputError(f"{path.name} is larger than {MAX_PICTURE_PX} pixels a side; scale it down.")
    if pixels.dtype == np.uint16:
        pixels = (pixels / 257).round().astype(np.uint8)
    elif pixels.dtype != np.uint8:  # floats, in [0, 1] but for highlights
        pixels = (np.nan_to_num(pixels).clip(0, 1) * 255).round().astype(np.uint8)
    if pixels.ndim == 2 or pixels.shape[2] not in (3, 4):
        pixels = cv2.cvtColor(pixels.reshape(*pixels.shape[:2], -1)[..., 0], cv2.COLOR_GRAY2BGR)
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return torch.from_numpy(pixels[..., order].copy()).permute(2, 0, 1).float() / 255


def write_picture(path: Path, picture: Tensor, quick: bool = False) -> None:
    """Write [3, h, w], or [4, h, w] with alpha, in [0, 1] or uint8, as PNG. Raises OSError where the disk is full.

    `quick` takes a fifth of the time, and a seventh more room.
    """
    order = [2, 1, 0, 3][: len(picture)]
    pixels = picture if picture.dtype == torch.uint8 else to_uint8(picture)
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1] if quick else []
    encoded = cv2.imencode(".png", pixels.cpu().permute(1, 2, 0).numpy()[..., order], how)[1]
    path.write_bytes(encoded.tobytes())


def to_uint8(picture: Tensor) -> Tensor:
    """[0, 1] -> uint8, rounded."""
    return (picture * 255).round().clamp(0, 255).to(torch.uint8)


def bounding_box(mask: Tensor, margin_px: int = 0) -> tuple[slice, slice] | None:
    """Rows and columns of a mask [H, W] outside of which nothing is set, and a margin; None where nothing is."""
    spans = []
    for axis, side in ((1, mask.shape[0]), (0, mask.shape[1])):
        at = mask.any(axis).nonzero()
        if not len(at):
            return None
        spans.append(slice(max(0, int(at[0]) - margin_px), min(side, int(at[-1]) + 1 + margin_px)))
    return spans[0], spans[1]


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize [n, C, H, W], averaging where it shrinks; unchanged where the size already fits."""
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True)


def resample(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a photograph [C, h, w] in [0, 1] -> [C, *size]: by Lanczos where it grows, by area where it shrinks.

    Keeps edges as sharp as they were, so that what is looked for in them is still found; `resize` is for masks.
    """
    if tuple(picture.shape[1:]) == tuple(size):
        return picture
    grows = size[0] * size[1] > picture.shape[1] * picture.shape[2]
    method = cv2.INTER_LANCZOS4 if grows else cv2.INTER_AREA
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).float().cpu().numpy())
    resized = cv2.resize(pixels, (size[1], size[0]), interpolation=method).reshape(*size, len(picture))
    return torch.from_numpy(resized).permute(2, 0, 1).clamp(0, 1).to(picture)
