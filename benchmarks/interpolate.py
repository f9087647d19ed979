"""Keyframes carried through real clips, beside what is there without motion: fading over, and the nearest keyframe.

Goals: in every clip 3 dB above fading over; keyframes equal to the bit; what changes from frame to frame along the
source's motion (warp error, of 255) not above that of the nearest keyframe, and no more at keyframes than elsewhere,
beyond what they differ by.

Every tenth frame is a keyframe. `true`: the frames themselves. `look`: their hue turned by 70 degrees, at 1.15 times
the contrast. `tinted`: that look, each keyframe's channels times something of their own from 0.88 to 1.12. `painted`:
that look under stripes, others in each keyframe; there is no truth. `one`: the look from the middle frame alone.
`motion alone` leaves out what the source shows in the place of what no keyframe knows, since of true frames that is
the truth.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.report import REAL, report
from stablevideo import interpolate, read_video
from stablevideo.metrics import motion_difference, psnr
from stablevideo.video.flow import agree, dense_inverse_search
from stablevideo.video.pictures import write_picture
from stablevideo.video.together import pictures

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

CLIPS, WIDTH_PX, FRAMES, APART = ("bear", "wolf", "car-turn"), 384, 41, 10
TURN_DEGREES, CONTRAST, TINT = 70, 1.15, 0.12


def look(frames):
    """Hue turned around the grey axis, and more contrast; [T, 3, H, W] in [0, 1]."""
    angle, third = np.deg2rad(TURN_DEGREES), np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * (np.eye(3) - third) + third + np.sin(angle) * across
    turned = torch.einsum("ij,njhw->nihw", torch.from_numpy(turn).float(), frames)
    return ((turned - 0.5) * CONTRAST + 0.5).clamp(0, 1)


def tinted(picture, number):
    gains = 1 + TINT * (2 * torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(number)) - 1)
    return (picture * gains).clamp(0, 1)


def striped(picture, number):
    angle, red, green, blue = torch.rand(4, generator=torch.Generator().manual_seed(number)).tolist()
    y, x = torch.meshgrid(*(torch.arange(side) for side in picture.shape[1:]), indexing="ij")
    stripes = torch.sin((x * np.cos(np.pi * angle) + y * np.sin(np.pi * angle)) / 3) / 2 + 0.5
    return (picture + 0.5 * stripes * (torch.tensor([red, green, blue])[:, None, None] - picture)).clamp(0, 1)


def ours(video, keyframes, count):
    return torch.cat(list(interpolate(video, keyframes)))


def motion_alone(video, keyframes, count):
    module = sys.modules["stablevideo.deflicker.between"]
    known, module.KNOWN = module.KNOWN, 1e-9
    try:
        return ours(video, keyframes, count)
    finally:
        module.KNOWN = known


def faded(video, keyframes, count):
    found = dict(keyframes)
    for before, after in pairwise(sorted(keyframes)):
        for i in range(before + 1, after):
            found[i] = torch.lerp(keyframes[before], keyframes[after], (i - before) / (after - before))
    return torch.stack([found[i] if i in found else nearest(keyframes, i) for i in range(count)])


def nearest(keyframes, number):
    return keyframes[min(keyframes, key=lambda key: abs(key - number))]


METHODS = {
    "ours": ours,
    "motion alone": motion_alone,
    "fading over": faded,
    "nearest": lambda video, keyframes, count: torch.stack([nearest(keyframes, i) for i in range(count)]),
}


def cases(frames):
    """Name -> keyframes, and the truth or None."""
    keys, styled = range(0, len(frames), APART), look(frames)
    middle = keys[len(keys) // 2]
    return {
        "true": ({i: frames[i] for i in keys}, frames),
        "look": ({i: styled[i] for i in keys}, styled),
        "tinted": ({i: tinted(styled[i], i) for i in keys}, styled),
        "painted": ({i: striped(styled[i], i) for i in keys}, None),
        "one": ({middle: styled[middle]}, styled),
    }


def motion(frames):
    """From each frame to the next, and where that can be trusted."""
    search, eight = dense_inverse_search(), [to_picture(frame) for frame in frames]
    found = [(search(a, b), search(b, a)) for a, b in pairwise(eight)]
    return [(there, agree(there, back)) for there, back in found]


def to_picture(frame):
    return (frame.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def judged(made, truth, keyframes, flows):
    """Figures of a clip's frames [T, 3, H, W]."""
    eight = [to_picture(frame).astype(np.float32) for frame in made]
    steps = [motion_difference(a, b, *flow) for (a, b), flow in zip(pairwise(eight), flows, strict=True)]
    at_keys = [step for i, step in enumerate(steps) if i in keyframes or i + 1 in keyframes]
    figures = {"PSNR": "-", "worst": "-"}
    if truth is not None:
        between = [i for i in range(len(made)) if i not in keyframes]
        errors = [psnr(float((made[i] - truth[i]).square().mean())) for i in between]
        figures = {"PSNR": round(float(np.mean(errors)), 2), "worst": round(min(errors), 2)}
    same = all(torch.equal(made[i], picture) for i, picture in keyframes.items())
    steps = {"warp error": round(float(np.mean(steps)), 2), "at keyframes": round(float(np.mean(at_keys)), 2)}
    return figures | steps | {"keyframes kept": same}


def main():
    rows = []
    for name in [name for name in CLIPS if (REAL / "videos" / f"{name}.mp4").is_file()]:
        original = read_video(REAL / "videos" / f"{name}.mp4")
        count = (min(FRAMES, len(original)) - 1) // APART * APART + 1
        size = 2 * round(original.height / original.width * WIDTH_PX / 2), WIDTH_PX
        with tempfile.TemporaryDirectory() as folder:
            for i, picture in enumerate(pictures(original, size, range(count))):
                write_picture(Path(folder) / f"{i:05d}.png", torch.from_numpy(picture).permute(2, 0, 1) / 255)
            video = read_video(folder)
            frames = video.frames(range(count)).float() / 255
            flows = motion(frames)
            for case, (keyframes, truth) in cases(frames).items():
                for method, make in METHODS.items():
                    if method == "motion alone" and case != "true":
                        continue
                    begin = time.perf_counter()
                    made = make(video, keyframes, count)
                    spent = round((time.perf_counter() - begin) / count, 3)
                    figures = judged(made, truth, keyframes, flows)
                    rows.append({"clip": name, "keyframes": case, "method": method, **figures, "s a frame": spent})
                    print(*rows[-1].values(), file=sys.stderr, flush=True)
    report("interpolate", rows)


if __name__ == "__main__":
    main()
