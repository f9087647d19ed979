"""The trainer of layered neural atlases (Kasten, Ofri, Wang and Dekel 2021): frames, masks and flow -> networks.

It learns all from the pixels, as the paper does, and takes hours where `decompose` takes a minute. Its folder is a
clip all along: frames and config.json are written first, the checkpoint then every `evaluate_every` iterations.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .. import coords
from ..coords import LAYER_NAMES
from ..errors import InputError
from ..flow import ClipFlow
from ..nla import CHECKPOINT_KEYS, NLAConfig, NLANetworks
from ..progress import Progress, quiet

LEARNING_RATE = 1e-4
JPEG_QUALITY = 95
MOST_SETBACKS = 8  # one after the other, without a save between them
FREE_KEYS = ("iters_num", "evaluate_every")  # a second call may change these
# What the original tools also look for in config.json; it steers their files alone.
TOOL_KEYS = {
    "results_folder_name": "results",
    "load_checkpoint": False,
    "checkpoint_path": "",
    "add_to_experiment_folder_name": "_",
}


@dataclass(frozen=True)
class NLATraining:
    """How the networks are trained, and their sizes. Field names are the published config's own keys."""

    iters_num: int = 400_000
    samples_batch: int = 10_000
    evaluate_every: int = 1000  # iterations between two saves
    rgb_coeff: float = 5000
    use_gradient_loss: bool = True
    gradient_loss_coeff: float = 1000
    derivative_amount: int = 1  # pixels, for the gradient and the local rigidity
    rigidity_coeff: float = 1.0
    include_global_rigidity_loss: bool = True
    global_rigidity_derivative_amount_fg: int = 100  # pixels
    global_rigidity_derivative_amount_bg: int = 100
    global_rigidity_coeff_fg: float = 5.0
    global_rigidity_coeff_bg: float = 50.0
    stop_global_rigidity: int = 5000  # iterations
    optical_flow_coeff: float = 5.0
    alpha_flow_factor: float = 49.0
    sparsity_coeff: float = 1000.0
    alpha_bootstrapping_factor: float = 2000.0
    stop_bootstrapping_iteration: int = 10_000
    uv_mapping_scale: float = 0.8  # how much of the canvas the longer side of a frame fills at the start
    pretrain_mapping1: bool = True
    pretrain_mapping2: bool = True
    pretrain_iter_number: int = 100  # passes through the clip, one batch a frame
    number_of_channels_mapping1: int = 256
    number_of_layers_mapping1: int = 6
    use_positional_encoding_mapping1: bool = False
    number_of_positional_encoding_mapping1: int = 4
    number_of_channels_mapping2: int = 256
    number_of_layers_mapping2: int = 4
    use_positional_encoding_mapping2: bool = False
    number_of_positional_encoding_mapping2: int = 2
    number_of_channels_atlas: int = 256
    number_of_layers_atlas: int = 8
    positional_encoding_num_atlas: int = 10
    number_of_channels_alpha: int = 256
    number_of_layers_alpha: int = 8
    positional_encoding_num_alpha: int = 5

    def network_config(self, size: tuple[int, int], frame_count: int) -> NLAConfig:
        """The networks' sizes for a clip of `size` (height, width)."""
        own = {f.name: getattr(self, f.name) for f in fields(NLAConfig) if hasattr(self, f.name)}
        return NLAConfig(resx=size[1], resy=size[0], maximum_number_of_frames=frame_count, **own)


def write_config(folder: Path, name: str, size: tuple[int, int], frame_count: int, options: NLATraining) -> None:
    """Write `config.json` with all published keys."""
    (folder / "config.json").write_text(json.dumps(published_config(name, size, frame_count, options), indent=1))


def published_config(name: str, size: tuple[int, int], frame_count: int, options: NLATraining) -> dict:
    """All published keys and their values for a clip of `size` (height, width)."""
    clip = {"maximum_number_of_frames": frame_count, "resx": size[1], "resy": size[0], "data_folder": f"data/{name}"}
    return clip | asdict(options) | TOOL_KEYS


