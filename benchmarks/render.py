"""Mapping atlases to frames. Goals: 24 frames a second at 768x432 on 2 cores, memory flat from 50 to 500 frames."""

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


def main():
    rows = []
    for folder in clip_folders():
        for size, shading in (((432, 768), False), ((432, 768), True), ((216, 384), False)):
            found = {
                count: in_fresh_process(RENDER.format(folder=str(folder), count=count, size=size, shading=shading))
                for count in (50, 500)
            }
            rows.append(
                {
                    "clip": folder.name,
                    "size": f"{size[1]}x{size[0]}",
                    "shading": shading,
                    "frames/s": round(found[500]["fps"], 1),
                    "goal": 24 if size == (432, 768) and not shading else "-",
                    "peak MB, 50 frames": round(found[50]["peak"]),
                    "peak MB, 500 frames": round(found[500]["peak"]),
                }
            )
    report("render", rows)


if __name__ == "__main__":
    main()
