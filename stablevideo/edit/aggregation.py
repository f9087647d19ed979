"""The aggregation network: trained on top of the merged atlas, so that it gives the keyframes back."""

import logging
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import coords
from ..layers.layer import Layer
from ..progress import Progress, quiet
from .keyframe import Keyframe, reconstruction_error
from .merge import occupied

LOGGER = logging.getLogger(__name__)

# What a keyframe asks of the atlas: uv within a window of it [1, h, w, 2], colours [1, 3, h, w], alpha [1, h, w].
Target = tuple[Tensor, Tensor, Tensor]


class AggregationNet(nn.Module):
    """StableVideo's aggregation network: a few convolutions that correct the merged atlas."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        last = nn.Conv2d(channels, 3, 3, padding=1)
        self.layers = nn.Sequential(
            nn.Conv2d(4, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            last,
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

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
    window = occupied(small[3] > 0)
    targets = [_target(layer, size, (small.shape[1], small.shape[2]), window, keyframe) for keyframe in keyframes]
    part = small[window][None]
    correction = torch.zeros_like(small[:3])
    correction[window] = _train(part[:, :3], part[:, 3:], targets, steps, seed, progress)[0]
    correction = F.interpolate(correction[None], merged.shape[1:], mode="bilinear", align_corners=False)[0]
    result = (merged + correction * weight).clamp(0, 1)
    after = reconstruction_error(layer, size, result, keyframes)
    LOGGER.info("aggregation network: keyframe error %.4f before, %.4f after", before, after)
    return result if after < before else merged


@torch.inference_mode(False)
@torch.enable_grad()
def _train(
    atlas: Tensor,
    weight: Tensor,
    targets: list[Target],
    steps: int,
    seed: int,
    progress: Progress,
) -> Tensor:
    """Fit the network to the keyframes -> its correction of the atlas [1, 3, h, w]."""
    # Copies, since a tensor made in inference mode cannot take part in training.
    atlas, weight = atlas.clone(), weight.clone()
    targets = [(uv.clone(), after.clone(), alpha.clone()) for uv, after, alpha in targets]
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


def _target(
    layer: Layer,
    size: tuple[int, int],
    atlas_size: tuple[int, int],
    window: tuple[slice, slice, slice],
    keyframe: Keyframe,
) -> Target:
    """What a keyframe asks of a window of an atlas picture of that size."""
    uv = layer.uv([keyframe.frame], size, keyframe.region)
    first = torch.tensor([window[2].start, window[1].start], device=uv.device)
    inner = (window[1].stop - window[1].start, window[2].stop - window[2].start)
    uv = coords.pixel_to_unit(coords.uv_to_texel(uv, atlas_size) - first, inner)
    after, alpha = keyframe.at_clip_size(uv.device)
    return uv, after[None], alpha[None]
