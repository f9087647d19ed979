"""A ControlNet's first look at its hint: exact, and not learnt, for the picture as for the grain beside it."""

from __future__ import annotations

import itertools

import torch
from diffusers import ControlNetModel
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

from stablevideo.diffusion.grain import GRAINS, SHEET_PX, sheet

from .cosine import LATENT_CHANNELS, LATENT_TERMS, block_transform

# What of each grain a ControlNet sees from the start: signs of the quarters of a block, and which of these tell most.
HAAR = {"mean": (1, 1, 1, 1), "across": (1, -1, 1, -1), "down": (1, 1, -1, -1), "both": (1, -1, -1, 1)}
GRAIN_TERMS = {
    "rows": ("mean", "down"),
    "columns": ("mean", "across"),
    "round": ("mean", "across", "down"),
    "veins": tuple(HAAR),
    "stones": tuple(HAAR),
    "wrinkles": tuple(HAAR),
    "bricks": tuple(HAAR),
    "stripes": ("mean", "across", "down"),
    "dots": tuple(HAAR),
    "checks": ("mean",),
}
HIGH = 2.0  # above zero


@torch.no_grad()
def pairs(weight: Tensor, kernel: Tensor, at: tuple[int, int], paired_input: bool = True) -> None:
    """Write a linear map into a convolution whose values travel as (x, -x): [2 n, 2 m, 3, 3] from [n, m, h, w].

    The kernel's first element comes to lie at `at`. Further channels stay as they are, and are not listened to.
    """
    n, m, height, width = kernel.shape
    placed = torch.zeros(n, m, *weight.shape[2:])
    placed[..., at[0] : at[0] + height, at[1] : at[1] + width] = kernel
    placed = torch.cat([placed, -placed], 0)
    if paired_input:
        placed = torch.cat([placed, -placed], 1)
    weight[: 2 * n] = 0
    weight[: 2 * n, : placed.shape[1]] = placed


@torch.no_grad()
def show_hint(controlnet: ControlNetModel) -> None:
    """Let the first channels of the hint's embedding be the latents of the picture, exactly, and the next its grain."""
    layers = controlnet.controlnet_cond_embedding
    for layer in (layers.conv_in, *layers.blocks, layers.conv_out):
        nn.init.zeros_(layer.bias)
    nn.init.normal_(layers.conv_out.weight, std=0.5 * layers.conv_out.weight[0].numel() ** -0.5)
    show_cosine_transform(layers)
    show_grain(layers)


@torch.no_grad()
def show_cosine_transform(layers: ControlNetConditioningEmbedding) -> None:
    """The picture's part of `show_hint`.

    Between the convolutions lies x sigmoid(x), of which f(x) - f(-x) = x: each value travels as a pair.
    """
    colours, quarters, terms = 3, 12, LATENT_CHANNELS
    pairs(layers.conv_in.weight, torch.eye(colours)[..., None, None], at=(1, 1), paired_input=False)
    pairs(layers.blocks[0].weight, torch.eye(colours)[..., None, None], at=(1, 1))
    depth = torch.zeros(quarters, colours, 2, 2)
    for y in range(2):
        for x in range(2):
            depth[3 * (2 * y + x) : 3 * (2 * y + x) + 3, :, y, x] = torch.eye(colours)
    pairs(layers.blocks[1].weight, depth, at=(1, 1))
    pairs(layers.blocks[2].weight, torch.eye(quarters)[..., None, None], at=(1, 1))
    pairs(layers.blocks[3].weight, block_transform(), at=(1, 1))
    out = layers.conv_out.weight
    out[:terms] = 0
    out[:terms, :terms, 1, 1], out[:terms, terms : 2 * terms, 1, 1] = torch.eye(terms), -torch.eye(terms)
    layers.conv_out.bias[:1] = -LATENT_TERMS[0][3] / 2  # mid-grey is the zero latent


@torch.no_grad()
def show_grain(layers: ControlNetConditioningEmbedding) -> None:
    """The grain's part of `show_hint`: of each the GRAIN_TERMS, which are exact for pairs of pixels.

    Grain travels high above zero, where x sigmoid(x) is nearly straight; the last layer takes that off again.
    """
    count, first, second, third = len(GRAINS), 6, 24, 2 * LATENT_CHANNELS  # where the picture's channels end
    grains = torch.eye(count)
    for layer, begin, place, kernel in (
        (layers.conv_in, 3, first, torch.ones(1, 1)),
        (layers.blocks[0], first, first, torch.ones(1, 1)),
        (layers.blocks[1], first, second, torch.full((2, 2), 0.25)),
        (layers.blocks[2], second, second, torch.ones(1, 1)),
    ):
        high, wide = kernel.shape
        layer.weight[place : place + count] = 0
        layer.weight[place : place + count, begin : begin + count, 1 : 1 + high, 1 : 1 + wide] = (
            grains[..., None, None] * kernel
        )
    layers.conv_in.bias[first : first + count] = HIGH
    quarters = layers.blocks[3].weight
    quarters[third : third + 4 * count] = 0
    for number in range(count):
        for quarter, (y, x) in enumerate(itertools.product((1, 2), repeat=2)):
            quarters[third + 4 * number + quarter, second + number, y, x] = 1
    out = layers.conv_out
    terms = [(number, HAAR[term]) for number, name in enumerate(GRAINS) for term in GRAIN_TERMS[name]]
    rows = slice(LATENT_CHANNELS, LATENT_CHANNELS + len(terms))
    out.weight[rows] = 0
    for row, (number, signs) in enumerate(terms, LATENT_CHANNELS):
        at = third + 4 * number
        out.weight[row, at : at + 4, 1, 1] = torch.tensor(signs, dtype=torch.float32)
    seen = layers(torch.cat([torch.zeros(3, SHEET_PX, SHEET_PX), sheet()])[None])[0, rows].flatten(1)
    out.weight[rows] /= seen.std(1)[:, None, None, None]  # to unit variance, as latents have
    out.bias[rows] = -seen.mean(1) / seen.std(1)
