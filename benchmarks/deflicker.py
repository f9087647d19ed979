"""Flicker planted on real clips, and taken out again, by both engines, with a guide and without.

Goals, against the clean clip: warp error at most 1.25 times its own, PSNR up by 4 dB for flicker of light and colour,
sharpness (variance of the Laplacian) at least 90 %, the clean clip itself back at 38 dB; no frame worse than before.
50 frames of 384x216, window 8: 30 s by flow and 240 s by patches on two cores; 900 frames of 1080p in 6 GB.

Planted, anew for each frame: `gain`, 8 % of light and 5 % of each channel; `hue`, 12 degrees and a tint; `noise`, four
rectangles of deviation 0.15; `warp`, a smooth field of one pixel's deviation, by Lanczos; `edit`, on a clip of other
colours, fields of 8 % in each channel, 4 % of light, and a texture of deviation 0.04. The guide is the unedited clip.

`published` is the peer's algorithm as its paper and its figures tell it, by this project's patch matching: the plain
mean of the window, every frame remapped. It runs on fewer and smaller frames than flow does, and so do patches.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import REAL, ROOT, in_fresh_process, report
from stablevideo import DeflickerOptions, deflicker, read_video
from stablevideo.deflicker.patch_look import PatchLook
from stablevideo.video.flow import agree, dense_inverse_search, warp
from stablevideo.video.together import pictures

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)
import itertools

FRAMES, WIDTH_PX = 24, 384
FEW, SMALL_PX, FEW_CLIPS = 16, 256, ("bear", "car-turn")
PUBLISHED_RADIUS = 8
KINDS = ("clean", "gain", "hue", "noise", "warp", "edit")


def sources():
    """Name -> the clips' files."""
    videos = {name: REAL / "videos" / f"{name}.mp4" for name in ("bear", "wolf", "car-turn")}
    return {**videos, "sample": ROOT / "data" / "sample" / "sample"}


def load(path, count, width):
    video = read_video(path)
    size = 2 * round(video.height / video.width * width / 2), width
    return np.stack(list(pictures(video, size, range(min(count, video.frame_count))))).astype(np.float32) / 255


def field(rng, shape, sigma_px):
    """Noise of deviation 1, smooth over so many pixels."""
    drawn = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), sigma_px)
    return drawn / drawn.std()


def turned(picture, degrees, a=0.0, b=0.0):
    lab, angle = cv2.cvtColor(np.clip(picture, 0, 1), cv2.COLOR_RGB2Lab), np.deg2rad(degrees)
    first, second = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 1] = np.cos(angle) * first - np.sin(angle) * second + a
    lab[..., 2] = np.sin(angle) * first + np.cos(angle) * second + b
    return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)


def edited(picture):
    """A look that a clip is given: other colours, more contrast."""
    return np.clip((turned(picture, 70, 8) - 0.5) * 1.15 + 0.5, 0, 1)


def planted(picture, kind, rng):
    """A frame [H, W, 3] in [0, 1] as a process that knows nothing of its neighbours might have made it."""
    height, width = picture.shape[:2]
    if kind == "gain":
        return picture * (1 + rng.normal(0, 0.08)) * (1 + rng.normal(0, 0.05, 3))
    if kind == "hue":
        return turned(picture, rng.normal(0, 12), *rng.normal(0, 3, 2))
    if kind == "noise":
        picture = picture.copy()
        for _ in range(4):
            h, w = int(height * rng.uniform(0.12, 0.25)), int(width * rng.uniform(0.12, 0.25))
            top, left = rng.integers(0, height - h), rng.integers(0, width - w)
            picture[top : top + h, left : left + w] += rng.normal(0, 0.15, (h, w, 3))
    if kind == "warp":
        y, x = np.mgrid[:height, :width].astype(np.float32)
        dx, dy = (field(rng, (height, width), width / 16) for _ in range(2))
        return cv2.remap(picture, x + dx, y + dy, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)
    if kind == "edit":
        lit = np.stack([field(rng, (height, width), width / 10) for _ in range(3)], -1)
        picture = picture * (1 + 0.08 * lit) * (1 + rng.normal(0, 0.04, 3))
        return picture + 0.04 * field(rng, (height, width), 1.2)[..., None]
    return picture


def stored(frames, folder):
    """Frames in [0, 1] as a folder of pictures, and what comes back of them."""
    folder.mkdir()
    eight = np.clip(np.rint(frames * 255), 0, 255).astype(np.uint8)
    for i, frame in enumerate(eight):
        cv2.imwrite(str(folder / f"{i:05d}.png"), frame[..., ::-1])
    return read_video(folder), eight.astype(np.float32) / 255


class Judge:
    """What a clip should be, its motion, and figures beside it."""

    def __init__(self, clean):
        self.clean, self.flows, search = clean, [], dense_inverse_search()
        eight = [np.rint(frame * 255).astype(np.uint8) for frame in clean]
        for before, after in itertools.pairwise(eight):
            back, there = search(after, before), search(before, after)
            self.flows.append((back, agree(back, there)))
        self.own, self.sharp = self.warp_errors(clean).mean(), self.sharpness(clean)

    def warp_errors(self, frames):
        pairs = zip(frames, frames[1:], self.flows, strict=False)
        return np.array([np.square(warp(a, flow) - b).mean(2)[valid].mean() for a, b, (flow, valid) in pairs])

    def psnr(self, frames):
        errors = np.square(frames - self.clean).mean((1, 2, 3))
        return -10 * np.log10(np.maximum(errors, 1e-10))

    @staticmethod
    def sharpness(frames):
        return np.mean([cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var() for f in frames])

    def figures(self, made, before):
        gain = self.psnr(made) - self.psnr(before)
        steadier = self.warp_errors(made) <= self.warp_errors(before) + 0.25 * self.own
        return {
            "warp error before": self.warp_errors(before).mean() / self.own,
            "warp error": self.warp_errors(made).mean() / self.own,
            "PSNR before": self.psnr(before).mean(),
            "PSNR": self.psnr(made).mean(),
            "sharpness before": self.sharpness(before) / self.sharp,
            "sharpness": self.sharpness(made) / self.sharp,
            "frames less steady": int((~steadier).sum()),
            "frames of lower PSNR": int((gain < 0).sum()),
        }


