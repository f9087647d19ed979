"""Blind sheets of colour repairs: the frames of each method in an order drawn anew, and the key in a file beside it.

`python -m benchmarks.colour_sheet FOLDER [SEED]` writes case-N.png, to be judged first, and key.json. The first row of
a sheet is what the clip should look like; the others are what was given, ours, and the peers of `benchmarks.colour`.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.colour import DRIFT, WIDTH_PX, by_peer, ours, peers, written
from benchmarks.report import REAL
from stablevideo import RecolourOptions, load_clip, read_video, recolour
from stablevideo.video.together import pictures

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

SHOWN = (0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the clip
LINE_PX = 4


def planted(name, drift):
    """A real clip, what it should look like, and its source: here the same."""
    original = read_video(REAL / "videos" / f"{name}.mp4")
    size = 2 * round(original.height / original.width * WIDTH_PX / 2), WIDTH_PX
    frames = [frame.astype(np.float32) / 255 for frame in pictures(original, size)]
    return frames, frames, drift


def edited(drift):
    """The bear made violet, and its source: what was changed on purpose must stay changed."""
    clip = load_clip(REAL / "bear")
    atlas = recolour(clip, "foreground", RecolourOptions(hue=-120, saturation=1.8)).atlas
    frames = torch.cat(list(clip.render(foreground=atlas))).permute(0, 2, 3, 1).numpy()
    return list(frames), list(clip.source(range(clip.frame_count)).permute(0, 2, 3, 1).numpy()), drift


CASES = {
    "bear, gain, one frame": (lambda: planted("bear", "gain"), False),
    "car-turn, pumping, one frame": (lambda: planted("car-turn", "pumping"), False),
    "wolf, gamma, one frame": (lambda: planted("wolf", "gamma"), False),
    "car-turn, contrast, source": (lambda: planted("car-turn", "contrast"), True),
    "a violet bear, gain, source": (lambda: edited("gain"), True),
    "a violet bear, steps, source": (lambda: edited("steps"), True),
}


def strip(frames):
    at = [round(share * (len(frames) - 1)) for share in SHOWN]
    line = np.full((len(frames[0]), LINE_PX, 3), 255, np.uint8)
    return np.concatenate([part for i in at for part in (frames[i], line)], 1)


def main(folder, seed):
    folder.mkdir(parents=True, exist_ok=True)
    rng, key = random.Random(seed), {}
    for number, (name, (make, with_source)) in enumerate(CASES.items()):
        wanted, source, drift = make()
        with tempfile.TemporaryDirectory() as temporary:
            made = [DRIFT[drift](frame, i, i / (len(wanted) - 1)) for i, frame in enumerate(wanted)]
            video, truth, given = (
                written(frames, Path(temporary) / f"{i}.mp4") for i, frames in enumerate((made, wanted, source))
            )
            held_to = given if with_source else None
            strips = {"given": strip(list(pictures(video, video.size))), "ours": strip(ours(video, held_to))}
            strips |= {method: strip(by_peer(peer, video, held_to)) for method, peer in peers().items()}
            rows = [("as it should be", strip(list(pictures(truth, truth.size))))]
        order = list(strips)
        rng.shuffle(order)
        rows += [("ABCDEFGH"[i], strips[method]) for i, method in enumerate(order)]
        line = np.full((28, rows[0][1].shape[1], 3), 255, np.uint8)
        sheet = []
        for label, picture in rows:
            head = cv2.putText(line.copy(), label, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
            sheet += [head, picture]
        cv2.imwrite(str(folder / f"case-{number}.png"), np.concatenate(sheet)[..., ::-1])
        key[f"case-{number}"] = {"case": name, **{"ABCDEFGH"[i]: method for i, method in enumerate(order)}}
    (folder / "key.json").write_text(json.dumps(key, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
