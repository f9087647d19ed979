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

`benchmarks.embedded.sheet` makes pictures of all words to look at.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.report import REAL, ROOT, clip_folders, report, timed
from stablevideo import load_clip, load_editor
from training.embedded.library import Library

from .colours import (
    measure_colours,
    measure_colours_whole,
    measure_guidance,
    measure_named,
    measure_sentences,
    structure_rows,
)
from .looks import measure_looks
from .scenes import measure_flicker, measure_scenes
from .subject import NOUNS, Subject, painter

PARTS = ("times", "colours", "named", "scenes", "guidance", "flicker", "looks")


def measure_times(editor):
    """Edits of 20 steps at the model's own guidance, their parts included; and loading it once more."""
    paint, times = painter(editor, steps=20), {}
    for side in (256, 512):
        picture = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        times[f"{side}-pixel edit s"] = round(timed(lambda shown=picture: paint(shown, "a red car"))[0], 2)
    load_s, _ = timed(lambda: load_editor(editor.name, editor.ckpt, editor.device))
    size_mb = sum(path.stat().st_size for path in editor.spec.folder.rglob("*") if path.is_file()) / 2**20
    return {**times, "load s": round(load_s, 2), "size MB": round(size_mb, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    parser.add_argument("--packages", type=Path, default=None, help="as in training, for the classifiers' pictures")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="looks takes most of the time")
    arguments = parser.parse_args()
    editor = load_editor("embedded", arguments.ckpt, "cpu")
    subjects = [Subject(clip, editor, NOUNS.get(clip.name, clip.name)) for clip in map(load_clip, clip_folders())]
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