def ours(**options):
    def repair(video, guide):
        made = deflicker(video, guide, DeflickerOptions(**options))
        return torch.cat(list(made)).permute(0, 2, 3, 1).numpy()

    return repair


@torch.inference_mode()
def published(video, guide):
    """The mean of the window, each frame remapped by patches of the guide, and where there is none, of itself."""
    engine = PatchLook(0).engine
    frames, guides = (
        None if one is None else torch.from_numpy(np.stack(list(pictures(one, one.size)))).permute(0, 3, 1, 2) / 255
        for one in (video, guide)
    )
    looked_at = frames if guides is None else torch.cat([guides, frames], 1)
    made = []
    for i in range(len(frames)):
        others = [j for j in range(i - PUBLISHED_RADIUS, i + PUBLISHED_RADIUS + 1) if 0 <= j < len(frames) and j != i]
        maps = engine.match(looked_at[i : i + 1].expand(len(others), -1, -1, -1), looked_at[others])
        made.append(torch.cat([frames[i : i + 1], engine.remap(frames[others], maps)]).mean(0))
    return torch.stack(made).permute(0, 2, 3, 1).numpy()


def runs():
    """(method, guided, repair, clips, frames, width)."""
    every, few = (tuple(sources()), FRAMES, WIDTH_PX), (FEW_CLIPS, FEW, SMALL_PX)
    for guided in (True, False):
        yield "flow, accurate", guided, ours(), *every
        yield "flow, balanced", guided, ours(mode="balanced"), *few
        yield "flow, fast", guided, ours(mode="fast"), *few
        yield "patch, balanced", guided, ours(engine="patch", mode="balanced"), *few
        yield "published", guided, published, *few
        yield "published clips by flow, accurate", guided, ours(), *few


def repaired(names):
    """One row for each method, clip and kind of flicker."""
    rows = []
    for method, guided, repair, clips, count, width in runs():
        for name in [name for name in clips if sources()[name].exists() and method.split()[0].strip(",") in names]:
            source = load(sources()[name], count, width)
            for kind in KINDS:
                with tempfile.TemporaryDirectory() as folder:
                    true = np.stack([edited(frame) for frame in source]) if kind == "edit" else source
                    rng = np.random.default_rng(KINDS.index(kind))
                    made = np.stack([planted(frame, kind, rng) for frame in true])
                    video, before = stored(made.astype(np.float32), Path(folder) / "video")
                    guide, _ = stored(source, Path(folder) / "guide")
                    figures = Judge(true).figures(repair(video, guide if guided else None), before)
                shown = {key: round(float(value), 2) for key, value in figures.items()}
                rows.append(
                    {"method": method, "guide": "yes" if guided else "no", "flicker": kind, "clip": name, **shown}
                )
                print(*rows[-1].values(), file=sys.stderr, flush=True)
    return rows


COST = """
import json, time
from benchmarks.report import peak_mb
from stablevideo import DeflickerOptions, deflicker, read_video
from stablevideo.deflicker import correspondence
video, guide = read_video({video!r}), {guide!r}
begin = time.perf_counter()
options = DeflickerOptions(engine={engine!r}, mode={mode!r}, window={window!r})
count = sum(1 for _ in deflicker(video, read_video(guide) if guide else None, options, "cpu"))
print(json.dumps(dict(frames=count, seconds=round(time.perf_counter() - begin, 1), peak_mb=round(peak_mb()))))
"""


def drawn(folder, count, size):
    """The bear there and back, at a size, as a folder of pictures."""
    own = load(sources()["bear"], 82, size[1]) if sources()["bear"].exists() else load(sources()["sample"], 48, size[1])
    frames = [cv2.resize(frame, size[::-1]) for frame in own]
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    folder.mkdir()
    for i in range(count):
        eight = np.rint(frames[order[i % len(order)]] * 255).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:05d}.jpg"), eight[..., ::-1])
    return str(folder)


def cost():
    """Seconds and memory, and how they grow with frames and window."""
    jobs = [("flow", mode, 50, "8", (216, 384)) for mode in ("accurate", "balanced", "fast")]
    jobs += [("patch", mode, 50, "8", (216, 384)) for mode in ("balanced", "fast")]
    jobs += [("flow", "accurate", 100, "8", (216, 384)), ("flow", "accurate", 50, "16", (216, 384))]
    jobs += [("flow", "fast", 50, "16", (216, 384)), ("flow", "fast", 50, "31", (216, 384))]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (engine, mode, count, window, size) in enumerate(jobs):
            video = drawn(Path(folder) / f"clip{number}", count, size)
            code = COST.format(video=video, guide=video, engine=engine, mode=mode, window=window)
            found = in_fresh_process(code)
            rows.append({"engine": engine, "mode": mode, "size": f"{size[1]}x{size[0]}", "window": window, **found})
            print(*rows[-1].values(), file=sys.stderr, flush=True)
    return rows


def main():
    chosen = sys.argv[1:] or ["cost", "flow", "patch", "published"]
    if "cost" in chosen:
        report("deflicker-cost", cost())
    if names := [name for name in chosen if name != "cost"]:
        report("deflicker" if len(chosen) > 2 else f"deflicker-{'-'.join(names)}", repaired(names))


if __name__ == "__main__":
    main()
