"""Content and style pictures for training, out of packages with clear licences and out of code.

`python -m training.style.collect --packages DIR --out DIR` fills `OUT/content` and `OUT/style`. DIR holds the packages
unpacked, each in a folder of its name; one that is missing is said and left out:

- `scikit-image`, as installed: photographs, public domain or CC0 but for a few (its data/README.txt says which);
- `scikit-learn` (wheel): two photographs, CC BY 2.0;
- `opencv-doc` (Debian): photographs, Apache-2.0, and a painting of 1889;
- `@lobehub/fluent-emoji-3d` (npm): renders of objects, MIT;
- `openclipart-png` (Debian): drawings, public domain.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from .painters import Array, field, paint, palette

log = logging.getLogger(__name__)
SIDE_PX = 384  # of the shorter side of every picture made
SKIMAGE = [
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "motorcycle_left",
    "motorcycle_right",
    "hubble_deep_field",
    "grass",
    "gravel",
    "brick",
]
OPENCV = [
    "aero1",
    "aloeL",
    "aloeR",
    "apple",
    "baboon",
    "basketball1",
    "board",
    "building",
    "butterfly",
    "cards",
    "chicky_512",
    "fruits",
    "graf1",
    "graf3",
    "home",
    "leuvenA",
    "leuvenB",
    "orange",
    "pic2",
    "rubberwhale1",
    "rubberwhale2",
    "smarties",
    "squirrel_cls",
    "stuff",
]
PAINTING = "starry_night"


def photographs(packages: Path) -> Iterator[Array]:
    """All there are, as whole pictures [H, W, 3] in [0, 1]."""
    import skimage

    data = Path(skimage.__file__).parent / "data"
    named = [path for path in sorted(data.iterdir()) if path.stem in SKIMAGE and path.suffix in (".png", ".jpg")]
    named += sorted((packages / "scikit-learn").rglob("images/*.jpg"))
    examples = packages / "opencv-doc/usr/share/doc/opencv-doc/examples/data"
    named += [path for path in sorted(examples.glob("*")) if path.stem in OPENCV and path.suffix in (".png", ".jpg")]
    for path in named:
        yield read(path)[..., :3]


def read(path: Path) -> Array:
    """[H, W, 3 or 4] in [0, 1]."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ValueError(f"{path} cannot be read")
    if found.ndim == 2:
        found = cv2.cvtColor(found, cv2.COLOR_GRAY2BGR)
    order = [2, 1, 0, 3][: found.shape[2]]
    return np.ascontiguousarray(found[..., order], np.float32) / (65535 if found.dtype == np.uint16 else 255)


def cut_outs(packages: Path) -> list[Path]:
    """Pictures of one object each, the rest transparent."""
    return sorted((packages / "@lobehub/fluent-emoji-3d").rglob("*.webp")) + drawings(packages)[::4]


def drawings(packages: Path) -> list[Path]:
    """Drawings of some size."""
    every = sorted((packages / "openclipart-png").rglob("*.png"))
    return [path for path in every if 20_000 < path.stat().st_size < 600_000]


