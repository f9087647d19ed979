"""What the embedded model's words do, through the real path: edit, render, measure on frames.

    python -m benchmarks.embedded [--ckpt ckpt] [--packages DIR] [--only PART ...]

Parts and goals:

- times: a 256-pixel edit of 20 steps in 2 s on two cores, one of 512 in 5 s, loading in 2 s;
- colours: of 12 colour words, each alone, 10 within 25 degrees of hue (black, white, grey: of lightness and chroma) on
  the sample and the bear, with the background unmoved and edges that follow the source (F1 0.5 at 2 px, twice what
  unrelated ones give); the luminance's structure kept to SSIM 0.75, on car-turn too;
- named: 40 named colours of the CSS list that were never trained on, within 25 degrees of hue, lightness and chroma in
  the right third; and words in sentences that were not trained on;
- scenes: five move the background as asked below; night and storm keep half of the edges;
- guidance: 3 and 9 are stronger than 1;
- flicker: an edited clip's warp error is at most 1.1 times its source's;
- looks: a classifier that learnt the training looks tells 85 % of materials and styles from plain, none below 60 %.

`benchmarks.embedded_sheet` makes pictures of all words to look at.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.report import REAL, ROOT, clip_folders, report, timed
from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground, load_clip, load_editor
from stablevideo.measure import measure
from stablevideo.video.pictures import write_picture
from stablevideo.video.read import read_video
from training.embedded.colours import HELD_OUT, PLAIN
from training.embedded.evaluate import (
    edge_f1,
    edges,
    hue_distance,
    lab_statistics,
    median_hue,
    structure,
    target_hue,
    train_classifier,
)
from training.embedded.library import Library
from training.embedded.materials import MATERIALS, PATTERNS
from training.embedded.styles import STYLES
from training.embedded.vocabulary import HELD_OUT_SENTENCES
from training.embedded.wishes import Wish

PARTS = ("times", "colours", "named", "scenes", "guidance", "flicker", "looks")
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
                 "autumn": "autumn scene", "fog": "foggy landscape", "storm": "stormy landscape"}  # fmt: skip
MATERIAL_PROMPTS = {"wood": "wooden", "gold": "golden", "grass": "grassy", "stripes": "striped", "dots": "dotted",
                    "checks": "checkered"}  # fmt: skip
STYLE_PROMPTS = {"oil": "oil painting of a", "sketch": "pencil sketch of a", "pixel": "pixel art"}
KEPT_EDGES = ("night", "storm")
FRAMES = 5  # of the render are measured
ALL_MATERIALS = (*MATERIALS, "lava", *PATTERNS)


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


def painter(editor, **changes):
    """Paints a picture [3, h, w] with words, by the model's usual options."""
    options = ForegroundOptions(**{**editor.spec.defaults, **changes})

    def paint(picture, prompt):
        hints = editor.hints_maker(editor.strengths(options, "canny"), options)(picture, tuple(picture.shape[1:]))
        return editor.paint(prompt, hints, options, torch.Generator().manual_seed(1))

    return paint


def keyframe_f1(edit, other=None):
    """Edges of the painted keyframes against those of what they started from, or of another edit's first keyframe."""
    scores = []
    for keyframe in edit.keyframes:
        painted = edges(picture_of(keyframe.after * keyframe.alpha))
        wanted = picture_of((other.keyframes[0] if other else keyframe).before)
        scores.append(edge_f1(painted, edges(cv2.resize(wanted, painted.shape[::-1]))))
    return float(np.mean(scores))


def is_colour(name, picture, mask):
    """Whether pixels [h, w, 3] inside a mask have a plain colour: the answer, and their hue."""
    lab, hue = lab_statistics(picture, mask), median_hue(picture, mask)
    return GREYS[name](lab) if name in GREYS else hue_distance(hue, target_hue(PLAIN[name])) <= 25, hue


def in_a_row(frames, masks):
    """Frames [n, h, w, 3] and masks [n, h, w] as one picture and one mask."""
    return frames.reshape(-1, frames.shape[2], 3), masks.reshape(-1, masks.shape[2])


def lab_of(frames, masks):
    return lab_statistics(*in_a_row(frames, masks))


