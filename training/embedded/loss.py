"""What UNet and ControlNet are trained by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stablevideo.diffusion.schedule import AT_LARGE
from stablevideo.options import HintKind

from ..losses import balance, lab_loss
from .cosine import MEAN_CHANNELS, block_colours
from .model import EmbeddedModel
from .pool import Batch

MEANS = 3.0  # weight of the error of blocks' mean colours: few of the latents, but they are what is seen first
CLOUD_STRENGTH = (0.4, 2.0)  # standard deviation, in latents
HIDDEN = 0.9  # of the times: from here on noise hides everything
HIDDEN_SHARES = (0.2, 0.7)  # of pictures with a texture, and of others, that are shown at those times


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
    # What is to be seen at large is decided where the noise hides everything, which is a small part of the schedule;
    # textures come out of less noise.
    place, kind = torch.rand(2, len(batch.latents), generator=generator)
    share = torch.where(batch.textured, *HIDDEN_SHARES)
    place = torch.where(kind < share, HIDDEN + (1 - HIDDEN) * place, place)
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    latents, times = batch.latents.to(device), (place * 1000).long().clamp(max=999).to(device)
    noisy = model.scheduler.add_noise(latents, noise, times) + clouds(latents.shape, generator).to(device)
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


def clouds(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Smooth fields [n, c, h, w] that hide what samples are like at large, of each sample's own strength.

    Source and words say that; noise says it too, and wrongly: a network that trusts its own noisy samples there paints
    blotches. So it learns to look at them for texture alone.
    """
    count, channels, height, width = shape
    coarse = torch.randn(count, channels, height // AT_LARGE + 2, width // AT_LARGE + 2, generator=generator)
    low, high = CLOUD_STRENGTH
    strength = low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)
    return strength * F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
