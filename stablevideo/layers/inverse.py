"""Turning a warp round: for every texel of an atlas, the place in the frame that is mapped there."""

import torch
from torch import Tensor

# Window sides, in texels, in which a triangle is looked for; larger triangles (a torn or folded map) are
# no surface and are left out.
WINDOWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
TOLERANCE = 1e-4


def invert_mesh(vertices: Tensor, places: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Rasterise a mesh of quads, two triangles each, and give the place on the mesh under every texel.

    Where the mesh folds over itself the later quad (larger row, then column) wins, on every device.

    Parameters
    ----------
    vertices
        [rows, columns, 2]: where each mesh vertex lies, in texels, (x, y) order.
    places
        [rows, columns, 2]: what each vertex stands for, such as its pixel; linear in between.
    size
        (height, width) of the atlas picture.

    Returns
    -------
    found, covered
        [height, width, 2] in the unit of `places`, and bool [height, width]; found is 0 where nothing covers.
    """
    height, width = size
    triangles = _triangles(vertices)  # [n, 3, 2] texels
    places = _triangles(places)  # [n, 3, 2]
    owner = torch.full((height * width,), -1, dtype=torch.int64, device=vertices.device)

    # The texel centres within a triangle's box, and how many there are along its longer side.
    low = (triangles.amin(1) - TOLERANCE).ceil()
    extent = ((triangles.amax(1) + TOLERANCE).floor() - low).amax(1) + 1
    area = _cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    usable = (area.abs() > 1e-9) & extent.isfinite()
    smaller = 0
    for window in WINDOWS:
        chosen = (usable & (extent > smaller) & (extent <= window)).nonzero()[:, 0]
        smaller = window
        # A bounded number of texels at a time keeps memory flat for large atlases.
        for part in chosen.split(max(1, 4_000_000 // window**2)):
            _claim_texels(owner, triangles[part], low[part].long(), part, window, size)

    covered = owner >= 0
    texel = covered.nonzero()[:, 0]
    triangle = owner[texel]
    point = torch.stack([texel % width, texel // width], dim=1).float()
    weights = _barycentric(triangles[triangle], point)
    found = torch.zeros(height * width, 2, device=vertices.device)
    found[texel] = (weights[:, :, None] * places[triangle]).sum(1)
    return found.view(height, width, 2), covered.view(height, width)


def _triangles(grid: Tensor) -> Tensor:
    """[rows, columns, 2] -> [2 * quads, 3, 2]."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    return torch.stack([torch.stack([a, b, c], -2), torch.stack([d, c, b], -2)], 2).flatten(0, 2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _barycentric(triangles: Tensor, points: Tensor) -> Tensor:
    """Weights [..., 3] of the corners of triangles [..., 3, 2] at points [..., 2]."""
    a, b, c = triangles.unbind(-2)
    area = _cross(b - a, c - a)
    weight_b = _cross(points - a, c - a) / area
    weight_c = _cross(b - a, points - a) / area
    return torch.stack([1 - weight_b - weight_c, weight_b, weight_c], dim=-1)


def _claim_texels(
    owner: Tensor, triangles: Tensor, low: Tensor, identity: Tensor, window: int, size: tuple[int, int]
) -> None:
    """Write each triangle's identity into `owner` [height * width] at the texels inside it."""
    height, width = size
    step = torch.arange(window, device=owner.device)
    x = low[:, 0, None] + step  # [n, window]
    y = low[:, 1, None] + step
    # The barycentric weights are affine in the texel, so each is one outer sum of a row and a column term.
    a, b, c = (corner.unsqueeze(1) for corner in triangles.unbind(1))
    area = _cross(b - a, c - a)
    dx, dy = x - a[..., 0], y - a[..., 1]
    bx, by = dx * (c - a)[..., 1] / area, -dy * (c - a)[..., 0] / area
    cx, cy = -dx * (b - a)[..., 1] / area, dy * (b - a)[..., 0] / area
    weight_b = by[:, :, None] + bx[:, None, :]  # [n, window, window]
    weight_c = cy[:, :, None] + cx[:, None, :]
    inside = (weight_b >= -TOLERANCE) & (weight_c >= -TOLERANCE) & (weight_b + weight_c <= 1 + TOLERANCE)
    inside &= ((x >= 0) & (x < width))[:, None, :] & ((y >= 0) & (y < height))[:, :, None]
    triangle, row, column = inside.nonzero(as_tuple=True)
    texel = y[triangle, row] * width + x[triangle, column]
    owner.scatter_reduce_(0, texel, identity[triangle], "amax")
