"""What others have published on the Hub that this product uses, and which of its files."""

from dataclasses import dataclass, field
from typing import Any

from ..options import HINT_KINDS, HintKind


@dataclass(frozen=True)
class ControlNetFiles:
    """A ControlNet on the Hub, and its smallest file of weights."""

    repository: str
    weights: str = "diffusion_pytorch_model.fp16.safetensors"

    @property
    def patterns(self) -> tuple[str, ...]:
        """What is downloaded."""
        return "config.json", self.weights

    @property
    def needed(self) -> tuple[str, ...]:
        """What a folder of it must hold to be used as it is: safetensors do where a pickle is published, too."""
        safe = self.weights.endswith(".safetensors")
        return "config.json", "*.safetensors" if safe else "diffusion_pytorch_model.*"


@dataclass(frozen=True)
class Base:
    """A base model on the Hub, in diffusers' folders.

    Attributes
    ----------
    repository, patterns, needed
        Where it lies, what is downloaded of it, and what a folder of it must hold to be used as it is.
    licence, size_gb
        Whose terms it comes under, and how much is downloaded before it paints.
    controlnets
        Hint -> the ControlNet for it; none for a model that takes a picture and an instruction.
    defaults
        Option values that suit it better than Stable Diffusion 1.5's.
    """

    repository: str
    patterns: tuple[str, ...]
    needed: tuple[str, ...]
    licence: str
    size_gb: int
    controlnets: dict[HintKind, ControlNetFiles] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def instructed(self) -> bool:
        """Whether it changes a picture as an instruction says, and follows nothing but that picture."""
        return not self.controlnets

    @property
    def kinds(self) -> tuple[HintKind, ...]:
        """The hints that it can follow."""
        return tuple(self.controlnets) or ("picture",)


def _folders(*parts: str, weights: str) -> tuple[str, ...]:
    """Patterns for folders with weights, each with its config."""
    return tuple(f"{part}/{name}" for part in parts for name in ("config.json", weights))


SD15 = Base(
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    ("*/*.json", "*/*.txt", "model_index.json", "*/*model.fp16.safetensors"),
    (
        "model_index.json",
        "scheduler/*.json",
        "tokenizer/*.json",
        *_folders("text_encoder", "unet", "vae", weights="*.safetensors"),
    ),
    "CreativeML OpenRAIL-M",
    4,
    {
        "canny": ControlNetFiles("lllyasviel/control_v11p_sd15_canny"),
        "depth": ControlNetFiles("lllyasviel/control_v11f1p_sd15_depth"),
        "picture": ControlNetFiles("lllyasviel/control_v11e_sd15_ip2p"),
        # No safetensors are published: a pickle, which is read as tensors alone.
        "tile": ControlNetFiles("lllyasviel/control_v11f1e_sd15_tile", "diffusion_pytorch_model.bin"),
        # Published in float32 alone.
        "brightness": ControlNetFiles("latentcat/control_v1p_sd15_brightness", "diffusion_pytorch_model.safetensors"),
        "softedge": ControlNetFiles("lllyasviel/control_v11p_sd15_softedge"),
        "lineart": ControlNetFiles("lllyasviel/control_v11p_sd15_lineart"),
    },
)
_SDXL_PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")
SDXL = Base(
    "stabilityai/stable-diffusion-xl-base-1.0",
    (
        "model_index.json",
        "scheduler/*.json",
        "tokenizer/*",
        "tokenizer_2/*",
        *_folders(*_SDXL_PARTS, weights="*model.fp16.safetensors"),
    ),
    (
        "model_index.json",
        "scheduler/*.json",
        "tokenizer/*.json",
        "tokenizer_2/*.json",
        *_folders(*_SDXL_PARTS, weights="*.safetensors"),
    ),
    "CreativeML Open RAIL++-M",
    12,
    {
        "canny": ControlNetFiles("diffusers/controlnet-canny-sdxl-1.0"),
        "depth": ControlNetFiles("diffusers/controlnet-depth-sdxl-1.0"),
    },
    # As its ControlNets' cards advise.
    {"resolution": 1024, "steps": 30, "guidance": 7.0, "hint_scale": 0.5},
)
# SDXL's own autoencoder overflows in float16; this one is the same but for that.
SDXL_HALF_VAE = ControlNetFiles("madebyollin/sdxl-vae-fp16-fix", "diffusion_pytorch_model.safetensors")
_QWEN_PARTS = ("text_encoder", "transformer", "vae")
QWEN_EDIT = Base(
    "Qwen/Qwen-Image-Edit-2511",
    ("model_index.json", "*/*.json", "*/*.txt", "*/*.jinja", "*/*.safetensors"),
    (
        "model_index.json",
        "scheduler/*.json",
        "tokenizer/*.json",
        "processor/*.json",
        *_folders(*_QWEN_PARTS, weights="*.safetensors"),
    ),
    "Apache-2.0",
    58,
    defaults={"resolution": 1024, "steps": 40, "guidance": 4.0, "added_prompt": "", "negative_prompt": " "},
)
# Where a folder model keeps the ControlNet of each hint.
CONTROLNET_FOLDERS: dict[HintKind, str] = {
    kind: "controlnet" if kind == "canny" else f"controlnet_{kind}" for kind in HINT_KINDS
}


def base_of(class_name: str) -> Base:
    """Which base a folder's model is one of, by the pipeline that its `model_index.json` names."""
    if class_name.startswith("QwenImageEdit"):
        return QWEN_EDIT
    return SDXL if class_name.startswith("StableDiffusionXL") else SD15
