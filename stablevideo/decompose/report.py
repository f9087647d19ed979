"""What a decomposition is worth, in figures and in words: to be read before editing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..progress import Progress, quiet
from .clip import Footage

LUMA = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue in brightness (BT.601)
CHUNK = 4  # frames at a time
SOLID = 0.9  # a pixel is a layer's own from this share of it on
STABILISE = (0.01**2, 0.03**2)  # SSIM's constants, Wang et al. 2004


@dataclass(frozen=True)
class Report:
    """How close the layers come to the clip, and how well an edit will hold.

    Attributes
    ----------
    psnr, ssim
        Of the composed render against the source frames: dB over all pixels, and the mean structural similarity of
        luma under a Gaussian of 1.5 pixels (Wang et al. 2004).
    sharpness
        By layer: fine detail of the render against the source's (ratio of the Laplacian's mean size); 1 is as sharp.
    coverage
        By layer: share of the atlas that some frame sees.
    follow_px
        By layer: median distance in pixels, a frame later, between where the layer has a point and where the flow does.
    verdict
        In words.
    """

    psnr: float
    ssim: float
    sharpness: dict[str, float]
    coverage: dict[str, float]
    follow_px: dict[str, float]
    verdict: str


@torch.no_grad()
def examine(clip: LayeredVideo, footage: Footage, progress: Progress = quiet) -> Report:
    """Compare a clip decomposed from `footage` with it."""
    squared, similar, detail = [], [], {name: np.zeros(2) for name in LAYER_NAMES}
    for start in range(0, clip.frame_count, CHUNK):
        chunk = list(range(start, min(start + CHUNK, clip.frame_count)))
        source = torch.from_numpy(np.stack([footage.frames[i] for i in chunk])).permute(0, 3, 1, 2).float() / 255
        render = (torch.cat(list(clip.render(frames=chunk))).cpu() * 255).round() / 255
        squared.append((render - source).square().mean().item() * len(chunk))
        lumas = luma(source), luma(render)
        similar.append(ssim(*lumas).sum().item())
        alpha = clip.alpha(chunk).cpu()
        for name, share in zip(LAYER_NAMES, (alpha, 1 - alpha), strict=True):
            own = (share > SOLID)[:, 0]
            detail[name] += [fine_detail(grey)[own].sum().item() for grey in lumas]
        progress(chunk[-1] / clip.frame_count, f"comparing frame {chunk[-1]}")
    psnr = -10 * float(np.log10(max(sum(squared) / clip.frame_count, 1e-10)))
    follow = {name: follow_flow(clip, footage, name) for name in LAYER_NAMES}
    coverage = {name: clip.layer(name).coverage.mean().item() for name in LAYER_NAMES}
    sharpness = {name: float(shown / max(wanted, 1e-9)) for name, (wanted, shown) in detail.items()}
    return Report(
        round(psnr, 2),
        round(sum(similar) / clip.frame_count, 4),
        *({name: round(value, 3) for name, value in part.items()} for part in (sharpness, coverage, follow)),
        verdict(psnr, sharpness, follow),
    )


def luma(pictures: Tensor) -> Tensor:
    """[n, 3, H, W] -> brightness [n, H, W]."""
    return torch.einsum("nchw,c->nhw", pictures, LUMA)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of grey pictures [n, H, W] in [0, 1] -> [n]."""

    def blurred(pictures: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([cv2.GaussianBlur(p, (11, 11), 1.5) for p in pictures.numpy()]))

    mean, other = blurred(first), blurred(second)
    spread, other_spread = blurred(first * first) - mean**2, blurred(second * second) - other**2
    together = blurred(first * second) - mean * other
    above = (2 * mean * other + STABILISE[0]) * (2 * together + STABILISE[1])
    below = (mean**2 + other**2 + STABILISE[0]) * (spread + other_spread + STABILISE[1])
    return (above / below).mean((1, 2))


def fine_detail(grey: Tensor) -> Tensor:
    """Size of the Laplacian of [n, H, W]."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return F.conv2d(F.pad(grey[:, None], (1, 1, 1, 1), mode="replicate"), kernel)[:, 0].abs()


def follow_flow(clip: LayeredVideo, footage: Footage, name: LayerName) -> float:
    """Median distance in pixels between where a layer has a point and where the flow takes it, over the clip."""
    layer, size = clip.layer(name), footage.size
    scale = layer.warp.texels_per_pixel(layer.size)
    off = []
    for i in range(clip.frame_count - 1):
        alpha = clip.alpha([i])[0, 0].cpu()
        own = torch.from_numpy(footage.flow.forward_valid[i]) & ((alpha if name == "foreground" else 1 - alpha) > SOLID)
        if not own.any():
            continue
        shift = torch.from_numpy(footage.flow.forward[i]).float()
        there = coords.pixel_to_unit(coords.pixel_mesh(size, 1, 0) + shift, size)
        here, after = (coords.uv_to_texel(layer.uv([k], size).cpu(), layer.size) for k in (i, i + 1))
        moved = F.grid_sample(after.permute(0, 3, 1, 2), there[None], padding_mode="border", align_corners=False)
        off.append((moved[0].permute(1, 2, 0) - here[0]).norm(dim=-1)[own][::7] / scale)
    return torch.cat(off).median().item() if off else 0.0


def verdict(psnr: float, sharpness: dict[str, float], follow_px: dict[str, float]) -> str:
    """What the figures mean for an edit."""
    if psnr >= 32:
        words = "The layers are close to the clip; edits should look like part of it."
    elif psnr >= 27:
        words = "The layers are fair: broad edits will hold, fine detail of the clip is softened."
    else:
        words = "The layers are poor: expect smears. A shorter part, or better masks, would help."
    for name in LAYER_NAMES:
        if sharpness[name] < 0.6:
            words += f" The {name} is blurred."
        if follow_px[name] > 1.0:
            words += f" What is painted on the {name} may swim."
    return words
