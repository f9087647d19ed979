"""Networks that draw the lines of a picture, white on black, from the files of those whose ControlNets follow them.

Soft edges: HED (Xie and Tu 2015, arXiv 1504.06375) as ControlNet's authors trained it anew. Line art: the generator of
Chan et al. 2022 (arXiv 2203.12691). Names of parts are the files'.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checkpoint import load_strictly, read_checkpoint
from ..hub import hub_folder
from ..options import HintKind

ANNOTATORS = "lllyasviel/Annotators"
FILES: dict[HintKind, str] = {"softedge": "ControlNetHED.pth", "lineart": "sk_model.pth"}
WIDTHS = (64, 128, 256, 512, 512)  # of HED's five scales, each half the size of the one before
DEPTHS = (2, 2, 3, 3, 3)


class Scale(nn.Module):
    """Convolutions at one scale of HED, and what they say of edges there."""

    def __init__(self, before: int, width: int, depth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width if i else before, width, 3, padding=1) for i in range(depth))
        self.projection = nn.Conv2d(width, 1, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, c, h, w] -> features [n, width, h, w] and logits [n, 1, h, w]."""
        for conv in self.convs:
            features = F.relu(conv(features))
        return features, self.projection(features)


class SoftEdges(nn.Module):
    """HED: edges looked for at five scales, and averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        for i, (before, width, depth) in enumerate(zip((3, *WIDTHS), WIDTHS, DEPTHS, strict=False), 1):
            self.add_module(f"block{i}", Scale(before, width, depth))

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [n, 3, h, w] in [0, 1], of 16 pixels a side or more -> edges [n, 1, h, w] in [0, 1]."""
        features, found = pictures * 255 - self.norm, []
        for i in range(1, len(WIDTHS) + 1):
            if i > 1:
                features = F.max_pool2d(features, 2)
            features, logits = self.get_submodule(f"block{i}")(features)
            found.append(F.interpolate(logits, pictures.shape[2:], mode="bilinear"))
        return torch.stack(found).mean(0).sigmoid()


class LineArt(nn.Module):
    """A generator that draws on white paper; what comes out of here is its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7), nn.InstanceNorm2d(64), nn.ReLU())
        self.model1 = nn.Sequential(*_halved(64), *_halved(128))
        self.model2 = nn.Sequential(*(Residual(256) for _ in range(3)))
        self.model3 = nn.Sequential(*_doubled(256), *_doubled(128))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(64, 1, 7), nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [n, 3, h, w] in [0, 1], of 16 pixels a side or more -> lines [n, 1, h, w] in [0, 1]."""
        drawn = self.model4(self.model3(self.model2(self.model1(self.model0(pictures)))))
        # Where a side is no multiple of 4, it comes out a little longer.
        return 1 - drawn[..., : pictures.shape[2], : pictures.shape[3]]


class Residual(nn.Module):
    """x + what two convolutions make of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = ((nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)) for _ in "12")
        self.conv_block = nn.Sequential(*first, nn.ReLU(), *second)

    def forward(self, features: Tensor) -> Tensor:
        """[n, width, h, w], and so is what comes back."""
        return features + self.conv_block(features)


def load_lines(kind: HintKind, ckpt: Path) -> SoftEdges | LineArt:
    """The network for that kind of lines, strictly, on the CPU: from its file in `ckpt/`, else from the Hub.

    Raises InputError where the file is in neither place, is damaged, or holds another network.
    """
    name = FILES[kind]
    path = ckpt / name
    if not path.is_file():
        path = hub_folder(ANNOTATORS, ckpt, (name,), instead="follow canny edges") / name
    network = SoftEdges() if kind == "softedge" else LineArt()
    load_strictly(network, read_checkpoint(path), path, f"the network that draws {kind}")
    return network.eval().requires_grad_(False)


def _halved(width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU()


def _doubled(width: int) -> tuple[nn.Module, ...]:
    half = width // 2
    return nn.ConvTranspose2d(width, half, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(half), nn.ReLU()
