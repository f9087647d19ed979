"""Train the embedded model: `python -m training.embedded.train --out ckpt/embedded --work DIR`.

First the decoder, then the text encoder from captions alone, then UNet and ControlNet together. The work folder holds
everything needed to go on: run the same command again and training continues where it stopped. Without a work folder
the exported model alone is taken further. Several processes, one a core or a device, train together on shares of each
batch: `torchrun --nproc-per-node 2 -m training.embedded.train ...`.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
import torch.distributed as dist
from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from ..losses import balance, lab_loss
from .autoencoder import train_decoder
from .captions import KINDS, build_tokenizer, tokenize, unknown_tokens
from .master import MasterWeights, working_type
from .model import (
    NATIVE_SIZE,
    EmbeddedModel,
    block_colours,
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_unet,
    build_vae,
    embedding,
)
from .pool import Pool, start_maker
from .words import teach_words

log = logging.getLogger(__name__)
CHROMA = 2.5  # weight of the two chroma channels' error: few of the latents, but they are what most words name
HIDDEN, HIDDEN_SHARE = 0.85, 0.4  # times from here on, drawn by this share of pictures


@dataclass(frozen=True)
class Options:
    """One training run."""

    out: Path
    work: Path
    minutes: float = 60.0
    steps: int = 0  # where given, the run takes so many steps, however long they take
    decoder_minutes: float = 10.0
    word_steps: int = 400
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


def train(options: Options) -> None:
    """Train for `options.minutes` or `options.steps`, saving checkpoint and export as it goes."""
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    model = build_model(options)
    nets = [model.unet, model.controlnet]
    weights = MasterWeights([parameter for net in nets for parameter in net.parameters()])
    for net in nets:
        net.to(working_type(options.device), memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(weights.masters, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    step, seconds = load_checkpoint(options, optimizer, weights)
    maker = start_maker()
    shared = (model.vae, TokenIds(model.tokenizer), maker)
    rank, world = team()
    batch, first_seed = options.batch // world, options.seed * 10**7 + rank * 2 * 10**9
    small = Pool(128, 3000, batch // 4, first_seed + step * (batch // 4), *shared)
    large = Pool(256, 600, 1, first_seed + 10**9 + step, *shared)
    empty = shared[1]([""])[0]
    first, begin, last, mean = step, time.monotonic(), time.monotonic(), None
    while (done := (step - first) / options.steps if options.steps else share_of(options.minutes, begin)) < 1:
        is_large = np.random.default_rng((options.seed, step)).random() < options.large_share
        rng = np.random.default_rng((options.seed, step, rank))
        pool, count = (large, batch // 4) if is_large else (small, batch)
        latents, hints, ids = pool.draw(count, rng)
        ids[torch.from_numpy(rng.random(count) < options.dropout)] = empty
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 100, (1 - done) / options.cooldown)
        generator = torch.Generator().manual_seed(first_seed + step)
        loss = diffusion_loss(model, latents, hints, ids, generator, options.device, options.colour)
        loss.backward()
        weights.take_gradients()
        nn.utils.clip_grad_norm_(weights.masters, 1.0)
        optimizer.step()
        weights.publish()
        weights.update_average(step)
        step += 1
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 25 == 0 and rank == 0:
            seconds, last = seconds + time.monotonic() - last, time.monotonic()
            log.info("step %d loss %.4f seconds %.0f", step, mean, seconds)
            write_row(options.work / "log.csv", step, mean, seconds)
        if step % options.save_every == 0 and rank == 0:
            save(options, model, optimizer, weights, step, seconds)
    maker.shutdown(cancel_futures=True)
    if rank == 0:
        save(options, model, optimizer, weights, step, seconds + time.monotonic() - last)


def team() -> tuple[int, int]:
    """This process's number among those that `torchrun` started to train together, and how many they are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share_of(minutes: float, begin: float) -> float:
    """The share of the run that is over; the first process's clock counts for all."""
    done = torch.tensor((time.monotonic() - begin) / (60 * max(minutes, 1e-9)))
    if dist.is_initialized():
        dist.broadcast(done, 0)
    return done.item()


