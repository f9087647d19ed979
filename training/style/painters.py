"""Style pictures from code: a motif painted in some technique, in some palette. No two are alike."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Array = np.ndarray  # pictures [H, W, 3] in [0, 1], fields [H, W]


def field(rng: np.random.Generator, size: tuple[int, int], sigma_px: float) -> Array:
    """Smooth noise of deviation 1."""
    step = max(1, int(sigma_px / 3))
    small = rng.standard_normal((size[0] // step + 3, size[1] // step + 3)).astype(np.float32)
    found = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma_px / step), size[::-1], interpolation=cv2.INTER_CUBIC)
    return (found - found.mean()) / (found.std() + 1e-6)


def palette(rng: np.random.Generator, count: int) -> Array:
    """Colours that go together, dark to light: hues around one or two, in Lab -> [count, 3] in [0, 1]."""
    lightness = np.sort(rng.uniform(8, 95, count))
    hues = rng.uniform(0, 360) + rng.normal(0, rng.choice([15, 40, 110]), count)
    hues[rng.random(count) < 0.3] += rng.choice([120, 180])
    chroma = rng.uniform(4, rng.choice([30, 60, 90]), count) * (1 - np.abs(lightness - 55) / 75)
    angles = np.deg2rad(hues)
    lab = np.stack([lightness, chroma * np.cos(angles), chroma * np.sin(angles)], -1).astype(np.float32)
    return cv2.cvtColor(lab[None], cv2.COLOR_Lab2RGB)[0].clip(0, 1)


def recoloured(picture: Array, colours: Array, softness: float) -> Array:
    """The picture's lightness led through the palette; the softer, the fewer steps are seen."""
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab)[..., 0]
    rank = np.searchsorted(np.sort(light.ravel()[::7]), light) / (light.size / 7)
    place = rank * (len(colours) - 1)
    step = np.floor(place)
    part = np.clip((place - step - 0.5) / max(softness, 1e-3) + 0.5, 0, 1)[..., None]
    lower = colours[step.astype(int).clip(0, len(colours) - 1)]
    upper = colours[(step.astype(int) + 1).clip(0, len(colours) - 1)]
    return (lower * (1 - part) + upper * part).astype(np.float32)