def cropped(picture: Array, rng: np.random.Generator, size: tuple[int, int]) -> Array:
    """A part of at least half a picture, at random, mirrored or not, at a size."""
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1]) * rng.uniform(0.5, 1)
    h, w = max(8, int(size[0] * scale)), max(8, int(size[1] * scale))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = cv2.resize(picture[top : top + h, left : left + w], size[::-1], interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def lit(picture: Array, rng: np.random.Generator) -> Array:
    """Brighter, darker, of other contrast and other colours, as footage is."""
    grey = picture.mean(2, keepdims=True)
    vivid = grey + (picture - grey) * rng.uniform(0.4, 1.5)
    cast = 1 + rng.normal(0, 0.08, 3)
    return np.clip((vivid.clip(0, 1) ** rng.uniform(0.6, 1.6)) * cast, 0, 1).astype(np.float32)


def content(number: int, photos: list[Array], objects: list[Path]) -> Array:
    """A photograph, and over most of them one object or several, with their shadows."""
    rng = np.random.default_rng((1, number))
    size = (SIDE_PX, SIDE_PX * 4 // 3)
    made = lit(cropped(photos[rng.integers(len(photos))], rng, size), rng)
    for _ in range(rng.choice([0, 1, 1, 2, 4]) if objects else 0):
        made = placed(made, read(objects[rng.integers(len(objects))]), rng)
    return made


def placed(ground: Array, thing: Array, rng: np.random.Generator) -> Array:
    """A cut-out somewhere on a picture."""
    if thing.shape[2] < 4:
        return ground
    height, width = ground.shape[:2]
    scale = rng.uniform(0.25, 0.9) * height / max(thing.shape[:2])
    thing = cv2.resize(thing, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = thing.shape[:2]
    top, left = rng.integers(0, max(1, height - h + 1)), rng.integers(0, max(1, width - w + 1))
    thing = thing[: height - top, : width - left]
    alpha = np.zeros((height, width), np.float32)
    alpha[top : top + thing.shape[0], left : left + thing.shape[1]] = thing[..., 3]
    colours = np.zeros_like(ground)
    colours[top : top + thing.shape[0], left : left + thing.shape[1]] = lit(thing[..., :3], rng)
    shadow = np.roll(cv2.GaussianBlur(alpha, (0, 0), 6), (6, 6), (0, 1))[..., None]
    ground = ground * (1 - 0.4 * shadow * (1 - alpha[..., None]))
    return ground * (1 - alpha[..., None]) + colours * alpha[..., None]


def motif(photos: list[Array], drawn: list[Path], rng: np.random.Generator) -> Array:
    """What a style picture shows: a photograph, drawings, or nothing but colours that flow."""
    size = (SIDE_PX, SIDE_PX)
    kind = rng.random()
    if kind < 0.45 or not drawn:
        return cropped(photos[rng.integers(len(photos))], rng, size)
    if kind < 0.65:
        bands = np.stack([field(rng, size, rng.uniform(15, 70)) for _ in range(3)], -1)
        return np.clip(0.5 + 0.3 * bands, 0, 1)
    made = np.empty((*size, 3), np.float32)
    made[:] = palette(rng, 3)[rng.integers(3)]
    for _ in range(rng.integers(1, 6)):
        made = placed(made, read(drawn[rng.integers(len(drawn))]), rng)
    return made


def style(number: int, photos: list[Array], drawn: list[Path], painting: Array | None) -> Array:
    """A painted motif; of a hundred, a few are drawings as they are, and one the painting."""
    rng = np.random.default_rng((2, number))
    shown = motif(photos, drawn, rng)
    kind = rng.random()
    if painting is not None and kind < 0.02:
        return lit(cropped(painting, rng, shown.shape[:2]), rng)
    return shown if kind < 0.08 else paint(shown, rng)


@dataclass(frozen=True)
class Sources:
    """What there is to make pictures of, loaded once in each process."""

    photos: list[Array]
    objects: list[Path]
    drawn: list[Path]
    painting: Array | None

    @classmethod
    def found(cls, packages: Path) -> Sources:
        """All there are."""
        paintings = sorted((packages / "opencv-doc").rglob(f"{PAINTING}.jpg"))
        painting = read(paintings[0]) if paintings else None
        return cls(list(photographs(packages)), cut_outs(packages), drawings(packages), painting)


@lru_cache(1)
def sources(packages: Path) -> Sources:
    """Those of this process, which has one thread."""
    cv2.setNumThreads(1)
    return Sources.found(packages)


def write(packages: Path, folder: Path, number: int) -> None:
    """Picture of that number, unless it lies there."""
    path, found = folder / f"{number:05d}.jpg", sources(packages)
    if path.exists():
        return
    if folder.name == "content":
        made = content(number, found.photos, found.objects)
    else:
        made = style(number, found.photos, found.drawn, found.painting)
    eight = np.rint(made[..., ::-1].clip(0, 1) * 255).astype(np.uint8)
    cv2.imwrite(str(path), eight, [cv2.IMWRITE_JPEG_QUALITY, 93])


def main() -> None:
    """Fill the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contents", type=int, default=3000)
    parser.add_argument("--styles", type=int, default=4000)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, count in (("content", asked.contents), ("style", asked.styles)):
        folder = asked.out / name
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            make = partial(write, asked.packages, folder)
            for done, _ in enumerate(pool.map(make, range(count), chunksize=20), 1):
                if done % 500 == 0:
                    log.info("%s: %d of %d", name, done, count)


if __name__ == "__main__":
    main()
