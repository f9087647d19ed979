"""Source pictures for training: photographs' windows, things cut out on black, and landscapes.

A source is what an edit starts from: an object cut out on black, as a keyframe cropped to its matte, or a place,
whole or with the ragged border of an atlas. They are as dense with detail as footage is, and their colours are
often moved about, so that only the words decide the target's.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .drawing import LUMA, TILES, blob_outline, grid, noise, patch, random_colour, shade
from .landscapes import paint_landscape
from .library import Library
from .objects import OBJECTS
from .sources import Source

PLACES_SHARE, LANDSCAPES_SHARE = 0.3, 0.35  # of all sources: photographs, landscapes; the rest are objects
LEAST_FILLED = 0.1  # of the picture by an object
DENSITY = (0.06, 0.18)  # of edge pixels in what is there: below, relief is added; above, it is softened
HAIRY = ("fur", "fur", "fur", "blades", "lumps", "rough")
SMOOTH = ("grain", "rough", "lumps", "cloud")
RELIEFS = (*TILES, *SMOOTH, *SMOOTH, *HAIRY, *HAIRY)
MADE_OF = {
    "roof": ("pebbles", "brick", "planks", "stones"), "walls": ("brick", "planks", "stones", "rough", "lumps"),
    "door": ("planks",), "legs": HAIRY, "head": HAIRY, "body": HAIRY, "wheels": ("grain",),
}  # fmt: skip


def make_source(rng: np.random.Generator, size: int, library: Library) -> Source:
    """Draw one source of `size` x `size` pixels; the same generator state and library give the same source."""
    chance = rng.random()
    if chance < PLACES_SHARE:
        source = paint_photograph(rng, size, library)
    elif chance < PLACES_SHARE + LANDSCAPES_SHARE:
        source = paint_landscape(rng, size)
    else:
        source = paint_object(rng, size, library)
    if source.kind == "place" and rng.random() < 0.2:
        source = with_thing(rng, source, library)
    if source.kind == "place" and rng.random() < 0.2:
        source = replace(source, mask=ragged_border(rng, size))
    picture = filmed(rng, graded(rng, source.picture, source.mask), source.mask)
    if rng.random() < 0.9:
        picture = with_density(rng, picture, source.mask, source.kind)
    picture = np.clip(picture, 0, 1).astype(np.float32) * source.mask[..., None]
    source = replace(source, picture=picture)
    return mirrored(source) if rng.random() < 0.5 else source


def mirrored(source: Source) -> Source:
    """Left for right."""
    distance = None if source.distance is None else np.ascontiguousarray(source.distance[:, ::-1])
    return replace(
        source,
        picture=np.ascontiguousarray(source.picture[:, ::-1]),
        mask=np.ascontiguousarray(source.mask[:, ::-1]),
        regions={name: np.ascontiguousarray(region[:, ::-1]) for name, region in source.regions.items()},
        distance=distance,
    )


def paint_photograph(rng: np.random.Generator, size: int, library: Library) -> Source:
    """A window of a photograph, as a place."""
    return Source(photo_window(rng, size, library), np.ones((size, size), np.float32), "place")


def photo_window(rng: np.random.Generator, size: int, library: Library) -> np.ndarray:
    """A window [size, size, 3] of 0.3 to 1 of a photograph's shorter side, in [0, 1]."""
    whole = library.photograph(rng)
    side = int(min(whole.shape[:2]) * rng.uniform(0.3, 1.0))
    top, left = (rng.integers(length - side + 1) for length in whole.shape[:2])
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    window = cv2.resize(whole[top : top + side, left : left + side], (size, size), interpolation=how)
    return window.astype(np.float32) / 255


def paint_object(rng: np.random.Generator, size: int, library: Library) -> Source:
    """A thing on black: a render or drawing made to look filmed, a procedural one, or a shape cut from a picture."""
    chance = rng.random()
    if chance < 0.2:
        return cut_shape(rng, size, library)
    thing = library.cut_out(rng) if chance < 0.72 else None
    if thing is not None:
        placed = place(rng, thing.picture, size)
        mask = (placed[..., 3] > 127).astype(np.float32)
        picture = placed[..., :3].astype(np.float32) / 255
        return Source(dress(rng, picture, mask, {}, library), mask, "object", thing.name)
    picture, mask, regions, name = built(rng, size)
    return Source(dress(rng, picture, mask, regions, library), mask, "object", name, regions)