def directions(picture: Array, rng: np.random.Generator, swirl: float) -> Array:
    """Angle of strokes: along the picture's edges where it has some, along a smooth field elsewhere."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(part, (0, 0), 6) for part in (dx * dx, dy * dy, dx * dy))
    own = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    free = np.pi * field(rng, grey.shape, max(grey.shape) / 8) * swirl + rng.uniform(0, np.pi)
    sure = np.hypot(xx - yy, 2 * xy)
    share = sure / (sure + np.median(sure) + 1e-6)
    cos = share * np.cos(2 * own) + (1 - share) * np.cos(2 * free)
    sin = share * np.sin(2 * own) + (1 - share) * np.sin(2 * free)
    return 0.5 * np.arctan2(sin, cos)


def strokes(picture: Array, rng: np.random.Generator) -> Array:
    """Oil: large strokes first, small ones over them, each with bristles and a lit rim."""
    height, width = picture.shape[:2]
    angle = directions(picture, rng, rng.uniform(0.2, 1.5))
    broad = rng.uniform(4, 13)
    canvas = cv2.GaussianBlur(picture, (0, 0), broad)
    relief = np.zeros((height, width), np.float32)
    jitter, bend = rng.uniform(0.02, 0.09), rng.uniform(0, 0.5)
    for thick in (broad, broad * 0.6, broad * 0.35):
        length, around = thick * rng.uniform(2.5, 6), cv2.GaussianBlur(picture, (0, 0), thick / 2)
        for _ in range(int(2.2 * height * width / (thick * length))):
            y, x = rng.integers(height), rng.integers(width)
            if thick < broad and np.abs(canvas[y, x] - around[y, x]).sum() < 0.06 * rng.random():
                continue
            turn, lean = angle[y, x] + rng.normal(0, 0.12), rng.normal(0, bend)
            along = np.linspace(-0.5, 0.5, 5) * length
            xs, ys = x + along * np.cos(turn + lean * along / length), y + along * np.sin(turn + lean * along / length)
            points = np.stack([xs, ys], -1)
            colour = (around[y, x] * (1 + rng.normal(0, jitter)) + rng.normal(0, jitter / 2, 3)).clip(0, 1)
            _line(canvas, points, colour.tolist(), thick)
            _line(relief, points, (float(rng.normal()),), thick)
            across = np.array([-np.sin(turn), np.cos(turn)]) * thick
            for offset in rng.uniform(-0.45, 0.45, 2):
                shade = float(rng.normal(0, 0.05))
                _line(canvas, points + offset * across, (colour + shade).clip(0, 1).tolist(), max(1, thick / 6))
    light = cv2.GaussianBlur(relief, (0, 0), 0.7)
    lit = cv2.Sobel(light, cv2.CV_32F, 1, 0) + cv2.Sobel(light, cv2.CV_32F, 0, 1)
    return canvas + rng.uniform(0, 0.02) * lit[..., None]


def hatching(picture: Array, rng: np.random.Generator) -> Array:
    """Pen on paper: the darker, the more layers of lines cross."""
    height, width = picture.shape[:2]
    dark = 1 - cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 2), cv2.COLOR_RGB2GRAY)
    dark = (dark - dark.min()) / (np.ptp(dark) + 1e-6)
    first, spacing = rng.uniform(0, np.pi), rng.uniform(3, 8)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ink = np.zeros((height, width), np.float32)
    wobble = field(rng, (height, width), 12) * rng.uniform(0, 2)
    for layer in range(4):
        turn = first + layer * rng.uniform(0.6, 1.1)
        phase = (x * np.cos(turn) + y * np.sin(turn) + wobble) / spacing
        line = np.abs(phase - np.round(phase)) * spacing
        weight = np.clip((dark - 0.15 - 0.2 * layer) * 5, 0, 1)
        ink = np.maximum(ink, weight * np.clip(0.4 + 0.9 * weight - line + 0.3, 0, 1))
    colours = palette(rng, 2) if rng.random() < 0.5 else np.array([[0.07, 0.07, 0.1], [0.96, 0.94, 0.9]])
    paper = colours[1] * (1 + 0.02 * field(rng, (height, width), 1)[..., None])
    tint = cv2.GaussianBlur(picture, (0, 0), 3) if rng.random() < 0.35 else None
    ground = paper if tint is None else 0.6 * paper + 0.4 * tint
    return ground * (1 - ink[..., None]) + colours[0] * ink[..., None]


def cells(picture: Array, rng: np.random.Generator, grid_px: float, regular: float) -> tuple[Array, Array, Array]:
    """Voronoi cells -> the number of each pixel's, the distance to the nearest border in pixels, and mean colours."""
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[0 : height + grid_px : grid_px, 0 : width + grid_px : grid_px]
    seeds = np.stack([xs, ys], -1).reshape(-1, 2) + rng.normal(0, grid_px * (1 - regular) / 2, (xs.size, 2))
    seeds = seeds.clip(0, [width - 1, height - 1]).astype(int)
    free = np.full((height, width), 255, np.uint8)
    free[seeds[:, 1], seeds[:, 0]] = 0
    _, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    edge = (label != np.roll(label, 1, 0)) | (label != np.roll(label, 1, 1))
    border = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)
    count = np.bincount(label.ravel())
    colours = [np.bincount(label.ravel(), picture[..., i].ravel()) / np.maximum(count, 1) for i in range(3)]
    return label, border, np.stack(colours, -1)


def tesserae(picture: Array, rng: np.random.Generator) -> Array:
    """A mosaic of small stones in mortar."""
    grid_px = rng.uniform(7, 18)
    label, border, colours = cells(picture, rng, grid_px, rng.uniform(0.5, 1))
    colours = colours * (1 + rng.normal(0, 0.12, (len(colours), 1)))
    gap = np.clip(border - rng.uniform(0.5, 1.5), 0, 1)[..., None]
    return colours[label] * gap + rng.uniform(0.05, 0.9) * (1 - gap)


def stained_glass(picture: Array, rng: np.random.Generator) -> Array:
    """Large panes in lead, each lit unevenly."""
    label, border, colours = cells(picture, rng, rng.uniform(22, 55), rng.uniform(0, 0.5))
    middle = colours.mean(1, keepdims=True)
    colours = middle + (colours - middle) * rng.uniform(1.2, 2.2)
    lead = np.clip(border - rng.uniform(1, 3), 0, 1)[..., None]
    glow = 1 + 0.15 * field(rng, picture.shape[:2], 9)[..., None]
    return (colours[label] * glow).clip(0, 1) * lead + 0.05 * (1 - lead)