class TokenIds:
    """Captions -> ids [n, 77], where every word without a meaning of its own is the unknown word."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self.tokenizer = tokenizer
        self.canonical = torch.arange(len(tokenizer))
        self.canonical[unknown_tokens(tokenizer)] = tokenizer.unk_token_id

    def __call__(self, captions: list[str]) -> Tensor:
        """Ids of the captions."""
        return self.canonical[tokenize(self.tokenizer, captions)]


def build_model(options: Options) -> EmbeddedModel:
    """The model in `options.out` where there is one, else a new one whose text encoder has learnt its words."""
    torch.manual_seed(options.seed)
    out, device = options.out, options.device
    if (out / "unet").is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
        text = CLIPTextModel.from_pretrained(out / "text_encoder", torch_dtype=torch.float32)
        unet, controlnet, vae = (
            kind.from_pretrained(out / name, torch_dtype=torch.float32)
            for name, kind in (
                ("unet", UNet2DConditionModel),
                ("controlnet", ControlNetModel),
                ("vae", AutoencoderTiny),
            )
        )
    else:
        tokenizer = build_tokenizer()
        text = build_text_encoder(tokenizer)
        unet, controlnet, vae = build_unet(), build_controlnet(), build_vae()
        teach_words(text, TokenIds(tokenizer), options.word_steps, options.seed)
        share_unknown(text, tokenizer)
    # Trained along with the rest, the encoder would merge words that the UNet cannot yet tell apart, for good.
    text.requires_grad_(False)
    if options.decoder_minutes:
        train_decoder(vae.to(device), options.decoder_minutes, options.seed, device)
    vae.requires_grad_(False)
    unet, controlnet, vae, text = (net.to(device) for net in (unet, controlnet, vae, text))
    return EmbeddedModel(unet, controlnet, vae, text, tokenizer, build_scheduler())


def share_unknown(text: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
    """Give every token without a meaning the unknown token's embedding."""
    table = embedding(text, "token")
    with torch.no_grad():
        table[unknown_tokens(tokenizer)] = table[tokenizer.unk_token_id].clone()


def diffusion_loss(
    model: EmbeddedModel,
    latents: Tensor,
    hints: Tensor,
    ids: Tensor,
    generator: torch.Generator,
    device: str,
    colour: float = 0.0,
) -> Tensor:
    """Squared error of the predicted velocity, and the colour loss where it is asked for.

    Latents are [n, 8, h, w], hints [n, 3, H, W], ids [n, 77]. The colour loss is of the clean picture's block means,
    balanced so that its gradient at the UNet's output has `colour` times the length of the velocity's. Processes that
    train together balance each its own share of the batch.
    """
    # Only where the noise hides every colour are words needed, and that is a small part of the schedule: with
    # uniform times four pictures of five would teach nothing about words.
    place, kind = torch.rand(2, len(latents), generator=generator)
    place = torch.where(kind < HIDDEN_SHARE, HIDDEN + (1 - HIDDEN) * place, place)
    noise = torch.randn(latents.shape, generator=generator).to(device)
    latents, times = latents.to(device), (place * 1000).long().clamp(max=999).to(device)
    noisy = model.scheduler.add_noise(latents, noise, times)
    target = model.scheduler.get_velocity(latents, noise, times)
    dtype = model.unet.dtype
    with torch.no_grad():
        text = model.text_encoder(ids.to(device)).last_hidden_state.to(dtype)
    given = noisy.to(dtype, memory_format=torch.channels_last)
    down, middle = model.controlnet(given, times, text, hints.to(device, dtype), return_dict=False)
    velocity = model.unet(
        given, times, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
    ).sample.float()
    weights = torch.ones(latents.shape[1], device=device)
    weights[-2:] = CHROMA
    loss = ((velocity - target).square().mean((0, 2, 3)) * weights).mean()
    if colour:
        clean = clean_latents(model.scheduler, noisy, velocity, times)
        off = lab_loss(block_colours(clean), block_colours(latents))
        loss = loss + colour * balance(loss, off, velocity) * off
    return loss


