"""What a hand paints on a layer: strokes, and pictures stuck on, replayed at the size of the atlas."""

import base64
import binascii
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from .painting import Edit, recorded

MOST_POINTS = 400
MOST_STICKER_BYTES, MOST_STICKER_PX = 1_500_000, 512
FAR = 4.0  # places on an atlas lie in [0, 1]; what is painted may reach beyond it, but not to the end of the world


@dataclass(frozen=True)
class Stroke:
    """A line painted on an atlas, with round ends.

    Attributes
    ----------
    tool
        "brush" lays colour on, "eraser" brings the layer's own atlas back.
    points
        (u, v) in [0, 1] over the atlas picture, top left first.
    radius
        In texels.
    colour
        RGB in [0, 1].
    softness
        In [0, 1]: the share of the radius over which the stroke fades out; 0 is a hard edge of one texel.
    opacity
        In [0, 1].
    """

    layer: LayerName
    tool: Literal["brush", "eraser"]
    points: tuple[tuple[float, float], ...]
    radius: float
    colour: tuple[float, float, float]
    softness: float
    opacity: float


@dataclass(frozen=True)
class Sticker:
    """A picture stuck on an atlas; `at` is its middle, `across` and `down` its two sides, all in uv in [0, 1].

    `picture` is a PNG with alpha, in base64.
    """

    layer: LayerName
    at: tuple[float, float]
    across: tuple[float, float]
    down: tuple[float, float]
    opacity: float
    picture: str
    tool: Literal["sticker"] = "sticker"


def parse_stroke(given: Any) -> Stroke | Sticker:
    """A stroke or sticker from JSON that anybody may have written. Raises InputError for what is none."""
    try:
        layer, tool = given["layer"], given["tool"]
        if layer not in LAYER_NAMES or tool not in ("brush", "eraser", "sticker"):
            raise ValueError(f"there is no layer {layer!r} or no tool {tool!r}")
        opacity = _number(given["opacity"], 0, 1)
        if tool == "sticker":
            at, across, down = (_pair(given[name], FAR) for name in ("at", "across", "down"))
            sticker = Sticker(layer, at, across, down, opacity, str(given["picture"]))
            _decode(sticker.picture)
            return sticker
        if not 1 <= len(given["points"]) <= MOST_POINTS:
            raise ValueError(f"it has {len(given['points'])} points, of 1 to {MOST_POINTS}")
        points = tuple(_pair(point, FAR) for point in given["points"])
        red, green, blue = (_number(value, 0, 1) for value in given["colour"])
        radius, softness = _number(given["radius"], 0.25, 4096), _number(given["softness"], 0, 1)
        return Stroke(layer, tool, points, radius, (red, green, blue), softness, opacity)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"this is no stroke that can be painted: {error}.") from None


def paint_stroke(clip: LayeredVideo, edit: Edit | None, stroke: Stroke | Sticker) -> Edit:
    """The layer's edit, or its own atlas where there is none, with one more stroke. The given edit stays as it is."""
    layer = clip.layer(stroke.layer)
    original = layer.atlas.cpu()
    before = edit or Edit(original, torch.zeros(1, *layer.size), (), {"layer": stroke.layer})
    erased = stroke.tool == "eraser"
    if isinstance(stroke, Sticker):
        window, colours, share = stick(stroke, layer.size)
    else:
        window, share = cover(stroke, layer.size)
        if erased:
            colours = original[(slice(None), *window)] * share
        else:
            colours = torch.tensor(stroke.colour)[:, None, None] * share
    within = (slice(None), *window)
    atlas, changed = before.atlas.clone(), before.changed.clone()
    atlas[within] = atlas[within] * (1 - share) + colours
    changed[within] = changed[within] * (1 - share) + (0 if erased else share)
    settings = recorded(before.settings, {"stroke": asdict(stroke)})
    return replace(before, atlas=atlas, changed=changed, settings=settings, uncoloured=None)


