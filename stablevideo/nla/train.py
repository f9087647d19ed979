"""The trainer of layered neural atlases (Kasten, Ofri, Wang and Dekel 2021): frames, masks and flow -> networks.

It learns all from the pixels, as the paper does, and takes hours where `decompose` takes a minute. Its folder is a
clip all along: frames and config.json are written first, the checkpoint then every `evaluate_every` iterations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..files import whole_file
from ..layers.coords import LAYER_NAMES
from ..progress import Progress, quiet
from ..video.flow import ClipFlow
from .files import NLATraining, published_config, write_config, write_frames
from .losses import Material, nla_losses
from .networks import CHECKPOINT_KEYS, NLAConfig, NLANetworks, load_networks

LEARNING_RATE = 1e-4
MOST_SETBACKS = 8  # one after the other, without a save between them
FREE_KEYS = ("iters_num", "evaluate_every")  # a second call may change these


class _Run:
    """The networks, their optimiser and the iteration reached: what a checkpoint keeps."""

    def __init__(self, config: NLAConfig, folder: Path, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.networks = NLANetworks(config).to(device)
        groups = [{"params": self.networks.get_submodule(name).parameters()} for name in CHECKPOINT_KEYS]
        self.optimizer = torch.optim.Adam(groups, LEARNING_RATE)
        self.iteration, self.path = 0, folder / "checkpoint"

    def finite(self) -> bool:
        return all(bool(weights.isfinite().all()) for weights in self.networks.parameters())

    def save(self) -> None:
        """Replace the checkpoint; at no time is there half of one."""
        states: dict[str, Any] = {
            key: self.networks.get_submodule(name).state_dict() for name, key in CHECKPOINT_KEYS.items()
        }
        states |= {"iteration": self.iteration, "optimizer_all_state_dict": self.optimizer.state_dict()}
        with whole_file(self.path) as partial:
            torch.save(states, partial)

    def load(self) -> None:
        """Go back to the checkpoint."""
        states = torch.load(self.path, map_location="cpu", weights_only=True)
        if "optimizer_all_state_dict" not in states:
            raise InputError(f"{self.path} holds networks without their training state; train into another folder.")
        for name, key in CHECKPOINT_KEYS.items():
            self.networks.get_submodule(name).load_state_dict(states[key])
        self.optimizer.load_state_dict(states["optimizer_all_state_dict"])
        self.iteration = states["iteration"]

    def step_back(self) -> None:
        """Go back to the checkpoint, with half the present learning rate."""
        rate = self.optimizer.param_groups[0]["lr"] / 2
        self.load()
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def train_nla(
    frames: Tensor,
    masks: Tensor,
    flow: ClipFlow,
    folder: Path,
    options: NLATraining | None = None,
    seed: int = 0,
    progress: Progress = quiet,
) -> NLANetworks:
    """Train the four networks on a clip, into a clip folder; goes on where an earlier call with that folder stopped.

    Parameters
    ----------
    frames, masks
        uint8 [T, 3, H, W] and bool [T, H, W]: the object is where a mask is set. They say where the networks work.
    folder
        Gets `config.json`, the frames in a folder of its own name, and `checkpoint` with the four state dicts, the
        iteration and Adam's state, under the published keys.
    seed
        With the iteration it decides what is drawn, so an interrupted run ends as one that was not.
    progress
        Called at every iteration; after it raised Cancelled the last save remains.

    Raises
    ------
    InputError
        The inputs do not fit each other, the folder holds something else, or the loss is never finite.
    """
    options = options or NLATraining()
    material = Material(frames, masks, flow)
    _open_folder(folder, material, options)
    config = options.network_config(material.size, len(frames))
    run = _Run(config, folder, seed, frames.device)
    if run.path.is_file():
        run.load()
    else:
        _pretrain(run.networks, material, options, seed, progress)
        run.save()
    while run.iteration < options.iters_num:
        _advance(run, material, options, seed, progress)
    return run.networks.requires_grad_(False).eval()


def _advance(run: _Run, material: Material, options: NLATraining, seed: int, progress: Progress) -> None:
    """Train to the next save; from the last one again, in smaller steps, where numbers are none. Raises InputError
    where that does not help."""
    for _ in range(MOST_SETBACKS + 1):
        if _train_to_save(run, material, options, seed, progress) and run.finite():
            run.save()
            return
        run.step_back()
    raise InputError(
        f"the loss is not finite after iteration {run.iteration}, at any learning rate; smaller coefficients "
        f"may help. The last save is in {run.path.parent}."
    )


def _train_to_save(run: _Run, material: Material, options: NLATraining, seed: int, progress: Progress) -> bool:
    """Steps up to the next save; False where one's loss is not finite."""
    while True:
        losses = _train_step(run, material, options, seed)
        if losses is None:
            return False
        described = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
        progress(run.iteration / options.iters_num, f"iteration {run.iteration}: {described}")
        if run.iteration % options.evaluate_every == 0 or run.iteration >= options.iters_num:
            return True


def _train_step(run: _Run, material: Material, options: NLATraining, seed: int) -> dict[str, float] | None:
    """One step of Adam -> the terms of the loss; None, and no step, where it is not finite."""
    random = np.random.default_rng((seed, run.iteration))
    frame, xy = material.draw(random, options.samples_batch, options.derivative_amount)
    terms = nla_losses(run.networks, material, frame, xy, run.iteration, options)
    loss = torch.stack(list(terms.values())).sum()
    if not loss.isfinite():
        return None
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    run.iteration += 1
    return {name: term.item() for name, term in terms.items()}


def _pretrain(networks: NLANetworks, material: Material, options: NLATraining, seed: int, progress: Progress) -> None:
    """Bring both mappings to the plain place of a pixel in its frame, times `uv_mapping_scale`."""
    random = np.random.default_rng((seed, 0, 1))  # no iteration draws from it
    wanted = {"foreground": options.pretrain_mapping1, "background": options.pretrain_mapping2}
    for name in (name for name in LAYER_NAMES if wanted[name]):
        optimizer = torch.optim.Adam(networks.get_submodule(f"{name}_mapping").parameters(), LEARNING_RATE)
        for turn in range(options.pretrain_iter_number):
            progress(0, f"{name}: plain maps, pass {turn + 1} of {options.pretrain_iter_number}")
            for number in range(len(material.frames)):
                _, xy = material.draw(random, options.samples_batch, 0)
                video = material.video(torch.full((len(xy),), number, device=xy.device), xy)
                loss = (networks.canvas_at(name, video) - options.uv_mapping_scale * video[:, :2]).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def _open_folder(folder: Path, material: Material, options: NLATraining) -> None:
    """Make the folder a clip but for its checkpoint, or check that it is this very training's."""
    wanted = published_config(folder.name, material.size, len(material.frames), options)
    path = folder / "config.json"
    if (folder / "checkpoint").is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); train into another folder.") from None
        other = [key for key in wanted if key not in FREE_KEYS and found.get(key) != wanted[key]]
        if other:
            said = ", ".join(f"{key} {found.get(key)!r}, not {wanted[key]!r}" for key in other)
            raise InputError(f"{folder} was begun with {said}; go on with the same, or choose another folder.")
        load_networks(folder)  # names what is wrong with it
    elif folder.exists() and not path.is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} holds something else; train into a new folder.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, folder.name, material.size, len(material.frames), options)
        write_frames(folder / folder.name, material.frames)
