"""Colour drift planted on real clips, and taken out again, beside what people use now.

Goals: mean CIEDE2000 to the clean clip at most 1.5 held to the source and 3 held to one frame; of what was planted in
the step from frame to frame 90 % less; a clean clip changed by at most 0.5, one that truly changes by 1.0; the
deviation of lightness within 5 % of the clean clip's; 60 frames a second at 768x432; 900 frames of 1080p in 2 GB.

All clips are written as H.264 (crf 10) and read back, the clean one too, which alone costs what the row `clean` says.
Peers: histogram matching (scikit-image), and Reinhard, MKL and MVGD by the package color-matcher, frame by frame, held
to the same frame of the source, or to the first. It needs `pip install --no-deps --target FOLDER color-matcher` and
PYTHONPATH=FOLDER, since its wheel also brings a package `tests`; without it these rows are left out.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage.exposure import match_histograms

from benchmarks.report import REAL, in_fresh_process, report
from stablevideo import ColorCorrectionOptions, calibrate, read_video, write_video
from stablevideo.color.spaces import delta_e, rgb_to_lab
from stablevideo.video.together import pictures
from tests.clips import smooth_picture

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

CLIPS, WIDTH_PX, CRF = ("bear", "wolf", "car-turn"), 384, 10
JUDGED_PX = 192  # width at which colours are compared
PLANTED_STEP = 0.1  # CIEDE2000 a frame from which on what was planted shows in the step from frame to frame


def turned(picture, share):
    """Hue turned in Lab by up to 25 degrees, and tinted."""
    lab, angle = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab), np.deg2rad(25 * share)
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 1] = np.cos(angle) * a - np.sin(angle) * b + 4 * share
    lab[..., 2] = np.sin(angle) * a + np.cos(angle) * b - 3 * share
    return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)


def sunrise(picture, share):
    """Light that grows from the upper right, and turns from blue to warm."""
    y, x = np.mgrid[0 : 1 : picture.shape[0] * 1j, 0 : 1 : picture.shape[1] * 1j][..., None]
    sky = np.exp(-(((y - 0.1) / 0.5) ** 2) - ((x - 0.75) / 0.6) ** 2)
    tint = (1 - share) * np.array([0.85, 0.95, 1.1]) + share * np.array([1.08, 1.0, 0.88])
    return (picture * (0.45 + 0.55 * share * (0.45 + 0.9 * sky)) * tint).astype(np.float32)


def gamma(picture, share):
    return np.stack([picture[..., 0] ** (1 + 0.6 * share), picture[..., 1], picture[..., 2]], -1)


# name -> a frame in [0, 1], its number, its share of the clip -> the frame as a model might have made it
DRIFT = {
    "clean": lambda p, i, t: p,
    "gain": lambda p, i, t: p * np.array([1 - 0.25 * t, 1 - 0.1 * t, 1 + 0.15 * t]),
    "hue": lambda p, i, t: turned(p, t),
    "steps": lambda p, i, t: p * np.array([0.85, 0.92, 0.9]) if i // 10 % 2 else p,
    "pumping": lambda p, i, t: p * (1 + 0.15 * np.sin(0.7 * i)),
    "gamma": lambda p, i, t: gamma(p, t),
    "contrast": lambda p, i, t: (p - 0.45) * (1 + 0.35 * t) + 0.45,
    "fade": lambda p, i, t: p * (1 - 0.6 * t),
    "white frame": lambda p, i, t: np.ones_like(p) if i == 20 else p * np.array([1 - 0.1 * t, 1, 1 + 0.1 * t]),
    "dip": lambda p, i, t: p * 0.8 if i % 16 == 8 else p,
}


def written(frames, path, crf=CRF):
    """A clip of frames in [0, 1], as the video file `path`."""
    eight = (np.clip(np.rint(frame * 255), 0, 255).astype(np.uint8) for frame in frames)
    write_video((torch.from_numpy(one).permute(2, 0, 1)[None] for one in eight), path, 24, crf=crf)
    return read_video(path)


def ours(video, source, **options):
    return (
        torch.cat(list(calibrate(video, source, None, ColorCorrectionOptions(**options)))).permute(0, 2, 3, 1).numpy()
    )


def peers():
    """What people use now: a frame and the one it should look like, uint8 [H, W, 3] -> the frame."""
    found = {"histogram": lambda frame, wanted: match_histograms(frame, wanted, channel_axis=-1)}
    if importlib.util.find_spec("color_matcher") is None:
        print("color-matcher is not there: Reinhard, MKL and MVGD are left out.", file=sys.stderr)
        return found
    from color_matcher import ColorMatcher

    def by(method):
        return lambda frame, wanted: ColorMatcher().transfer(src=frame, ref=wanted, method=method)

    return found | {"Reinhard": by("reinhard"), "MKL": by("mkl"), "MVGD": by("mvgd")}


def by_peer(peer, video, source):
    own = list(pictures(video, video.size))
    wanted = own[:1] * len(own) if source is None else pictures(source, video.size)
    return np.stack([np.clip(np.rint(peer(a, b)), 0, 255).astype(np.uint8) for a, b in zip(own, wanted, strict=True)])


def lab(frames):
    """Frames, uint8 [T, H, W, 3], as they are judged: Lab [T, 3, h, w]."""
    size = JUDGED_PX, round(JUDGED_PX * frames.shape[1] / frames.shape[2])
    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    return rgb_to_lab(torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255)


def step(colours):
    means = colours.mean((2, 3))[:, :, None, None]
    return delta_e(means[1:], means[:-1]).mean().item()


def judged(found, clean, drifted):
    """Figures of repaired frames beside the clean and the drifted ones, all as `lab` gives them."""
    shown = clean[:, 0].std((1, 2)) > 1  # a white frame has nothing to be judged by
    shown &= drifted[:, 0].std((1, 2)) > 1
    planted = step(drifted[shown]) - step(clean[shown])
    off = (found[shown, 0].std((1, 2)) / clean[shown, 0].std((1, 2)) - 1).abs().mean().item()
    return {
        "CIEDE2000": delta_e(found[shown], clean[shown]).mean().item(),
        "steps gone, %": 100 * (1 - (step(found[shown]) - step(clean[shown])) / planted)
        if planted > PLANTED_STEP
        else None,
        "deviation of L off, %": 100 * off,
    }


def methods():
    """Name -> repair of a video: (video, its source) -> frames, and whether it is held to the source or one frame."""
    found = {
        ("nothing", "-"): lambda video, source: np.stack(list(pictures(video, video.size))),
        ("ours", "source"): ours,
        ("ours", "one frame"): lambda video, source: ours(video, None),
        ("ours, light kept", "one frame"): lambda video, source: ours(video, None, keep_light=True),
    }
    for name, peer in peers().items():
        found[name, "source"] = lambda video, source, peer=peer: by_peer(peer, video, source)
        found[name, "one frame"] = lambda video, source, peer=peer: by_peer(peer, video, None)
    return found


def summary(rows):
    """One row a method: CIEDE2000 to the clean clip for each drift, on average over the clips, and at the worst one."""
    table = []
    for method, held_to in dict.fromkeys((row["method"], row["held to"]) for row in rows):
        own = [row for row in rows if (row["method"], row["held to"]) == (method, held_to)]
        line = {"method": method, "held to": held_to}
        for kind in dict.fromkeys(row["drift"] for row in rows):
            values = [row["CIEDE2000"] for row in own if row["drift"] == kind]
            line[kind] = f"{np.mean(values):.2f} ({max(values):.2f})"
        gone = [row["steps gone, %"] for row in own if row["steps gone, %"] is not None]
        line["steps gone, %"] = f"{np.mean(gone):.0f} ({min(gone):.0f})"
        spread = [row["deviation of L off, %"] for row in own if row["drift"] not in ("sunrise", "cut")]
        line["deviation of L off, %"] = f"{np.mean(spread):.1f} ({max(spread):.1f})"
        table.append(line)
    return table


SPEED = """
import json, time
from pathlib import Path
from benchmarks.colour import peers
from benchmarks.report import peak_mb
from stablevideo import calibrate, read_video
from stablevideo.video.together import pictures
video, source = (read_video(Path({folder!r}) / name) for name in ("drifted.mp4", "source.mp4"))
first, second = list(pictures(video.part(0, 2), video.size))
def spent(job):
    begin = time.perf_counter()
    count = sum(1 for _ in job())
    return count / (time.perf_counter() - begin)
