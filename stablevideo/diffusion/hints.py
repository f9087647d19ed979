"""Hints: what a ControlNet follows. Each maker takes a picture and gives a hint of the same size."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..hub import hub_folder

MIDAS_FILE = "dpt_hybrid-midas-501f0c75.pt"
DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Small-hf"

# picture [3, h, w] in [0, 1] -> hint [3, h, w] in [0, 1]
HintMaker = Callable[[Tensor], Tensor]


def canny(low: int, high: int) -> HintMaker:
    """Edges by Canny (1986), white on black, with the two thresholds in grey levels."""

    def make(picture: Tensor) -> Tensor:
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        edges = cv2.Canny(np.ascontiguousarray(pixels), low, high)
        return (torch.from_numpy(edges) / 255.0).expand(3, -1, -1).to(picture.device)

    return make


def depth(ckpt: Path, resolution: int, device: torch.device | str) -> HintMaker:
    """Relative depth, near is white: MiDaS from `ckpt/` where it lies there, else Depth Anything V2 Small.

    Raises InputError where neither is in `ckpt/` and the Hub cannot be asked.
    """
    estimate = _midas(ckpt, device) if (ckpt / MIDAS_FILE).is_file() else _depth_anything(ckpt, device)

    def make(picture: Tensor) -> Tensor:
        size = picture.shape[1:]
        scale = resolution / min(size)
        small = [max(32, round(side * scale / 32) * 32) for side in size]
        resized = F.interpolate(picture[None], small, mode="bilinear", align_corners=False, antialias=True)
        with torch.inference_mode():
            nearness = estimate(resized.to(device))
        low, high = nearness.amin(), nearness.amax()
        nearness = (nearness - low) / (high - low).clamp(min=1e-6)
        hint = F.interpolate(nearness[None, None].float(), size, mode="bicubic", align_corners=False)
        return hint[0].clamp(0, 1).expand(3, -1, -1).to(picture.device)

    return make


def _midas(ckpt: Path, device: torch.device | str) -> Callable[[Tensor], Tensor]:
    from controlnet_aux.midas import MidasDetector

    detector = MidasDetector.from_pretrained(str(ckpt), filename=MIDAS_FILE).to(device)
    return lambda pictures: detector.model(pictures * 2 - 1)[0]


def _depth_anything(ckpt: Path, device: torch.device | str) -> Callable[[Tensor], Tensor]:
    from transformers import AutoModelForDepthEstimation

    folder = hub_folder(DEPTH_ANYTHING, ckpt, ("*.json", "*.safetensors"))
    try:
        model = AutoModelForDepthEstimation.from_pretrained(folder, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder} holds no usable depth model: {error}") from None
    model = model.eval().to(device)
    mean = torch.tensor([0.485, 0.456, 0.406], device=device).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], device=device).view(1, 3, 1, 1)

    def estimate(pictures: Tensor) -> Tensor:
        # The vision transformer takes patches of 14 pixels.
        size = [max(14, round(side / 14) * 14) for side in pictures.shape[2:]]
        fitted = F.interpolate(pictures, size, mode="bicubic", align_corners=False)
        return model((fitted - mean) / deviation).predicted_depth[0]

    return estimate
