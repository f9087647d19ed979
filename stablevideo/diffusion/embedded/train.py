"""Train the embedded model: `python -m stablevideo.diffusion.embedded.train --out ckpt/embedded --work DIR`.

First the autoencoder, for some minutes; then the text encoder alone; then UNet and ControlNet together.
The work folder holds everything needed to go on: run the same command again and training continues where
it stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from transformers import CLIPTokenizer

from .autoencoder import train_autoencoder
from .captions import KINDS, build_tokenizer, tokenize, unknown_tokens
from .data import make_sample
from .model import (
    LATENT_CHANNELS,
    NATIVE_SIZE,
    EmbeddedModel,
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_unet,
    build_vae,
    embedding,
    to_latents,
)
from .words import teach_words

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """One training run."""

    out: Path
    work: Path
    minutes: float = 60.0
    vae_minutes: float = 8.0
    decoder_minutes: float = 0.0
    word_steps: int = 400
    words_again: bool = False
    device: str = "cpu"
    seed: int = 0
    threads: int = 1
    batch: int = 16
    large_share: float = 0.0  # share of steps on 256-pixel pictures, a quarter of the batch each
    rate: float = 1e-3
    dropout: float = 0.12  # share of empty captions, for classifier-free guidance
    save_every: int = 200


class Pool:
    """The most recent samples as latents, hints and token ids: each is drawn a few times before it goes."""

    def __init__(self, size: int, capacity: int, fresh: int, first_seed: int, model: EmbeddedModel) -> None:
        self.size, self.capacity, self.fresh, self.seed, self.model = size, capacity, fresh, first_seed, model
        self.latents: list[Tensor] = []
        self.hints: list[Tensor] = []
        self.ids: list[Tensor] = []

    def refill(self, count: int) -> None:
        """Make new samples and forget the oldest."""
        samples = [make_sample(self.seed + index, self.size) for index in range(count)]
        self.seed += count
        targets = torch.from_numpy(np.stack([sample.target for sample in samples])).permute(0, 3, 1, 2)
        device = next(self.model.vae.parameters()).device
        with torch.no_grad():
            latents = to_latents(self.model.vae, targets.to(device)).half()
        self.latents = (self.latents + list(latents))[-self.capacity :]
        self.hints = (self.hints + [torch.from_numpy(sample.hint) for sample in samples])[-self.capacity :]
        ids = tokenize(self.model.tokenizer, [sample.caption for sample in samples])
        self.ids = (self.ids + list(ids))[-self.capacity :]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [n, 16, h, w], hints [n, 3, H, W] in {0, 1}, ids [n, 77]."""
        self.refill(self.fresh if self.latents else 16 * self.fresh)
        chosen = rng.integers(len(self.latents), size=count)
        hints = torch.stack([self.hints[i] for i in chosen]).float().div(255)[:, None].expand(-1, 3, -1, -1)
        return (
            torch.stack([self.latents[i] for i in chosen]).float(),
            hints,
            torch.stack([self.ids[i] for i in chosen]),
        )


