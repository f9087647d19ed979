"""Keyframes' lifts -> one atlas: a robust merge, and the aggregation network trained on top of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import coords
from ..layers.layer import Layer
from ..layers.warp import Region
from ..progress import Progress, quiet
from ..video.pictures import resize

LOGGER = logging.getLogger(__name__)

MERGE_ROUNDS = 3
# A texel's colour counts half where it lies this far from the others' mean.
OUTLIER_DISTANCE = 0.12
# Below this weight a texel fades back to the unedited atlas.
FULL_WEIGHT = 0.25


@dataclass(frozen=True)
class Keyframe:
    """An edited keyframe: what was painted, where it lies in its frame, and where it landed on the atlas.

    Attributes
    ----------
    frame, region
        Which frame, and which part of it (top, left, bottom, right, in the clip's pixels).
    before, hint, after
        [3, h, w] in [0, 1]: the region as it was, the hint taken from it, the region as painted.
    alpha
        [1, h, w]: how much of each pixel of the region is the layer's.
    colours, coverage
        [3, Ha, Wa] and [1, Ha, Wa] in [0, 1]: `after`, lifted.
    """

    frame: int
    region: Region
    before: Tensor
    hint: Tensor
    after: Tensor
    alpha: Tensor
    colours: Tensor
    coverage: Tensor


def merge(atlas: Tensor, colours: Sequence[Tensor], coverages: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Coverage-weighted robust mean of several lifts: iteratively reweighted, so that outliers fade out.

    Parameters
    ----------
    atlas
        [3, Ha, Wa]: stays where no lift reaches.
    colours, coverages
        Lifts [3, Ha, Wa] and how far each texel is to be trusted [1, Ha, Wa], in [0, 1].

    Returns
    -------
    merged, weight
        [3, Ha, Wa], and [1, Ha, Wa] in [0, 1]: how much of the merged atlas is edit.
    """
    # Full pixels count far more than the matte's soft edge, where the colour is half something else's.
    trust = [coverage.square() for coverage in coverages]
    mean = _weighted_mean(colours, trust)
    for _ in range(MERGE_ROUNDS):
        weights = [
            t / (1 + (c - mean).square().sum(0, keepdim=True) / OUTLIER_DISTANCE**2)
            for c, t in zip(colours, trust, strict=True)
        ]
        mean = _weighted_mean(colours, weights)
    amount = (torch.stack(list(coverages)).amax(0) / FULL_WEIGHT).clamp(max=1)
    return torch.lerp(atlas, mean, amount), amount


def _weighted_mean(colours: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    return sum(c * w for c, w in zip(colours, weights, strict=True)) / sum(weights).clamp(min=1e-6)


class AggregationNet(nn.Module):
    """StableVideo's aggregation network: a few convolutions that correct the merged atlas."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 3, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, atlas: Tensor, weight: Tensor) -> Tensor:
        """Merged atlas [1, 3, h, w] and its edit weight [1, 1, h, w] -> corrected atlas."""
        return atlas + self.layers(torch.cat([atlas, weight], dim=1))


def aggregate_by_network(
    layer: Layer,
    size: tuple[int, int],
    merged: Tensor,
    weight: Tensor,
    keyframes: Sequence[Keyframe],
    steps: int = 100,
    seed: int = 0,
    progress: Progress = quiet,
) -> Tensor:
    """Train the aggregation network so that the atlas gives the keyframes back; used only if it does.

    The loss is the paper's: the L1 distance between each edited keyframe and the atlas seen through its
    frame's uv. Work is bounded to the part of the atlas that the keyframes reach, at about one texel a pixel
    of the clip: the correction is smooth, so it is trained small and added to the full atlas.

    Parameters
    ----------
    layer, size
        The layer, and (height, width) of the clip's frame.
    merged, weight
        What `merge` gave.
    seed
        Of the network's first weights.

    Returns
    -------
    The corrected atlas [3, Ha, Wa], or `merged` itself where training did not lower the error.
    """
    before = reconstruction_error(layer, size, merged, keyframes)
    small = layer.at_pixel_scale(torch.cat([merged, weight]), size)
    window = _occupied(small[3] > 0)
    targets = [_target(layer, size, small.shape, window, keyframe) for keyframe in keyframes]
    part = small[window][None]
    correction = torch.zeros_like(small[:3])
    correction[window] = _train(part[:, :3], part[:, 3:], targets, steps, seed, progress)[0]
    correction = F.interpolate(correction[None], merged.shape[1:], mode="bilinear", align_corners=False)[0]
    result = (merged + correction * weight).clamp(0, 1)
    after = reconstruction_error(layer, size, result, keyframes)
    LOGGER.info("aggregation network: keyframe error %.4f before, %.4f after", before, after)
    return result if after < before else merged


def _occupied(mask: Tensor) -> tuple[slice, slice, slice]:
    """The smallest window of an atlas [C, h, w] that holds all of a mask [h, w]."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return (
        slice(None),
        slice(rows[0].item(), rows[-1].item() + 1),
        slice(columns[0].item(), columns[-1].item() + 1),
    )


@torch.inference_mode(False)
@torch.enable_grad()
def _train(
    atlas: Tensor,
    weight: Tensor,
    targets: list[tuple[Tensor, ...]],
    steps: int,
    seed: int,
    progress: Progress,
) -> Tensor:
    """Fit the network to the keyframes -> its correction of the atlas [1, 3, h, w]."""
    # Copies, since a tensor made in inference mode cannot take part in training.
    atlas, weight = atlas.clone(), weight.clone()
    targets = [tuple(tensor.clone() for tensor in target) for target in targets]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AggregationNet().to(atlas.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(steps):
        progress(step / steps, f"aggregation step {step + 1} of {steps}")
        corrected = network(atlas, weight)
        losses = []
        for uv, after, alpha in targets:
            seen = F.grid_sample(corrected, uv, padding_mode="border", align_corners=False)
            losses.append(((seen - after).abs() * alpha).sum() / alpha.sum().clamp(min=1))
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        optimiser.step()
    with torch.no_grad():
        return network(atlas, weight) - atlas


def reconstruction_error(layer: Layer, size: tuple[int, int], atlas: Tensor, keyframes: Sequence[Keyframe]) -> float:
    """Mean absolute difference between the edited keyframes and the atlas seen in their frames, in [0, 1]."""
    errors = []
    for keyframe in keyframes:
        seen = layer.sample(atlas, [keyframe.frame], size, keyframe.region)[0]
        after, alpha = _at_clip_size(keyframe)
        errors.append(((seen - after).abs() * alpha).sum() / alpha.sum().clamp(min=1) / 3)
    return torch.stack(errors).mean().item()


def _at_clip_size(keyframe: Keyframe) -> tuple[Tensor, Tensor]:
    """A keyframe's edit and alpha at the clip's own resolution."""
    top, left, bottom, right = keyframe.region
    small = resize(torch.cat([keyframe.after, keyframe.alpha])[None], (bottom - top, right - left))[0]
    return small[:3], small[3:]


def _target(
    layer: Layer,
    size: tuple[int, int],
    atlas_shape: torch.Size,
    window: tuple[slice, ...],
    keyframe: Keyframe,
) -> tuple[Tensor, Tensor, Tensor]:
    """A keyframe's uv within the window [1, h, w, 2], its edit [1, 3, h, w] and its alpha [1, 1, h, w]."""
    uv = layer.uv([keyframe.frame], size, keyframe.region)
    first = torch.tensor([window[2].start, window[1].start], device=uv.device)
    inner = (window[1].stop - window[1].start, window[2].stop - window[2].start)
    uv = coords.pixel_to_unit(coords.uv_to_texel(uv, atlas_shape[1:]) - first, inner)
    after, alpha = _at_clip_size(keyframe)
    return uv, after[None], alpha[None]
