"""One size of patches, all places at once: fields that improve by what is offered to them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBOURS = [(1, 0), (-1, 0), (0, 1), (0, -1)]

# What features are kept as where memory is the limit; fields come out as good.
STORED = {"cuda": torch.float16}


class Search:
    """Fields of patches of one size, while they improve.

    A place is the upper left corner of a patch: every one from (0, 0) to (width - 1, height - 1) lies inside.
    """

    def __init__(
        self, target: Tensor, source: Tensor, patch_px: int, field: Tensor, generator: torch.Generator
    ) -> None:
        """Features [n, h, w, k] of both, and displacements [n, 2, h + patch_px - 1, w + patch_px - 1] to begin with."""
        n, self.height, self.width, features = target.shape
        stored = STORED.get(target.device.type, torch.float32)
        self.target, self.source = (values.view(-1, features).to(stored) for values in (target, source))
        self.radius, self.generator = patch_px // 2, generator
        self.own_x, self.own_y = (
            torch.arange(side, device=target.device, dtype=torch.int32) for side in (self.width, self.height)
        )
        self.own_y = self.own_y[:, None]
        self.first = torch.arange(n, device=target.device, dtype=torch.int32)[:, None, None] * (
            self.height * self.width
        )
        self.x, self.y = self._inside(*self.corners(field))
        self.error = self._errors(self.x, self.y)

    def corners(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Where displacements [n, 2, H, W] of whole frames lead the patches: x and y, int32 [n, h, w]."""
        r = self.radius
        dx, dy = field[:, :, r : r + self.height, r : r + self.width].round().int().unbind(1)
        return self.own_x + dx, self.own_y + dy

    def field(self) -> Tensor:
        """Displacements [n, 2, H, W] of whole frames; the border's are those of the nearest patch."""
        inner = torch.stack([self.x - self.own_x, self.y - self.own_y], dim=1).float()
        return F.pad(inner, [self.radius] * 4, mode="replicate")

    def offer(self, x: Tensor, y: Tensor) -> None:
        """Take the places [n, h, w] where they are better than the present ones."""
        x, y = self._inside(x, y)
        error = self._errors(x, y)
        better = error < self.error
        self.x, self.y = torch.where(better, x, self.x), torch.where(better, y, self.y)
        self.error = torch.where(better, error, self.error)

    def propagate(self, neighbours: Sequence[tuple[int, int]], step_px: int) -> None:
        """Offer each patch what those `step_px` away found, moved along; over the edge, those of the other side."""
        for x_steps, y_steps in neighbours:
            dx, dy = x_steps * step_px, y_steps * step_px
            x, y = (torch.roll(place, (dy, dx), (1, 2)) for place in (self.x, self.y))
            self.offer(x + dx, y + dy)

    def draw(self, radius_px: int) -> None:
        """Offer each patch one place at random around the present one, of every pair the same way off."""
        shape = (2, self.height, self.width)
        off = torch.randint(
            -radius_px, radius_px + 1, shape, generator=self.generator, device=self.x.device, dtype=torch.int32
        )
        self.offer(self.x + off[0], self.y + off[1])

    def _inside(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x.clamp(0, self.width - 1), y.clamp(0, self.height - 1)

    def _errors(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances, which rank places as their squares do; what a GPU spends here is the reading and writing."""
        seen = self.source.index_select(0, (self.first + y * self.width + x).view(-1))
        return torch.linalg.vector_norm(seen.sub_(self.target), dim=-1, dtype=torch.float32).view(x.shape)
