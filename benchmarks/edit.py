"""A whole edit: background, three keyframes, render. On CUDA also the peak of GPU memory.

    python -m benchmarks.edit [--model embedded] [--clip data/sample] [--size 768x432] [--resolution 512]

Goals: the embedded model on 2 cores within 60 s; Stable Diffusion 1.5 on an H200, 70 frames of 768x432, under 3 s
and below 6 GB (the paper: 30 s and 14 to 29 GB).
"""

import argparse
import time
from pathlib import Path

import torch

from benchmarks.report import ROOT, report
from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground, load_clip, load_editor


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    parser.add_argument("--clip", type=Path, default=ROOT / "data" / "sample")
    parser.add_argument("--size", default=None, help="WxH of the rendered frames; the clip's by default")
    parser.add_argument("--resolution", type=int, default=None)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    editor = load_editor(arguments.model, arguments.ckpt)
    model_s = time.perf_counter() - begin
    clip = load_clip(arguments.clip, editor.device)
    size = tuple(int(side) for side in arguments.size.split("x"))[::-1] if arguments.size else clip.size
    options = {**editor.spec.defaults, "seed": 0}
    if arguments.resolution:
        options["resolution"] = arguments.resolution
    frames = ", ".join(str(round(i * (clip.frame_count - 1) / 2)) for i in range(3))
    if editor.device.type == "cuda":
        edit_background(clip, "warm-up", editor, BackgroundOptions(**{**options, "steps": 2}))
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    background = edit_background(clip, "winter scene", editor, BackgroundOptions(**options))
    middle = time.perf_counter()
    foreground = edit_foreground(
        clip, "a picture of an orange suv", editor, ForegroundOptions(**options, keyframes=frames)
    )
    edited = time.perf_counter()
    count = sum(len(chunk.cpu()) for chunk in clip.render(foreground.atlas, background.atlas, size))
    end = time.perf_counter()
    report(
        f"edit-{editor.name}-{editor.device.type}",
        [
            {
                "clip": clip.name,
                "model": editor.name,
                "resolution": options.get("resolution", 512),
                "model loads s": round(model_s, 1),
                "background s": round(middle - begin, 1),
                "3 keyframes s": round(edited - middle, 1),
                f"render {count} frames s": round(end - edited, 1),
                "whole edit s": round(end - begin, 1),
                "goal": "60 s" if editor.name == "embedded" else "3 s on an H200",
                "peak GPU GB": round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else "-",
            }
        ],
    )


if __name__ == "__main__":
    main()
