"""Latents as an exact cosine transform of blocks of pixels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from .drawing import LUMA

LATENT_PX = 4  # sides of the block of pixels that a latent stands for
# The latent channels: axis in colour space, rows and columns of a 4 x 4 cosine transform, and a gain that brings each
# to about the same spread, since noise drowns what is faint.
BLUE, RED = np.array([0, 0, 1]) - LUMA, np.array([1, 0, 0]) - LUMA
LATENT_TERMS = (
    (LUMA, 0, 0, 4.0),
    (LUMA, 0, 1, 14.0),
    (LUMA, 1, 0, 14.0),
    (LUMA, 1, 1, 26.0),
    (LUMA, 0, 2, 26.0),
    (LUMA, 2, 0, 26.0),
    (LUMA, 1, 2, 36.0),
    (LUMA, 2, 1, 36.0),
    (BLUE, 0, 0, 5.0),
    (BLUE, 0, 1, 26.0),
    (BLUE, 1, 0, 26.0),
    (RED, 0, 0, 5.0),
    (RED, 0, 1, 26.0),
    (RED, 1, 0, 26.0),
)
LATENT_CHANNELS = len(LATENT_TERMS)
LIGHT_CHANNELS = tuple(i for i, (axis, *_) in enumerate(LATENT_TERMS) if axis is LUMA)
MEAN_CHANNELS = tuple(i for i, (_, rows, columns, _) in enumerate(LATENT_TERMS) if rows == columns == 0)


def block_transform() -> Tensor:
    """LATENT_TERMS as a kernel [terms, 12, 2, 2] upon pixels in 2 x 2 blocks of three colours each."""
    kernel = torch.zeros(LATENT_CHANNELS, 12, 2, 2)
    for channel, (axis, rows, columns, gain) in enumerate(LATENT_TERMS):
        for y in range(4):
            for x in range(4):
                basis = np.cos((2 * y + 1) * rows * np.pi / 8) * np.cos((2 * x + 1) * columns * np.pi / 8)
                base = 3 * (2 * (y % 2) + x % 2)
                weight = torch.tensor(axis * basis * gain / 16, dtype=torch.float32)
                kernel[channel, base : base + 3, y // 2, x // 2] = weight
    return kernel


def build_vae() -> AutoencoderTiny:
    """Picture [-1, 1] to latents at a quarter of the size and back.

    The encoder has no blocks between its convolutions, so it is linear: an exact cosine transform that needs no
    training. Four pixels a latent keep a line where it is; the decoder adds the sharpness.
    """
    vae = AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(0, 0, 0),
        decoder_block_out_channels=(32, 32, 32),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )
    set_cosine_transform(vae)
    return vae


def set_cosine_transform(vae: AutoencoderTiny) -> None:
    """Write LATENT_TERMS into the linear encoder."""
    first, strided, transform, last = [layer for layer in vae.encoder.layers if isinstance(layer, nn.Conv2d)]
    for parameter in vae.encoder.parameters():
        nn.init.zeros_(parameter)
    colours = torch.eye(3)
    with torch.no_grad():
        first.weight[:3, :, 1, 1] = colours
        for y in range(2):
            for x in range(2):  # space to depth: 3 -> 12 channels
                base = 3 * (2 * y + x)
                strided.weight[base : base + 3, :3, 1 + y, 1 + x] = colours
        transform.weight[:LATENT_CHANNELS, :12, 1:, 1:] = block_transform()
        last.weight[:, :LATENT_CHANNELS, 1, 1] = torch.eye(LATENT_CHANNELS)
        assert last.bias is not None  # it was built with one
        last.bias[0] = -LATENT_TERMS[0][3] / 2  # mid-grey is the zero latent


def to_latents(vae: AutoencoderTiny, pictures: Tensor) -> Tensor:
    """Pictures [n, 3, H, W] in [0, 1] to scaled latents [n, 14, H / 4, W / 4]."""
    return vae.encode(pictures * 2 - 1).latents * vae.config.scaling_factor


def light_latents(lightness: Tensor) -> Tensor:
    """Grey pictures [n, 1, H, W] to their LIGHT_CHANNELS, [n, 8, H / 4, W / 4]: without an encoder, up to a factor."""
    along = torch.cos((2 * torch.arange(4)[None] + 1) * torch.arange(4)[:, None] * torch.pi / 8)
    terms = [LATENT_TERMS[channel][1:] for channel in LIGHT_CHANNELS]
    kernel = torch.stack([gain / 16 * along[rows][:, None] * along[columns] for rows, columns, gain in terms])
    return F.conv2d(lightness, kernel[:, None].to(lightness), stride=LATENT_PX)


def block_colours(latents: Tensor) -> Tensor:
    """Latents [n, 14, h, w] to the mean RGB, in [0, 1], of the pixels each stands for, [n, 3, h, w].

    Without the decoder, and exact: three of the encoder's channels are this mean along three axes.
    """
    means = list(MEAN_CHANNELS)
    axes = np.stack([LATENT_TERMS[channel][0] * LATENT_TERMS[channel][3] for channel in means])
    values = latents[:, means] + latents.new_tensor([LATENT_TERMS[0][3] / 2, 0, 0])[:, None, None]  # zero is mid-grey
    return torch.einsum("ij,njhw->nihw", latents.new_tensor(np.linalg.inv(axes)), values)
