"""Weather, season and light behind the foreground; and whether an edited clip flickers."""

import tempfile
from pathlib import Path

import cv2
import numpy as np

from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground
from stablevideo.measure import measure
from stablevideo.video.pictures import write_picture
from stablevideo.video.read import read_video
from training.embedded.evaluate import edges

from .subject import SCENE_PROMPTS, lab_of

# About half of what the training looks do to procedural places (medians of 60: snow L +40 to chroma 6; night L -27,
# b -28; sunset a +26, b +33; autumn a +22, b +38; fog to chroma 4, spread of L from 14 to 7); snow, night at least 15.
MOVES = {
    "snow": lambda old, new: new.lightness - old.lightness >= 15 and new.chroma <= 16,
    "night": lambda old, new: old.lightness - new.lightness >= 15 and old.b - new.b >= 10,
    "sunset": lambda old, new: new.a - old.a >= 12 and new.b - old.b >= 16,
    "autumn": lambda old, new: new.a - old.a >= 10 and new.b - old.b >= 18,
    "fog": lambda old, new: new.chroma <= 8 and new.contrast <= 0.75 * old.contrast,
}
KEPT_EDGES = ("night", "storm")


def measure_scenes(subject):
    old, rows = lab_of(subject.before, subject.outside), []
    for scene, prompt in SCENE_PROMPTS.items():
        frames = subject.background(prompt)
        new = lab_of(frames, subject.outside)
        change = {name: round(getattr(new, name) - getattr(old, name)) for name in ("lightness", "a", "b")}
        spread = {"chroma": round(new.chroma, 1), "contrast": f"{old.contrast:.1f} -> {new.contrast:.1f}"}
        kept = round(np.mean([recall(*both) for both in zip(frames, subject.before, subject.outside, strict=True)]), 2)
        right = (kept >= 0.5 or scene not in KEPT_EDGES) and (scene not in MOVES or MOVES[scene](old, new))
        rows.append({"clip": subject.clip.name, "scene": scene, **change, **spread, "edges kept": kept, "right": right})
    return rows


def recall(painted, source, mask, tolerance_px=2):
    """The share of a source's edges, inside a mask, that a painted picture has within so many pixels."""
    wanted = edges(source) & mask
    near = cv2.dilate(edges(painted).astype(np.uint8), np.ones((2 * tolerance_px + 1,) * 2, np.uint8)) > 0
    return (wanted & near).sum() / max(wanted.sum(), 1)


def measure_flicker(subject):
    """An edited clip's warp error beside its source's."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = stored(subject.clip.render(), Path(folder) / "source")
        for prompt in (f"a red {subject.noun}", f"a wooden {subject.noun}", f"pixel art {subject.noun}"):
            edit = edit_foreground(subject.clip, prompt, subject.editor, subject.options(ForegroundOptions))
            video = stored(subject.clip.render(foreground=edit.atlas), Path(folder) / prompt)
            rows.append(flicker_row(subject, prompt, video, source))
        for prompt in ("snowy landscape", "autumn scene"):
            edit = edit_background(subject.clip, prompt, subject.editor, subject.options(BackgroundOptions))
            video = stored(subject.clip.render(background=edit.atlas), Path(folder) / prompt)
            rows.append(flicker_row(subject, prompt, video, source))
    return rows


def flicker_row(subject, prompt, video, source):
    return {
        "clip": subject.clip.name,
        "edit": prompt,
        "warp error of the source's": round(measure(video, source).flicker, 2),
    }


def stored(batches, folder):
    """Rendered frames as a folder of pictures, read back."""
    folder.mkdir()
    for number, frame in enumerate(frame for batch in batches for frame in batch):
        write_picture(folder / f"{number:05d}.png", frame)
    return read_video(folder)
