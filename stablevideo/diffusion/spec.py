"""Which models can paint, which hints they follow, and where their weights lie."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..hub import local_folder

HintKind = Literal["canny", "depth"]

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
CONTROLNETS: dict[HintKind, str] = {
    "canny": "lllyasviel/control_v11p_sd15_canny",
    "depth": "lllyasviel/control_v11f1p_sd15_depth",
}
SINGLE_FILES: dict[HintKind, str] = {"canny": "control_sd15_canny.pth", "depth": "control_sd15_depth.pth"}


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be asked for by name.

    `defaults` are option values that suit it better than the general ones; `form` says where it lies.
    """

    name: str
    title: str
    form: str  # "folder", "single" or "hub"
    folder: Path | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    fast: bool = False


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
    form = "single" if single else "hub"
    found["sd15"] = ModelSpec("sd15", f"Stable Diffusion 1.5: {where}", form, ckpt)
    quick = {"steps": 6, "guidance": 1.5}
    title = f"Stable Diffusion 1.5, fast (LCM, 4 to 8 steps): {where}"
    found["sd15-fast"] = ModelSpec("sd15-fast", title, form, ckpt, quick, fast=True)
    return found


def default_model(ckpt: Path) -> str:
    """Stable Diffusion 1.5 where its weights lie in `ckpt/`, else the embedded model."""
    local = _single_files_are_there(ckpt) or _hub_is_local(ckpt)
    return "embedded" if "embedded" in find_models(ckpt) and not local else "sd15"


def _single_files_are_there(ckpt: Path) -> bool:
    return all((ckpt / name).is_file() for name in SINGLE_FILES.values())


def _hub_is_local(ckpt: Path) -> bool:
    folders = [local_folder(name, ckpt) for name in (SD15, *CONTROLNETS.values())]
    return all((folder / ".complete").is_file() or (folder / "model_index.json").is_file() for folder in folders)
