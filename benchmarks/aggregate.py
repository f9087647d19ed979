"""Keyframes -> one atlas: the robust merge alone, and with the aggregation network trained on top.

An edit that is known, a new look painted on the atlas, is seen in a few frames; there each is disturbed as painting
disturbs it: other light, and a shift of up to three painted pixels. How far is the atlas that comes of them from the
keyframes as given, and from the known edit in frames between them? The original's network: 5,074 s for 500 steps on a
2000 x 2000 canvas on 2 cores.
"""

import time

import torch
import torch.nn.functional as F

from benchmarks.report import ROOT, report
from stablevideo import load_clip
from stablevideo.diffusion.settle import paint_size
from stablevideo.edit.aggregation import aggregate_by_network
from stablevideo.edit.choice import keyframe_region
from stablevideo.edit.keyframe import Keyframe, reconstruction_error
from stablevideo.edit.keyframes import lift_keyframe
from stablevideo.edit.merge import merge
from stablevideo.video.pictures import resample, resize

STEPS = 100
KEYFRAMES, BETWEEN = (0, 16, 32, 47), (8, 24, 40)
DISTURBANCES = (0.0, 0.1)


def noise(generator, size, cells):
    """Smooth random colours in [0, 1]."""
    cells = torch.rand(1, 3, cells, cells, generator=generator)
    return F.interpolate(cells, size, mode="bicubic", align_corners=False)[0]


def seen(clip, atlas, frame):
    """A keyframe's region of a frame of the foreground, and the alpha there."""
    region = top, left, bottom, right = keyframe_region(clip, frame)
    alpha = clip.alpha([frame])[0, :, top:bottom, left:right]
    return region, clip.foreground.sample(atlas, [frame], clip.size, region)[0], alpha


def painted(clip, truth, frame, disturbance, generator):
    region, picture, alpha = seen(clip, truth, frame)
    size = paint_size(picture.shape[1:], 512)
    after = resample(picture, size)
    if disturbance:
        light = 1 + 2 * disturbance * (noise(generator, size, 4) - 0.5)
        after = (after * light + disturbance * (noise(generator, size, 40) - 0.5)).clamp(0, 1)
        after = after.roll(torch.randint(-3, 4, (2,), generator=generator).tolist(), (1, 2))
    return Keyframe.pack(frame, region, after, after, after, resize(alpha[None], size)[0])


def error_between(clip, atlas, truth):
    errors = []
    for frame in BETWEEN:
        (_, ours, alpha), (_, theirs, _) = (seen(clip, a, frame) for a in (atlas, truth))
        errors.append(((ours - theirs).abs() * alpha).sum() / alpha.sum() / 3)
    return torch.stack(errors).mean().item()


def main():
    rows = []
    clip = load_clip(ROOT / "data" / "sample")
    layer = clip.foreground
    for disturbance in DISTURBANCES:
        generator = torch.Generator().manual_seed(0)
        look = 0.3 * noise(generator, layer.size, 6) + 0.2 * noise(generator, layer.size, 120)
        truth = (layer.atlas / 2 + look).clamp(0, 1)
        keyframes = [painted(clip, truth, frame, disturbance, generator) for frame in KEYFRAMES]
        lifts = [lift_keyframe(clip, k.frame, k.region, k.after) for k in keyframes]
        begin = time.perf_counter()
        merged, weight = merge(layer.atlas, lifts)
        middle = time.perf_counter()
        trained = aggregate_by_network(layer, clip.size, merged, weight, keyframes, STEPS)
        end = time.perf_counter()
        row = {"disturbance": disturbance, "merge s": round(middle - begin, 2), "network s": round(end - middle, 1)}
        for name, atlas in (("merge", merged), ("network", trained)):
            row[f"{name}: at keyframes"] = round(reconstruction_error(layer, clip.size, atlas, keyframes), 4)
            row[f"{name}: between"] = round(error_between(clip, atlas, truth), 4)
        rows.append(row)
    report("aggregate", rows)


if __name__ == "__main__":
    main()