def built(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], str]:
    """A procedural object, nearer or farther: picture, mask, regions and name."""
    canvas, name = OBJECTS[rng.choice(len(OBJECTS), p=(0.36, 0.28, 0.24, 0.12))](rng, size)
    y, x = grid(size)
    sway = rng.uniform(0.2, 1) * (0.012 * patch(rng, size, "cloud", 0.5) + 0.003 * patch(rng, size, "fur"))
    scale = np.array([rng.uniform(0.85, 1.15), 1]) * rng.uniform(0.65, 1.2)
    shift = rng.uniform(-0.08, 0.08, 2)
    across, down = ((axis - 0.5 - move) / by + 0.5 for axis, move, by in zip((x, y), shift, scale, strict=True))
    if name == "animal":  # nothing alive is made of circles
        across, down = across + sway, down + sway[::-1, ::-1]
    across, down = ((axis * size - 0.5).astype(np.float32) for axis in (across, down))
    names = list(canvas.regions)
    layers = [canvas.picture, canvas.mask, *canvas.regions.values()]
    picture, mask, *parts = (cv2.remap(layer, across, down, cv2.INTER_LINEAR) for layer in layers)
    mask = (mask > 0.5).astype(np.float32)
    regions = {name: part * mask for name, part in zip(names, parts, strict=True) if part.mean() > 0.002}
    return picture, mask, regions, name


def place(rng: np.random.Generator, cut_out: np.ndarray, size: int) -> np.ndarray:
    """A cut-out [H, W, 4] on an empty picture [size, size, 4], 0.4 to 0.95 of its side or cut by its border."""
    height, width = cut_out.shape[:2]
    for _ in range(4):
        longest = size * (0.4 + 0.55 * rng.random() ** 0.7)
        stretch = rng.uniform(0.8, 1.25)
        scale = longest / max(height * stretch, width)
        across, high = max(8, int(width * scale)), max(8, int(height * scale * stretch))
        if rng.random() < 0.2:
            across, high = int(across * 1.4), int(high * 1.4)
        how = cv2.INTER_AREA if across < width else cv2.INTER_CUBIC
        small = cv2.resize(cut_out, (across, high), interpolation=how)
        turn = rng.normal(0, 6) if rng.random() < 0.5 else 0.0
        move = cv2.getRotationMatrix2D((across / 2, high / 2), turn, 1)
        room = np.maximum(np.array([size - across, size - high]) / 2, size * 0.05)
        move[:, 2] = move[:, 2] + (size - np.array([across, high])) / 2 + rng.uniform(-1, 1, 2) * room
        placed = cv2.warpAffine(small, move, (size, size))
        if (placed[..., 3] > 127).mean() > LEAST_FILLED:
            break
    return placed


def cut_shape(rng: np.random.Generator, size: int, library: Library) -> Source:
    """A blob, or the outline of a thing, filled with a photograph or a landscape."""
    thing = library.cut_out(rng) if rng.random() < 0.6 else None
    if thing is None:
        mask = np.zeros((size, size), np.float32)
        cv2.fillPoly(mask, [np.round(blob_outline(rng) * size * 16).astype(np.int32)], 1.0, shift=4)
    else:
        mask = (place(rng, thing.picture, size)[..., 3] > 127).astype(np.float32)
    window = photo_window(rng, size, library) if rng.random() < 0.75 else paint_landscape(rng, size).picture
    picture = window * shade(rng, mask, 0.06 * size)[..., None] if rng.random() < 0.6 else window
    return Source(picture * mask[..., None], mask, "object")


