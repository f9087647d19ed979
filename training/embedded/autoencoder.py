"""The decoder's training. The encoder is a fixed cosine transform, so this can run before or beside the rest."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor

from .data import make_sample
from .library import Library
from .master import working_type

log = logging.getLogger(__name__)
RATE = 2e-3
SEEDS_FROM = 10**11  # its pictures are not the diffusion model's


def train_decoder(vae: AutoencoderTiny, minutes: float, seed: int, device: str, library: Library) -> float:
    """Train for so long; returns the last mean absolute error of pictures in [0, 1].

    A little noise on the latents prepares the decoder for generated ones.
    """
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), lr=RATE, weight_decay=0.0, betas=(0.9, 0.98))
    batches, dtype = picture_batches(seed, device, library), working_type(device)
    begin, error, step = time.monotonic(), 1.0, 0
    while (done := (time.monotonic() - begin) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 30) * (1 - 0.95 * done)
        pictures = next(batches)
        latents = vae.encode(pictures * 2 - 1).latents
        noise = torch.randn_like(latents) * 0.1 * torch.rand(latents.shape[0], 1, 1, 1, device=latents.device)
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            output = (vae.decode(latents + noise).sample.float() + 1) / 2
        absolute = (output - pictures).abs().mean()
        loss = absolute + slope_error(output, pictures)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        optimizer.step()
        error, step = 0.98 * error + 0.02 * absolute.item(), step + 1
        if step % 100 == 0:
            log.info("decoder step %d, mean absolute error %.4f", step, error)
    vae.requires_grad_(False)
    return error


def picture_batches(seed: int, device: str, library: Library) -> Iterator[Tensor]:
    """Endless batches [12, 3, 64, 64] of crops of targets and sources."""
    rng, seed = np.random.default_rng(seed), SEEDS_FROM + 10**9 * seed
    pool: list[np.ndarray] = []
    while True:
        for _ in range(2 if pool else 64):
            sample = make_sample(seed, 128, library)
            pool += [sample.target, sample.source] if seed % 2 == 0 else [sample.target]
            seed += 1
        pool = pool[-1500:]
        crops = []
        for index in rng.integers(len(pool), size=12):
            top, left = rng.integers(0, 17, 2) * 4
            crops.append(pool[index][top : top + 64, left : left + 64])
        yield torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().to(device).float() / 255


def slope_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the two pictures' slopes at three scales: keeps edges sharp."""
    total = output.new_zeros(())
    for scale in range(3):
        for axis in (-1, -2):
            total = total + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
        if scale < 2:
            output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
    return total