def dots(picture: Array, rng: np.random.Generator) -> Array:
    """Pointillism: dots of purer colours side by side."""
    height, width = picture.shape[:2]
    radius = rng.uniform(1.6, 5)
    canvas = np.full_like(picture, 0.9) * picture.mean((0, 1))
    jitter = rng.uniform(0.05, 0.2)
    for _ in range(int(2.5 * height * width / (np.pi * radius**2))):
        y, x = rng.integers(height), rng.integers(width)
        colour = (picture[y, x] + rng.normal(0, jitter, 3)).clip(0, 1)
        centre = (int(x * 16), int(y * 16))
        cv2.circle(canvas, centre, int(radius * 16 * rng.uniform(0.6, 1.2)), colour.tolist(), -1, cv2.LINE_AA, 4)
    return canvas


def facets(picture: Array, rng: np.random.Generator) -> Array:
    """Cut by straight lines into planes, each shaded from one side, as cubists did."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    label = np.zeros((height, width), int)
    shade = np.zeros((height, width), np.float32)
    for number in range(rng.integers(6, 11)):
        turn = rng.uniform(0, np.pi)
        side = (x - rng.uniform(0, width)) * np.cos(turn) + (y - rng.uniform(0, height)) * np.sin(turn)
        label += (side > 0) * 2**number
        shade += np.sign(side) * np.exp(-np.abs(side) / rng.uniform(15, 60)) * rng.uniform(0.02, 0.12)
    _, label = np.unique(label, return_inverse=True)
    label = label.reshape(height, width)
    count = np.bincount(label.ravel())
    means = np.stack([np.bincount(label.ravel(), picture[..., i].ravel()) / count for i in range(3)], -1)
    share = rng.uniform(0.2, 0.6)
    made = share * cv2.bilateralFilter(picture, 9, 0.2, 9) + (1 - share) * means[label] + shade[..., None]
    edge = ((label != np.roll(label, 1, 0)) | (label != np.roll(label, 1, 1))).astype(np.float32)
    return made * (1 - rng.uniform(0, 1) * cv2.GaussianBlur(edge, (0, 0), 0.8)[..., None])


def shapes(picture: Array, rng: np.random.Generator) -> Array:
    """Flat rectangles, circles, triangles and bars on a ground: no motif but its colours."""
    height, width = picture.shape[:2]
    colours = palette(rng, 7)
    if rng.random() < 0.4:
        colours = np.array([[0.95, 0.94, 0.9], [0.8, 0.1, 0.1], [0.95, 0.8, 0.1], [0.1, 0.2, 0.6], [0.05, 0.05, 0.05]])
    canvas = np.empty_like(picture)
    canvas[:] = colours[rng.integers(len(colours))]
    upright = rng.random() < 0.5
    for _ in range(rng.integers(15, 60)):
        colour, thick = colours[rng.integers(len(colours))].tolist(), (-1, -1, int(rng.integers(2, 9)))[rng.integers(3)]
        x, y = int(rng.integers(width)), int(rng.integers(height))
        w, h = rng.integers(8, max(height, width) // 3, 2).tolist()
        if upright:
            cv2.rectangle(canvas, (x, y), (x + w, y + h), colour, thick)
            if rng.random() < 0.5:
                cv2.line(canvas, (x, 0), (x, height), colours[-1].tolist(), int(rng.integers(2, 9)))
        elif rng.random() < 0.5:
            cv2.circle(canvas, (x, y), w // 2, colour, thick, cv2.LINE_AA)
        else:
            corners = (np.array([x, y]) + rng.integers(-w, w + 1, (3, 2))).astype(np.int32)
            cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA)
    return canvas


def poster(picture: Array, rng: np.random.Generator) -> Array:
    """Few flat colours with an outline, as printed."""
    smooth = picture
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 0.15, 9)
    flat = recoloured(smooth, palette(rng, int(rng.integers(3, 7))), 0.08)
    grey = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny((grey.clip(0, 1) * 255).astype(np.uint8), 40, 110)
    outline = cv2.dilate(edges, np.ones((2, 2))).astype(np.float32) / 255
    return flat * (1 - rng.choice([0, 0.9]) * cv2.GaussianBlur(outline, (0, 0), 0.7)[..., None])


def wash(picture: Array, rng: np.random.Generator) -> Array:
    """Watercolour: flat washes with a dark rim, pigment and paper in them."""
    size = picture.shape[:2]
    smooth = cv2.bilateralFilter(cv2.bilateralFilter(picture, 13, 0.2, 13), 13, 0.2, 13)
    levels = rng.uniform(4, 8)
    stepped = np.round(smooth * levels + 0.15 * field(rng, size, 5)[..., None]) / levels
    rim = np.abs(cv2.Laplacian(cv2.GaussianBlur(stepped, (0, 0), 1.2), cv2.CV_32F)).mean(2, keepdims=True)
    pale = 1 - (1 - stepped) * rng.uniform(0.55, 0.95)
    grain = 0.03 * field(rng, size, 0.9) + 0.06 * field(rng, size, 14)
    return pale * (1 - 2.5 * rim) + grain[..., None]


def woodcut(picture: Array, rng: np.random.Generator) -> Array:
    """Black and paper, or two inks: carved lines that swell with the light."""
    height, width = picture.shape[:2]
    grey = cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 1.5), cv2.COLOR_RGB2GRAY)
    light = (grey - np.quantile(grey, 0.02)) / (np.ptp(np.quantile(grey, [0.02, 0.98])) + 1e-6)
    angle = directions(picture, rng, 0.6)
    spacing = rng.uniform(4, 9)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = cv2.GaussianBlur(np.cos(angle), (0, 0), 15)
    phase = (x * (1 - np.abs(turn)) + y * turn + 3 * field(rng, (height, width), 20)) / spacing
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * phase)
    ink = np.clip((wave - light) * spacing / 1.5 + 0.5, 0, 1)[..., None]
    colours = palette(rng, 2)
    return colours[0] * ink + colours[1] * (1 - ink)


def crayon(picture: Array, rng: np.random.Generator) -> Array:
    """Pastel on rough paper, light or dark."""
    size = picture.shape[:2]
    tooth = field(rng, size, 0.8) + 0.5 * field(rng, size, 2)
    lines = cv2.filter2D(tooth, -1, _streak(rng.uniform(0, np.pi), int(rng.integers(7, 19))))
    lines = lines / (lines.std() + 1e-6)
    cover = np.clip(0.5 + 0.6 * lines + rng.uniform(0.1, 0.5), 0, 1)[..., None]
    ground = palette(rng, 3)[rng.integers(3)]
    soft = cv2.GaussianBlur(picture, (0, 0), 2)
    return (soft * (1 + 0.06 * lines[..., None])) * cover + ground * (1 - cover)


def rings(picture: Array, rng: np.random.Generator) -> Array:
    """Bands that follow the motif's levels, as in prints of waves and clouds."""
    size = picture.shape[:2]
    grey = cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), rng.uniform(4, 10)), cv2.COLOR_RGB2GRAY)
    level = grey * rng.uniform(8, 22) + 0.4 * field(rng, size, 25)
    colours = palette(rng, int(rng.integers(3, 7)))
    made = colours[np.floor(level).astype(int) % len(colours)].astype(np.float32)
    line = np.abs(level - np.round(level)) / (np.abs(np.gradient(level)).sum(0) + 0.02)
    return made * np.clip(line - rng.uniform(0, 1.2), 0.1, 1)[..., None]


