"""What SCT is held beside, in the same place: AdaIN and Linear. Never shipped."""

from __future__ import annotations

from torch import Tensor, nn

from stablevideo.style.sct import CODE_CHANNELS, Moments, StyleCode, covariance


class AdaIN(nn.Module):
    """Content's moments replaced by the style's (Huang and Belongie 2017). Nothing to learn."""

    def code(self, style: Tensor) -> Moments:
        """Style features [n, C, h, w] -> what is carried over."""
        return Moments.of(style)

    def forward(self, content: Tensor, code: Moments, moments: Moments | None = None) -> Tensor:
        """Content features [n, C, h, w] in the style's look."""
        own = moments or Moments.of(content)
        return (content - own.mean) / own.deviation * code.deviation + code.mean


class Linear(nn.Module):
    """A matrix out of both covariances, each through a network of its own (Li et al. 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_style, self.of_content = _Matrix(channels), _Matrix(channels)
        self.compress = nn.Conv2d(channels, CODE_CHANNELS, 1)
        self.unzip = nn.Conv2d(CODE_CHANNELS, channels, 1)

    def code(self, style: Tensor) -> StyleCode:
        """Style features [n, C, h, w] -> matrix [n, 32, 32] and mean."""
        mean = style.mean((2, 3), keepdim=True)
        return StyleCode(self.of_style(style - mean), mean)

    def forward(self, content: Tensor, code: StyleCode, moments: Moments | None = None) -> Tensor:
        """Content features [n, C, h, w] in the style's look."""
        mean = moments.mean if moments else content.mean((2, 3), keepdim=True)
        matrix = code.covariance @ self.of_content(content - mean)
        narrow = self.compress(content - mean)
        return self.unzip((matrix @ narrow.flatten(2)).unflatten(2, narrow.shape[2:])) + code.mean


class _Matrix(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels // 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, CODE_CHANNELS, 3, padding=1),
        )
        self.full = nn.Linear(CODE_CHANNELS**2, CODE_CHANNELS**2)

    def forward(self, features: Tensor) -> Tensor:
        return self.full(covariance(self.narrow(features)).flatten(1)).unflatten(1, (CODE_CHANNELS, CODE_CHANNELS))
