"""Colours: the plain ones, those never trained on, sentences, and how guidance strengthens them."""

import cv2
import numpy as np

from training.embedded.colours import HELD_OUT, PLAIN
from training.embedded.evaluate import edge_f1, edges, hue_distance, lab_statistics, median_hue, structure, target_hue
from training.embedded.vocabulary import HELD_OUT_SENTENCES

from .subject import in_a_row, lab_of, middle_frame, painter, picture_of

GREYS = {  # lightness and greatest chroma
    "black": lambda lab: lab.lightness < 30 and lab.chroma < 14,
    "white": lambda lab: lab.lightness > 75 and lab.chroma < 14,
    "grey": lambda lab: 30 <= lab.lightness <= 75 and lab.chroma < 14,
}


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
