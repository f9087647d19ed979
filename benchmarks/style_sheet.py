"""The README's sheet of styles: `python -m benchmarks.style_sheet [CLIP] [-o docs/styles.jpg] [--styles A B ...]`.

A frame of a clip whose layers got each look, with the style picture in its corner.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.report import ROOT
from stablevideo import StyleOptions, load_clip, load_painter
from stablevideo.edit.style import stylize_layers
from stablevideo.style.gallery import style_pictures
from stablevideo.video.pictures import read_picture, resize, to_uint8

SHOWN = ("oil", "watercolour", "mosaic", "stained glass", "pointillism", "waves")
WIDTH_PX, CORNER_PX, GAP_PX, COLUMNS = 640, 120, 6, 3


def cell(clip, frame, path, mode):
    painter = load_painter([path], StyleOptions(mode=mode))
    edits = stylize_layers(clip, {"foreground": painter, "background": painter})
    height = round(WIDTH_PX * clip.size[0] / clip.size[1])
    (shown,) = clip.render(edits["foreground"].atlas, edits["background"].atlas, (height, WIDTH_PX), [frame])
    picture, style = shown[0].clone(), read_picture(path)
    side = min(style.shape[1:])
    small = resize(style[None, :, :side, :side], (CORNER_PX, CORNER_PX))[0]
    picture[:, -CORNER_PX - GAP_PX :, : CORNER_PX + GAP_PX] = 1
    picture[:, -CORNER_PX:, :CORNER_PX] = small
    return to_uint8(picture).permute(1, 2, 0).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, nargs="?", default=ROOT / "data" / "sample")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "styles.jpg")
    parser.add_argument("--styles", type=Path, nargs="*", help="pictures, in place of those that come along")
    parser.add_argument("--mode", default="artistic")
    asked = parser.parse_args()
    clip, paths = load_clip(asked.clip), asked.styles or [style_pictures()[name] for name in SHOWN]
    cells = [cell(clip, clip.frame_count // 2, path, asked.mode) for path in paths]
    line = np.full((len(cells[0]), GAP_PX, 3), 255, np.uint8)
    rows = []
    for first in range(0, len(cells), COLUMNS):
        row = [part for one in cells[first : first + COLUMNS] for part in (one, line)][:-1]
        rows += [np.concatenate(row, 1), np.full((GAP_PX, COLUMNS * (WIDTH_PX + GAP_PX) - GAP_PX, 3), 255, np.uint8)]
    sheet = np.concatenate(rows[:-1])
    cv2.imwrite(str(asked.output), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
