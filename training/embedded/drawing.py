"""What painters of sources draw with: noise, tiles of texture, light and shade, and a canvas of solid parts."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue in brightness (BT.601)
TILE_PX = 512
# How fast a noise tile's amplitudes fall with frequency: the higher, the softer.
FALL = {"grain": 0.35, "rough": 0.9, "lumps": 1.3, "cloud": 1.8}
PHOTO_TILES = ("brick", "grass", "gravel")  # scikit-image's textures, 512 x 512 as they come
TILES = (*FALL, *PHOTO_TILES, "ridges", "fur", "leaves", "blades", "stones", "pebbles", "planks")


def noise(rng: np.random.Generator, size: int, cells: tuple[int, int] | int, octaves: int = 1) -> np.ndarray:
    """Smooth noise [size, size], zero mean, about unit range; cells (rows, columns) across the picture."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        lattice = rng.random((max(2, rows << octave), max(2, columns << octave)), np.float32) * 2 - 1
        total += cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    return total


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates (y, x), each [size, size] in [0, 1]."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


@cache
def photo(name: str) -> np.ndarray:
    """A sample photograph of scikit-image's wheel, [H, W, 3] floats in [0, 1]."""
    import skimage

    picture = cv2.imread(str(Path(skimage.__file__).parent / "data" / name), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{name} cannot be read")
    return np.ascontiguousarray(picture[..., ::-1], np.float32) / 255


def spectrum(rng: np.random.Generator, fall: float) -> np.ndarray:
    """Seamless noise [512, 512] whose amplitudes fall with frequency to the power of `fall`."""
    rows, columns = np.fft.fftfreq(TILE_PX)[:, None], np.fft.rfftfreq(TILE_PX)[None]
    radius = np.maximum(np.hypot(rows, columns), 1 / TILE_PX)
    wave = np.fft.rfft2(rng.standard_normal((TILE_PX, TILE_PX))) / radius**fall
    wave[0, 0] = 0
    return np.fft.irfft2(wave).astype(np.float32)


def strokes(rng: np.random.Generator, count: int, along: tuple[float, float], across: float, lean: float) -> np.ndarray:
    """Little ellipses over one another [512, 512]: leaves, blades of grass; lean is their spread from upright."""
    tile = np.full((TILE_PX, TILE_PX), 0.3, np.float32)
    clumps = cv2.GaussianBlur(spectrum(rng, 1.2), (0, 0), 2)
    clumps = clumps / clumps.std()
    for rank in range(count):
        x, y = (int(value) for value in rng.integers(0, TILE_PX, 2))
        length = rng.uniform(*along)
        tone = 0.25 + 0.5 * rank / count + 0.16 * rng.standard_normal() + 0.12 * clumps[y, x]
        axes = (int(length * across * 16) + 8, int(length * 16))
        cv2.ellipse(tile, (x * 16, y * 16), axes, rng.normal(0, lean), 0, 360, float(tone), -1, cv2.LINE_AA, shift=4)
    return tile


def cells(rng: np.random.Generator, count: int, flat: float) -> np.ndarray:
    """Stones with dark joints [512, 512]: nearest-seed regions, wider than high by `flat`."""
    small = TILE_PX // 2
    seeds = rng.random((count, 2)).astype(np.float32)
    y, x = grid(small)
    warp = 0.012 * np.stack([noise(rng, small, 14, 2), noise(rng, small, 14, 2)])
    first, second = np.full((2, small, small), 9, np.float32)
    label = np.zeros((small, small), np.int32)
    for index, (row, column) in enumerate(seeds):
        away = np.hypot((np.abs(y + warp[0] - row) % 1) * flat, np.abs(x + warp[1] - column) % 1)
        second = np.minimum(second, np.maximum(first, away))
        label = np.where(away < first, index, label)
        first = np.minimum(first, away)
    joint = np.clip((second - first) * count**0.5 * 3.5, 0, 1)
    tone = rng.uniform(0.45, 1.0, count).astype(np.float32)[label]
    tile = cv2.resize(joint**0.7 * tone, (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC)
    return tile * (1 + 0.16 * tile_of("rough"))


def fur(rng: np.random.Generator) -> np.ndarray:
    """Hair that flows [512, 512]: grain smeared along a slowly turning direction."""
    y, x = (axis * TILE_PX for axis in grid(TILE_PX))
    angle = 0.9 * cv2.GaussianBlur(tile_of("cloud"), (0, 0), 8)
    hair, total = tile_of("grain"), np.zeros((TILE_PX, TILE_PX), np.float32)
    for step in np.linspace(-7, 7, 15):
        across, along = ((axis + step * turn(angle)).astype(np.float32) for axis, turn in ((x, np.sin), (y, np.cos)))
        total += cv2.remap(hair, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return total + 2 * total.std() / 3 * tile_of("lumps")


def ridges(rng: np.random.Generator) -> np.ndarray:
    """Crests and gullies [512, 512], as of mountains and rocks."""
    return -(np.abs(spectrum(rng, 1.7)) ** 0.7) - 0.4 * np.abs(spectrum(rng, 1.3)) ** 0.8


def planks(rng: np.random.Generator) -> np.ndarray:
    """Boards with grain and gaps [512, 512]."""
    tones = np.repeat(rng.normal(0, 0.5, 16), TILE_PX // 16)[None]
    streaks = cv2.resize(rng.standard_normal((12, TILE_PX)).astype(np.float32), (TILE_PX, TILE_PX))
    gap = (np.arange(TILE_PX) % 32 < 3)[None] * -2.5
    return (tones + 0.5 * streaks + gap).astype(np.float32)


@cache
def tile_of(name: str) -> np.ndarray:
    """A texture [512, 512] of `TILES`: zero mean, unit deviation; made once in a process, always the same."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name in PHOTO_TILES:
        made = photo(f"{name}.png").mean(-1).T  # so that courses of bricks lie level
    else:
        made = {
            "leaves": lambda: strokes(rng, 9000, (3, 8), 0.6, 60),
            "blades": lambda: strokes(rng, 12000, (5, 14), 0.14, 16),
            "stones": lambda: cells(rng, 70, 1.5),
            "pebbles": lambda: cells(rng, 420, 1.1),
            "fur": lambda: fur(rng),
            "ridges": lambda: ridges(rng),
            "planks": lambda: planks(rng),
        }.get(name, lambda: spectrum(rng, FALL[name]))()
    made = np.clip((made - made.mean()) / made.std(), -3, 3).astype(np.float32)
    made.flags.writeable = False
    return made


def patch(rng: np.random.Generator, size: int, name: str, zoom: float = 1.0) -> np.ndarray:
    """A part [size, size] of a tile, mirrored or not; zoom is the tile's pixels to one of the picture."""
    tile = tile_of(name)
    side = int(np.clip(size * zoom, 8, TILE_PX))
    top, left = rng.integers(TILE_PX - side + 1, size=2)
    part = tile[top : top + side, left : left + side]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(part, (size, size), interpolation=how)


def plane(rng: np.random.Generator, size: int, name: str, horizon: float, zoom: float) -> np.ndarray:
    """A tile laid on level ground [size, size], seen in perspective below the horizon (y in [0, 1], or above it).

    Zoom is the tile's pixels to one of the picture at its lower edge.
    """
    y, x = grid(size)
    near = np.maximum((y - horizon) / (1 - horizon), 0.02)
    shift = rng.random(2) * TILE_PX
    across = ((x - 0.5) / near * size * zoom + shift[0]).astype(np.float32)
    along = ((1 - horizon) * (1 + max(0, horizon)) / near * size * zoom + shift[1]).astype(np.float32)
    return cv2.remap(tile_of(name), across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """A colour [3] from its hue in degrees, saturation and value in [0, 1]."""
    pixel = np.array([[[hue % 360, np.clip(saturation, 0, 1), np.clip(value, 0, 1)]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """A base colour [3]: any hue, with greys and browns as frequent as nature has them."""
    value, saturation = rng.uniform(0.2, 0.95), rng.uniform(0, 1) ** 1.3
    return hsv(rng.uniform(0, 360) if rng.random() < 0.6 else rng.uniform(15, 50), saturation, value)


def leaf_colour(rng: np.random.Generator) -> np.ndarray:
    """Of foliage [3]: mostly green, now and then yellow, red or anything."""
    chance = rng.random()
    if chance < 0.08:
        return random_colour(rng)
    hue = rng.uniform(70, 140) if chance < 0.78 else rng.uniform(15, 65)
    return hsv(hue, rng.uniform(0.25, 0.7), rng.uniform(0.22, 0.6))


def blob_outline(rng: np.random.Generator, rough: float = 0.16) -> np.ndarray:
    """A random closed line [90, 2] of (x, y) within [0, 1]."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.full(90, rng.uniform(0.3, 0.42))
    for wave in range(2, 9):
        radius += rng.normal(0, rough / wave**1.3) * np.cos(wave * angles + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.12, 0.49)
    return np.stack([0.5 + radius * np.cos(angles), 0.5 + radius * np.sin(angles)], -1)


def relief(height: np.ndarray, angle: float, strength: float) -> np.ndarray:
    """Light [H, W] around 1 on a surface of this height [H, W], from a side (0 is above, radians)."""
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)
    return np.clip(1 + strength * (down * math.cos(angle) + across * math.sin(angle)), 0.25, 1.7)


def shade(rng: np.random.Generator, mask: np.ndarray, softness_px: float) -> np.ndarray:
    """Light and shade [H, W], about 0.4 to 1.3, as if the mask were a rounded body lit from one side."""
    step = 1 + int(softness_px / 4)  # soft as it is, it need not be computed at every pixel
    height, width = (max(2, side // step) for side in mask.shape)
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    dome = cv2.GaussianBlur(small, (0, 0), max(0.5, softness_px / step), borderType=cv2.BORDER_CONSTANT)
    lit = relief(dome, rng.uniform(-1.2, 1.2), 0.5 * softness_px / step)  # mostly from above
    return np.clip(cv2.resize(lit, mask.shape[::-1]) - 0.15, 0.35, 1.35)


def points(
    rng: np.random.Generator, size: int, outline: Sequence[tuple[float, float]], jitter: float = 0.02
) -> np.ndarray:
    """Polygon corners in eighths of a pixel, shifted a little, from (x, y) in [0, 1]."""
    return np.round((np.array(outline) + rng.normal(0, jitter, (len(outline), 2))) * size * 8).astype(np.int32)


class Canvas:
    """Parts painted one over the other: each has its own colour, is shaded as a body, and may have a name.

    `picture` is [size, size, 3], `mask` [size, size], and `regions` has masks [size, size] by name.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size = rng, size
        self.picture = np.zeros((size, size, 3), np.float32)
        self.mask = np.zeros((size, size), np.float32)
        self.regions: dict[str, np.ndarray] = {}

    def polygon(
        self,
        outline: Sequence[tuple[float, float]],
        colour: np.ndarray,
        softness: float = 0.05,
        jitter: float = 0.02,
        name: str = "",
        rounding: float = 0.0,
    ) -> None:
        """Fill a polygon given as (x, y) in [0, 1], its corners rounded by a share of the picture."""
        part: np.ndarray = np.zeros((self.size, self.size), np.float32)
        cv2.fillPoly(part, [points(self.rng, self.size, outline, jitter)], 1.0, lineType=cv2.LINE_8, shift=3)
        if rounding:
            part = cv2.GaussianBlur(part, (0, 0), rounding * self.size)
        self.add(part, colour, softness, name)

    def box(self, sides: Sequence[float], colour: np.ndarray, softness: float, name: str = "") -> None:
        """Fill an upright rectangle, nearly: left, top, right, bottom in [0, 1]."""
        left, top, right, bottom = sides
        outline = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(outline, colour, softness, 0.002, name)

    def ellipse(
        self,
        centre: tuple[float, float],
        axes: tuple[float, float],
        angle: float,
        colour: np.ndarray,
        softness: float = 0.06,
        name: str = "",
    ) -> None:
        """Fill an ellipse; centre and axes in [0, 1], angle in degrees."""
        part = np.zeros((self.size, self.size), np.float32)
        where = tuple(int(value * self.size * 8) for value in centre)
        radii = tuple(max(4, int(value * self.size * 8)) for value in axes)
        cv2.ellipse(part, where, radii, angle, 0, 360, 1.0, -1, shift=3)
        self.add(part, colour, softness, name)

    def add(self, part: np.ndarray, colour: np.ndarray, softness: float, name: str = "") -> None:
        """Paint a part [H, W] with its colour [3], over all that was there."""
        left, top, wide, high = cv2.boundingRect((part > 0.5).astype(np.uint8))
        if not wide:
            return
        box = slice(top, top + high), slice(left, left + wide)
        inside = part[box] > 0.5
        self.picture[box][inside] = colour * shade(self.rng, part[box], softness * self.size)[inside][:, None]
        self.mask[box][inside] = 1
        for region in self.regions.values():
            region[box][inside] = 0
        if name:
            self.regions.setdefault(name, np.zeros_like(self.mask))[box][inside] = 1
