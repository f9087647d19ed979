"""Which models can paint, which hints they follow, and where their weights lie."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..hub import is_whole, local_folder
from ..options import DiffusionOptions, HintKind
from .published import CONTROLNET_FOLDERS, QWEN_EDIT, SD15, SDXL, Base, base_of

# Loaded with a model, where it has them; the others when they are first asked for.
FIRST_KINDS: tuple[HintKind, ...] = ("canny", "depth")
SINGLE_FILES: dict[HintKind, str] = {"canny": "control_sd15_canny.pth", "depth": "control_sd15_depth.pth"}


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be asked for by name.

    `form` says where it lies; `folder` is its own where it is a folder of `ckpt/`, else `ckpt/`; `base` is what it is,
    or is built like. `defaults` are option values that suit it better than the general ones; `most_detail` says of
    which words how much of the source's detail they bear.
    """

    name: str
    title: str
    form: Literal["folder", "single", "hub"]
    folder: Path
    base: Base
    licence: str
    defaults: dict[str, Any] = field(default_factory=dict)
    most_detail: dict[str, float] = field(default_factory=dict)
    fast: bool = False
    most_steps: int = 100

    @property
    def is_here(self) -> bool:
        """Whether it paints without a download."""
        return self.form != "hub" or _hub_is_local(self.base, self.folder)

    @property
    def kinds(self) -> tuple[HintKind, ...]:
        """The hints that it can follow: those that a folder has a ControlNet for, else all that are published."""
        if self.form != "folder" or self.base.instructed:
            return self.base.kinds
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

    def check_video(self) -> None:
        """Raise InputError for a model that changes single pictures, and cannot paint frames that agree."""
        if self.base.instructed:
            raise InputError(
                f"{self.name} changes one picture at a time, so frames would not agree; edit layers with it, or "
                "choose a model that follows hints."
            )

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
        found["embedded"] = _in_folder(
            ckpt / "embedded", "embedded: small, built in, a limited vocabulary, no download"
        )
    downloaded = {local_folder(base.repository, ckpt).name for base in (SD15, SDXL, QWEN_EDIT)}
    for folder in sorted(path.parent for path in ckpt.glob("*/model_index.json")):
        if folder.name not in downloaded | {"embedded"}:
            found[folder.name] = _in_folder(folder, f"{folder.name}: in ckpt/")
    sd15 = _single_or_hub("sd15", "Stable Diffusion 1.5", ckpt)
    quick = {"steps": 6, "guidance": 1.5}
    fast = replace(
        _single_or_hub("sd15-fast", "Stable Diffusion 1.5, fast (LCM, 4 to 8 steps)", ckpt),
        defaults=quick,
        fast=True,
        most_steps=50,
    )
    sdxl = _on_the_hub("sdxl", "Stable Diffusion XL, finer, at 1024 pixels", SDXL, ckpt)
    qwen = _on_the_hub("qwen-edit", "Qwen-Image-Edit, which takes instructions", QWEN_EDIT, ckpt)
    return found | {spec.name: spec for spec in (sd15, fast, sdxl, qwen)}


def _in_folder(folder: Path, title: str) -> ModelSpec:
    """A diffusers folder with its card."""
    base = base_of(str(read_json(folder / "model_index.json").get("_class_name", "")))
    licence, values, most_detail = _says(folder)
    return ModelSpec(folder.name, title, "folder", folder, base, licence, base.defaults | values, most_detail)


def _on_the_hub(name: str, title: str, base: Base, ckpt: Path) -> ModelSpec:
    where = "in ckpt/" if _hub_is_local(base, ckpt) else f"{base.size_gb} GB, downloaded on first use"
    return ModelSpec(name, f"{title}: {where}", "hub", ckpt, base, base.licence, base.defaults)


def _single_or_hub(name: str, title: str, ckpt: Path) -> ModelSpec:
    """Stable Diffusion 1.5, from the original's single files where they lie in `ckpt/`."""
    if _single_files_are_there(ckpt):
        return ModelSpec(name, f"{title}: in ckpt/", "single", ckpt, SD15, SD15.licence)
    return _on_the_hub(name, title, SD15, ckpt)


def default_model(ckpt: Path) -> str:
    """Stable Diffusion 1.5 where its weights lie in `ckpt/`, else the embedded model."""
    local = _single_files_are_there(ckpt) or _hub_is_local(SD15, ckpt)
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
    return read_json(folder / "model.json")


def read_json(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one where there is no file. Raises InputError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must hold JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(found).__name__}.")
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


def _hub_is_local(base: Base, ckpt: Path) -> bool:
    first = (base.controlnets[kind] for kind in FIRST_KINDS if kind in base.controlnets)
    controlnets = (is_whole(local_folder(each.repository, ckpt), each.needed) for each in first)
    return is_whole(local_folder(base.repository, ckpt), base.needed) and all(controlnets)
