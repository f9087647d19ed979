"""From a video file to saved layers: time to 25, 28, 30, 32 and 35 dB, and what the layers are worth in the end.

Goals (two cores): bear 384x216, 50 frames: 32 dB in 45 s, 35 dB in 150 s; bear 768x432, 16 frames: 34 dB in 90 s;
car-turn 480x270, 80 frames: 28 dB in 240 s; a board painted on both atlases: at most 1.5 times the source's motion
difference. Times leave out what is measured on the way. Name clips to run some of them only.
"""

import sys
import tempfile
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import REAL, peak_mb, report
from stablevideo import DecomposeOptions, LayeredVideo, read_video
from stablevideo.decompose import examine, find_masks, fit_layers, prepare, read_masks
from stablevideo.layers.coords import LAYER_NAMES
from stablevideo.layers.store import save_layers
from stablevideo.metrics import motion_difference, psnr

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

CLIPS = {
    "bear-quick": (
        "videos/bear.mp4",
        DecomposeOptions(width=384, height=216, frames=50, quality="quick"),
        None,
        "32 dB 45 s",
    ),
    "bear": ("videos/bear.mp4", DecomposeOptions(width=384, height=216, frames=50), None, "35 dB 150 s"),
    "bear-large": (
        "videos/bear.mp4",
        DecomposeOptions(width=768, height=432, frames=16, quality="quick"),
        None,
        "34 dB 90 s",
    ),
    "car-turn": ("videos/car-turn.mp4", DecomposeOptions(width=480, height=270), None, "28 dB 240 s"),
    "wolf": ("videos/wolf.mp4", DecomposeOptions(width=384, height=384), None, ""),
    "bmx-trees": ("bmx-trees/frames", DecomposeOptions(), "bmx-trees/masks", ""),
}
LEVELS_DB = (25, 28, 30, 32, 34, 35)
CELLS = 32  # of the board, across a frame
DARK, BRIGHT = 0.3, 0.7


def board(layer, width):
    """A checkerboard on a layer's atlas, its cells a 32nd of the frame."""
    cell = max(1, round(layer.texels_a_pixel((width, width)) * width / CELLS))
    rows, columns = (torch.arange(side) // cell for side in layer.size)
    squares = (rows[:, None] + columns) % 2
    return (DARK + (BRIGHT - DARK) * squares).expand(3, -1, -1).contiguous()


def swimming(frames, flow):
    """How much a frame [H, W, 3] differs from the next along the flow, on average."""
    pairs = enumerate(pairwise(frames))
    return float(np.mean([motion_difference(*pair, flow.forward[i], flow.forward_valid[i]) for i, pair in pairs]))


def rendered(clip, **atlases):
    return [frame.permute(1, 2, 0).numpy() for chunk in clip.render(**atlases) for frame in chunk]


def sticking(clip, footage):
    """Motion difference of a pure board, and of one painted over the clip's own atlases, against the source's."""
    source = swimming([frame.astype(np.float32) / 255 for frame in footage.frames], footage.flow)
    boards = {name: board(clip.layer(name), clip.size[1]) for name in LAYER_NAMES}
    painted = {name: clip.layer(name).atlas * (0.5 + boards[name]) for name in LAYER_NAMES}
    return [swimming(rendered(clip, **atlases), footage.flow) / source for atlases in (boards, painted)]


def matte_figures(clip, masks):
    """IoU of alpha > 0.5 with the masks, and mean alpha outside them, widened by six pixels."""
    alpha = np.stack([clip.alpha([i])[0, 0].numpy() for i in range(clip.frame_count)])
    overlap = ((alpha > 0.5) & masks).sum() / ((alpha > 0.5) | masks).sum()
    far = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((13, 13))) == 0 for mask in masks])
    return overlap, alpha[far].mean()


class Stopwatch:
    """When the render of a fit first came as close as so many dB, leaving out the time it takes to see that.

    Only frames of the clip's own size count.
    """

    def __init__(self):
        self.began, self.lost, self.reached = time.perf_counter(), 0.0, {}

    def seconds(self):
        return time.perf_counter() - self.began - self.lost

    @torch.no_grad()
    def __call__(self, fit):
        if fit.estimate.view.size != fit.estimate.clip.size:
            return
        now = time.perf_counter()
        closeness = psnr(fit.estimate.error())
        for level in LEVELS_DB:
            if closeness >= level:
                self.reached.setdefault(level, round(now - self.began - self.lost, 1))
        self.lost += time.perf_counter() - now


def measure(name, folder):
    path, options, masks, goal = CLIPS[name]
    watch = Stopwatch()
    footage = prepare(read_video(REAL / path), options)
    found = find_masks(footage, read_masks(REAL / masks) if masks else None)
    fitted = fit_layers(footage, found, watch=watch, quality=options.quality)
    save_layers(fitted, folder / name)
    seconds = watch.seconds()
    clip = LayeredVideo(name, fitted.video, fitted.foreground, fitted.background, fitted.matte)
    figures = asdict(examine(clip, footage))
    overlap, outside = matte_figures(clip, found)
    pure, painted = sticking(clip, footage)
    size = sum(file.stat().st_size for file in (folder / name).iterdir())
    return {
        "clip": name,
        "frames": f"{clip.frame_count} of {clip.size[1]}x{clip.size[0]}",
        **{f"{level} dB": watch.reached.get(level, "-") for level in LEVELS_DB},
        "saved s": round(seconds, 1),
        "goal": goal,
        "PSNR": figures["psnr"],
        "inside": figures["layer_psnr"]["foreground"],
        "SSIM": figures["ssim"],
        "IoU": round(float(overlap), 3),
        "outside": round(float(outside), 4),
        "board": round(pure, 2),
        "painted": round(painted, 2),
        "follow px": "/".join(f"{figures['follow_px'][layer]:.2f}" for layer in LAYER_NAMES),
        "MB": round(size / 1e6, 1),
        "peak MB": round(peak_mb()),
    }


def main():
    chosen = sys.argv[1:] or list(CLIPS)
    with tempfile.TemporaryDirectory() as folder:
        report("decompose", [measure(name, Path(folder)) for name in chosen if (REAL / CLIPS[name][0]).exists()])


if __name__ == "__main__":
    main()
