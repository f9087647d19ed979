"""What the colour loss does for the embedded model: the shipped one taken further without it and with it.

    python -m benchmarks.colour_loss --work DIR [--steps 200] [--seeds 11 12] [--strengths 0 0.5]

Each run begins at the shipped weights; runs of one seed see the same pictures, noise and times in the same order. The
shipped model itself is the first row. Clean pictures foreseen from noised held-out samples are decoded and compared
with their targets, in Lab, at four depths of noise; and one keyframe of the sample clip is painted in all colour words,
judged as in `benchmarks.embedded`, in half of its steps.
"""

import argparse
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import torch

from benchmarks.embedded.colours import GREYS, is_colour, keyframe_f1
from benchmarks.embedded.subject import picture_of
from benchmarks.report import ROOT, report
from stablevideo import ForegroundOptions, edit_foreground, load_clip, load_editor
from stablevideo.color.spaces import delta_e, rgb_to_lab
from stablevideo.diffusion.grain import grain
from training.embedded.colours import PLAIN
from training.embedded.cosine import to_latents
from training.embedded.data import make_sample
from training.embedded.evaluate import HELD_OUT_SEEDS, hue_distance, target_hue
from training.embedded.library import Library
from training.embedded.options import Options
from training.embedded.pool import to_tensors
from training.embedded.tokens import TokenIds
from training.embedded.train import train

FIRST, COUNT, BATCH, SIZE = HELD_OUT_SEEDS + 10**6, 96, 16, 128  # the held-out samples
FRAME, PAINT_STEPS = 24, 10
HUED = [name for name in PLAIN if name not in GREYS]
RATE = 3e-4  # of the runs: a third of what the model was first trained with
TIMES = (300, 600, 900, 999)  # of 1000: from lightly noised to nothing but noise


def held_out(editor):
    """Batches of targets [n, 3, h, w], hints with their grain [n, 13, h, w], both in [0, 1], and token ids [n, 77]."""
    ids, library = TokenIds(editor.pipeline.tokenizer), Library(None)
    for first in range(FIRST, FIRST + COUNT, BATCH):
        samples = [make_sample(seed, SIZE, library) for seed in range(first, first + BATCH)]
        sources, targets = to_tensors(samples)
        grains = torch.stack([grain((SIZE, SIZE), sample.place) for sample in samples])
        yield targets, torch.cat([sources, grains], 1), ids([sample.caption for sample in samples])


@torch.inference_mode()
def foresee(editor):
    """Errors of the foreseen clean latents and of the decoded picture, by depth of noise."""
    pipeline, generator = editor.pipeline, torch.Generator().manual_seed(0)
    found = {time: [] for time in TIMES}
    for targets, hints, ids in held_out(editor):
        latents, text = to_latents(pipeline.vae, targets), pipeline.text_encoder(ids).last_hidden_state
        noise = torch.randn(latents.shape, generator=generator)
        for time in TIMES:
            times = torch.full((len(latents),), time)
            noisy = pipeline.scheduler.add_noise(latents, noise, times)
            given = pipeline.scheduler.scale_model_input(noisy, times)
            down, middle = editor.controlnet("picture")(given, times, text, hints, return_dict=False)
            clean = pipeline.unet(
                given, times, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
            ).sample
            off = (clean - latents).square().mean()
            pictures = ((pipeline.vae.decode(clean).sample + 1) / 2).clamp(0, 1)
            ours, theirs = rgb_to_lab(pictures), rgb_to_lab(targets)
            lab = (ours - theirs).square().sum(1).sqrt().mean()
            found[time].append([off, lab, delta_e(ours, theirs).mean()])
    return {time: np.mean(rows, 0) for time, rows in found.items()}


def paint_colours(editor):
    """How many colour words come out right, the mean error of hue in degrees, and the mean F1 of edges."""
    clip, right, hues, lines = load_clip(ROOT / "data" / "sample"), 0, [], []
    inside = clip.alpha([FRAME])[0, 0].numpy() > 0.9
    own = {**editor.spec.defaults, "seed": 1, "keyframes": str(FRAME), "steps": PAINT_STEPS}
    for colour in PLAIN:
        edit = edit_foreground(clip, f"a {colour} car", editor, ForegroundOptions(**own))
        frame = picture_of(next(clip.render(foreground=edit.atlas, frames=[FRAME]))[0])
        lines.append(keyframe_f1(edit))
        is_right, hue = is_colour(colour, frame, inside)
        right += is_right
        hues.append(hue_distance(hue, target_hue(PLAIN[colour])) if colour in HUED else np.nan)
    return right, np.nanmean(hues), np.mean(lines)


def judge(ckpt, seed, strength):
    """One row: a model in `ckpt`, by every measure."""
    editor = load_editor("embedded", ckpt, "cpu")
    foreseen = foresee(editor)
    right, hue, lines = paint_colours(editor)
    off, lab, ciede = np.mean(list(foreseen.values()), 0)
    return {
        "seed": seed,
        "colour": strength,
        "latents' error": round(float(off), 5),
        "Lab error": round(float(lab), 3),
        "CIEDE2000": round(float(ciede), 3),
        **{f"Lab error at {time}": round(float(foreseen[time][1]), 3) for time in TIMES},
        "colours right": int(right),
        "hue error": round(float(hue), 2),
        "edge F1": round(float(lines), 3),
    }


def taken_further(work, seed, strength, steps):
    """The shipped model trained on, in a folder of its own -> the ckpt folder it lies in."""
    done = work / f"seed-{seed}-colour-{strength:g}-steps-{steps}"
    if not done.is_dir():
        place = done.with_name(done.name + ".partial")
        shutil.rmtree(place, ignore_errors=True)
        out = place / "ckpt" / "embedded"
        shutil.copytree(ROOT / "ckpt" / "embedded", out)
        options = Options(out, place / "work", steps=steps, decoder_minutes=0, seed=seed, colour=strength)
        train(replace(options, rate=RATE, cooldown=0.5))
        place.rename(done)
    return done / "ckpt"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where the trained models go; those there are kept")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 0.5])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    diffusers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    rows = [judge(ROOT / "ckpt", "-", "shipped")]
    report("embedded-colour-loss", rows)
    for seed in arguments.seeds:
        for strength in arguments.strengths:
            rows.append(judge(taken_further(arguments.work, seed, strength, arguments.steps), seed, strength))
            report("embedded-colour-loss", rows)


if __name__ == "__main__":
    main()
