"""Keyframes -> one atlas: the robust merge alone and with the aggregation network trained on top.
The original's network: 5,074 s for 500 steps on a 2000 x 2000 canvas on 2 cores. Goal: a lower keyframe error."""

import time

from benchmarks.report import ROOT, clip_folders, report
from stablevideo import ForegroundOptions, edit_foreground, load_clip, load_editor
from stablevideo.edit.merge import aggregate_by_network, merge, reconstruction_error

STEPS = 100


def main():
    rows = []
    editor = load_editor("embedded", ROOT / "ckpt")
    for folder in clip_folders():
        clip = load_clip(folder)
        frames = ", ".join(str(round(i * (clip.frame_count - 1) / 2)) for i in range(3))
        options = ForegroundOptions(resolution=256, steps=10, seed=0, keyframes=frames)
        keyframes = edit_foreground(clip, "a red toy", editor, options).keyframes
        layer = clip.foreground
        lifts = [k.colours for k in keyframes], [k.coverage for k in keyframes]
        begin = time.perf_counter()
        merged, weight = merge(layer.atlas, *lifts)
        middle = time.perf_counter()
        better = aggregate_by_network(layer, clip.size, merged, weight, keyframes, STEPS)
        end = time.perf_counter()
        before, after = (reconstruction_error(layer, clip.size, a, keyframes) for a in (merged, better))
        rows.append(
            {
                "clip": folder.name,
                "keyframes": frames,
                "merge s": round(middle - begin, 2),
                "merge error": round(before, 4),
                f"network s ({STEPS} steps)": round(end - middle, 1),
                "network error": round(after, 4),
                "goal": "lower",
                "original s (100 steps)": 1015,
            }
        )
    report("aggregate", rows)


if __name__ == "__main__":
    main()
