"""Mapping atlases to frames. Goals: 24 frames a second at 768x432 on 2 cores, memory flat from 50 to 500 frames.

Memory is measured on two drawn clips, of 50 and of 500 frames that all differ, since a short clip shown ten times
would not show what grows with a clip's length.
"""

import tempfile
from pathlib import Path

from benchmarks.long_clip import write_long_clip
from benchmarks.report import clip_folders, in_fresh_process, report

RENDER = """
import json, time
from stablevideo import load_clip
from benchmarks.report import peak_mb
clip = load_clip({folder!r})
order = [i % clip.frame_count for i in range({count})]
for _ in clip.render(size={size}, frames=order[:8]): pass
begin, edited = time.perf_counter(), clip.background.atlas.flip(0)
for _ in clip.render(background=edited, size={size}, frames=order, shading={shading}): pass
print(json.dumps(dict(fps={count} / (time.perf_counter() - begin), peak=peak_mb())))
"""


def rendered(folder, count, size, shading):
    """Frames a second and peak memory in MB of rendering `count` frames of a clip, in a process of its own."""
    return in_fresh_process(RENDER.format(folder=str(folder), count=count, size=size, shading=shading))


def row(clip, size, shading, rate, goal, short="-", long="-"):
    return {
        "clip": clip,
        "size": f"{size[1]}x{size[0]}",
        "shading": shading,
        "frames/s": round(rate, 1),
        "goal": goal,
        "peak MB, 50 frames": short,
        "peak MB, 500 frames": long,
    }


def main():
    rows, large = [], (432, 768)
    for folder in clip_folders():
        for size, shading in ((large, False), (large, True), ((216, 384), False)):
            rate = rendered(folder, 500, size, shading)["fps"]
            rows.append(row(folder.name, size, shading, rate, 24 if size == large and not shading else "-"))
    with tempfile.TemporaryDirectory() as folder:
        clips = {count: Path(folder) / f"drawn-{count}" for count in (50, 500)}
        for count, clip in clips.items():
            write_long_clip(clip, count)
        for shading in (False, True):
            short, long = (rendered(clip, count, large, shading) for count, clip in clips.items())
            rows.append(row("drawn", large, shading, long["fps"], "flat", round(short["peak"]), round(long["peak"])))
    report("render", rows)


if __name__ == "__main__":
    main()
