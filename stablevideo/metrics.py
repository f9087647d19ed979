"""What pictures and videos are worth in numbers."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .video.flow import warp

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in brightness (BT.601)
STABILISE = (0.01**2, 0.03**2)  # SSIM's constants, Wang et al. 2004
NO_ERROR = 1e-10  # a mean squared error below this is none: 100 dB


def psnr(squared_error: float) -> float:
    """Peak signal to noise ratio in dB of a mean squared error of values in [0, 1]; 100 at the most."""
    return -10 * float(np.log10(max(squared_error, NO_ERROR)))


def luma(pictures: Tensor) -> Tensor:
    """[n, 3, H, W] -> brightness [n, H, W]."""
    return torch.einsum("nchw,c->nhw", pictures, pictures.new_tensor(LUMA))


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of grey pictures [n, H, W] in [0, 1] -> [n]."""
    return ssim_map(first, second).mean((1, 2))


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) at each pixel of grey pictures [n, H, W] in [0, 1] -> [n, H, W].

    Under a Gaussian window of 1.5 pixels, 11 wide.
    """

    def blurred(pictures: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([cv2.GaussianBlur(p, (11, 11), 1.5) for p in pictures.cpu().numpy()]))

    mean, other = blurred(first), blurred(second)
    spread, other_spread = blurred(first * first) - mean**2, blurred(second * second) - other**2
    together = blurred(first * second) - mean * other
    above = (2 * mean * other + STABILISE[0]) * (2 * together + STABILISE[1])
    below = (mean**2 + other**2 + STABILISE[0]) * (spread + other_spread + STABILISE[1])
    return above / below


def fine_detail(grey: Tensor) -> Tensor:
    """Size of the Laplacian of [n, H, W], how much fine detail there is at each pixel."""
    kernel = grey.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return F.conv2d(F.pad(grey[:, None], (1, 1, 1, 1), mode="replicate"), kernel)[:, 0].abs()


def motion_difference(frame: np.ndarray, other: np.ndarray, flow: np.ndarray, valid: np.ndarray) -> float:
    """How far a frame is from another one, looked at along the source's own motion.

    Parameters
    ----------
    frame, other
        Neighbouring frames [H, W, C].
    flow, valid
        The source's flow from the first to the second, [H, W, 2] pixels, and where it can be trusted, bool [H, W].

    Returns
    -------
    The mean absolute difference over the valid pixels, in the frames' unit; NaN where there are none.
    """
    off = np.abs(warp(other.astype(np.float32), flow) - frame)[valid]
    return float(off.mean()) if off.size else float("nan")
