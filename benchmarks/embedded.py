"""What the embedded model's words do, through the real path: edit, render, measure on frames.

    python -m benchmarks.embedded [--ckpt ckpt] [--sheets DIR] [--skip-classifier]

Goals: of 12 colour words, each alone, 10 within 25 degrees of hue (black, white, grey: of lightness and chroma) with
the background unmoved; five scenes move the background as asked below; edges follow the hint with F1 0.5 at 2 px and
twice what unrelated lines give; guidance 1 weakens, 9 strengthens; a classifier that learnt the training looks tells
materials and styles from plain in 70 %; a 256-pixel edit of 20 steps in 5 s, loading in 2 s. `benchmarks.edit` times
the whole example. With --sheets, a picture of all words on each input, and on a video's frame beside the project.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.report import REAL, ROOT, clip_folders, report, timed
from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground, load_clip, load_editor
from stablevideo.diffusion.hints import Hint, canny
from training.embedded.evaluate import (
    edge_f1,
    edges,
    hue_distance,
    lab_statistics,
    median_hue,
    target_hue,
    train_classifier,
)
from training.embedded.looks import COLOURS, MATERIALS, SCENES, STYLES

GREYS = {  # lightness and greatest chroma
    "black": lambda lab: lab.lightness < 30 and lab.chroma < 14,
    "white": lambda lab: lab.lightness > 75 and lab.chroma < 14,
    "grey": lambda lab: 30 <= lab.lightness <= 75 and lab.chroma < 14,
}
# About half of what the training looks do to procedural places (medians of 60: snow L +40 to chroma 6; night L -27,
# b -28; sunset a +26, b +33; autumn a +22, b +38; fog to chroma 4, spread of L from 14 to 7); snow, night at least 15.
MOVES = {
    "snow": lambda old, new: new.lightness - old.lightness >= 15 and new.chroma <= 16,
    "night": lambda old, new: old.lightness - new.lightness >= 15 and old.b - new.b >= 10,
    "sunset": lambda old, new: new.a - old.a >= 12 and new.b - old.b >= 16,
    "autumn": lambda old, new: new.a - old.a >= 10 and new.b - old.b >= 18,
    "fog": lambda old, new: new.chroma <= 8 and new.contrast <= 0.75 * old.contrast,
}
SCENE_PROMPTS = {"snow": "snowy landscape", "night": "landscape at night", "sunset": "landscape at sunset",
                 "autumn": "autumn scene", "fog": "foggy landscape"}  # fmt: skip
MATERIAL_PROMPTS = {"wood": "wooden", "grass": "grassy", "stripes": "striped", "dots": "dotted", "checks": "checkered"}
STYLE_PROMPTS = {"oil": "oil painting", "sketch": "pencil sketch", "pixel": "pixel art"}
FRAMES = 5  # of the render are measured


@dataclass
class Subject:
    """A clip with its model, and what its unedited frames look like."""

    clip: object
    editor: object
    noun: str

    def __post_init__(self):
        self.frames = [round(i * (self.clip.frame_count - 1) / (FRAMES - 1)) for i in range(FRAMES)]
        alpha = self.clip.alpha(self.frames)[:, 0].numpy()
        self.inside, self.outside = alpha > 0.9, alpha < 0.1
        self.untouched = alpha == 0
        self.before = self.render()

    def render(self, **atlases):
        frames = torch.cat(list(self.clip.render(frames=self.frames, **atlases)))
        return frames.permute(0, 2, 3, 1).numpy()

    def options(self, kind, **changes):
        return kind(**{**self.editor.spec.defaults, "seed": 1, **changes})

    def foreground(self, prompt, **changes):
        """The edit, and its frames."""
        edit = edit_foreground(self.clip, prompt, self.editor, self.options(ForegroundOptions, **changes))
        return edit, self.render(foreground=edit.atlas)

    def background(self, prompt):
        edit = edit_background(self.clip, prompt, self.editor, self.options(BackgroundOptions))
        return self.render(background=edit.atlas)


def picture_of(tensor):
    return tensor.permute(1, 2, 0).numpy()


def keyframe_f1(edit, other=None):
    """Edges of the painted keyframes against those of what they started from, or of another edit's first keyframe."""
    scores = []
    for keyframe in edit.keyframes:
        painted = edges(picture_of(keyframe.after * keyframe.alpha))
        wanted = picture_of((other.keyframes[0] if other else keyframe).before)
        scores.append(edge_f1(painted, edges(cv2.resize(wanted, painted.shape[::-1]))))
    return float(np.mean(scores))


