"""The networks: ordinary diffusers and transformers classes, only small."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LATENT_CHANNELS = 16
WIDTHS = (48, 96, 160)
TEXT_WIDTH = 128
NATIVE_SIZE = 256


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
                copy.deepcopy(part).to(torch.float16).save_pretrained(partial / name)  # training goes on in float32
            else:
                part.save_pretrained(partial / name)
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


def build_unet() -> UNet2DConditionModel:
    """The denoiser; text enters below the top level, where attention is cheap."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_controlnet() -> ControlNetModel:
    """The branch that reads the hint: lines cross from pixels to latents without losing their place.

    A picture block of 2 x 2, 4 x 4, 8 x 8 pixels has 4, 16, 64 line bits; the widths leave room for them all.
    """
    controlnet = ControlNetModel(
        in_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        conditioning_embedding_out_channels=(8, 16, 32, 64),
    )
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
    """Picture [-1, 1] to latents at an eighth of the size and back.

    The encoder has no blocks between its convolutions, so it is linear; it starts as the low frequencies of
    an 8 x 8 cosine transform, a code that is good at once and only has to be refined.
    """
    vae = AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48, 48),
        num_encoder_blocks=(0, 0, 0, 0),
        decoder_block_out_channels=(32, 32, 32, 32),
        num_decoder_blocks=(3, 3, 2, 1),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )
    set_cosine_transform(vae)
    return vae


def set_cosine_transform(vae: AutoencoderTiny) -> None:
    """Write an exact 8 x 8 cosine transform (10 brightness, 2 x 3 colour terms) into the linear encoder."""
    first, *strided, last = [layer for layer in vae.encoder.layers if isinstance(layer, nn.Conv2d)]
    luma = np.array([0.299, 0.587, 0.114])
    axes = (luma, np.array([0, 0, 1]) - luma, np.array([1, 0, 0]) - luma)
    low = [(u, v) for u in range(4) for v in range(4) if u + v <= 3]
    gains = (3.2, 14.0, 24.0, 34.0)  # fine detail is faint: without these gains noise would drown it at once
    terms = [(0, u, v, gains[u + v]) for u, v in low]
    terms += [(axis, u, v, 6.0 if u + v == 0 else 20.0) for axis in (1, 2) for u, v in ((0, 0), (0, 1), (1, 0))]
    with torch.no_grad():
        for layer in (first, *strided, last):
            nn.init.normal_(layer.weight, std=1e-3)  # the spare channels need a slope to learn from
            if layer.bias is not None:
                layer.bias.zero_()
        for channel in range(3):
            first.weight[channel, :, 1, 1] = torch.eye(3)[channel]
        for layer, width in ((strided[0], 3), (strided[1], 12)):  # space to depth: 3 -> 12 -> 48 channels
            for y in range(2):
                for x in range(2):
                    for channel in range(width):
                        layer.weight[(2 * y + x) * width + channel, :, 1 + y, 1 + x] = torch.eye(48)[channel]
        for index, (axis, u, v, gain) in enumerate(terms):
            strided[2].weight[index] = 0
            for y in range(8):
                for x in range(8):
                    basis = np.cos((2 * y + 1) * u * np.pi / 16) * np.cos((2 * x + 1) * v * np.pi / 16)
                    # the pixel's way through the two space-to-depth layers, coarse to fine
                    inner = 12 * (2 * (y // 2 % 2) + x // 2 % 2) + 3 * (2 * (y % 2) + x % 2)
                    weight = torch.tensor(axes[axis] * basis * gain / 64, dtype=torch.float32)
                    strided[2].weight[index, inner : inner + 3, 1 + y // 4, 1 + x // 4] = weight
            last.weight[index] = 0
            last.weight[index, index, 1, 1] = 1
        last.bias[0] = -0.5 * terms[0][3]  # mid-grey is the zero latent


def to_latents(vae: AutoencoderTiny, pictures: Tensor) -> Tensor:
    """Pictures [n, 3, H, W] in [0, 1] to scaled latents [n, 16, H / 8, W / 8]."""
    return vae.encode(pictures * 2 - 1).latents * vae.config.scaling_factor
