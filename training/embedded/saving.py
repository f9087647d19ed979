"""A run's checkpoint, its log, and the model that it exports."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path

import torch
from torch import nn

from .master import MasterWeights
from .model import NATIVE_SIZE, EmbeddedModel
from .options import Options
from .vocabulary import KINDS

log = logging.getLogger(__name__)
STEPS = 8  # with the hint in sight, more bring nothing


def save(
    options: Options,
    model: EmbeddedModel,
    nets: list[nn.Module],
    optimizer: torch.optim.Optimizer,
    weights: MasterWeights,
    step: int,
    seconds: float,
) -> None:
    """Write the checkpoint, and the averaged weights as diffusers folders."""
    state = {"step": step, "seconds": seconds, "optimizer": optimizer.state_dict(), **weights.state()}
    partial = options.work / "checkpoint.pt.partial"
    torch.save(state, partial)
    partial.replace(options.work / "checkpoint.pt")
    with weights.averaged(nets):
        model.save(options.out)
    if options.hint == "picture":
        if (options.work / "log.csv").is_file():
            shutil.copy2(options.work / "log.csv", options.out / "training.csv")
        (options.out / "model.json").write_text(json.dumps(describe(step, seconds), indent=2) + "\n")
    log.info("saved step %d", step)


# Of the source's detail, for those looks that are detail themselves: what looked best on sample, bear and photograph.
MOST_DETAIL = {
    **dict.fromkeys(("materials", "patterns", "styles"), 0.0),
    **dict.fromkeys(("gold", "silver", "copper", "ice", "snow"), 0.5),
    "rain": 0.2,
}


def describe(step: int, seconds: float) -> dict[str, object]:
    """What a user interface may tell about the model."""
    return {
        "name": "embedded",
        "description": (
            "A very small text-to-image model with ControlNets for the picture itself and for its canny lines, trained "
            "from scratch: it recolours and restyles what it is shown, and knows only the words below; it is no Stable "
            "Diffusion."
        ),
        "licence": "Apache-2.0",
        "hint": "picture",
        "options": {"resolution": NATIVE_SIZE, "steps": STEPS, "guidance": 1.0, "hints": "picture", "keep_detail": 0.8},
        "most_detail": MOST_DETAIL,
        "vocabulary": {kind: {look: list(words) for look, words in table.items()} for kind, table in KINDS.items()},
        "trained_steps": step,
        "trained_seconds": round(seconds),
    }


def load_checkpoint(options: Options, optimizer: torch.optim.Optimizer, weights: MasterWeights) -> tuple[int, float]:
    """Read back the work folder's checkpoint; returns steps and seconds trained so far."""
    path = options.work / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location=options.device, weights_only=True)
    weights.restore(state)
    optimizer.load_state_dict(state["optimizer"])
    log.info("continuing at step %d", state["step"])
    return state["step"], state["seconds"]


def write_row(path: Path, step: int, loss: float, seconds: float) -> None:
    """Append to the training log."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(("step", "loss", "seconds"))
        writer.writerow((step, f"{loss:.5f}", f"{seconds:.0f}"))