def measure_colours(subject):
    """A row for each colour word, and the edits."""
    rows, edits = [], {}
    for colour in COLOURS:
        edit, frames = subject.foreground(f"a {colour} {subject.noun}")
        lab = lab_of(frames, subject.inside)
        hue = median_hue(frames.reshape(-1, 1, 3), subject.inside.reshape(-1, 1))
        right = GREYS[colour](lab) if colour in GREYS else hue_distance(hue, target_hue(colour)) <= 25
        edits[colour] = edit
        rows.append(
            {
                "clip": subject.clip.name,
                "word": colour,
                "hue": "-" if np.isnan(hue) else round(hue),
                "wanted": "-" if colour in GREYS else round(target_hue(colour)),
                "L": round(lab.lightness),
                "chroma": round(lab.chroma),
                "edge F1": round(keyframe_f1(edit), 2),
                "background moved /255": round(
                    255 * float(np.abs(frames - subject.before)[subject.untouched].max()), 2
                ),
                "right": right,
            }
        )
    return rows, edits


def lab_of(frames, masks):
    """Statistics over several frames [n, h, w, 3] inside masks [n, h, w]."""
    return lab_statistics(frames.reshape(-1, frames.shape[2], 3), masks.reshape(-1, masks.shape[2]))


def measure_scenes(subject):
    old = lab_of(subject.before, subject.outside)
    rows = []
    for scene, prompt in SCENE_PROMPTS.items():
        new = lab_of(subject.background(prompt), subject.outside)
        change = {name: round(getattr(new, name) - getattr(old, name)) for name in ("lightness", "a", "b")}
        spread = {"chroma": round(new.chroma, 1), "contrast": f"{old.contrast:.1f} -> {new.contrast:.1f}"}
        rows.append({"clip": subject.clip.name, "scene": scene, **change, **spread, "right": MOVES[scene](old, new)})
    return rows


def measure_guidance(subject):
    """Mean distance in Lab's a and b from grey, along the wanted colour, by guidance."""
    rows = []
    for guidance in (1.0, 3.0, 9.0):
        strengths = []
        for colour in ("red", "green", "blue", "yellow"):
            middle = np.array(COLOURS[colour][1], np.float32)[None, None] / 255
            wanted = lab_statistics(middle, np.ones((1, 1)))
            _, frames = subject.foreground(f"a {colour} {subject.noun}", guidance=guidance)
            lab = lab_of(frames, subject.inside)
            strengths.append((lab.a * wanted.a + lab.b * wanted.b) / np.hypot(wanted.a, wanted.b))
        rows.append(
            {"clip": subject.clip.name, "guidance": guidance, "chroma along colour": round(np.mean(strengths), 1)}
        )
    return rows


def measure_looks(subjects):
    """For each material and style: of the edits with it and without, how many are told right."""
    rows = []
    plain = {s.clip.name: s.foreground(f"a picture of a {s.noun}")[0].keyframes[0] for s in subjects}
    for kind, looks in (("material", MATERIALS), ("style", STYLES)):
        for look in looks:
            classifier = train_classifier(look)
            words = MATERIAL_PROMPTS.get(look) or STYLE_PROMPTS.get(look) or look
            told = []
            for subject in subjects:
                edit, _ = subject.foreground(f"{words} {subject.noun}")
                told += [seen(classifier, edit.keyframes[0]), not seen(classifier, plain[subject.clip.name])]
            rows.append({"kind": kind, "look": look, "told right": f"{sum(told)} of {len(told)}"})
    return rows


def seen(classifier, keyframe):
    mask = keyframe.alpha[0].numpy()
    return classifier.has_look(picture_of(keyframe.after) * (mask > 0.5)[..., None], mask)


