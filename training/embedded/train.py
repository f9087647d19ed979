"""Train the embedded model: `python -m training.embedded.train --packages DIR --out ckpt/embedded --work DIR`.

First the decoder, then the text encoder from captions alone, then UNet and the ControlNet of the picture together; with
`--hint canny`, the ControlNet of lines beside a UNet that stays as it is. `--packages` is a folder of pictures to learn
from (`library.py` says which); without it there are fewer. The work folder holds everything needed to go on: run the
same command again and training continues where it stopped. Without a work folder the exported model alone is taken
further. Several processes, one a core or a device, train together on shares of each batch:
`torchrun --nproc-per-node 2 -m training.embedded.train ...`.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from dataclasses import replace

import diffusers
import numpy as np
import torch
import torch.distributed as dist
from diffusers import AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from stablevideo.diffusion.published import CONTROLNET_FOLDERS

from .autoencoder import train_decoder
from .cosine import build_vae
from .library import Library
from .loss import diffusion_loss
from .master import MasterWeights, working_type
from .model import (
    EmbeddedModel,
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_unet,
    embedding,
)
from .options import HINTS, Options, parse_options
from .pool import Pool, start_makers
from .saving import load_checkpoint, save, write_row
from .tokens import TokenIds, build_tokenizer, unknown_tokens
from .words import teach_words

log = logging.getLogger(__name__)


def train(options: Options) -> None:
    """Train for `options.minutes` or `options.steps`, saving checkpoint and export as it goes."""
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    model = build_model(options)
    controlnet = model.controlnets[options.hint]
    nets: list[nn.Module] = [controlnet] if options.hint == "canny" else [model.unet, controlnet]
    for net in (model.unet, controlnet):
        net.requires_grad_(net in nets)
    # What it is shown is exact as it is (`show_hint`); learning would only blur it.
    controlnet.controlnet_cond_embedding.requires_grad_(False)
    weights = MasterWeights([p for net in nets for p in net.parameters() if p.requires_grad])
    # What does not learn is kept as it is: the copy that computes loses bits.
    whole = model if model.unet in nets else replace(model, unet=copy.deepcopy(model.unet))
    for net in (model.unet, controlnet):
        net.to(working_type(options.device), memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(weights.masters, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    step, seconds = load_checkpoint(options, optimizer, weights)
    makers = start_makers(options.makers)
    token_ids = TokenIds(model.tokenizer)
    shared = (options.hint, options.packages, model.vae, token_ids, makers)
    rank, world = team()
    batch, fresh = options.batch // world, max(1, options.batch // (8 * world))
    first_seed = options.seed * 10**7 + rank * 2 * 10**9
    small = Pool(128, 3000, fresh, first_seed + step * fresh, *shared)
    large = Pool(256, 600, 1, first_seed + 10**9 + step, *shared)
    empty = token_ids([""])[0]
    first, begin, last, mean = step, time.monotonic(), time.monotonic(), None
    while (done := (step - first) / options.steps if options.steps else share_of(options.minutes, begin)) < 1:
        is_large = np.random.default_rng((options.seed, step)).random() < options.large_share
        rng = np.random.default_rng((options.seed, step, rank))
        pool, count = (large, batch // 4) if is_large else (small, batch)
        batch_drawn = pool.draw(count, rng)
        batch_drawn.ids[torch.from_numpy(rng.random(count) < options.dropout)] = empty
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 100, (1 - done) / options.cooldown)
        generator = torch.Generator().manual_seed(first_seed + step)
        loss = diffusion_loss(model, options.hint, batch_drawn, generator, options.device, options.colour)
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
            save(options, whole, nets, optimizer, weights, step, seconds)
    makers.shutdown(cancel_futures=True)
    if rank == 0:
        save(options, whole, nets, optimizer, weights, step, seconds + time.monotonic() - last)


def team() -> tuple[int, int]:
    """This process's number among those that `torchrun` started to train together, and how many they are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share_of(minutes: float, begin: float) -> float:
    """The share of the run that is over; the first process's clock counts for all."""
    done = torch.tensor((time.monotonic() - begin) / (60 * max(minutes, 1e-9)))
    if dist.is_initialized():
        dist.broadcast(done, 0)
    return done.item()


def build_model(options: Options) -> EmbeddedModel:
    """The model in `options.out` where there is one, else a new one whose text encoder has learnt its words."""
    torch.manual_seed(options.seed)
    out, device = options.out, options.device
    if (out / "unet").is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
        text = CLIPTextModel.from_pretrained(out / "text_encoder", torch_dtype=torch.float32)
        unet = UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=torch.float32)
        vae = AutoencoderTiny.from_pretrained(out / "vae", torch_dtype=torch.float32)
        controlnets = {
            kind: ControlNetModel.from_pretrained(out / CONTROLNET_FOLDERS[kind], torch_dtype=torch.float32)
            for kind in HINTS
        }
    else:
        tokenizer = build_tokenizer()
        text = build_text_encoder(tokenizer)
        unet, vae = build_unet(), build_vae()
        controlnets = {kind: build_controlnet() for kind in HINTS}
        teach_words(text, TokenIds(tokenizer), options.word_steps, options.seed)
        share_unknown(text, tokenizer)
    # Trained along with the rest, the encoder would merge words that the UNet cannot yet tell apart, for good.
    text.requires_grad_(False)
    if options.decoder_minutes:
        train_decoder(vae.to(device), options.decoder_minutes, options.seed, device, Library(options.packages))
    vae.requires_grad_(False)
    for net in (unet, vae, text, *controlnets.values()):
        net.to(device)
    return EmbeddedModel(unet, controlnets, vae, text, tokenizer, build_scheduler())


def share_unknown(text: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
    """Give every token without a meaning the unknown token's embedding."""
    table = embedding(text, "token")
    with torch.no_grad():
        table[unknown_tokens(tokenizer)] = table[tokenizer.unk_token_id].clone()


def main() -> None:
    """Command-line entry."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    diffusers.utils.logging.set_verbosity_error()
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    train(parse_options())


if __name__ == "__main__":
    main()
