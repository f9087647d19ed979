"""A clip painted anew frame by frame by the embedded model, and side by side: what each part of that is worth.

Goals, against frames painted one by one, a different seed each: warp error lower by 50 % with deflickering while
painting, by 35 % with deflickering afterwards; hue and lightness of what the prompt did within 5 %. At the windows'
borders no step is larger than elsewhere.

The paper's ablation (DiffSynth, Duan et al. 2023): without deflickering, without shared noise, without attention,
without overlapping windows. Attention and windows have little to do in the embedded model, of whose layers one attends.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import REAL, ROOT, report
from stablevideo import RestyleOptions, load_editor, measure, read_video, restyle, write_video
from stablevideo.color.spaces import rgb_to_lab
from stablevideo.deflicker import deflickered
from stablevideo.video.together import pictures

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

FRAMES, SIZE, SEED = 12, (144, 256), 1
PROMPTS = ("a winter scene, snow", "a red bear on a green hill")


def clip(folder):
    """Every second frame of the bear, or the sample where it is not there, as a folder of pictures."""
    path = REAL / "videos" / "bear.mp4"
    video = read_video(path if path.exists() else ROOT / "data" / "sample" / "sample")
    frames = pictures(video, SIZE, range(0, 2 * FRAMES, 2))
    write_video((torch.from_numpy(f).permute(2, 0, 1)[None] for f in frames), folder / "source.mp4", 12, crf=4)
    return read_video(folder / "source.mp4")


def one_by_one(video, prompt, editor, options):
    """Each frame by itself, by a seed of its own."""
    for i in range(video.frame_count):
        yield next(iter(restyle(video.part(i, 1), prompt, editor, replace(options, seed=SEED + i)).frames))


def variants(video, prompt, editor):
    """Name -> frames."""
    plain = RestyleOptions(**editor.spec.defaults | {"resolution": SIZE[0], "seed": SEED})
    alone = replace(plain, deflicker=False, shared_noise=False, attention=0)
    painted = [frame.clone() for frame in one_by_one(video, prompt, editor, alone)]
    yield "one by one, own seeds", painted
    yield "the same, deflickered afterwards", deflickered(iter(painted), video)
    yield "side by side", restyle(video, prompt, editor, plain).frames
    yield "without deflickering", restyle(video, prompt, editor, replace(plain, deflicker=False)).frames
    yield "without shared noise", restyle(video, prompt, editor, replace(plain, shared_noise=False)).frames
    yield "without attention, so one window each", restyle(video, prompt, editor, replace(plain, attention=0)).frames
    yield "windows of 4", restyle(video, prompt, editor, replace(plain, window=4)).frames
    yield "colour bias 50", restyle(video, prompt, editor, replace(plain, colour_bias=50.0)).frames
    yield "sharpened by 0.5", restyle(video, prompt, editor, replace(plain, sharpen=0.5)).frames


def looks(frames):
    """Mean lightness, hue in degrees and chroma of frames [T, 3, H, W]."""
    lightness, a, b = rgb_to_lab(frames).mean((0, 2, 3)).tolist()
    return lightness, float(np.degrees(np.arctan2(b, a))), float(np.hypot(a, b))


def detail(frames):
    grey = frames.mean(1)
    return float(
        (
            4 * grey[:, 1:-1, 1:-1] - grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
        ).std()
    )


def main():
    editor, rows = load_editor("embedded", device="cpu"), []
    keep = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for prompt in PROMPTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            video, first = clip(folder), None
            for variant, made in variants(video, prompt, editor):
                frames = torch.cat([frame.clone() for frame in made])
                path = folder / "made.mp4"
                write_video(frames.split(1), path, 12, crf=4)
                found, (lightness, hue, chroma) = measure(read_video(path), video), looks(frames)
                steps = np.array(found.video.curves["warp_error"], float)
                first = first or (found.video.warp_error, lightness, hue)
                turn = abs((hue - first[2] + 180) % 360 - 180)
                rows.append(
                    {
                        "prompt": prompt,
                        "variant": variant,
                        "warp error x 1000": round(1000 * found.video.warp_error, 2),
                        "less, %": round(100 * (1 - found.video.warp_error / first[0])),
                        "largest step / mean": round(float(steps.max() / steps.mean()), 2),
                        "source's": round(1000 * found.source.warp_error, 2),
                        "lightness": round(lightness, 1),
                        "lightness off, %": round(100 * abs(lightness / first[1] - 1), 1),
                        "hue": round(hue),
                        "hue off, degrees": round(turn, 1),
                        "chroma": round(chroma, 1),
                        "detail": round(detail(frames), 4),
                    }
                )
                print(*rows[-1].values(), file=sys.stderr, flush=True)
                if keep:
                    (keep / prompt.replace(" ", "-").replace(",", "")).mkdir(parents=True, exist_ok=True)
                    name_of = variant.replace(" ", "-").replace(",", "")
                    write_video(
                        frames.split(1), keep / prompt.replace(" ", "-").replace(",", "") / f"{name_of}.mp4", 12
                    )
    report("restyle", rows)


if __name__ == "__main__":
    main()
