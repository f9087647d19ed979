"""What a training run may be told, and its command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from stablevideo.options import HintKind

HINTS: tuple[HintKind, ...] = ("canny", "picture")


@dataclass(frozen=True)
class Options:
    """One training run."""

    out: Path
    work: Path
    minutes: float = 60.0
    steps: int = 0  # where given, the run takes so many steps, however long they take
    decoder_minutes: float = 10.0
    word_steps: int = 3000
    packages: Path | None = None
    hint: HintKind = "picture"
    makers: int = 1
    device: str = "cpu"
    seed: int = 0
    threads: int = 1
    batch: int = 16
    large_share: float = 0.0  # share of steps on 256-pixel pictures, a quarter of the batch each
    rate: float = 1e-3
    cooldown: float = 0.25  # last share of the run, over which the rate falls to nothing
    colour: float = 0.0  # how hard the colour loss pulls, the velocity's being 1; 0: none, else the log holds both
    dropout: float = 0.12  # share of empty captions, for classifier-free guidance
    save_every: int = 200


def parse_options() -> Options:
    """Options from the command line."""
    parser = argparse.ArgumentParser(
        description="Train the embedded model.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the model, as diffusers folders; if there, taken further"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log; run again to continue")
    parser.add_argument("--minutes", type=float, default=Options.minutes, help="how long this run trains")
    parser.add_argument("--steps", type=int, default=Options.steps, help="steps to take, instead of minutes")
    parser.add_argument(
        "--decoder-minutes", type=float, default=Options.decoder_minutes, help="the decoder, before this run"
    )
    parser.add_argument(
        "--word-steps", type=int, default=Options.word_steps, help="text encoder alone, new models only"
    )
    parser.add_argument("--packages", type=Path, default=Options.packages, help="folder of pictures to learn from")
    parser.add_argument("--hint", choices=HINTS, default=Options.hint, help="whose ControlNet is trained")
    parser.add_argument("--makers", type=int, default=Options.makers, help="processes that make samples")
    parser.add_argument("--device", default=Options.device, help="cpu or cuda")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--threads", type=int, default=Options.threads)
    parser.add_argument("--batch", type=int, default=Options.batch)
    parser.add_argument("--large-share", type=float, default=Options.large_share, help="share of 256-pixel steps")
    parser.add_argument("--rate", type=float, default=Options.rate, help="learning rate")
    parser.add_argument("--colour", type=float, default=Options.colour, help="pull of the colour loss, 0 for none")
    parser.add_argument("--cooldown", type=float, default=Options.cooldown, help="last share, in which the rate falls")
    return Options(**vars(parser.parse_args()))
