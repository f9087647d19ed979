"""All words of the embedded model on one picture each, to look at.

    python -m benchmarks.embedded.sheet --out DIR [--ckpt ckpt] [--only SHEET ...]

On the layers of the sample and the bear; on whole frames of wolf and car-turn; on a photograph that was never trained
on (scikit-image's cat); and the sample under canny lines alone, as the paper has it, beside the picture's hint.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import REAL, ROOT, clip_folders
from stablevideo import load_clip, load_editor
from training.embedded.colours import PLAIN
from training.embedded.styles import STYLES
from training.embedded.weather import SCENES

from .subject import (
    ALL_MATERIALS,
    FRAMES,
    NOUNS,
    SCENE_PROMPTS,
    Subject,
    middle_frame,
    painter,
    picture_of,
    squared,
    words_for,
)

SHEETS = ("sample", "bear", "canny", "wolf", "car-turn", "photograph")
CANNY_WORDS = ("red", "golden", "blue", "wooden", "snowy", "oil painting of a")


def scene_words(scene):
    return SCENE_PROMPTS.get(scene, f"{scene} landscape")


def word_sheet(subject, path):
    """Every word on the middle frame: colours, materials, styles on the foreground, scenes and styles behind it."""
    middle = FRAMES // 2
    own = {"keyframes": str(subject.frames[middle])}  # the frame that is shown
    tiles = [("the clip", subject.before[middle])]
    for look in (*PLAIN, *ALL_MATERIALS, *STYLES):
        words = f"{words_for(look)} {subject.noun}"
        tiles.append((words, subject.foreground(words, **own)[1][middle]))
    for words in (*map(scene_words, SCENES), *(f"{words_for(style)} landscape" for style in STYLES)):
        tiles.append((words, subject.background(words)[middle]))
    write_sheet(tiles, path)


def picture_sheet(editor, picture, noun, path):
    """Every word on one picture [3, h, w], painted whole."""
    paint = painter(editor)
    tiles = [("the picture", picture_of(picture))]
    for look in (*PLAIN, *ALL_MATERIALS, *STYLES):
        words = f"{words_for(look)} {noun}"
        tiles.append((words, picture_of(paint(picture, words))))
    tiles += [(words, picture_of(paint(picture, words))) for words in map(scene_words, SCENES)]
    write_sheet(tiles, path)


def canny_sheet(subject, path):
    """The paper's path beside the usual one: an upper row under lines alone, a lower one under the picture."""
    tiles = []
    for kind in ("canny", "picture"):
        for word in CANNY_WORDS:
            words = f"{word} {subject.noun}"
            edited = subject.foreground(words, hints=kind, keyframes=str(subject.frames[FRAMES // 2]))[1]
            tiles.append((f"{kind}: {words}", edited[FRAMES // 2]))
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


def photograph(side=256):
    """scikit-image's cat, which training never sees, [3, h, w]."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / "chelsea.png"
    return squared(cv2.imread(str(path))[..., ::-1], side)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--format", default="png", choices=("png", "jpg"))
    parser.add_argument("--only", nargs="+", choices=SHEETS, default=SHEETS)
    arguments = parser.parse_args()
    editor = load_editor("embedded", arguments.ckpt, "cpu")
    place = lambda name: arguments.out / f"{name}.{arguments.format}"  # noqa: E731
    for folder in clip_folders():
        subject = Subject(load_clip(folder), editor, NOUNS.get(folder.name, folder.name))
        if folder.name in arguments.only:
            word_sheet(subject, place(folder.name))
        if folder.name == "sample" and "canny" in arguments.only:
            canny_sheet(subject, place("canny"))
    for name, noun in (("wolf", "wolf"), ("car-turn", "car")):
        for video in sorted((REAL / "videos").glob(f"{name}.mp4")) if name in arguments.only else []:
            picture_sheet(editor, middle_frame(video), noun, place(name))
    if "photograph" in arguments.only:
        picture_sheet(editor, photograph(), "cat", place("photograph"))


if __name__ == "__main__":
    main()
