"""VGG-19 in the normalised form that style transfer uses, and the decoder that mirrors it (Huang and Belongie 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

# Convolutions of each stage, after the 1x1 that turns colours in [0, 1] into what the first of them takes.
STAGES = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512))
ENDS = (4, 11, 18, 31)  # modules up to relu1_1, relu2_1, relu3_1 and relu4_1
FROM_RELU3 = 10  # the decoder's module from which it takes features of relu3_1


def vgg_layers() -> list[nn.Module]:
    """All 53 modules, numbered as in `vgg_normalised.pth`: borders reflected, odd sides pooled up."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    before = 3
    for number, stage in enumerate(STAGES):
        if number:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for channels in stage:
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(before, channels, 3), nn.ReLU()]
            before = channels
    return layers


def decoder_layers() -> list[nn.Module]:
    """All 29 modules from relu4_1's features to colours, numbered as in the published files."""
    layers: list[nn.Module] = []
    before = 512
    for number, stage in enumerate(((256,), (256, 256, 256, 128), (128, 64), (64, 3))):
        if number:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        for channels in stage:
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(before, channels, 3), nn.ReLU()]
            before = channels
    return layers[:-1]


class VGGEncoder(nn.Module):
    """Colours [n, 3, H, W] in [0, 1] -> features at relu1_1, relu2_1, relu3_1, relu4_1, as many as asked for."""

    def __init__(self, levels: int, layers: Sequence[nn.Module]) -> None:
        """Out of the modules that `vgg_layers` lists."""
        super().__init__()
        starts = (0, *ENDS)
        self.stages = nn.ModuleList(nn.Sequential(*layers[starts[i] : starts[i + 1]]) for i in range(levels))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """The shallowest first."""
        found = []
        for stage in self.stages:
            picture = stage(picture)
            found.append(picture)
        return found