jobs = dict(source=lambda: calibrate(video, source), one_frame=lambda: calibrate(video),
            decoding=lambda: pictures(video, video.size))
if {peers}:
    jobs |= {{name: lambda peer=peer: (peer(second, first) for _ in range(5)) for name, peer in peers().items()}}
rates = {{name: max(spent(job) for _ in range({repeats})) for name, job in jobs.items()}}
print(json.dumps(dict(rates, peak=peak_mb())))
"""


def drawn(size, count):
    """A picture that pans, and its source: frames in [0, 1]."""
    wide = smooth_picture((size[0], size[1] + 2 * count), 1).permute(1, 2, 0).numpy()
    return [wide[:, 2 * i : 2 * i + size[1]] for i in range(count)]


def cost():
    """Frames a second at 768x432 on the bear, the peers' too; and of 900 drawn frames of 1080p, with their memory."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size, count, with_peers, repeats in (((432, 768), 80, True, 3), ((1080, 1920), 900, False, 1)):
            bear = REAL / "videos" / "bear.mp4"
            real = with_peers and bear.is_file()
            frames = pictures(read_video(bear, limit=count), size) if real else drawn(size, count)
            source = written(
                (frame.astype(np.float32) / (255 if real else 1) for frame in frames), Path(folder) / "source.mp4", 18
            )
            made = (
                DRIFT["gain"](frame.astype(np.float32) / 255, 0, i / count)
                for i, frame in enumerate(pictures(source, size))
            )
            written(made, Path(folder) / "drifted.mp4", 18)
            found = in_fresh_process(SPEED.format(folder=folder, peers=with_peers, repeats=repeats))
            peak = round(found.pop("peak"))
            facts = {"clip": "bear" if real else "drawn", "size": f"{size[1]}x{size[0]}", "frames": count}
            rows += [facts | {"job": job, "frames/s": round(rate, 1), "peak MB": peak} for job, rate in found.items()]
    return rows


