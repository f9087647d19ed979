"""A model's name -> an editor, ready to paint."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..device import resolve
from ..places import default_folder
from .editor import Editor
from .hints import HintMakers
from .memory import offload_modules
from .spec import ModelSpec, find_model
from .weights import build_pipeline, load_parts

if TYPE_CHECKING:
    from .instruction import InstructionEditor


def load_editor(
    name: str | None = None,
    ckpt: Path | str | None = None,
    device: torch.device | str | None = None,
    offload: bool = False,
    safety_checker: bool = True,
) -> "Editor | InstructionEditor":
    """Load a model by name; by default Stable Diffusion 1.5 if its weights lie in `ckpt`, else the embedded.

    Parameters
    ----------
    ckpt
        The folder with the weights; the home's by default, wherever one works.
    device
        `cuda`, `mps` or `cpu`; the best there is by default. Half precision on CUDA, else float32.
    offload
        On CUDA, keep each module on the CPU until its turn: less memory on the device, a little slower.
    safety_checker
        Hold back pictures that Stable Diffusion's checker flags, where its weights lie with the model.

    Raises
    ------
    InputError
        Unknown name, a device that is not there, or weights that are missing or do not fit.
    """
    ckpt = default_folder("ckpt") if ckpt is None else Path(ckpt)
    spec, place = find_model(name, ckpt), resolve(device)
    offload = offload and place.type == "cuda"
    if spec.base.instructed:
        return _instruction_editor(spec, ckpt, place, offload)
    dtype = torch.float16 if place.type == "cuda" else torch.float32
    parts = load_parts(spec, ckpt, dtype)
    pipeline = build_pipeline(spec, ckpt, parts, safety_checker)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()
    if offload:
        offload_modules(pipeline, place)
    else:
        pipeline.to(place)
        for controlnet in parts.controlnets.values():
            controlnet.to(place)
    return Editor(spec, pipeline, parts.controlnets, HintMakers(ckpt, place), ckpt, place, offload)


def _instruction_editor(spec: ModelSpec, ckpt: Path, device: torch.device, offload: bool) -> "InstructionEditor":
    """It is published in bfloat16, whose range float16 has not."""
    from .instruction import InstructionEditor, load_pipeline  # takes seconds, and few use it

    pipeline = load_pipeline(spec, ckpt, torch.bfloat16 if device.type == "cuda" else torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    if offload:
        offload_modules(pipeline, device)
    else:
        pipeline.to(device)
    return InstructionEditor(spec, pipeline, ckpt, device)
