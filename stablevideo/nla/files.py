"""What a layered-neural-atlas folder holds besides its networks: config.json with the published keys, and frames."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
from torch import Tensor

from .networks import NetworkSizes, NLAConfig

JPEG_QUALITY = 95
# What the original tools also look for in config.json; it steers their files alone.
TOOL_KEYS = {
    "results_folder_name": "results",
    "load_checkpoint": False,
    "checkpoint_path": "",
    "add_to_experiment_folder_name": "_",
}


@dataclass(frozen=True, kw_only=True)
class NLATraining(NetworkSizes):
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

    def network_config(self, size: tuple[int, int], frame_count: int) -> NLAConfig:
        """The networks' sizes for a clip of `size` (height, width)."""
        sizes = {field.name: getattr(self, field.name) for field in fields(NetworkSizes)}
        return NLAConfig(resx=size[1], resy=size[0], maximum_number_of_frames=frame_count, **sizes)


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