def measure_times(editor):
    """A 256 x 256 edit of 20 steps at the model's own guidance, its parts included; and loading it once more."""
    hint = canny(100, 200)(torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0)).round())
    options = ForegroundOptions(**editor.spec.defaults)
    generator = torch.Generator()
    edit_s, _ = timed(lambda: editor.paint("a red car", Hint("canny", hint), options, generator.manual_seed(0)))
    load_s, _ = timed(lambda: load_editor(editor.name, editor.ckpt, editor.device))
    size_mb = sum(path.stat().st_size for path in editor.spec.folder.rglob("*") if path.is_file()) / 2**20
    return {"256-pixel edit s": round(edit_s, 2), "load s": round(load_s, 2), "size MB": round(size_mb, 1)}


def word_sheet(subject, path):
    """Every word on the middle frame: colours, materials, styles on the foreground, scenes and styles behind it."""
    tiles = []
    for look in (*COLOURS, *MATERIALS, *STYLES):
        words = MATERIAL_PROMPTS.get(look) or STYLE_PROMPTS.get(look) or look
        tiles.append((f"{words} {subject.noun}", subject.foreground(f"{words} {subject.noun}")[1][FRAMES // 2]))
    for look in (*SCENES, *STYLES):
        words = SCENE_PROMPTS.get(look) or f"{STYLE_PROMPTS.get(look, look)} landscape"
        tiles.append((words, subject.background(words)[FRAMES // 2]))
    write_sheet(tiles, path)


def picture_sheet(editor, picture, path):
    """Every word on one picture [3, h, w], painted whole."""
    hint, options = canny(100, 200)(picture), ForegroundOptions(**editor.spec.defaults)
    tiles = [("hint", picture_of(hint))]
    for look in (*COLOURS, *MATERIALS, *SCENES, *STYLES):
        words = MATERIAL_PROMPTS.get(look) or SCENE_PROMPTS.get(look) or STYLE_PROMPTS.get(look) or look
        tiles.append(
            (words, picture_of(editor.paint(words, Hint("canny", hint), options, torch.Generator().manual_seed(1))))
        )
    write_sheet(tiles, path)


def write_sheet(tiles, path, width=240, columns=6):
    """Labelled pictures [h, w, 3] in rows."""
    drawn = []
    for words, picture in tiles:
        height = round(width * picture.shape[0] / picture.shape[1])
        pixels = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
        tile = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        tile = np.vstack([tile, np.full((18, width, 3), 255, np.uint8)])
        cv2.putText(tile, words, (4, height + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        drawn.append(tile)
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % columns)
    rows = [np.hstack(drawn[i : i + columns]) for i in range(0, len(drawn), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    parser.add_argument("--sheets", type=Path, default=None, help="folder for pictures of all words")
    parser.add_argument("--skip-classifier", action="store_true", help="it takes most of the time")
    arguments = parser.parse_args()
    editor = load_editor("embedded", arguments.ckpt, "cpu")
    nouns = {"sample": "car"}
    subjects = [Subject(clip, editor, nouns.get(clip.name, clip.name)) for clip in map(load_clip, clip_folders())]
    report("embedded-times", [measure_times(editor)])
    colours, edits = [], {}
    for subject in subjects:
        rows, edits[subject.clip.name] = measure_colours(subject)
        colours += rows
    report("embedded-colours", colours)
    structure = []
    for name, own in edits.items():
        others = next((edit for other, edit in edits.items() if other != name), own)
        structure.append(
            {
                "clip": name,
                "colours right": sum(row["right"] for row in colours if row["clip"] == name),
                "edge F1": round(np.mean([keyframe_f1(edit) for edit in own.values()]), 2),
                "against unrelated edges": round(np.mean([keyframe_f1(own[c], others[c]) for c in own]), 2),
            }
        )
    report("embedded-structure", structure)
    report("embedded-scenes", [row for subject in subjects for row in measure_scenes(subject)])
    report("embedded-guidance", [row for subject in subjects for row in measure_guidance(subject)])
    if arguments.sheets:
        for subject in subjects:
            word_sheet(subject, arguments.sheets / f"{subject.clip.name}.jpg")
        for video in sorted((REAL / "videos").glob("car-turn.mp4")):
            picture_sheet(editor, middle_frame(video), arguments.sheets / f"{video.stem}.jpg")
    if not arguments.skip_classifier:
        report("embedded-looks", measure_looks(subjects))


def middle_frame(path, side=256):
    """A video's middle frame at 256 x 256, [3, h, w]."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_FRAME_COUNT) // 2)
    frame = cv2.resize(capture.read()[1], (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1) / 255


if __name__ == "__main__":
    main()
