import pytest
import torch

from stablevideo.layers.coords import pixel_mesh
from stablevideo.layers.fill import fill_missing
from stablevideo.layers.inverse import invert_mesh as invert


def invert_mesh(vertices, size):
    return invert(vertices, pixel_mesh(vertices.shape[:2], 1, 0), size)


def mesh(rows, columns, scale, shift):
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([x, y], -1).float() * scale + shift


@pytest.mark.parametrize(("rows", "columns"), [(5, 9), (9, 5)])
def test_every_texel_finds_its_place(rows, columns):
    scale, shift = 6.3, torch.tensor([2.2, 3.7])
    positions, covered = invert_mesh(mesh(rows, columns, scale, shift), (70, 70))
    y, x = torch.meshgrid(torch.arange(70.0), torch.arange(70.0), indexing="ij")
    expected = (torch.stack([x, y], -1) - shift) / scale
    inside = (expected >= 0).all(-1) & (expected[..., 0] <= columns - 1) & (expected[..., 1] <= rows - 1)
    assert torch.equal(covered, inside)
    assert torch.allclose(positions[covered], expected[covered], atol=1e-3)


def test_a_shrinking_mesh_has_no_holes():
    _, covered = invert_mesh(mesh(40, 40, 0.4, 1.3), (20, 20))
    assert covered[2:16, 2:16].all()


def test_where_the_mesh_folds_the_later_quad_wins():
    vertices = mesh(3, 5, 10.0, 0.0)
    vertices[:, 3:, 0] = vertices[:, 1:3, 0].flip(1)  # the last two columns fold back
    positions, covered = invert_mesh(vertices, (21, 41))
    assert covered[5, 15]
    assert positions[5, 15, 0] > 2


def test_a_torn_or_broken_mesh_does_not_smear():
    vertices = mesh(4, 8, 4.0, 0.0)
    vertices[:, 4:, 0] += 500
    _, covered = invert_mesh(vertices, (16, 700))
    assert not covered[:, 20:500].any()
    vertices[2, 2] = float("nan")
    positions, _ = invert_mesh(vertices, (16, 700))
    assert positions.isfinite().all()


def test_fill_keeps_what_is_covered_and_continues_it():
    picture = torch.rand(3, 33, 50)
    coverage = torch.zeros(1, 33, 50)
    coverage[:, 10:20, 15:35] = 1
    filled = fill_missing(picture * 0.2 + 0.7 * coverage, coverage)
    assert torch.allclose((filled * coverage), (picture * 0.2 + 0.7) * coverage)
    far = filled[:, 0, 0]
    assert (far > 0.6).all()
    assert (far < 1.0).all()
