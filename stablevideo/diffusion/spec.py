"""Which models can paint, which hints they follow, and where their weights lie."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..hub import is_whole, local_folder
from ..options import DiffusionOptions, HintKind


@dataclass(frozen=True)
class Published:
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


SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
CONTROLNETS: dict[HintKind, Published] = {
    "canny": Published("lllyasviel/control_v11p_sd15_canny"),
    "depth": Published("lllyasviel/control_v11f1p_sd15_depth"),
    "picture": Published("lllyasviel/control_v11e_sd15_ip2p"),
    # No safetensors are published: a pickle, which is read as tensors alone.
    "tile": Published("lllyasviel/control_v11f1e_sd15_tile", "diffusion_pytorch_model.bin"),
    # Published in float32 alone.
    "brightness": Published("latentcat/control_v1p_sd15_brightness", "diffusion_pytorch_model.safetensors"),
    "softedge": Published("lllyasviel/control_v11p_sd15_softedge"),
    "lineart": Published("lllyasviel/control_v11p_sd15_lineart"),
}
# Loaded with a model, where it has them; the others when they are first asked for.
FIRST_KINDS: tuple[HintKind, ...] = ("canny", "depth")
# Where a folder model keeps the ControlNet of each hint.
CONTROLNET_FOLDERS: dict[HintKind, str] = {
    kind: "controlnet" if kind == "canny" else f"controlnet_{kind}" for kind in CONTROLNETS
}
# What is downloaded of the base model, and what a folder of it must hold to be used as it is.
SD15_PATTERNS = ("*/*.json", "*/*.txt", "model_index.json", "*/*model.fp16.safetensors")
SD15_NEEDED = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*.json",
    *(f"{part}/{files}" for part in ("text_encoder", "unet", "vae") for files in ("config.json", "*.safetensors")),
)
SINGLE_FILES: dict[HintKind, str] = {"canny": "control_sd15_canny.pth", "depth": "control_sd15_depth.pth"}


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be asked for by name.

    `defaults` are option values that suit it better than the general ones; `most_detail` says of which words how much
    of the source's detail they bear; `form` says where it lies; `folder` is its own where it is a folder of `ckpt/`,
    else `ckpt/`.
    """

    name: str
    title: str
    form: Literal["folder", "single", "hub"]
    folder: Path
    licence: str = "CreativeML OpenRAIL-M"  # Stable Diffusion 1.5's
    defaults: dict[str, Any] = field(default_factory=dict)
    most_detail: dict[str, float] = field(default_factory=dict)
    fast: bool = False
    most_steps: int = 100

    @property
    def is_here(self) -> bool:
        """Whether it paints without a download."""
        return self.form != "hub" or _hub_is_local(self.folder)

    @property
    def kinds(self) -> tuple[HintKind, ...]:
        """The hints that it can follow: those that a folder has a ControlNet for, else all that are published."""
        if self.form != "folder":
            return tuple(CONTROLNETS)
        return tuple(kind for kind, name in CONTROLNET_FOLDERS.items() if (self.folder / name).is_dir())

    @property
    def first_kinds(self) -> tuple[HintKind, ...]:
        """Those whose ControlNets are loaded with it; at least one, where it has any."""
        return tuple(kind for kind in FIRST_KINDS if kind in self.kinds) or self.kinds[:1]

    def kept_detail(self, prompt: str, options: DiffusionOptions) -> float:
        """How much of the source's detail comes back: as asked, and less for words that are detail themselves."""
        words = " ".join(re.findall(r"\w+", prompt.lower()))
        most = (amount for phrase, amount in self.most_detail.items() if f" {phrase} " in f" {words} ")
        return min(options.keep_detail, *most, 1.0)

    def check_hints(self, options: DiffusionOptions) -> None:
        """Raise InputError for a hint asked for that it has no ControlNet for."""
        check_kinds(self.name, options.strengths(), self.kinds)


def check_kinds(model: str, asked: Iterable[str], known: Sequence[str]) -> None:
    """Raise InputError for a kind of hint that a model does not follow."""
    for kind in asked:
        if kind not in known:
            raise InputError(f"{model} follows {' and '.join(known)}, got the hint {kind!r}.")


def find_models(ckpt: Path) -> dict[str, ModelSpec]:
    """Every model that can be asked for: what lies in `ckpt/` first, then what the Hub would give."""
    found: dict[str, ModelSpec] = {}
    if (ckpt / "embedded" / "unet").is_dir():
        title = "embedded: small, built in, a limited vocabulary, no download"
        folder = ckpt / "embedded"
        found["embedded"] = ModelSpec("embedded", title, "folder", folder, *_says(folder))
    for folder in sorted(path.parent for path in ckpt.glob("*/model_index.json")):
        if folder.name not in ("embedded", local_folder(SD15, ckpt).name):
            found[folder.name] = ModelSpec(folder.name, f"{folder.name}: in ckpt/", "folder", folder, *_says(folder))
    single = _single_files_are_there(ckpt)
    where = "in ckpt/" if single or _hub_is_local(ckpt) else "4 GB, downloaded on first use"
    form: Literal["single", "hub"] = "single" if single else "hub"
    found["sd15"] = ModelSpec("sd15", f"Stable Diffusion 1.5: {where}", form, ckpt)
    quick = {"steps": 6, "guidance": 1.5}
    title = f"Stable Diffusion 1.5, fast (LCM, 4 to 8 steps): {where}"
    found["sd15-fast"] = ModelSpec("sd15-fast", title, form, ckpt, defaults=quick, fast=True, most_steps=50)
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


def read_card(folder: Path) -> dict[str, Any]:
    """What a folder's `model.json` says of its model; nothing where there is none. Raises InputError for no JSON."""
    card = folder / "model.json"
    try:
        found = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{card} must hold JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{card} must hold a JSON object, got {type(found).__name__}.")
    return found


def _says(folder: Path) -> tuple[str, dict[str, Any], dict[str, float]]:
    """A card's licence, the option values that it asks for, and of which phrases how much detail is kept at most.

    The card has the latter by the looks of its vocabulary, or by the kinds of them.
    """
    card = read_card(folder)
    try:
        values = dict(card.get("options", {}))
        DiffusionOptions(**values)
        amounts = card.get("most_detail", {})
        most: dict[str, float] = {}
        for kind, looks in card.get("vocabulary", {}).items():
            for look, phrases in looks.items():
                if look in amounts or kind in amounts:
                    most |= dict.fromkeys(phrases, float(amounts.get(look, amounts.get(kind))))
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f'{folder / "model.json"} must hold "options" that all edits have, and words by their kind: {error}'
        ) from None
    return str(card.get("licence", "its maker's")), values, most


def _single_files_are_there(ckpt: Path) -> bool:
    return all((ckpt / name).is_file() for name in SINGLE_FILES.values())


def _hub_is_local(ckpt: Path) -> bool:
    first = (CONTROLNETS[kind] for kind in FIRST_KINDS)
    controlnets = (is_whole(local_folder(each.repository, ckpt), each.needed) for each in first)
    return is_whole(local_folder(SD15, ckpt), SD15_NEEDED) and all(controlnets)
