"""What a picture is trained towards beside its own error: colour, look, steadiness, and how much each counts."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from stablevideo.color.spaces import normalize_colorspace
from stablevideo.errors import InputError

TINY = 1e-10  # what a feature's squared length and a mask's sum are kept above
SIGMA_DATA, P_MEAN, P_STD = 0.5, -1.2, 1.2  # EDM's, of pictures in [-1, 1] (Karras et al. 2022, table 1)
MOST_WEIGHT, LEAST_NORM = 1e4, 1e-6  # VQGAN's clamp, and its guard against a loss without a gradient


def lab_loss(
    predicted: Tensor,
    target: Tensor,
    channels: tuple[float, float, float] = (1.0, 1.0, 1.0),
    pixels: Tensor | None = None,
) -> Tensor:
    """Weighted mean squared error in normalised Lab: sum(c p (x - y)^2) / sum(c p) over frames, channels, pixels.

    Gradients are finite for every colour, beyond [0, 1] too: nothing is clamped, so that a colour outside of RGB is
    still drawn back into it.

    Raises InputError for channel weights that are negative or all 0.

    Parameters
    ----------
    predicted, target
        sRGB [N, 3, H, W] in [0, 1].
    channels
        Weights c of L / 100, a / 128 and b / 128, at least 0.
    pixels
        Weights p [N, 1, H, W], at least 0; all the same by default. Where all are 0, so is the loss.
    """
    if min(channels) < 0 or not any(channels):
        raise InputError(f"the weights of L, a and b must be at least 0 and not all 0, got {channels}.")
    squared = (normalize_colorspace(predicted) - normalize_colorspace(target)).square()
    weights = squared.new_tensor(channels) / sum(channels)
    error = (squared * weights[:, None, None]).sum(1, keepdim=True)
    return error.mean() if pixels is None else masked_mean(error, pixels)


def perceptual_distance(first: Tensor, second: Tensor, stages: Sequence[nn.Module], heads: Sequence[Tensor]) -> Tensor:
    """How far two pictures' features are apart, [N]: the form of Zhang et al. 2018, equation 1.

    Sum over stages of the mean over space of head . (x / |x| - y / |y|)^2. It is LPIPS only with the backbone that
    the heads were fitted to, and that backbone's scaling of its input.

    Parameters
    ----------
    first, second
        [N, C, H, W] both, in whatever range the first stage takes.
    stages
        A backbone in parts, each fed the one before: features [N, C_l, H_l, W_l] are compared after each.
    heads
        [C_l] for each stage, at least 0: how much each channel counts.

    Raises
    ------
    InputError
        Heads that are negative, or that do not fit the stages.
    """
    if len(heads) != len(stages):
        raise InputError(f"each stage needs one head: got {len(heads)} heads for {len(stages)} stages.")
    if any((head < 0).any() for head in heads):
        raise InputError("a head's weights must be at least 0, or features farther apart would count as nearer.")
    total = first.new_zeros(len(first))
    for number, (stage, head) in enumerate(zip(stages, heads, strict=True)):
        first, second = stage(first), stage(second)
        if head.shape != first.shape[1:2]:
            raise InputError(f"stage {number} gives {first.shape[1]} channels, its head is {list(head.shape)}.")
        squared = (_unit(first) - _unit(second)).square()
        total = total + torch.einsum("nchw,c->nhw", squared, head.to(squared)).mean((1, 2))
    return total


def lpips_heads(backbone: Literal["alex", "squeeze", "vgg"]) -> list[Tensor]:
    """The heads [C_l] that the package `lpips` has in version 0.1 of its metric.

    Channels: alex 64, 192, 384, 256, 256; squeeze 64, 128, 256, 384, 384, 512, 512; vgg 64, 128, 256, 512, 512.

    Raises
    ------
    InputError
        The package is not installed, or lacks the file.
    """
    found = importlib.util.find_spec("lpips")
    if found is None or found.origin is None:
        raise InputError("the package lpips is not installed; pip install --no-deps lpips brings the heads.")
    path = Path(found.origin).parent / "weights" / "v0.1" / f"{backbone}.pth"
    if not path.is_file():
        raise InputError(f"{path} is not there; heads are known for alex, squeeze and vgg, got {backbone!r}.")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{number}.model.1.weight"].flatten() for number in range(len(state))]


def temporal_loss(base: Tensor, frames: Tensor, warped: Tensor, valid: Tensor, weight: float = 0.1) -> Tensor:
    """base + weight * mean |frame - warped previous frame|, the mean over pixels where that is known.

    Parameters
    ----------
    base
        [], the loss of the frames by themselves.
    frames, warped
        [N, C, H, W] both: what comes out, and what came out for the frame before, moved along the motion.
    valid
        [N, 1, H, W] in [0, 1] or bool: 0 where the frame before shows nothing of the pixel.
    """
    return base + weight * masked_mean((frames - warped).abs().mean(1, keepdim=True), valid)


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of [N, 1, H, W] under weights of the same shape; 0 where all weights are 0."""
    weights = weights.to(values)
    return (values * weights).sum() / weights.sum().clamp(min=TINY)


def edm_weight(sigma: Tensor) -> Tensor:
    """The weight of a denoised picture's squared error at noise sigma > 0 of any shape (Karras et al. 2022, table 1).

    It is (sigma^2 + sigma_data^2) / (sigma sigma_data)^2. Under EDM's preconditioning an untrained network's loss is
    then 1 at every noise.
    """
    return (sigma.square() + SIGMA_DATA**2) / (sigma * SIGMA_DATA).square()


def sample_sigma(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels [count] to train at: ln sigma is normal, mean -1.2 and deviation 1.2 (Karras et al. 2022, table 1).

    The generator is on the CPU, so that the same seed gives the same levels whatever the device.
    """
    return (P_MEAN + P_STD * torch.randn(count, generator=generator)).exp()


def balance(base: Tensor, other: Tensor, shared: Tensor) -> Tensor:
    """The weight [] that lets another loss pull as hard as the base: |d base / d shared| / |d other / d shared|.

    VQGAN's adaptive weight (Esser et al. 2021, equation 7), clamped to [0, 1e4] and held constant in what follows. A
    learned weight (Kendall et al. 2018) would be a parameter more to train, save and resume; this one has none.

    Parameters
    ----------
    base, other
        [] both; neither's graph is freed.
    shared
        The last tensor that both losses depend on.
    """
    of_base, of_other = (torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in (base, other))
    return (of_base / (of_other + LEAST_NORM)).clamp(0, MOST_WEIGHT).detach()


def _unit(features: Tensor) -> Tensor:
    """Features [N, C, H, W] of length 1 over channels; 0, with a finite gradient, where all of them are 0."""
    return features * (features.square().sum(1, keepdim=True) + TINY).rsqrt()
