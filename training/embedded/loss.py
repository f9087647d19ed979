"""What UNet and ControlNet are trained by."""

from __future__ import annotations

import torch
from torch import Tensor

from stablevideo.options import HintKind

from ..losses import balance, lab_loss
from .cosine import LIGHT_CHANNELS, MEAN_CHANNELS, block_colours, light_latents
from .model import EmbeddedModel
from .pool import Batch

# Weights of errors, those of colour inside of a block being 1: of blocks' mean colours, few of the latents but seen
# first, and of the light and shade inside of blocks, faint but all that tells stone from wood.
MEANS, LIGHT = 3.0, 3.0
GRAIN = 20.0  # and of what of the error runs along a grain of the sheet


def diffusion_loss(
    model: EmbeddedModel,
    hint: HintKind,
    batch: Batch,
    generator: torch.Generator,
    device: str,
    colour: float = 0.0,
) -> Tensor:
    """Squared error of the predicted clean latents, more of it along the grain, and the colour loss where asked for.

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
    importance[list(LIGHT_CHANNELS)], importance[list(MEAN_CHANNELS)] = LIGHT, MEANS
    weights = batch.weights.to(device)
    squared = (clean - latents).square() * importance[:, None, None] * weights
    along = grain_error((clean - latents)[:, list(LIGHT_CHANNELS)], batch.hints[:, 3:].to(device), weights)
    loss = (squared.sum() + GRAIN * along.sum()) / (weights.sum() * importance.sum())
    if colour:
        off = lab_loss(block_colours(clean), block_colours(latents))
        loss = loss + colour * balance(loss, off, clean) * off
    return loss


def grain_error(error: Tensor, grains: Tensor, weights: Tensor) -> Tensor:
    """What of the error [n, c, h, w] of light runs along each grain [n, k, H, W], squared: [n, k].

    Whether a word takes of a grain is one number in a picture of thousands. Text and grain have to meet in it, and
    neither learns before the other does: in the plain error that saddle holds a network for tens of thousands of steps.
    """
    seen = light_latents(grains.flatten(0, 1)[:, None]).unflatten(0, grains.shape[:2])
    weights = weights[:, None]
    seen = seen - (weights * seen).sum((-2, -1), keepdim=True) / weights.sum((-2, -1), keepdim=True)
    inside = (weights * error[:, None] * seen).sum((2, 3, 4))
    return inside.square() / (weights * seen.square()).sum((2, 3, 4))