class Average:
    """A running average of weights: what is exported."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the present weights; slower as training goes on."""
        weight = 1 - min(0.9985, (1 + step) / (12 + step))
        torch._foreach_lerp_(self.values, self.parameters, weight)

    @torch.no_grad()
    def restart(self, parameters: list[nn.Parameter]) -> None:
        """Forget the past of these parameters."""
        chosen = {id(parameter) for parameter in parameters}
        for value, parameter in zip(self.values, self.parameters, strict=True):
            if id(parameter) in chosen:
                value.copy_(parameter)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average with the present weights."""
        for value, parameter in zip(self.values, self.parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)


def build_model(options: Options) -> EmbeddedModel:
    """All parts, newly initialised from the seed; the autoencoder is trained or read back."""
    torch.manual_seed(options.seed)
    tokenizer = load_tokenizer(options.work / "tokenizer")
    unet, controlnet, text = build_unet(), build_controlnet(), build_text_encoder(tokenizer)
    folder = options.work / "vae"
    if not folder.exists():
        vae = build_vae().to(options.device)
        train_autoencoder(vae, picture_batches(options), options.vae_minutes, freeze_encoder=False)
        with torch.no_grad():
            spread = torch.cat([vae.encode(next(picture_batches(options)) * 2 - 1).latents for _ in range(8)]).std()
        vae.register_to_config(scaling_factor=round(1 / spread.item(), 4))
        vae.save_pretrained(folder)
    vae = AutoencoderTiny.from_pretrained(folder).requires_grad_(False).to(options.device)
    if options.decoder_minutes:
        train_autoencoder(vae, picture_batches(options), options.decoder_minutes, freeze_encoder=True)
        vae.save_pretrained(folder)
    parts = [part.to(options.device, memory_format=torch.channels_last) for part in (unet, controlnet)]
    return EmbeddedModel(*parts, vae, text.to(options.device), tokenizer, build_scheduler())


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer of this work folder: ids must not change while training goes on."""
    if not folder.exists():
        build_tokenizer().save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def picture_batches(options: Options) -> Iterator[Tensor]:
    """Endless batches [12, 3, 64, 64] of crops of targets and sources, for the autoencoder."""
    rng, seed = np.random.default_rng(options.seed), 10**9 * (options.seed + 1)
    pool: list[np.ndarray] = []
    while True:
        for _ in range(3 if pool else 64):
            sample = make_sample(seed, 128)
            pool += [sample.target, sample.source] if seed % 4 == 0 else [sample.target]
            seed += 1
        pool = pool[-1500:]
        crops = []
        for index in rng.integers(len(pool), size=12):
            y, x = rng.integers(0, 9, 2) * 8
            crops.append(pool[index][y : y + 64, x : x + 64])
        yield torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().to(options.device)


def diffusion_loss(
    model: EmbeddedModel, latents: Tensor, hints: Tensor, ids: Tensor, generator: torch.Generator
) -> Tensor:
    """Squared error of the predicted velocity; latents [n, 16, h, w], hints [n, 3, H, W], ids [n, 77]."""
    # Only where the noise hides every colour are words needed, and that is a small part of the schedule: with
    # uniform times four pictures of five would teach nothing about words.
    uniform, hidden = torch.rand(2, len(latents), generator=generator)
    start = (torch.rand(len(latents), generator=generator) < 0.45) * 0.85
    times = ((start + (1 - start) * torch.where(start > 0, hidden, uniform)) * 1000).long().clamp(max=999)
    times = times.to(latents.device)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    noisy = model.scheduler.add_noise(latents, noise, times)
    target = model.scheduler.get_velocity(latents, noise, times)
    text = model.text_encoder(ids).last_hidden_state
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    down, middle = model.controlnet(noisy, times, text, hints, return_dict=False)
    output = model.unet(
        noisy, times, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
    ).sample
    return ((output - target).square().mean((0, 2, 3)) * channel_weights(latents.device)).mean()


def channel_weights(device: torch.device) -> Tensor:
    """Weights [16] of mean one: the mean colour of a block is one channel in eight, but it is what words name."""
    weights = torch.ones(LATENT_CHANNELS, device=device)
    weights[0] = 2.0
    weights[[10, 13]] = 5.0
    return weights / weights.mean()


def learning_rate(options: Options, step: int) -> float:
    """Warm up, hold, then fall with the square root of the steps: no end has to be known."""
    return options.rate * min(1.0, (step + 1) / 100) * min(1.0, (2000 / (step + 1)) ** 0.5)


