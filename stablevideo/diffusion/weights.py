"""Which models can paint, where their weights lie, and how a pipeline is put together from them.

Three forms: diffusers folders in `ckpt/` (the embedded model is one), of Stable Diffusion 1.5's parts or XL's, the
original single files `control_sd15_canny.pth` and `control_sd15_depth.pth` (base model and ControlNet in one), and the
Hub, which is asked into `ckpt/` where neither lies there. Only the ControlNets of the usual hints are loaded with a
model.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import diffusers
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
    UNet2DConditionModel,
)
from diffusers.loaders import single_file_utils as ldm
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors import SafetensorError
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from ..checkpoint import AGAIN, load_module, load_settings, load_strictly, read_checkpoint
from ..errors import InputError
from ..hub import hub_folder
from ..options import HintKind
from .embedding import embed_once
from .published import CONTROLNET_FOLDERS, SDXL, SDXL_HALF_VAE, ControlNetFiles
from .schedule import EvenDDIM, WienerDDIM, sd15_scheduler
from .spec import SINGLE_FILES, ModelSpec

LCM_LORA = "latent-consistency/lcm-lora-sdv1-5"
LCM_FILE = "pytorch_lora_weights.safetensors"
TOKENIZER = "openai/clip-vit-large-patch14"
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
FOLDER_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
PICKLED = "diffusion_pytorch_model.bin"

ControlNetPipeline: TypeAlias = StableDiffusionControlNetPipeline | StableDiffusionXLControlNetPipeline


@dataclass
class Parts:
    """The modules a pipeline is made of, and the ControlNets of the usual hints; XL has a second text encoder."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL | AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: EvenDDIM
    controlnets: dict[HintKind, ControlNetModel]
    safety_checker: StableDiffusionSafetyChecker | None = None
    feature_extractor: CLIPImageProcessor | None = None
    text_encoder_2: CLIPTextModelWithProjection | None = None
    tokenizer_2: CLIPTokenizer | None = None


def load_parts(spec: ModelSpec, ckpt: Path, dtype: torch.dtype) -> Parts:
    """Load a model's modules strictly, on the CPU.

    Raises
    ------
    InputError
        Weights are missing and the Hub cannot be reached, or a file does not hold what its name says.
    """
    # They print bars and warnings of their own on loading; what matters is raised as InputError.
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if spec.form == "single":
        return _load_single_files(ckpt, dtype)
    if not spec.kinds:
        raise InputError(f"{spec.folder} lacks a ControlNet; put one into {spec.folder / 'controlnet'}.")
    folder = base_folder(spec, ckpt)
    parts = _load_folder(folder, dtype)
    if spec.base is SDXL:
        parts.text_encoder_2 = load_module(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype)
        parts.tokenizer_2 = load_settings(CLIPTokenizer, folder / "tokenizer_2")
        if dtype == torch.float16 and parts.vae.config.get("force_upcast", True):
            parts.vae = load_module(AutoencoderKL, _hub_part(SDXL_HALF_VAE, ckpt, "start with --device cpu"), dtype)
    for kind in spec.first_kinds:
        parts.controlnets[kind] = load_controlnet(spec, ckpt, kind, dtype)
    return parts


def base_folder(spec: ModelSpec, ckpt: Path) -> Path:
    """Where a model's parts lie: its own folder, or what the Hub gives. Raises InputError as `load_parts`."""
    base = spec.base
    return spec.folder if spec.form == "folder" else hub_folder(base.repository, ckpt, base.patterns, base.needed)


def load_controlnet(spec: ModelSpec, ckpt: Path, kind: HintKind, dtype: torch.dtype) -> ControlNetModel:
    """Load the ControlNet of one kind of hint that the model follows, strictly, on the CPU.

    Beside the original's single files, those of further kinds come from the Hub. Raises InputError as `load_parts`.
    """
    if spec.form == "folder":
        folder = spec.folder / CONTROLNET_FOLDERS[kind]
    else:
        folder = _hub_part(spec.base.controlnets[kind], ckpt, "follow another hint")
    return embed_once(_controlnet_in(folder, dtype))


def _hub_part(published: ControlNetFiles, ckpt: Path, instead: str) -> Path:
    return hub_folder(published.repository, ckpt, published.patterns, published.needed, instead)