def measure_colours(subject):
    """A row for each colour word, and the edits."""
    rows, edits = [], {}
    for colour in PLAIN:
        edit, frames = subject.foreground(f"a {colour} {subject.noun}")
        right, hue = is_colour(colour, *in_a_row(frames, subject.inside))
        lab, edits[colour] = lab_of(frames, subject.inside), edit
        moved = 255 * float(np.abs(frames - subject.before)[subject.untouched].max())
        kept = [structure(*both) for both in zip(frames, subject.before, subject.inside, strict=True)]
        rows.append(
            {
                "clip": subject.clip.name,
                "word": colour,
                "hue": "-" if np.isnan(hue) else round(hue),
                "wanted": "-" if colour in GREYS else round(target_hue(PLAIN[colour])),
                "L": round(lab.lightness),
                "chroma": round(lab.chroma),
                "structure": round(float(np.mean(kept)), 2),
                "edge F1": round(keyframe_f1(edit), 2),
                "background moved /255": round(moved, 2),
                "right": right,
            }
        )
    return rows, edits


def measure_colours_whole(editor, video):
    """The same of a whole frame of a video, without layers."""
    picture, rows = middle_frame(video), []
    mask, paint = np.ones(picture.shape[1:], bool), painter(editor)
    for colour in PLAIN:
        painted = picture_of(paint(picture, f"a {colour} car"))
        right, hue = is_colour(colour, painted, mask)
        lab = lab_statistics(painted, mask)
        rows.append(
            {
                "clip": video.stem,
                "word": colour,
                "hue": "-" if np.isnan(hue) else round(hue),
                "wanted": "-" if colour in GREYS else round(target_hue(PLAIN[colour])),
                "L": round(lab.lightness),
                "chroma": round(lab.chroma),
                "structure": round(structure(painted, picture_of(picture), mask), 2),
                "edge F1": round(edge_f1(edges(painted), edges(picture_of(picture))), 2),
                "background moved /255": "-",
                "right": right,
            }
        )
    return rows


def structure_rows(colours, edits):
    """A row for each clip: how many colours are right, and what is kept of the drawing."""
    rows = []
    for name in dict.fromkeys(row["clip"] for row in colours):
        own = [row for row in colours if row["clip"] == name]
        others = next((edit for other, edit in edits.items() if other != name), None)
        unrelated = [keyframe_f1(edits[name][c], others[c]) for c in PLAIN] if name in edits and others else []
        kept = [row["structure"] for row in own]
        rows.append(
            {
                "clip": name,
                "colours right": sum(row["right"] for row in own),
                "structure": f"{np.mean(kept):.2f}, least {min(kept):.2f}",
                "edge F1": round(float(np.mean([row["edge F1"] for row in own])), 2),
                "against unrelated edges": round(float(np.mean(unrelated)), 2) if unrelated else "-",
            }
        )
    return rows


def third(value, most):
    return min(2, int(3 * max(value, 0) / most))


def measure_named(subject):
    """Held-out colour names, and plain words in sentences that were not trained on, on one keyframe each."""
    rows = []
    for name, rgb in HELD_OUT.items():
        wanted = lab_statistics(np.array(rgb, np.float32)[None, None] / 255, np.ones((1, 1)))
        _, frames = subject.foreground(f"a {name} {subject.noun}", keyframes="1")
        lab = lab_of(frames, subject.inside)
        off = hue_distance(*(float(np.degrees(np.arctan2(c.b, c.a))) for c in (lab, wanted)))
        rows.append(
            {
                "clip": subject.clip.name,
                "colour": name,
                "hue off": round(off),
                "L": f"{lab.lightness:.0f} of {wanted.lightness:.0f}",
                "chroma": f"{lab.chroma:.0f} of {wanted.chroma:.0f}",
                "hue right": off <= 25 or wanted.chroma < 12,
                "thirds right": third(lab.lightness, 100) == third(wanted.lightness, 100)
                and third(lab.chroma, 100) == third(wanted.chroma, 100),
            }
        )
    return rows


def measure_sentences(subject):
    """Plain colours in each sentence that was not trained on."""
    rows = []
    names = list(PLAIN)
    for number, sentence in enumerate(HELD_OUT_SENTENCES):
        colour = names[number % len(names)]
        _, frames = subject.foreground(sentence.format(colour), keyframes="1")
        right, _ = is_colour(colour, *in_a_row(frames, subject.inside))
        rows.append({"clip": subject.clip.name, "sentence": sentence.format(colour), "right": right})
    return rows


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