def train(options: Options) -> None:
    """Train for `options.minutes`, saving checkpoint and export as it goes."""
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    model = build_model(options)
    nets = (model.unet, model.controlnet, model.text_encoder)
    parameters = [parameter for net in nets for parameter in net.parameters()]
    average = Average(parameters)
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01)
    step, seconds = load_checkpoint(options, optimizer, parameters, average)
    canonical = torch.arange(len(model.tokenizer))
    canonical[unknown_tokens(model.tokenizer)] = model.tokenizer.unk_token_id
    if options.word_steps and (step == 0 or options.words_again):
        teach_words(model.text_encoder, model.tokenizer, canonical, options.word_steps, options.seed)
        average.restart(list(model.text_encoder.parameters()))
    # Trained along with the rest, the encoder merges words that the UNet cannot yet tell apart, and it never will.
    model.text_encoder.requires_grad_(False)
    small = Pool(128, 3000, 4, options.seed * 10**7 + step * 4, model)
    large = Pool(256, 600, 1, options.seed * 10**7 + 5 * 10**8 + step, model)
    empty = tokenize(model.tokenizer, [""])[0]
    begin, last, mean = time.monotonic(), time.monotonic(), None
    while time.monotonic() - begin < options.minutes * 60:
        rng = np.random.default_rng((options.seed, step))
        generator = torch.Generator().manual_seed(options.seed * 10**7 + step)
        is_large = rng.random() < options.large_share
        pool, count = (large, options.batch // 4) if is_large else (small, options.batch)
        latents, hints, ids = pool.draw(count, rng)
        ids[torch.from_numpy(rng.random(count) < options.dropout)] = empty
        batch = (tensor.to(options.device) for tensor in (latents, hints, canonical[ids]))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(options, step)
        loss = diffusion_loss(model, *batch, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(step)
        step += 1
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 25 == 0:
            seconds, last = seconds + time.monotonic() - last, time.monotonic()
            log.info("step %d loss %.4f seconds %.0f", step, mean, seconds)
            write_row(options.work / "log.csv", step, mean, seconds)
        if step % options.save_every == 0:
            save(options, model, optimizer, average, parameters, step, seconds)
    save(options, model, optimizer, average, parameters, step, seconds + time.monotonic() - last)


def save(
    options: Options,
    model: EmbeddedModel,
    optimizer: torch.optim.Optimizer,
    average: Average,
    parameters: list[nn.Parameter],
    step: int,
    seconds: float,
) -> None:
    """Write the checkpoint, and the averaged weights as diffusers folders."""
    state = {
        "step": step,
        "seconds": seconds,
        "parameters": [parameter.detach() for parameter in parameters],
        "average": average.values,
        "optimizer": optimizer.state_dict(),
    }
    partial = options.work / "checkpoint.pt.partial"
    torch.save(state, partial)
    partial.replace(options.work / "checkpoint.pt")
    average.swap()
    table = embedding(model.text_encoder, "token")
    kept = table.detach().clone()
    with torch.no_grad():
        table[unknown_tokens(model.tokenizer)] = table[model.tokenizer.unk_token_id].clone()
        model.save(options.out)
        shutil.copy2(options.work / "log.csv", options.out / "training.csv")
        (options.out / "model.json").write_text(json.dumps(describe(step, seconds), indent=2) + "\n")
        table.copy_(kept)
    average.swap()
    log.info("saved step %d", step)


def describe(step: int, seconds: float) -> dict[str, object]:
    """What a user interface may tell about the model."""
    return {
        "name": "embedded",
        "description": (
            "A very small text-to-image model with a canny ControlNet, trained from scratch on procedural "
            "pictures: it recolours and restyles what the lines draw, knows only the words below, and its "
            "pictures are simple and soft; it is no Stable Diffusion."
        ),
        "licence": "Apache-2.0",
        "native_resolution": NATIVE_SIZE,
        "hint": "canny",
        "guidance": 3.0,
        "steps": 20,
        "vocabulary": {kind: {look: list(words) for look, words in table.items()} for kind, table in KINDS.items()},
        "trained_steps": step,
        "trained_seconds": round(seconds),
    }


def load_checkpoint(
    options: Options, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], average: Average
) -> tuple[int, float]:
    """Read back the work folder's checkpoint; returns steps and seconds trained so far."""
    path = options.work / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location=options.device, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(parameters, state["parameters"], strict=True):
            parameter.copy_(value)
    average.values = state["average"]
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
    parser.add_argument("--out", type=Path, required=True, help="folder for the diffusers folders")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log; run again to continue")
    parser.add_argument("--minutes", type=float, default=Options.minutes, help="how long this run trains")
    parser.add_argument("--vae-minutes", type=float, default=Options.vae_minutes, help="autoencoder, first run only")
    parser.add_argument(
        "--decoder-minutes", type=float, default=0.0, help="more for the decoder alone, before this run"
    )
    parser.add_argument("--word-steps", type=int, default=Options.word_steps, help="text encoder alone, first run only")
    parser.add_argument("--words-again", action="store_true", help="the text encoder alone once more, before this run")
    parser.add_argument("--device", default=Options.device, help="cpu or cuda")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--threads", type=int, default=Options.threads)
    parser.add_argument("--batch", type=int, default=Options.batch)
    parser.add_argument("--large-share", type=float, default=Options.large_share, help="share of 256-pixel steps")
    parser.add_argument("--rate", type=float, default=Options.rate, help="learning rate")
    return Options(**vars(parser.parse_args()))


def main() -> None:
    """Command-line entry."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(parse_options())


if __name__ == "__main__":
    main()