TECHNIQUES: tuple[Callable[[Array, np.random.Generator], Array], ...] = (
    strokes, strokes, strokes, hatching, tesserae, stained_glass, dots, facets, shapes, poster, wash, woodcut, crayon,
    rings,
)  # fmt: skip


def paint(motif: Array, rng: np.random.Generator) -> Array:
    """The motif [H, W, 3] in [0, 1] as a style picture of the same size."""
    if rng.random() < 0.65:
        motif = recoloured(motif, palette(rng, int(rng.integers(4, 9))), rng.uniform(0.6, 1))
    if rng.random() < 0.3:
        motif = 0.5 + (motif - 0.5) * rng.uniform(1.1, 1.6)
    technique = TECHNIQUES[rng.integers(len(TECHNIQUES))]
    return technique(np.ascontiguousarray(motif.clip(0, 1), np.float32), rng).clip(0, 1).astype(np.float32)


def _line(canvas: Array, points: Array, colour: tuple[float, ...] | list[float], thick: float) -> None:
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, colour, max(1, round(thick)), cv2.LINE_8, 4)


def _streak(turn: float, length: int) -> Array:
    kernel = np.zeros((length, length), np.float32)
    half = length / 2
    reach = np.array([np.cos(turn), np.sin(turn)]) * half
    first, last = (np.array([half, half]) + sign * reach for sign in (-1, 1))
    cv2.line(kernel, tuple(int(v) for v in first), tuple(int(v) for v in last), 1.0, 1)
    return kernel / kernel.sum()