def measure_guidance(subject):
    """Mean distance in Lab's a and b from grey, along the wanted colour, by guidance."""
    rows = []
    for guidance in (1.0, 3.0, 9.0):
        strengths = []
        for colour in ("red", "green", "blue", "yellow"):
            wanted = lab_statistics(np.array(PLAIN[colour], np.float32)[None, None] / 255, np.ones((1, 1)))
            _, frames = subject.foreground(f"a {colour} {subject.noun}", guidance=guidance)
            lab = lab_of(frames, subject.inside)
            strengths.append((lab.a * wanted.a + lab.b * wanted.b) / np.hypot(wanted.a, wanted.b))
        rows.append(
            {"clip": subject.clip.name, "guidance": guidance, "chroma along colour": round(np.mean(strengths), 1)}
        )
    return rows


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


def measure_looks(subjects, library):
    """For each material and style: of the edits with it and without, how many are told right."""
    rows = []
    plain = {s.clip.name: s.foreground(f"a picture of a {s.noun}")[0].keyframes[0] for s in subjects}
    for kind, looks in (("material", ALL_MATERIALS), ("style", STYLES)):
        for look in looks:
            slot = "pattern" if look in PATTERNS else kind
            classifier = train_classifier(Wish(**{slot: look}), library)
            told = []
            for subject in subjects:
                edit, _ = subject.foreground(f"{words_for(look)} {subject.noun}")
                told += [seen(classifier, each) for each in edit.keyframes]
                told += [not seen(classifier, plain[subject.clip.name])] * len(edit.keyframes)
            rows.append({"kind": kind, "look": look, "told right": f"{sum(told)} of {len(told)}"})
    return rows


def words_for(look):
    return MATERIAL_PROMPTS.get(look) or STYLE_PROMPTS.get(look) or look


def seen(classifier, keyframe):
    mask = keyframe.alpha[0].numpy()
    return classifier.has_look(picture_of(keyframe.after) * (mask > 0.5)[..., None], mask)


def measure_times(editor):
    """Edits of 20 steps at the model's own guidance, their parts included; and loading it once more."""
    paint, times = painter(editor), {}
    for side in (256, 512):
        picture = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        times[f"{side}-pixel edit s"] = round(timed(lambda shown=picture: paint(shown, "a red car"))[0], 2)
    load_s, _ = timed(lambda: load_editor(editor.name, editor.ckpt, editor.device))
    size_mb = sum(path.stat().st_size for path in editor.spec.folder.rglob("*") if path.is_file()) / 2**20
    return {**times, "load s": round(load_s, 2), "size MB": round(size_mb, 1)}


def middle_frame(path, side=256):
    """A video's middle frame at 256 x 256, [3, h, w]."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_FRAME_COUNT) // 2)
    return squared(capture.read()[1][..., ::-1], side)


def squared(picture, side):
    """The middle of a picture [h, w, 3] uint8 at side x side, [3, h, w] in [0, 1]."""
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = cv2.resize(picture[top : top + least, left : left + least], (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(square.copy()).permute(2, 0, 1) / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    parser.add_argument("--packages", type=Path, default=None, help="as in training, for the classifiers' pictures")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="looks takes most of the time")
    arguments = parser.parse_args()
    editor = load_editor("embedded", arguments.ckpt, "cpu")
    nouns = {"sample": "car"}
    subjects = [Subject(clip, editor, nouns.get(clip.name, clip.name)) for clip in map(load_clip, clip_folders())]
    if "times" in arguments.only:
        report("embedded-times", [measure_times(editor)])
    if "colours" in arguments.only:
        colours, edits = [], {}
        for subject in subjects:
            rows, edits[subject.clip.name] = measure_colours(subject)
            colours += rows
        for video in sorted((REAL / "videos").glob("car-turn.mp4")):
            colours += measure_colours_whole(editor, video)
        report("embedded-colours", colours)
        report("embedded-structure", structure_rows(colours, edits))
    tables = {
        "named": [("named", measure_named), ("sentences", measure_sentences)],
        "scenes": [("scenes", measure_scenes)],
        "guidance": [("guidance", measure_guidance)],
        "flicker": [("flicker", measure_flicker)],
    }
    for part, measures in tables.items():
        for name, measured in measures if part in arguments.only else []:
            report(f"embedded-{name}", [row for subject in subjects for row in measured(subject)])
    if "looks" in arguments.only:
        report("embedded-looks", measure_looks(subjects, Library(arguments.packages)))


if __name__ == "__main__":
    main()
