"""What the fit adds up by cells of texels, against grid_sample and matrices written out."""

import pytest
import torch
import torch.nn.functional as F

from stablevideo.decompose.cells import PAIRS, Cells, Stencil
from stablevideo.layers.coords import pixel_to_unit

SIZE = (5, 7)


@pytest.fixture
def places():
    """[N, 2]: within the atlas, on texels, on its rim and beyond it."""
    torch.manual_seed(4)
    inside = torch.rand(60, 2, dtype=torch.float64) * torch.tensor([8.0, 6.0]) - 1
    return torch.cat([inside, torch.tensor([[0.0, 0.0], [6.0, 4.0], [3.0, 2.0], [9.0, -3.0]], dtype=torch.float64)])


def looked(picture, places):
    """[C, Ha, Wa] at places [N, 2] -> [C, N], as a layer looks at its atlas."""
    grid = pixel_to_unit(places, SIZE)[None, None]
    return F.grid_sample(picture[None], grid, padding_mode="border", align_corners=False)[0, :, 0]


def matrix(places):
    """The same as a matrix [N, texels]."""
    texels = torch.eye(SIZE[0] * SIZE[1], dtype=torch.float64).view(-1, *SIZE)
    return looked(texels, places).T


def test_values_add_up_to_the_adjoint_of_looking(places):
    values = torch.randn(3, len(places), dtype=torch.float64)
    planes = torch.zeros(3, SIZE[0] * SIZE[1], dtype=torch.float64)
    Cells.of(places, SIZE).add(planes, values)
    assert torch.allclose(planes, values @ matrix(places), atol=1e-12)


def test_the_stencil_is_the_normal_matrix_of_looking(places):
    weights = torch.rand(len(places), dtype=torch.float64)
    planes = torch.zeros(PAIRS, SIZE[0] * SIZE[1], dtype=torch.float64)
    Cells.of(places, SIZE).add_pairs(planes, weights)
    stencil = Stencil(*planes.view(PAIRS, *SIZE))
    picture = torch.randn(*SIZE, dtype=torch.float64)
    own = matrix(places)
    expected = own.T @ (weights * (own @ picture.flatten()))
    assert torch.allclose(stencil(picture).flatten(), expected, atol=1e-12)
