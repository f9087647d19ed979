"""Continuing an atlas over texels that no frame sees."""

import torch.nn.functional as F
from torch import Tensor


def fill_missing(picture: Tensor, coverage: Tensor) -> Tensor:
    """Continue a picture smoothly over what is not covered, from coarse to fine (pull and push).

    Parameters
    ----------
    picture, coverage
        [C, H, W] and [1, H, W] in [0, 1]; a coverage between 0 and 1 blends.
    """
    if min(picture.shape[1:]) <= 1 or bool((coverage >= 1).all()):
        return picture
    size = picture.shape[1:]
    half = [(side + 1) // 2 for side in size]
    weight = F.interpolate(coverage[None], half, mode="area")[0]
    mean = F.interpolate((picture * coverage)[None], half, mode="area")[0] / weight.clamp(min=1e-6)
    coarse = fill_missing(mean, (weight * 4).clamp(max=1))
    pushed = F.interpolate(coarse[None], size, mode="bilinear", align_corners=False)[0]
    return picture * coverage + pushed * (1 - coverage)