def write_frames(folder: Path, frames: Tensor, first: int = 0) -> None:
    """Write frames, uint8 [n, 3, H, W], as `00000.jpg` and on, numbered from `first`."""
    folder.mkdir(exist_ok=True)
    for number, frame in enumerate(frames, first):
        picture = frame.permute(1, 2, 0).flip(-1).contiguous().cpu().numpy()
        path = folder / f"{number:05d}.jpg"
        if not cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
            raise OSError(f"{path} could not be written.")


@dataclass(frozen=True)
class Footage:
    """What is learned from: frames uint8 [T, 3, H, W], masks bool [T, H, W] and the flow between frames."""

    frames: Tensor
    masks: Tensor
    flow: ClipFlow

    def __post_init__(self) -> None:
        """Raise InputError where the three do not fit each other."""
        if self.frames.dtype != torch.uint8 or self.frames.ndim != 4 or self.frames.shape[1] != 3:
            raise InputError(f"frames must be uint8 [T, 3, H, W], got {self.frames.dtype} {list(self.frames.shape)}.")
        count, (height, width) = len(self.frames), self.size
        if count < 2:
            raise InputError(f"there are {count} frames; the networks need at least 2.")
        if tuple(self.masks.shape) != (count, height, width) or self.masks.dtype != torch.bool:
            got = f"{self.masks.dtype} {list(self.masks.shape)}"
            raise InputError(f"masks must be bool {[count, height, width]}, as the frames are, got {got}.")
        if self.flow.forward.shape != (count - 1, height, width, 2):
            wanted = [count - 1, height, width, 2]
            raise InputError(f"the flow must be {wanted}, as the frames are, got {list(self.flow.forward.shape)}.")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return tuple(self.frames.shape[2:])

    def draw(self, random: np.random.Generator, count: int, margin: int) -> tuple[Tensor, Tensor]:
        """Frames [n] and pixels [n, 2], `margin` pixels away from the right and the lower side."""
        height, width = self.size
        frame = random.integers(len(self.frames), size=count)
        xy = random.integers([max(1, width - margin), max(1, height - margin)], size=(count, 2))
        return torch.from_numpy(frame).to(self.frames.device), torch.from_numpy(xy).to(self.frames.device)

    def video(self, frame: Tensor, xy: Tensor) -> Tensor:
        """Frames [n] and pixels [n, 2] -> the networks' input [n, 3]."""
        return coords.pixel_to_video(xy.float(), frame.float(), self.size, len(self.frames))

    def colours(self, frame: Tensor, xy: Tensor) -> Tensor:
        """RGB of pixels [n, 2], [n, 3] in [0, 1]."""
        return self.frames[frame, :, xy[:, 1], xy[:, 0]].float() / 255

    def follow(self, frame: Tensor, xy: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Where pixels lie one frame later (step 1) or earlier (-1): trusted, bool [n], and pixels there, [n, 2].

        The flow is looked up point by point: it stays the 16 bits it came in.
        """
        flow, valid = (
            (self.flow.forward, self.flow.forward_valid) if step > 0 else (self.flow.backward, self.flow.backward_valid)
        )
        inside = (frame + step >= 0) & (frame + step < len(self.frames))
        row = (frame if step > 0 else frame - 1).clamp(0, len(flow) - 1)
        place = tuple(axis.cpu().numpy() for axis in (row, xy[:, 1], xy[:, 0]))
        trusted = torch.from_numpy(valid[place]).to(xy.device) & inside
        return trusted, xy + torch.from_numpy(flow[place].astype(np.float32)).to(xy.device)


def rigidity(here: Tensor, right: Tensor, down: Tensor, step: float) -> Tensor:
    """How far a map is from an isometry: 0 where it is one, [n].

    With J the Jacobian of the map by finite differences over `step` (what a pixel's distance is on the canvas) and
    G = J^T J, the paper's ||G||_F + ||G^-1||_F, less its least value; for 2x2, ||G^-1||_F = ||G||_F / det G.
    """
    jacobian = torch.stack([right - here, down - here], dim=-1) / step
    metric = jacobian.mT @ jacobian
    determinant = metric[:, 0, 0] * metric[:, 1, 1] - metric[:, 0, 1].square()
    return metric.norm(dim=(1, 2)) * (1 + 1 / (determinant + 1e-6)) - 2 * math.sqrt(2)


def bootstrapping(alpha: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy of alpha in (0, 1) against a mask of zeros and ones, [n]."""
    return -(mask * alpha.log() + (1 - mask) * (1 - alpha).log())


def nla_losses(
    networks: NLANetworks, footage: Footage, frame: Tensor, xy: Tensor, iteration: int, options: NLATraining
) -> dict[str, Tensor]:
    """Every term of the paper's loss at pixels xy [n, 2] of frames [n], weighed by its coefficient."""
    reach = options.derivative_amount
    steps = [torch.tensor(step, device=xy.device) for step in ((0, 0), (reach, 0), (0, reach))]
    video = [footage.video(frame, xy + step) for step in steps]
    canvas = {name: [networks.canvas_at(name, point) for point in video] for name in LAYER_NAMES}
    alpha = [networks.alpha_at(point)[:, None] for point in video]
    front, back = ([networks.colour_at(name, place) for place in canvas[name]] for name in LAYER_NAMES)
    rendered = [a * f + (1 - a) * b for a, f, b in zip(alpha, front, back, strict=True)]
    seen = [footage.colours(frame, xy + step) for step in steps]
    pixel = options.uv_mapping_scale / (max(footage.size) / 2)  # on the canvas, as the maps start

    terms = {
        "colour": options.rgb_coeff * (rendered[0] - seen[0]).square().sum(1).mean(),
        "sparsity": options.sparsity_coeff * ((1 - alpha[0]) * front[0]).square().sum(1).mean(),
        "rigidity": options.rigidity_coeff * sum(rigidity(*canvas[n], reach * pixel).mean() for n in LAYER_NAMES),
    }
    if options.use_gradient_loss:
        missed = [(rendered[i] - rendered[0] - seen[i] + seen[0]) / reach for i in (1, 2)]
        terms["gradient"] = options.gradient_loss_coeff * sum(d.square().sum(1).mean() for d in missed)
    if options.include_global_rigidity_loss and iteration < options.stop_global_rigidity:
        terms["global rigidity"] = _global_rigidity(networks, footage, frame, xy, pixel, options)
    if iteration < options.stop_bootstrapping_iteration:
        mask = footage.masks[frame, xy[:, 1], xy[:, 0]].float()
        terms["bootstrapping"] = options.alpha_bootstrapping_factor * bootstrapping(alpha[0][:, 0], mask).mean()
    own = (canvas["foreground"][0], canvas["background"][0], alpha[0])
    return terms | _flow_terms(networks, footage, frame, xy, own, pixel, options)


def _global_rigidity(
    networks: NLANetworks, footage: Footage, frame: Tensor, xy: Tensor, pixel: float, options: NLATraining
) -> Tensor:
    """Rigidity over many pixels, which keeps a layer in one piece at the start."""
    total = torch.zeros((), device=xy.device)
    for name, reach, weight in (
        ("foreground", options.global_rigidity_derivative_amount_fg, options.global_rigidity_coeff_fg),
        ("background", options.global_rigidity_derivative_amount_bg, options.global_rigidity_coeff_bg),
    ):
        steps = (torch.tensor(step, device=xy.device) for step in ((0, 0), (reach, 0), (0, reach)))
        places = [networks.canvas_at(name, footage.video(frame, xy + step)) for step in steps]
        total = total + weight * rigidity(*places, reach * pixel).mean()
    return total


def _flow_terms(
    networks: NLANetworks,
    footage: Footage,
    frame: Tensor,
    xy: Tensor,
    own: tuple[Tensor, Tensor, Tensor],
    pixel: float,
    options: NLATraining,
) -> dict[str, Tensor]:
    """A surface keeps its place on the canvas, in pixels, and its alpha, along trusted flow both ways."""
    flow = alpha_flow = torch.zeros((), device=xy.device)
    for step in (1, -1):
        trusted, there = footage.follow(frame, xy, step)
        if not trusted.any():
            continue
        video = footage.video(frame[trusted] + step, there[trusted])
        front, back, alpha = (part[trusted] for part in own)
        for share, name, place in ((alpha, "foreground", front), (1 - alpha, "background", back)):
            moved = (networks.canvas_at(name, video) - place).norm(dim=1) / pixel
            flow = flow + (share[:, 0] * moved).mean() / 2
        alpha_flow = alpha_flow + (networks.alpha_at(video) - alpha[:, 0]).abs().mean() / 2
    return {"flow": options.optical_flow_coeff * flow, "alpha flow": options.alpha_flow_factor * alpha_flow}


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
        states = {key: self.networks.get_submodule(name).state_dict() for name, key in CHECKPOINT_KEYS.items()}
        states |= {"iteration": self.iteration, "optimizer_all_state_dict": self.optimizer.state_dict()}
        partial = self.path.with_name("checkpoint.partial")
        torch.save(states, partial)
        partial.replace(self.path)

    def load(self) -> None:
        """Go back to the checkpoint."""
        states = torch.load(self.path, map_location="cpu", weights_only=True)
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
    options: NLATraining = NLATraining(),
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
    footage = Footage(frames, masks, flow)
    _open_folder(folder, footage, options)
    config = options.network_config(footage.size, len(frames))
    run = _Run(config, folder, seed, frames.device)
    if run.path.is_file():
        run.load()
    else:
        _pretrain(run.networks, footage, options, seed, progress)
        run.save()
    setbacks = 0
    while run.iteration < options.iters_num:
        losses = _train_step(run, footage, options, seed)
        sound = losses is not None
        if sound:
            described = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
            progress(run.iteration / options.iters_num, f"iteration {run.iteration}: {described}")
            if run.iteration % options.evaluate_every and run.iteration < options.iters_num:
                continue
            sound = run.finite()
        if sound:
            run.save()
            setbacks = 0
            continue
        setbacks += 1
        if setbacks > MOST_SETBACKS:
            raise InputError(
                f"the loss is not finite after iteration {run.iteration}, at any learning rate; smaller coefficients "
                f"may help. The last save is in {folder}."
            )
        run.step_back()
    return run.networks.requires_grad_(False).eval()


def _train_step(run: _Run, footage: Footage, options: NLATraining, seed: int) -> dict[str, float] | None:
    """One step of Adam -> the terms of the loss; None, and no step, where it is not finite."""
    random = np.random.default_rng((seed, run.iteration))
    frame, xy = footage.draw(random, options.samples_batch, options.derivative_amount)
    terms = nla_losses(run.networks, footage, frame, xy, run.iteration, options)
    loss = torch.stack(list(terms.values())).sum()
    if not loss.isfinite():
        return None
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    run.iteration += 1
    return {name: term.item() for name, term in terms.items()}


def _pretrain(networks: NLANetworks, footage: Footage, options: NLATraining, seed: int, progress: Progress) -> None:
    """Bring both mappings to the plain place of a pixel in its frame, times `uv_mapping_scale`."""
    random = np.random.default_rng((seed, 0, 1))  # no iteration draws from it
    wanted = {"foreground": options.pretrain_mapping1, "background": options.pretrain_mapping2}
    for name in (name for name in LAYER_NAMES if wanted[name]):
        optimizer = torch.optim.Adam(networks.get_submodule(f"{name}_mapping").parameters(), LEARNING_RATE)
        for turn in range(options.pretrain_iter_number):
            progress(0, f"{name}: plain maps, pass {turn + 1} of {options.pretrain_iter_number}")
            for number in range(len(footage.frames)):
                _, xy = footage.draw(random, options.samples_batch, 0)
                video = footage.video(torch.full((len(xy),), number, device=xy.device), xy)
                loss = (networks.canvas_at(name, video) - options.uv_mapping_scale * video[:, :2]).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def _open_folder(folder: Path, footage: Footage, options: NLATraining) -> None:
    """Make the folder a clip but for its checkpoint, or check that it is this very training's."""
    wanted = published_config(folder.name, footage.size, len(footage.frames), options)
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
    elif folder.exists() and not path.is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} holds something else; train into a new folder.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, folder.name, footage.size, len(footage.frames), options)
        write_frames(folder / folder.name, footage.frames)
