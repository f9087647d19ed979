"""The sheet of grain that small ControlNets are shown beside their hint: what wood, brick and stripes are made of.

Convolutions know neither where they are nor how to draw a lattice, and textures made of noise alone come out as smears
where the network is small. Procedural texturing (Perlin 1985) has the remedy: one sheet of textures, the same for all
pictures, of which each word takes what it needs.
"""

import itertools
from functools import cache

import cv2
import numpy as np
import torch
from torch import Tensor

SHEET_PX = 256  # it goes on without a seam
LATTICE_PX = 16  # period of bricks, stripes, dots and checks
BRICK_PX = (8, 16)  # height and width
JOINT_PX = 2
GRAINS = ("rows", "columns", "round", "veins", "stones", "wrinkles", "bricks", "stripes", "dots", "checks")


def grain(size: tuple[int, int], at: tuple[int, int] = (0, 0)) -> Tensor:
    """GRAINS [10, height, width] in [0, 1] for a picture of that size, from that place of the sheet on."""
    rows, columns = ((start + torch.arange(side)) % SHEET_PX for start, side in zip(at, size, strict=True))
    return sheet()[:, rows][:, :, columns]


def place_of(seed: int) -> tuple[int, int]:
    """Where in the sheet a seed's grain begins: whole periods, so that lattices begin at the picture's corner."""
    periods = SHEET_PX // LATTICE_PX
    return seed // periods % periods * LATTICE_PX, seed % periods * LATTICE_PX


@cache
def sheet() -> Tensor:
    """GRAINS [10, SHEET_PX, SHEET_PX] in [0, 1]."""
    rng = np.random.default_rng(1985)
    y, x = np.mgrid[:SHEET_PX, :SHEET_PX]
    drawn = {
        "rows": 0.5 + 0.35 * noise(rng, (4, 32)) + 0.25 * noise(rng, (8, 64)),
        "columns": 0.5 + 0.5 * noise(rng, (16, 2.56)),
        "round": 0.5 + 0.4 * noise(rng, (6.4, 6.4)) + 0.2 * noise(rng, (3.2, 3.2)),
        "veins": crossings(noise(rng, (16, 16)) + 0.5 * noise(rng, (8, 8)), 0.16),
        "stones": stones(rng, 14),
        "wrinkles": crossings(noise(rng, (6.4, 6.4)), 0.25),
        "bricks": bricks(y, x),
        "stripes": 0.5 + 4 * np.sin((x + 0.5 * y) * 2 * np.pi / LATTICE_PX),
        "dots": dots(y, x),
        "checks": (y // (LATTICE_PX // 2) + x // (LATTICE_PX // 2)) % 2,
    }
    return torch.from_numpy(np.stack([drawn[name] for name in GRAINS])).float().clamp(0, 1)


def noise(rng: np.random.Generator, cell_px: tuple[float, float]) -> np.ndarray:
    """Smooth noise without a seam [SHEET_PX, SHEET_PX], about -1 to 1, in cells of that height and width."""
    counts = [round(SHEET_PX / cell) for cell in cell_px]
    around = np.pad(rng.random(counts) * 2 - 1, 2, mode="wrap")
    # Values stand at the middles of cells; two more on each side let the cubic run across the border.
    y, x = np.mgrid[:SHEET_PX, :SHEET_PX] + 0.5
    rows, columns = ((at * count / SHEET_PX + 1.5).astype(np.float32) for at, count in zip((y, x), counts, strict=True))
    return cv2.remap(around.astype(np.float32), columns, rows, cv2.INTER_CUBIC)


def crossings(values: np.ndarray, width: float) -> np.ndarray:
    """Lines where values cross zero: 1 upon them, 0 from `width` away."""
    return np.clip(1 - np.abs(values) / width, 0, 1)


def stones(rng: np.random.Generator, side_px: int) -> np.ndarray:
    """Round stones of unlike tones with dark joints between, [SHEET_PX, SHEET_PX]: Voronoi cells (Worley 1996)."""
    count = SHEET_PX // side_px
    place = 0.5 + rng.uniform(-0.38, 0.38, (count, count, 2))  # of each stone's middle, within its cell
    tone = rng.uniform(0.45, 0.9, (count, count))
    y, x = (np.mgrid[:SHEET_PX, :SHEET_PX] + 0.5) * count / SHEET_PX
    away, tones = [], []
    for down, right in itertools.product(range(-2, 3), repeat=2):
        row, column = np.floor(y).astype(int) + down, np.floor(x).astype(int) + right
        middle = place[row % count, column % count]
        away.append(np.hypot(row + middle[..., 0] - y, column + middle[..., 1] - x) * SHEET_PX / count)
        tones.append(tone[row % count, column % count])
    first, second = np.sort(away, 0)[:2]
    nearest = np.take_along_axis(np.stack(tones), np.argmin(away, 0)[None], 0)[0]
    return nearest * np.clip((second - first) / 3, 0.1, 1)


def bricks(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Courses in bond: joints are 1, the bricks of two tones."""
    course = y // BRICK_PX[0]
    along = x + (course % 2) * BRICK_PX[1] // 2
    joints = (y % BRICK_PX[0] < JOINT_PX) | (along % BRICK_PX[1] < JOINT_PX)
    return np.where(joints, 1.0, 0.15 + 0.25 * ((course // 2 + along // BRICK_PX[1]) % 2))


def dots(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Discs in every other square of a board."""
    squares = (y + 0.5) / LATTICE_PX * 2, (x + 0.5) / LATTICE_PX * 2
    away = np.hypot(*(each % 1 - 0.5 for each in squares)) * LATTICE_PX / 2
    second = (np.floor(squares[0]) + np.floor(squares[1])) % 2
    return np.clip(3.6 - away + 0.5, 0, 1) * (second == 0)
