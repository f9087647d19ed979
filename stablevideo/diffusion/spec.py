"""Which models can paint, which hints they follow, and where their weights lie."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..hub import is_whole, local_folder

HintKind = Literal["canny", "depth"]

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
CONTROLNETS: dict[HintKind, str] = {
    "canny": "lllyasviel/control_v11p_sd15_canny",
    "depth": "lllyasviel/control_v11f1p_sd15_depth",
}
# What is downloaded of the base model, and what a folder of it must hold to be used as it is.
SD15_PATTERNS = ("*/*.json", "*/*.txt", "model_index.json", "*/*model.fp16.safetensors")
SD15_NEEDED = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*.json",
    *(f"{part}/{files}" for part in ("text_encoder", "unet", "vae") for files in ("config.json", "*.safetensors")),
)
CONTROLNET_PATTERNS = ("config.json", "diffusion_pytorch_model.fp16.safetensors")
CONTROLNET_NEEDED = ("config.json", "*.safetensors")
SINGLE_FILES: dict[HintKind, str] = {"canny": "control_sd15_canny.pth", "depth": "control_sd15_depth.pth"}


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be asked for by name.

    `defaults` are option values that suit it better than the general ones; `form` says where it lies; `folder` is
    its own where it is a folder of `ckpt/`, else `ckpt/`.
    """

    name: str
    title: str
    form: Literal["folder", "single", "hub"]
    folder: Path
    defaults: dict[str, Any] = field(default_factory=dict)
    fast: bool = False
    most_steps: int = 100


def find_models(ckpt: Path) -> dict[str, ModelSpec]:
    """Every model that can be asked for: what lies in `ckpt/` first, then what the Hub would give."""
    found: dict[str, ModelSpec] = {}
    if (ckpt / "embedded" / "unet").is_dir():
        title = "embedded: small, built in, a limited vocabulary, no download"
        card = json.loads((ckpt / "embedded" / "model.json").read_text(encoding="utf-8"))
        found["embedded"] = ModelSpec("embedded", title, "folder", ckpt / "embedded", card["options"])
    for folder in sorted(path.parent for path in ckpt.glob("*/model_index.json")):
        if folder.name not in ("embedded", local_folder(SD15, ckpt).name):
            found[folder.name] = ModelSpec(folder.name, f"{folder.name}: in ckpt/", "folder", folder)
    single = _single_files_are_there(ckpt)
    where = "in ckpt/" if single or _hub_is_local(ckpt) else "4 GB, downloaded on first use"
    form: Literal["single", "hub"] = "single" if single else "hub"
    found["sd15"] = ModelSpec("sd15", f"Stable Diffusion 1.5: {where}", form, ckpt)
    quick = {"steps": 6, "guidance": 1.5}
    title = f"Stable Diffusion 1.5, fast (LCM, 4 to 8 steps): {where}"
    found["sd15-fast"] = ModelSpec("sd15-fast", title, form, ckpt, quick, fast=True, most_steps=50)
    return found


def default_model(ckpt: Path) -> str:
    """Stable Diffusion 1.5 where its weights lie in `ckpt/`, else the embedded model."""
    local = _single_files_are_there(ckpt) or _hub_is_local(ckpt)
    return "embedded" if "embedded" in find_models(ckpt) and not local else "sd15"


def find_model(name: str | None, ckpt: Path) -> ModelSpec:
    """The model of that name, or the default. Raises InputError for an unknown one, with those there are."""
    models = find_models(ckpt)
    name = name or default_model(ckpt)
    if name not in models:
        raise InputError(f"there is no model {name!r}; choose one of {', '.join(models)}.")
    return models[name]


def _single_files_are_there(ckpt: Path) -> bool:
    return all((ckpt / name).is_file() for name in SINGLE_FILES.values())


def _hub_is_local(ckpt: Path) -> bool:
    controlnets = (is_whole(local_folder(name, ckpt), CONTROLNET_NEEDED) for name in CONTROLNETS.values())
    return is_whole(local_folder(SD15, ckpt), SD15_NEEDED) and all(controlnets)
