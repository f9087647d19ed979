"""A picture seen through a nearest-neighbour field."""

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def vote(pictures: Tensor, maps: Tensor, patch_px: int) -> Tensor:
    """Look at pictures [n, C, H, W] through displacements [n, H, W, 2] in pixels -> [n, C, H, W]; all float32.

    Each pixel is the mean over the patches that cover it of what they show there. A patch shows its place in the
    picture, between pixels bilinear; one that would lie outside is moved inside.
    """
    n, channels, height, width = pictures.shape
    radius = patch_px // 2
    inner = maps[:, radius : height - radius, radius : width - radius]
    own_x, own_y = (torch.arange(side - 2 * radius, device=maps.device) for side in (width, height))
    # The upper left corners of the patches.
    x = (own_x + inner[..., 0]).clamp(0, width - 2 * radius - 1)
    y = (own_y[:, None] + inner[..., 1]).clamp(0, height - 2 * radius - 1)
    left, top = x.floor(), y.floor()
    # A fraction is that of its whole patch: with one more row and column of it, blending is shifting.
    more = int(bool((x != left).any() or (y != top).any()))
    strip_px = patch_px + more
    rows = F.pad(pictures, (0, more, 0, more), mode="replicate").permute(0, 2, 3, 1).contiguous()
    strips = rows.view(-1).unfold(0, strip_px * channels, channels).contiguous()
    pitch = width + more
    first = torch.arange(n, device=maps.device)[:, None, None] * ((height + more) * pitch)
    index = (first + top.long() * pitch + left.long()).view(-1)
    votes = pictures.new_zeros(n, height, len(own_x), patch_px, channels)
    above: Tensor | None = None
    for row in range(strip_px):
        strip = strips.index_select(0, index + row * pitch).view(*x.shape, strip_px, channels)
        if more:
            below = torch.lerp(strip[..., :-1, :], strip[..., 1:, :], (x - left)[..., None, None])
            strip = below if above is None else torch.lerp(above, below, (y - top)[..., None, None])
            above = below
            if row == 0:
                continue
        votes[:, row - more : row - more + len(own_y)] += strip
    shown = pictures.new_zeros(n, height, width, channels)
    for column in range(patch_px):
        shown[:, :, column : column + len(own_x)] += votes[..., column, :]
    covering = [_covering(side, patch_px, pictures.device) for side in (height, width)]
    return (shown / (covering[0][:, None] * covering[1])[..., None]).permute(0, 3, 1, 2).contiguous()


def _covering(side_px: int, patch_px: int, device: torch.device) -> Tensor:
    """How many patches of a row cover each of its pixels."""
    pixel = torch.arange(side_px, device=device)
    return torch.minimum(pixel, side_px - 1 - pixel).clamp(max=min(patch_px - 1, side_px - patch_px)) + 1
