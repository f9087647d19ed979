"""What a decomposition is worth, in figures and in words: to be read before editing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..layers.matte import shares
from ..metrics import fine_detail, luma, psnr, ssim
from ..progress import Progress, quiet
from .clip import Footage

CHUNK = 4  # frames at a time
SOLID = 0.9  # a pixel is a layer's own from this share of it on


@dataclass(frozen=True)
class Report:
    """How close the layers come to the clip, and how well an edit will hold.

    Attributes
    ----------
    psnr, ssim
        Of the composed render against the source frames: dB over all pixels, and the mean structural similarity of
        luma.
    layer_psnr
        By layer: dB over its own pixels, each by the layer's share of it. A small object hardly shows in `psnr`.
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
    layer_psnr: dict[LayerName, float]
    ssim: float
    sharpness: dict[LayerName, float]
    coverage: dict[LayerName, float]
    follow_px: dict[LayerName, float]
    verdict: str


@torch.no_grad()
def examine(clip: LayeredVideo, footage: Footage, progress: Progress = quiet) -> Report:
    """Compare a clip decomposed from `footage` with it."""
    squared, similar = 0.0, 0.0
    off, detail = ({name: np.zeros(2) for name in LAYER_NAMES} for _ in range(2))
    for start in range(0, clip.frame_count, CHUNK):
        chunk = list(range(start, min(start + CHUNK, clip.frame_count)))
        source = torch.from_numpy(np.stack([footage.frames[i] for i in chunk])).permute(0, 3, 1, 2).float() / 255
        render = (torch.cat(list(clip.render(frames=chunk))).cpu() * 255).round() / 255
        error = (render - source).square().mean(1)
        squared += error.mean((1, 2)).sum().item()
        lumas = luma(source), luma(render)
        similar += ssim(*lumas).sum().item()
        for name, share in shares(clip.alpha(chunk).cpu()[:, 0]).items():
            off[name] += [(error * share).sum().item(), share.sum().item()]
            detail[name] += [fine_detail(grey)[share > SOLID].sum().item() for grey in lumas]
        progress(chunk[-1] / clip.frame_count, f"comparing frame {chunk[-1]}")
    layer_psnr = {name: psnr(total / max(share, 1.0)) for name, (total, share) in off.items()}
    sharpness = {name: float(shown / max(wanted, 1e-9)) for name, (wanted, shown) in detail.items()}
    coverage = {name: clip.layer(name).coverage.mean().item() for name in LAYER_NAMES}
    follow = {name: follow_flow(clip, footage, name) for name in LAYER_NAMES}
    return Report(
        psnr=round(psnr(squared / clip.frame_count), 2),
        layer_psnr={name: round(value, 2) for name, value in layer_psnr.items()},
        ssim=round(similar / clip.frame_count, 4),
        sharpness={name: round(value, 3) for name, value in sharpness.items()},
        coverage={name: round(value, 3) for name, value in coverage.items()},
        follow_px={name: round(value, 3) for name, value in follow.items()},
        verdict=verdict(layer_psnr, sharpness, follow),
    )


def follow_flow(clip: LayeredVideo, footage: Footage, name: LayerName) -> float:
    """Median distance in pixels between where a layer has a point and where the flow takes it, over the clip."""
    layer, size = clip.layer(name), footage.size
    scale = layer.warp.texels_per_pixel(layer.size)
    off = []
    for i in range(clip.frame_count - 1):
        share = shares(clip.alpha([i])[0, 0].cpu())[name]
        own = torch.from_numpy(footage.flow.forward_valid[i]) & (share > SOLID)
        if not own.any():
            continue
        shift = torch.from_numpy(footage.flow.forward[i]).float()
        there = coords.pixel_to_unit(coords.pixel_mesh(size, 1, 0) + shift, size)
        here, after = (coords.uv_to_texel(layer.uv([k], size).cpu(), layer.size) for k in (i, i + 1))
        moved = F.grid_sample(after.permute(0, 3, 1, 2), there[None], padding_mode="border", align_corners=False)
        off.append((moved[0].permute(1, 2, 0) - here[0]).norm(dim=-1)[own][::7] / scale)
    return torch.cat(off).median().item() if off else 0.0


def verdict(
    layer_psnr: dict[LayerName, float], sharpness: dict[LayerName, float], follow_px: dict[LayerName, float]
) -> str:
    """What the figures mean for an edit, by the worse layer."""
    worse = min(LAYER_NAMES, key=lambda name: layer_psnr[name])
    if layer_psnr[worse] >= 32:
        words = "Both layers are close to the clip; edits should look like part of it."
    elif layer_psnr[worse] >= 26:
        words = f"The {worse} is fair: broad edits will hold, fine detail of the clip is softened."
    else:
        words = f"The {worse} is poor: expect smears. A shorter part, or better masks, would help."
    for name in LAYER_NAMES:
        if sharpness[name] < 0.6:
            words += f" The {name} is blurred."
        if follow_px[name] > 1.0:
            words += f" What is painted on the {name} may swim."
    return words