def with_thing(rng: np.random.Generator, source: Source, library: Library) -> Source:
    """A place with something in it, with its shadow."""
    size = source.mask.shape[0]
    small = int(size * rng.uniform(0.3, 0.7))
    thing = paint_object(rng, small, library)
    area = tuple(slice(top, top + small) for top in rng.integers(0, size - small + 1, 2))
    alpha, colours = np.zeros((size, size), np.float32), source.picture.copy()
    alpha[area] = cv2.GaussianBlur(thing.mask, (0, 0), 0.5)
    shadow = np.roll(cv2.GaussianBlur(alpha, (0, 0), size / 50), size // 40, 0)
    colours *= (1 - 0.5 * shadow)[..., None]
    look = graded(rng, thing.picture, thing.mask)
    colours[area] += alpha[area][..., None] * (look - colours[area])
    distance = source.distance
    if distance is not None:  # it stands where its foot is
        foot = min(size - 1, area[0].stop - 1)
        distance = distance + alpha * (float(distance[foot, (area[1].start + area[1].stop) // 2]) - distance)
    regions = {name: region * (1 - alpha) for name, region in source.regions.items()}
    return replace(source, picture=np.clip(colours, 0, 1), regions=regions, distance=distance)


def dress(
    rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray, regions: dict[str, np.ndarray], library: Library
) -> np.ndarray:
    """Give a smooth thing [H, W, 3] the surface of a real one: markings, relief, light, a photograph's tones."""
    size = mask.shape[0]
    if rng.random() < (0.12 if "walls" in regions else 0.35):  # markings
        spots = np.clip(
            patch(rng, size, str(rng.choice(["cloud", "lumps", "ridges"])), rng.uniform(0.4, 1.5)) * 2, 0, 1
        )
        picture = picture + (rng.uniform(0.3, 0.9) * spots)[..., None] * (random_colour(rng) - picture)
    made = SMOOTH if {"wheels", "walls"} & set(regions) else RELIEFS
    light = 1 + rng.uniform(0.04, 0.2) * relief_of(rng, size, made)
    for name, region in regions.items():
        if name in MADE_OF and not (name == "body" and "wheels" in regions):
            light += region * (rng.uniform(0.05, 0.2) * relief_of(rng, size, MADE_OF[name]))
    light *= 1 + rng.uniform(0.05, 0.18) * patch(rng, size, "cloud", rng.uniform(0.3, 1.0))
    if rng.random() < 0.4:
        tones = photo_window(rng, size, library) @ LUMA
        light *= 1 + rng.uniform(0.3, 0.9) * (tones - tones.mean())
    if rng.random() < 0.6:
        light *= shade(rng, mask, rng.uniform(0.03, 0.12) * size) + 0.1
    picture = np.maximum(picture, 0.04)  # pure black has no relief
    return np.clip(picture * np.clip(light, 0.3, 1.7)[..., None], 0, 1) * mask[..., None]


def relief_of(rng: np.random.Generator, size: int, names: tuple[str, ...]) -> np.ndarray:
    """A tile's part [size, size], its details as large as on a thing that fills the picture."""
    return patch(rng, size, names[rng.integers(len(names))], rng.uniform(0.5, 1.6) * (256 / size) ** 0.5)


def graded(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Another exposure, contrast, saturation and temperature of light; in two of five, other hues altogether."""
    luma = float((picture @ LUMA)[mask > 0.5].mean())
    wanted = np.clip(rng.normal(0.45, 0.17), 0.15, 0.75)
    power = np.clip(np.log(wanted) / np.log(np.clip(luma, 0.03, 0.97)), 0.5, 2.2)
    picture = cv2.pow(np.clip(picture, 0, 1), float(power))
    warm = rng.normal(0, 0.07)
    matrix = np.diag([1 + warm, 1 + rng.normal(0, 0.025), 1 - warm])
    saturation = rng.uniform(0.7, 1.25) if rng.random() < 0.82 else rng.uniform(0.1, 0.7)
    if rng.random() < 0.4:
        matrix = turned_hues(rng.uniform(0, 2 * np.pi)) @ matrix
        saturation *= rng.uniform(0.5, 1.15)
    grey = np.tile(LUMA, (3, 1))
    matrix = (grey + saturation * (np.eye(3) - grey)) @ matrix
    contrast = rng.uniform(0.8, 1.25)
    affine = np.concatenate([contrast * matrix, np.full((3, 1), (1 - contrast) * wanted)], 1)
    return cv2.transform(picture, affine)


def turned_hues(angle: float) -> np.ndarray:
    """The matrix [3, 3] that turns colours about the grey axis."""
    cosine, sine, third = np.cos(angle), np.sin(angle) / np.sqrt(3), (1 - np.cos(angle)) / 3
    return cosine * np.eye(3) + third + sine * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])


def filmed(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What a camera and a codec do: a little blur, noise, blocks."""
    size = mask.shape[0]
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9) * size / 256 + 0.2)
    if rng.random() < 0.3:
        picture = picture + rng.uniform(0.004, 0.02) * patch(rng, size, "grain")[..., None]
    if rng.random() < 0.2:
        whole = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
        _, code = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])
        picture = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.float32) / 255
    return picture


def with_density(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray, kind: str) -> np.ndarray:
    """As much detail as footage has: relief or crisper lines where there is too little, softer ones where too much."""
    for _ in range(2):
        grey = cv2.cvtColor((np.clip(picture * mask[..., None], 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        density = (cv2.Canny(grey, 100, 200) > 0)[mask > 0.5].mean()
        if density > DENSITY[1]:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 0.9))
        elif density < DENSITY[0] and kind == "object":
            texture = relief_of(rng, mask.shape[0], RELIEFS)
            picture = np.maximum(picture, 0.05) * np.clip(1 + rng.uniform(0.1, 0.25) * texture, 0.2, 2)[..., None]
        elif density < DENSITY[0]:
            crisp = rng.uniform(0.5, 1.5) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
            picture = picture + crisp + rng.uniform(0.0, 0.015) * patch(rng, mask.shape[0], "grain")[..., None]
        else:
            break
    return picture


def ragged_border(rng: np.random.Generator, size: int) -> np.ndarray:
    """A mask [size, size] like an atlas's covered part: an uneven edge on black, sometimes with holes."""
    y, x = grid(size)
    inset = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    mask = inset + 0.05 * noise(rng, size, 7, 3) > rng.uniform(-0.05, 0.14)
    if rng.random() < 0.3:
        mask &= noise(rng, size, 4, 2) < 0.75
    return mask.astype(np.float32)