def build_pipeline(spec: ModelSpec, ckpt: Path, parts: Parts, safety_checker: bool = True) -> ControlNetPipeline:
    """One pipeline over the parts, with the first ControlNet in place."""
    shared = {
        "vae": parts.vae,
        "text_encoder": parts.text_encoder,
        "tokenizer": parts.tokenizer,
        "unet": parts.unet,
        "controlnet": next(iter(parts.controlnets.values())),
        "scheduler": parts.scheduler,
    }
    if parts.text_encoder_2 is not None:
        second = {"text_encoder_2": parts.text_encoder_2, "tokenizer_2": parts.tokenizer_2}
        return StableDiffusionXLControlNetPipeline(**shared, **second, add_watermarker=False)
    checker = parts.safety_checker if safety_checker else None
    pipeline = StableDiffusionControlNetPipeline(
        **shared,
        safety_checker=checker,
        feature_extractor=parts.feature_extractor if checker else None,
        requires_safety_checker=checker is not None,
    )
    if spec.fast:
        lora = hub_folder(LCM_LORA, ckpt, (LCM_FILE,))
        try:
            pipeline.load_lora_weights(str(lora), weight_name=LCM_FILE)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:400]
            raise InputError(f"{lora / LCM_FILE} is no usable LoRA ({reason}); {AGAIN}.") from None
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()  # it is in the weights by now; further ones come and go beside it
        pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def _controlnet_in(folder: Path, dtype: torch.dtype) -> ControlNetModel:
    """From safetensors; where there are none, from a pickle that holds tensors and nothing else."""
    if any(folder.glob("*.safetensors")) or not (folder / PICKLED).is_file():
        return load_module(ControlNetModel, folder, dtype)
    try:
        model = ControlNetModel.from_config(ControlNetModel.load_config(folder, local_files_only=True))
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:400]
        raise InputError(f"{folder} holds no usable ControlNetModel ({reason}); {AGAIN}.") from None
    return _strict(model, read_checkpoint(folder / PICKLED), folder / PICKLED, dtype)


def _load_folder(folder: Path, dtype: torch.dtype) -> Parts:
    """All but the ControlNets."""
    missing = [part for part in FOLDER_PARTS if not (folder / part).is_dir()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; a diffusers folder holds {', '.join(FOLDER_PARTS)}.")
    checker = extractor = None
    if (folder / "safety_checker").is_dir():
        checker = load_module(StableDiffusionSafetyChecker, folder / "safety_checker", dtype)
        extractor = load_settings(CLIPImageProcessor, folder / "feature_extractor")
    return Parts(
        load_module(UNet2DConditionModel, folder / "unet", dtype),
        load_module(_vae_class(folder / "vae"), folder / "vae", dtype),
        load_module(CLIPTextModel, folder / "text_encoder", dtype),
        load_settings(CLIPTokenizer, folder / "tokenizer"),
        load_settings(_scheduler_class(folder / "scheduler"), folder / "scheduler"),
        {},
        checker,
        extractor,
    )


def _scheduler_class(folder: Path) -> type[EvenDDIM]:
    """Ours for a network that is shown less noise than there is, where a folder's config names it."""
    try:
        config = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return EvenDDIM  # whose loading says what is wrong
    return WienerDDIM if config.get("_class_name") == WienerDDIM.__name__ else EvenDDIM


def _vae_class(folder: Path) -> Any:
    """Which of the two known autoencoders a folder's config names."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}[config["_class_name"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'config.json'} names no AutoencoderKL or AutoencoderTiny ({error}); {AGAIN}."
        ) from None


def _load_single_files(ckpt: Path, dtype: torch.dtype) -> Parts:
    """The original `control_sd15_*.pth`; the base model is taken from the canny file, once."""
    parts: dict[str, Any] = {}
    controlnets: dict[HintKind, ControlNetModel] = {}
    for kind, name in SINGLE_FILES.items():
        weights = read_checkpoint(ckpt / name)
        if not parts:
            parts = _base_from_ldm(weights, ckpt / name, dtype)
        model = ControlNetModel(cross_attention_dim=768)
        state = ldm.convert_controlnet_checkpoint(weights, dict(model.config))
        controlnets[kind] = embed_once(_strict(model, state, ckpt / name, dtype))
    folder = hub_folder(TOKENIZER, ckpt, TOKENIZER_FILES, ("tokenizer_config.json",))
    tokenizer = load_settings(CLIPTokenizer, folder)
    return Parts(**parts, tokenizer=tokenizer, controlnets=controlnets)


def _base_from_ldm(weights: dict[str, torch.Tensor], path: Path, dtype: torch.dtype) -> dict[str, Any]:
    """UNet, VAE, text encoder and scheduler of Stable Diffusion 1.5 from the original's names and sizes."""
    unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, sample_size=64)
    blocks = 4
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=512,
    )
    clip_config = CLIPTextConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        projection_dim=768,
    )
    text_encoder = CLIPTextModel(clip_config)
    text_state = ldm.convert_ldm_clip_checkpoint(weights)
    prefix = "text_model." if any(key.startswith("text_model.") for key in text_encoder.state_dict()) else ""
    text_state = {
        prefix + key.removeprefix("text_model."): value
        for key, value in text_state.items()
        if not key.endswith("position_ids")
    }
    return {
        "unet": _strict(unet, ldm.convert_ldm_unet_checkpoint(weights, dict(unet.config)), path, dtype),
        "vae": _strict(vae, ldm.convert_ldm_vae_checkpoint(weights, dict(vae.config)), path, dtype),
        "text_encoder": _strict(text_encoder, text_state, path, dtype),
        "scheduler": sd15_scheduler(),
    }


def _strict(model: Any, state: dict[str, torch.Tensor], path: Path, dtype: torch.dtype) -> Any:
    load_strictly(model, state, path, f"a {type(model).__name__} of SD 1.5")
    return model.to(dtype).eval().requires_grad_(False)