def clean_latents(scheduler: DDIMScheduler, noisy: Tensor, velocity: Tensor, times: Tensor) -> Tensor:
    """The clean latents that noisy ones and a velocity, all [n, 8, h, w], amount to at times [n]."""
    # sqrt(alpha) noisy - sqrt(1 - alpha) velocity: the turn that made the velocity, made once more.
    return scheduler.get_velocity(velocity, noisy, times)


def save(
    options: Options,
    model: EmbeddedModel,
    optimizer: torch.optim.Optimizer,
    weights: MasterWeights,
    step: int,
    seconds: float,
) -> None:
    """Write the checkpoint, and the averaged weights as diffusers folders."""
    state = {"step": step, "seconds": seconds, "optimizer": optimizer.state_dict(), **weights.state()}
    partial = options.work / "checkpoint.pt.partial"
    torch.save(state, partial)
    partial.replace(options.work / "checkpoint.pt")
    with weights.averaged([model.unet, model.controlnet]):
        model.save(options.out)
    if (options.work / "log.csv").is_file():
        shutil.copy2(options.work / "log.csv", options.out / "training.csv")
    (options.out / "model.json").write_text(json.dumps(describe(step, seconds), indent=2) + "\n")
    log.info("saved step %d", step)


def describe(step: int, seconds: float) -> dict[str, object]:
    """What a user interface may tell about the model."""
    return {
        "name": "embedded",
        "description": (
            "A very small text-to-image model with a canny ControlNet, trained from scratch on procedural "
            "pictures: it recolours and restyles what the lines draw, in ink and wash, and knows only the words "
            "below; it is no Stable Diffusion."
        ),
        "licence": "Apache-2.0",
        "hint": "canny",
        "options": {"resolution": NATIVE_SIZE, "guidance": 2.0},
        "vocabulary": {kind: {look: list(words) for look, words in table.items()} for kind, table in KINDS.items()},
        "trained_steps": step,
        "trained_seconds": round(seconds),
    }


def load_checkpoint(options: Options, optimizer: torch.optim.Optimizer, weights: MasterWeights) -> tuple[int, float]:
    """Read back the work folder's checkpoint; returns steps and seconds trained so far."""
    path = options.work / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location=options.device, weights_only=True)
    weights.restore(state)
    optimizer.load_state_dict(state["optimizer"])
    log.info("continuing at step %d", state["step"])
    return state["step"], state["seconds"]


def write_row(path: Path, step: int, loss: float, seconds: float) -> None:
    """Append to the training log."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(("step", "loss", "seconds"))
        writer.writerow((step, f"{loss:.5f}", f"{seconds:.0f}"))


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
    parser.add_argument("--device", default=Options.device, help="cpu or cuda")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--threads", type=int, default=Options.threads)
    parser.add_argument("--batch", type=int, default=Options.batch)
    parser.add_argument("--large-share", type=float, default=Options.large_share, help="share of 256-pixel steps")
    parser.add_argument("--rate", type=float, default=Options.rate, help="learning rate")
    parser.add_argument("--colour", type=float, default=Options.colour, help="pull of the colour loss, 0 for none")
    parser.add_argument("--cooldown", type=float, default=Options.cooldown, help="last share, in which the rate falls")
    return Options(**vars(parser.parse_args()))


def main() -> None:
    """Command-line entry."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    diffusers.utils.logging.set_verbosity_error()
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    train(parse_options())


if __name__ == "__main__":
    main()
