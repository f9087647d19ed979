"""The networks: ordinary diffusers and transformers classes, only small."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from stablevideo.diffusion.grain import GRAINS
from stablevideo.diffusion.published import CONTROLNET_FOLDERS
from stablevideo.diffusion.schedule import WienerDDIM
from stablevideo.options import HintKind

from .cosine import LATENT_CHANNELS, LATENT_PX
from .hint import show_hint

WIDTHS = (48, 96, 128, 192)
TEXT_WIDTH = 128
# Group norms that hardly normalise: few groups and a large epsilon, since how light and how colourful a picture is has
# to arrive at the other end, and a norm takes that out.
NORM = {"norm_num_groups": 4, "norm_eps": 1.0}
PASSED = 1.15  # what brings the hint's latents back to their size behind the last norm
HINT_WIDTHS = (16, 48, 72)  # of the embedding of a hint: at its size, at a half, at a quarter; see hint.py
NATIVE_SIZE = 256


@dataclass(frozen=True)
class EmbeddedModel:
    """All components of the pipeline."""

    unet: UNet2DConditionModel
    controlnets: dict[HintKind, ControlNetModel]
    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: WienerDDIM

    def save(self, folder: Path) -> None:
        """Write float16 diffusers folders; the folder is replaced as a whole."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name, part in self.parts().items():
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

    def parts(self) -> dict[str, Any]:
        """Every part by the folder that it lies in."""
        parts = dict(vars(self))
        controlnets = parts.pop("controlnets")
        return parts | {CONTROLNET_FOLDERS[kind]: controlnet for kind, controlnet in controlnets.items()}


def pipeline_index(model: EmbeddedModel) -> dict[str, object]:
    """The `model_index.json` by which StableDiffusionControlNetPipeline finds the parts."""
    parts = {
        name: ["transformers" if name in ("text_encoder", "tokenizer") else "diffusers", type(part).__name__]
        for name, part in vars(model).items()
        if name != "controlnets"
    }
    parts["controlnet"] = ["diffusers", ControlNetModel.__name__]
    parts["scheduler"] = ["diffusers", "DDIMScheduler"]  # pipelines take no other library's; ours is handed to them
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
        **NORM,
        "resnet_time_scale_shift": "scale_shift",
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 4,
    }


def build_unet() -> UNet2DConditionModel:
    """The denoiser, which to begin with gives back what the ControlNet shows it.

    Its first features leave room for the hint's latents, which the ControlNet adds to them.
    """
    unet = UNet2DConditionModel(
        sample_size=NATIVE_SIZE // LATENT_PX,
        out_channels=LATENT_CHANNELS,
        up_block_types=("UpBlock2D",) * len(WIDTHS),
        **network_shape(),
    )
    nn.init.zeros_(unet.conv_in.weight[:LATENT_CHANNELS].detach())
    pass_the_hint(unet)
    return unet


@torch.no_grad()
def pass_the_hint(unet: UNet2DConditionModel) -> None:
    """Let the first channels of the topmost skip be the output, nearly, until training finds more to say.

    They take the last block's shortcut as pairs (x, -x), which stand one beside the other so that the norm behind takes
    out no mean; f(x) - f(-x) = x for the x sigmoid(x) that follows. What stays is the norm's scale, about 1.
    """
    last = unet.up_blocks[-1].resnets[-1]
    for number in range(LATENT_CHANNELS):
        own, against = 2 * number, 2 * number + 1
        for channel, sign in ((own, 1.0), (against, -1.0)):
            last.conv_shortcut.weight[channel] = 0
            last.conv_shortcut.weight[channel, WIDTHS[0] + number] = sign
            last.conv_shortcut.bias[channel] = 0
            last.conv2.weight[channel], last.conv2.bias[channel] = 0, 0
    unet.conv_out.weight *= 0.1
    nn.init.zeros_(unet.conv_out.bias)
    for number in range(LATENT_CHANNELS):
        unet.conv_out.weight[number, 2 * number, 1, 1] = PASSED
        unet.conv_out.weight[number, 2 * number + 1, 1, 1] = -PASSED


def build_controlnet() -> ControlNetModel:
    """The branch that reads the hint, which it knows from the start as the latents that it would have.

    Zero convolutions protect a trained UNet; here both learn together, so the branch speaks at once. It does not look
    at the noise: what the hint shows is known without it.
    """
    controlnet = ControlNetModel(
        conditioning_channels=3 + len(GRAINS), conditioning_embedding_out_channels=HINT_WIDTHS, **network_shape()
    )
    show_hint(controlnet)
    nn.init.zeros_(controlnet.conv_in.weight)
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        nn.init.normal_(layer.weight, std=0.5 * (layer.weight[0].numel()) ** -0.5)
    with torch.no_grad():
        controlnet.controlnet_down_blocks[0].weight.copy_(torch.eye(WIDTHS[0])[..., None, None])
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


def build_scheduler() -> WienerDDIM:
    """Noise up to pure noise, so that dark, bright and strong colours can be reached.

    What is predicted is the clean picture: with the source in sight it is nearly known from the start. A network that
    need not copy noise to its output, and is shown none that says nothing, lets none shine through.
    """
    return WienerDDIM(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )
