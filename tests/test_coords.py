import pytest
import torch
import torch.nn.functional as F

from stablevideo.layers import coords
from stablevideo.layers.coords import Window


@pytest.mark.parametrize("size", [(216, 384), (384, 216), (97, 31)])
def test_video_coordinates_divide_by_the_larger_side(size):
    height, width = size
    corner = torch.tensor([[0.0, 0.0], [width / 2, height / 2]])
    found = coords.pixel_to_video(corner, torch.tensor([0.0, 5.0]), size, 10)
    assert found[0].tolist() == [-1, -1, -1]
    half = max(size) / 2
    assert found[1].tolist() == pytest.approx([width / 2 / half - 1, height / 2 / half - 1, 0])


def test_layers_share_the_network_domain():
    canvas = torch.tensor([[-1.0, 1.0]])
    assert coords.canvas_to_network(canvas, "foreground").tolist() == [[0, 1]]
    assert coords.canvas_to_network(canvas, "background").tolist() == [[-1, 0]]


def test_alpha_squash_never_reaches_the_ends():
    assert coords.network_to_alpha(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([0.001, 0.991])


@pytest.mark.parametrize("count", [31, 97, 200])
def test_resized_pixels_keep_their_place(count):
    """Sampling a ramp at the resized pixels' centres is what area-true resizing gives."""
    source = torch.linspace(0, 1, 97)
    positions = coords.pixel_centres(0, count, count, 97)
    grid = torch.stack([(positions + 0.5) * 2 / 97 - 1, torch.zeros(count)], -1)[None, None]
    sampled = F.grid_sample(source[None, None, None], grid, align_corners=False, padding_mode="border")
    resized = F.interpolate(source[None, None], count, mode="linear", align_corners=False)
    assert torch.allclose(sampled.flatten(), resized.flatten(), atol=1e-5)


def test_window_round_trip_on_a_portrait_picture():
    window = Window(left=30, top=10, width=40, height=90, resolution=200)
    texel = torch.tensor([[0.0, 0.0], [39.0, 89.0], [12.5, 40.25]])
    uv = window.canvas_to_uv(window.texel_to_canvas(texel))
    assert torch.allclose(coords.uv_to_texel(uv, (90, 40)), texel, atol=1e-4)
    assert uv[0].tolist() == pytest.approx([1 / 40 - 1, 1 / 90 - 1], abs=1e-5)


def test_window_crop_is_what_its_uv_points_at():
    canvas_picture = torch.arange(200 * 200.0).view(1, 200, 200)
    window = Window.around_texels(31, 12, 60, 99, 200)
    cropped = window.crop(canvas_picture)
    place = torch.tensor([[(45 + 0.5) * 2 / 200 - 1, (77 + 0.5) * 2 / 200 - 1]])
    texel = coords.uv_to_texel(window.canvas_to_uv(place), cropped.shape[1:])[0]
    assert cropped[0, round(texel[1].item()), round(texel[0].item())] == canvas_picture[0, 77, 45]


def test_cubic_weights_keep_parabolas_and_clamp():
    nodes = torch.arange(9.0)
    positions = torch.tensor([1.0, 2.25, 4.5, 6.9])
    weights = coords.cubic_weights(positions, 9)
    assert torch.allclose(weights.sum(1), torch.ones(4), atol=1e-6)
    assert torch.allclose(weights @ nodes**2, positions**2, atol=1e-4)
    assert (coords.cubic_weights(torch.tensor([-3.0, 20.0]), 9) @ nodes).tolist() == pytest.approx([0, 8])
