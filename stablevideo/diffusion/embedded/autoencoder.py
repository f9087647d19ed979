"""The first stage of training: the decoder, and the linear encoder's last refinement."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor

log = logging.getLogger(__name__)


def train_autoencoder(vae: AutoencoderTiny, batches: Iterator[Tensor], minutes: float, freeze_encoder: bool) -> float:
    """Train for so long on pictures [n, 3, H, W] in [0, 1]; returns the last mean absolute error.

    Each latent channel keeps the spread it had: the diffusion model needs a fixed scale. Noise on the latents
    prepares the decoder for generated ones. With the encoder frozen, a trained diffusion model stays valid.
    """
    vae.encoder.requires_grad_(not freeze_encoder)
    groups = [{"params": vae.decoder.parameters(), "lr": 2e-3}]
    if not freeze_encoder:
        groups.append({"params": vae.encoder.parameters(), "lr": 1e-4})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98))
    with torch.no_grad():
        spread = vae.encode(next(batches) * 2 - 1).latents.std((0, 2, 3))
    begin, error, step = time.monotonic(), 1.0, 0
    while (done := (time.monotonic() - begin) / (60 * minutes)) < 1:
        for group, base in zip(optimizer.param_groups, (2e-3, 1e-4), strict=False):
            group["lr"] = base * min(1, step / 30) * (1 - 0.95 * done)
        pictures = next(batches)
        latents = vae.encode(pictures * 2 - 1).latents
        noise = torch.randn_like(latents) * 0.12 * torch.rand(latents.shape[0], 1, 1, 1, device=latents.device)
        output = (vae.decode(latents + noise).sample + 1) / 2
        absolute = (output - pictures).abs().mean()
        drift = (latents.std((0, 2, 3)) - spread).square().mean()
        loss = absolute + slope_error(output, pictures) + 0.5 * drift
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        error, step = 0.98 * error + 0.02 * absolute.item(), step + 1
        if step % 50 == 0:
            log.info("autoencoder step %d, mean absolute error %.4f", step, error)
    vae.requires_grad_(False)
    return error


def slope_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the two pictures' slopes at three scales: keeps edges sharp."""
    total = output.new_zeros(())
    for scale in range(3):
        for axis in (-1, -2):
            total = total + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
        if scale < 2:
            output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
    return total