def cover(stroke: Stroke, size: tuple[int, int]) -> tuple[tuple[slice, slice], Tensor]:
    """How much of each texel a stroke covers, its opacity included: a window of the atlas, and [1, h, w] of it."""
    points = np.array(stroke.points, np.float32) * np.array(size[::-1], np.float32)
    rows, columns = _window(points, stroke.radius, size)
    share = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    inner = max(0.0, min(stroke.radius * (1 - stroke.softness), stroke.radius - 1))
    for first, last in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        down, right = _window(np.stack([first, last]), stroke.radius, size)
        y, x = np.mgrid[down, right].astype(np.float32) + 0.5
        along = last - first
        off_x, off_y = x - first[0], y - first[1]
        at = np.clip((off_x * along[0] + off_y * along[1]) / max(float(along @ along), 1e-9), 0, 1)
        away = np.hypot(off_x - at * along[0], off_y - at * along[1])
        part = np.clip((stroke.radius - away) / (stroke.radius - inner), 0, 1)
        there = share[down.start - rows.start : down.stop - rows.start,
                      right.start - columns.start : right.stop - columns.start]  # fmt: skip
        np.maximum(there, part, out=there)
    smooth = stroke.opacity * share * share * (3 - 2 * share)
    return (rows, columns), torch.from_numpy(smooth)[None]


def stick(sticker: Sticker, size: tuple[int, int]) -> tuple[tuple[slice, slice], Tensor, Tensor]:
    """A sticker on the atlas: the window that it covers, its colours times alpha [3, h, w], and alpha [1, h, w]."""
    picture = _decode(sticker.picture)
    scale = np.array(size[::-1], np.float64)
    middle, across, down = (np.array(side) * scale for side in (sticker.at, sticker.across, sticker.down))
    corners = np.stack([middle + x * across + y * down for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    rows, columns = _window(corners, 1, size)
    height, width = picture.shape[:2]
    # Fine pictures are made coarser first, or what lies between the texels would be skipped.
    finer = min(width / max(math.hypot(*across), 1), height / max(math.hypot(*down), 1))
    if finer > 1:
        smaller = max(1, round(width / finer)), max(1, round(height / finer))
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
        height, width = picture.shape[:2]
    linear = np.stack([across / width, down / height], 1)
    # cv2 counts from the middles of pixels and texels.
    begin = middle - 0.5 * across - 0.5 * down + linear @ (0.5, 0.5) - (columns.start + 0.5, rows.start + 0.5)
    matrix = np.concatenate([linear, begin[:, None]], 1)
    extent = columns.stop - columns.start, rows.stop - rows.start
    if abs(np.linalg.det(linear)) < 1e-9 or min(extent) < 1:
        return (rows, columns), torch.zeros(3, *extent[::-1]), torch.zeros(1, *extent[::-1])
    laid = cv2.warpAffine(picture, matrix, extent, flags=cv2.INTER_LINEAR) * sticker.opacity
    both = torch.from_numpy(laid).permute(2, 0, 1)
    return (rows, columns), both[:3], both[3:]


def _window(places: np.ndarray, radius: float, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns that places [n, 2] in texels reach, with a radius; none where they lie beyond the atlas."""

    def reach(values: np.ndarray, side: int) -> slice:
        first = min(max(0, math.floor(float(values.min()) - radius)), side)
        return slice(first, min(max(first, math.ceil(float(values.max()) + radius)), side))

    return reach(places[:, 1], size[0]), reach(places[:, 0], size[1])


def _decode(picture: str) -> np.ndarray:
    """A sticker's picture, [h, w, 4] in [0, 1], RGB multiplied by alpha. Raises ValueError for what is none."""
    if len(picture) > MOST_STICKER_BYTES:
        raise ValueError(f"its picture has {len(picture)} characters, of at most {MOST_STICKER_BYTES}")
    try:
        content = base64.b64decode(picture, validate=True)
    except binascii.Error:
        raise ValueError("its picture is no base64") from None
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 33:
        raise ValueError("its picture is no PNG")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))  # before anything is unpacked
    if not 1 <= max(width, height) <= MOST_STICKER_PX:
        raise ValueError(f"its picture is {width}x{height}, of at most {MOST_STICKER_PX} pixels a side")
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        raise ValueError("its picture is no PNG of 8 bits with alpha")
    rgba = pixels[..., [2, 1, 0, 3]].astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def _number(value: Any, low: float, high: float) -> float:
    number = float(value)
    if not low <= number <= high:  # also false for NaN
        raise ValueError(f"{number:g} is not within {low:g} to {high:g}")
    return number


def _pair(value: Any, far: float) -> tuple[float, float]:
    first, second = value
    return _number(first, -far, far), _number(second, -far, far)
