"""What UNet and ControlNet are trained by."""

from __future__ import annotations

import torch
from torch import Tensor

from stablevideo.options import HintKind

from ..losses import balance, lab_loss
from .cosine import MEAN_CHANNELS, block_colours
from .model import EmbeddedModel
from .pool import Batch

MEANS = 3.0  # weight of the error of blocks' mean colours: few of the latents, but they are what is seen first


def diffusion_loss(
    model: EmbeddedModel,
    hint: HintKind,
    batch: Batch,
    generator: torch.Generator,
    device: str,
    colour: float = 0.0,
) -> Tensor:
    """Squared error of the predicted clean latents, and the colour loss where it is asked for.

    The colour loss is of the clean picture's block means, balanced so that its gradient at the UNet's output has
    `colour` times the length of the other's. Processes that train together balance each its own share of the batch.
    """
    place = torch.rand(len(batch.latents), generator=generator)
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    latents, times = batch.latents.to(device), (place * 1000).long().clamp(max=999).to(device)
    noisy = model.scheduler.add_noise(latents, noise, times)
    dtype = model.unet.dtype
    with torch.no_grad():
        text = model.text_encoder(batch.ids.to(device)).last_hidden_state.to(dtype)
    given = model.scheduler.scale_model_input(noisy, times).to(dtype, memory_format=torch.channels_last)
    shown = batch.hints.to(device, dtype, memory_format=torch.channels_last)
    down, middle = model.controlnets[hint](given, times, text, shown, return_dict=False)
    clean = model.unet(
        given, times, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
    ).sample.float()
    importance = torch.ones(latents.shape[1], device=device)
    importance[list(MEAN_CHANNELS)] = MEANS
    weights = batch.weights.to(device)
    squared = (clean - latents).square() * importance[:, None, None] * weights
    loss = squared.sum() / (weights.sum() * importance.sum())
    if colour:
        off = lab_loss(block_colours(clean), block_colours(latents))
        loss = loss + colour * balance(loss, off, clean) * off
    return loss
