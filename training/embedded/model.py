"""The networks: ordinary diffusers and transformers classes, only small."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .drawing import LUMA

LATENT_PX = 4  # sides of the block of pixels that a latent stands for
WIDTHS = (48, 96, 128, 192)
TEXT_WIDTH = 128
NATIVE_SIZE = 256
# The latent channels: axis in colour space, rows and columns of a 4 x 4 cosine transform, and a gain that brings each
# to about the same spread, since noise drowns what is faint.
LATENT_TERMS = (
    (LUMA, 0, 0, 4.0),
    (LUMA, 0, 1, 14.0),
    (LUMA, 1, 0, 14.0),
    (LUMA, 1, 1, 26.0),
    (LUMA, 0, 2, 26.0),
    (LUMA, 2, 0, 26.0),
    (np.array([0, 0, 1]) - LUMA, 0, 0, 5.0),
    (np.array([1, 0, 0]) - LUMA, 0, 0, 5.0),
)
LATENT_CHANNELS = len(LATENT_TERMS)


@dataclass(frozen=True)
class EmbeddedModel:
    """All components of the pipeline."""

    unet: UNet2DConditionModel
    controlnet: ControlNetModel
    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler

    def save(self, folder: Path) -> None:
        """Write float16 diffusers folders; the folder is replaced as a whole."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name, part in vars(self).items():
            if isinstance(part, nn.Module):
                half: Any = copy.deepcopy(part).to(torch.float16)  # training goes on in float32
                half.save_pretrained(partial / name)
            else:
                part.save_pretrained(partial / name)
        for config in partial.glob("*/config.json"):  # where a part was loaded from is nobody's business
            kept = {key: value for key, value in json.loads(config.read_text()).items() if key != "_name_or_path"}
            config.write_text(json.dumps(kept, indent=2) + "\n")
        (partial / "model_index.json").write_text(json.dumps(pipeline_index(self), indent=2) + "\n")
        if folder.exists():
            old = folder.with_name(folder.name + ".old")
            for extra in folder.glob("*.*"):  # model card and log stay
                if not (partial / extra.name).exists():
                    shutil.copy2(extra, partial / extra.name)
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)


def pipeline_index(model: EmbeddedModel) -> dict[str, object]:
    """The `model_index.json` by which StableDiffusionControlNetPipeline finds the parts."""
    parts = {
        name: ["transformers" if name in ("text_encoder", "tokenizer") else "diffusers", type(part).__name__]
        for name, part in vars(model).items()
    }
    absent = {
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
    }
    return {
        "_class_name": "StableDiffusionControlNetPipeline",
        "_diffusers_version": "0.30.0",
        "requires_safety_checker": False,
        **absent,
        **parts,
    }


def network_shape() -> dict[str, object]:
    """What UNet and ControlNet share.

    A pooled text embedding joins the time embedding and scales every residual block (FiLM, Perez et al. 2018): looks
    are properties of the whole picture, and words reach them so long before cross-attention would have found them.
    Attention, costly on a CPU, is left to the middle block.
    """
    return {
        "in_channels": LATENT_CHANNELS,
        "block_out_channels": WIDTHS,
        "down_block_types": ("DownBlock2D",) * len(WIDTHS),
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "layers_per_block": 1,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 6,
        "norm_num_groups": 16,
        "resnet_time_scale_shift": "scale_shift",
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 4,
    }


def build_unet() -> UNet2DConditionModel:
    """The denoiser."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE // LATENT_PX,
        out_channels=LATENT_CHANNELS,
        up_block_types=("UpBlock2D",) * len(WIDTHS),
        **network_shape(),
    )


def build_controlnet() -> ControlNetModel:
    """The branch that reads the hint: lines cross from pixels to latents without losing their place."""
    controlnet = ControlNetModel(conditioning_embedding_out_channels=(8, 24, 64), **network_shape())
    # Zero convolutions protect a trained UNet; here both learn together, so the branch speaks from the start.
    zeros = [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]
    for layer in (*zeros, controlnet.controlnet_cond_embedding.conv_out):
        nn.init.normal_(layer.weight, std=0.5 * (layer.weight[0].numel()) ** -0.5)
    return controlnet


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text model for a small vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = CLIPTextModel(config)
    for parameter, std in ((embedding(encoder, "token"), 0.5), (embedding(encoder, "position"), 0.02)):
        nn.init.normal_(parameter, std=std)  # words must differ more than places: word order is free
    return encoder


def embedding(encoder: CLIPTextModel, kind: str) -> nn.Parameter:
    """The "token" or "position" table, wherever this version of transformers keeps it."""
    return next(p for name, p in encoder.named_parameters() if name.endswith(f"embeddings.{kind}_embedding.weight"))


def build_scheduler() -> DDIMScheduler:
    """v-prediction that ends in pure noise, so that dark, bright and strong colours can be reached."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )


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
        for channel, (axis, rows, columns, gain) in enumerate(LATENT_TERMS):
            for y in range(4):
                for x in range(4):
                    basis = np.cos((2 * y + 1) * rows * np.pi / 8) * np.cos((2 * x + 1) * columns * np.pi / 8)
                    base = 3 * (2 * (y % 2) + x % 2)
                    weight = torch.tensor(axis * basis * gain / 16, dtype=torch.float32)
                    transform.weight[channel, base : base + 3, 1 + y // 2, 1 + x // 2] = weight
            last.weight[channel, channel, 1, 1] = 1
        assert last.bias is not None  # it was built with one
        last.bias[0] = -LATENT_TERMS[0][3] / 2  # mid-grey is the zero latent


def to_latents(vae: AutoencoderTiny, pictures: Tensor) -> Tensor:
    """Pictures [n, 3, H, W] in [0, 1] to scaled latents [n, 8, H / 4, W / 4]."""
    return vae.encode(pictures * 2 - 1).latents * vae.config.scaling_factor


def block_colours(latents: Tensor) -> Tensor:
    """Latents [n, 8, h, w] to the mean RGB, in [0, 1], of the pixels each stands for, [n, 3, h, w].

    Without the decoder, and exact: three of the encoder's channels are this mean along three axes.
    """
    means = [channel for channel, (_, rows, columns, _) in enumerate(LATENT_TERMS) if rows == columns == 0]
    axes = np.stack([LATENT_TERMS[channel][0] * LATENT_TERMS[channel][3] for channel in means])
    values = latents[:, means] + latents.new_tensor([LATENT_TERMS[0][3] / 2, 0, 0])[:, None, None]  # zero is mid-grey
    return torch.einsum("ij,njhw->nihw", latents.new_tensor(np.linalg.inv(axes)), values)