def main():
    report("colour-cost", cost())
    rows, repairs = [], methods()
    with tempfile.TemporaryDirectory() as folder:
        for name in [name for name in CLIPS if (REAL / "videos" / f"{name}.mp4").is_file()]:
            original = read_video(REAL / "videos" / f"{name}.mp4")
            size = 2 * round(original.height / original.width * WIDTH_PX / 2), WIDTH_PX
            frames = [frame.astype(np.float32) / 255 for frame in pictures(original, size)]
            risen = [sunrise(frame, i / (len(frames) - 1)) for i, frame in enumerate(frames)]
            cut = [*frames[: len(frames) // 2], *[frame[:, ::-1, ::-1] for frame in frames[len(frames) // 2 :]]]
            for kind, drift in (DRIFT | {"sunrise": DRIFT["clean"], "cut": DRIFT["clean"]}).items():
                true = {"sunrise": risen, "cut": cut}.get(kind, frames)
                source = written(true, Path(folder) / "source.mp4")
                made = [drift(frame, i, i / (len(true) - 1)) for i, frame in enumerate(true)]
                video = written(made, Path(folder) / "drifted.mp4")
                clean, drifted = (lab(np.stack(list(pictures(one, one.size)))) for one in (source, video))
                for (method, held_to), repair in repairs.items():
                    figures = judged(lab(repair(video, source)), clean, drifted)
                    rows.append({"clip": name, "drift": kind, "method": method, "held to": held_to, **figures})
                    print(*rows[-1].values(), file=sys.stderr, flush=True)
    report("colour", summary(rows))


if __name__ == "__main__":
    main()
