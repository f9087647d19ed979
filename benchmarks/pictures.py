"""The moving picture at the top of the README: the sample clip, edited in words by the embedded model.

    python -m benchmarks.pictures [--out docs/result.webp]

The clip as it is, and four edits of both layers, one after the other, each with its words; every second frame.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.report import ROOT
from stablevideo import BackgroundOptions, ForegroundOptions, edit_background, edit_foreground, load_clip, load_editor

EDITS = (("", ""), ("a red car", "autumn scene"), ("a wooden car", "snowy landscape"),
         ("a yellow car", "landscape at sunset"), ("a purple car", "landscape at night"))  # fmt: skip
WIDTH_PX, EVERY, FRAME_MS, QUALITY = 576, 2, 70, 72
LABEL_PX = 34


def edited(clip, editor, foreground, background):
    """Frames [n, h, w, 3] uint8 of the clip with these words on its layers."""
    atlases, own = {}, {**editor.spec.defaults, "seed": 1}
    if foreground:
        atlases["foreground"] = edit_foreground(clip, foreground, editor, ForegroundOptions(**own)).atlas
    if background:
        atlases["background"] = edit_background(clip, background, editor, BackgroundOptions(**own)).atlas
    frames = torch.cat(list(clip.render(frames=list(range(0, clip.frame_count, EVERY)), **atlases)))
    return (frames.permute(0, 2, 3, 1) * 255).round().byte().numpy()


def labelled(frame, words, font):
    """A frame, and under it the words that made it."""
    picture = Image.fromarray(frame)
    picture = picture.resize((WIDTH_PX, round(WIDTH_PX * picture.height / picture.width)), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (WIDTH_PX, picture.height + LABEL_PX), (24, 24, 27))
    whole.paste(picture)
    ImageDraw.Draw(whole).text((12, picture.height + 8), words, (244, 244, 245), font)
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "result.webp")
    parser.add_argument("--ckpt", type=Path, default=ROOT / "ckpt")
    arguments = parser.parse_args()
    clip, editor = load_clip(ROOT / "data" / "sample"), load_editor("embedded", arguments.ckpt, "cpu")
    font, pictures = ImageFont.load_default(16), []
    for foreground, background in EDITS:
        words = " + ".join(f"“{text}”" for text in (foreground, background) if text) or "the clip"
        pictures += [
            labelled(np.ascontiguousarray(f), words, font) for f in edited(clip, editor, foreground, background)
        ]
    first, *others = pictures
    first.save(arguments.out, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=QUALITY, method=6)
    print(f"{arguments.out}: {len(pictures)} frames, {arguments.out.stat().st_size / 2**20:.2f} MB")


if __name__ == "__main__":
    main()
