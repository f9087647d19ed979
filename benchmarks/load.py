"""Loading a clip: against evaluating every network at every pixel, as the original does (370 to 560 s on
2 cores for 50 frames of 384x216 at atlas resolution 2000). Goals: 30 times faster, below 1 GB, again in 1 s."""

import tempfile
import time

import torch

from benchmarks.report import clip_folders, in_fresh_process, report
from stablevideo.nla.bake import video_points
from stablevideo.nla.networks import load_networks

LOAD = """
import json, time
begin = time.perf_counter()
from stablevideo import load_clip
from benchmarks.report import peak_mb
imported, base = time.perf_counter(), peak_mb()
load_clip({folder!r})
print(json.dumps(dict(seconds=time.perf_counter() - imported, imports=imported - begin, peak=peak_mb(), base=base)))
"""


@torch.no_grad()
def exact_seconds(folder):
    """What a network call per pixel and texel would take: measured on one frame, counted up for the clip."""
    networks = load_networks(folder)
    height, width = networks.config.size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = video_points(networks, torch.zeros(height * width), torch.stack([x, y], -1).view(-1, 2).float())
    begin = time.perf_counter()
    for name in ("foreground", "background"):
        networks.colour_at(name, networks.canvas_at(name, points))
    networks.alpha_at(points)
    frame = time.perf_counter() - begin
    texels = torch.rand(100_000, 2) * 2 - 1
    begin = time.perf_counter()
    networks.colour_at("background", texels)
    texel = (time.perf_counter() - begin) / len(texels)
    return frame * networks.config.maximum_number_of_frames + texel * 2 * 1000 * 1000


def main():
    rows = []
    for folder in clip_folders():
        with tempfile.TemporaryDirectory() as cache:
            # The baseline before and after, since the machine's speed drifts.
            exact = exact_seconds(folder)
            first = in_fresh_process(LOAD.format(folder=str(folder)), STABLEVIDEO_CACHE=cache)
            second = in_fresh_process(LOAD.format(folder=str(folder)), STABLEVIDEO_CACHE=cache)
            exact = (exact + exact_seconds(folder)) / 2
        rows.append(
            {
                "clip": folder.name,
                "every pixel s": round(exact),
                "first load s": round(first["seconds"], 1),
                "times faster": round(exact / first["seconds"]),
                "goal": "30 x, 12 s",
                "peak MB": round(first["peak"]),
                "of it imports": round(first["base"]),
                "second load s": round(second["seconds"], 2),
                "goal ": "1 s",
            }
        )
    report("load", rows)


if __name__ == "__main__":
    main()
