"""Content, style, and contrastive coherence preserving (CCPL, Wu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablevideo.color.spaces import normalize_colorspace
from stablevideo.style.sct import Moments

ANCHORS = 8  # places at which a level is looked at
TEMPERATURE = 0.07
LEVELS = 3  # the deepest, of which coherence is asked
NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def content_loss(made: Sequence[Tensor], content: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of the deepest features."""
    return F.mse_loss(made[-1], content[-1])


def style_loss(made: Sequence[Tensor], style: Sequence[Moments], balanced: bool = False) -> Tensor:
    """Squared difference of means and of deviations, over all levels.

    The mean over channels and pictures, as published; or, balanced, of each picture in shares of what its style has
    itself, so that a style of strong contrasts does not count a hundred times as much as a faint one (after Cheng et
    al. 2021, who take shares level by level).
    """
    own = [Moments.of(features) for features in made]
    apart = _total([Moments(a.mean - b.mean, a.deviation - b.deviation) for a, b in zip(own, style, strict=True)])
    return (apart / _total(style) if balanced else apart).mean()


def _total(moments: Sequence[Moments]) -> Tensor:
    """Squares of all levels, each the mean over its channels, together -> [n]."""
    squares = [(one.mean.square() + one.deviation.square()).mean((1, 2, 3)) for one in moments]
    return torch.stack(squares).sum(0)


def palette_loss(made: Tensor, style: Tensor) -> Tensor:
    """How far the colours [n, 3, H, W] are from the style's, wherever they lie: sorted channel by channel.

    Squared Wasserstein distance of each channel of normalised Lab, of pictures brought to a quarter of their size.
    """
    own, wanted = (normalize_colorspace(F.avg_pool2d(each, 4)).flatten(2).sort(2).values for each in (made, style))
    return F.mse_loss(own, wanted)


class Coherence(nn.Module):
    """Differences between neighbouring features of what was made should be told apart as those of the content are.

    For each of the deepest levels: places, and around each its eight neighbours; the difference of each neighbour to
    its place, brought to the unit sphere by two layers that are learnt along; InfoNCE between those of what was made
    and those of the content in the same place, all others being the negatives (equations 2 to 4).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width // 4)) for width in channels
        )

    def forward(self, made: Sequence[Tensor], content: Sequence[Tensor], generator: torch.Generator) -> Tensor:
        """Features of both at all levels, the deepest last; places are drawn anew for each level."""
        total = made[-1].new_zeros(())
        for head, own, other in zip(self.heads, made[-LEVELS:], content[-LEVELS:], strict=True):
            places = draw_places((own.shape[2], own.shape[3]), generator)
            query = F.normalize(head(differences(own, places)), dim=-1)
            key = F.normalize(head(differences(other, places)), dim=-1).detach()
            logits = query @ key.transpose(1, 2) / TEMPERATURE  # the positives on the diagonal
            target = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
            total = total + F.cross_entropy(logits.flatten(0, 1), target.flatten())
        return total


def draw_places(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Places inside, none at the border and none twice: [up to `ANCHORS`, 2], (y, x)."""
    height, width = size
    drawn = torch.randperm((height - 2) * (width - 2), generator=generator)[:ANCHORS]
    return torch.stack([drawn // (width - 2) + 1, drawn % (width - 2) + 1], 1)


def differences(features: Tensor, places: Tensor) -> Tensor:
    """Place less neighbour -> [n, 8 places, C]."""
    around = (places[:, None] + torch.tensor(NEIGHBOURS)).flatten(0, 1)
    middle = places.repeat_interleave(len(NEIGHBOURS), 0)
    flat = features.permute(0, 2, 3, 1)
    return flat[:, middle[:, 0], middle[:, 1]] - flat[:, around[:, 0], around[:, 1]]
