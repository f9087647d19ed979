"""Depth from one picture: MiDaS as the original uses it, else Depth Anything V2 Small."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..checkpoint import AGAIN, damaged_file
from ..errors import InputError
from ..hub import hub_folder
from ..video.pictures import resample
from .midas import load_midas

MIDAS_FILE = "dpt_hybrid-midas-501f0c75.pt"
DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Small-hf"
DEPTH_ANYTHING_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class DepthModel:
    """A depth network, kept on the CPU, and what it wants its pictures to be.

    Attributes
    ----------
    network
        Pictures [1, 3, h, w] -> nearness, whose last two axes are [h, w].
    side_px
        Sides of pictures are multiples of this.
    mean, deviation
        Of red, green and blue, by which pictures are normalised.
    """

    network: torch.nn.Module
    side_px: int
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @torch.inference_mode()
    def nearness(self, picture: Tensor, resolution: int, device: torch.device) -> Tensor:
        """A picture [3, h, w] in [0, 1] -> nearness [1, h', w'] in [0, 1], its short side near `resolution`.

        The network is on `device` only as long as this takes.
        """
        scale = resolution / min(picture.shape[1:])
        height, width = (
            max(self.side_px, round(side * scale / self.side_px) * self.side_px) for side in picture.shape[1:]
        )
        mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (self.mean, self.deviation))
        fitted = (resample(picture, (height, width)).to(device) - mean) / deviation
        try:
            found = self.network.to(device)(fitted[None])
        finally:
            self.network.to("cpu")
        nearness = getattr(found, "predicted_depth", found)[0].float()
        low, high = nearness.amin(), nearness.amax()
        return ((nearness - low) / (high - low).clamp(min=1e-6))[None]


def load_depth(ckpt: Path) -> DepthModel:
    """MiDaS from `ckpt/` where it lies there, else Depth Anything V2 Small.

    Raises InputError where neither is in `ckpt/` and the Hub cannot be asked, or a file is damaged.
    """
    if (ckpt / MIDAS_FILE).is_file():
        # The original rounds to 64 pixels; the network itself needs 32.
        return DepthModel(load_midas(ckpt / MIDAS_FILE), 64)
    from transformers import AutoModelForDepthEstimation

    folder = hub_folder(DEPTH_ANYTHING, ckpt, DEPTH_ANYTHING_FILES)
    try:
        network = AutoModelForDepthEstimation.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        what = damaged_file(folder) or folder
        raise InputError(f"{what} holds no usable depth model ({reason}); {AGAIN}.") from None
    # The vision transformer takes patches of 14 pixels, normalised as ImageNet is.
    return DepthModel(network.eval().requires_grad_(False), 14, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
