"""The networks that draw soft edges and line art: their authors' names and shapes, with values made here."""

import os

import pytest
import torch
import torch.nn.functional as F

from stablevideo import InputError
from stablevideo.diffusion import hints, lines
from stablevideo.diffusion.hints import HintMakers
from stablevideo.options import DiffusionOptions
from tests.clips import smooth_picture

CPU = torch.device("cpu")


def affine(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def hed():
    shapes, before = {"norm": (1, 3, 1, 1)}, 3
    for i, (width, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for j in range(depth):
            shapes |= affine(f"block{i}.convs.{j}", width, before if j == 0 else width, 3, 3)
        shapes |= affine(f"block{i}.projection", 1, width, 1, 1)
        before = width
    return shapes


def line_art():
    shapes = affine("model0.1", 64, 3, 7, 7) | affine("model1.0", 128, 64, 3, 3) | affine("model1.3", 256, 128, 3, 3)
    for i in range(3):
        shapes |= affine(f"model2.{i}.conv_block.1", 256, 256, 3, 3)
        shapes |= affine(f"model2.{i}.conv_block.5", 256, 256, 3, 3)
    # A transposed convolution's weights name what goes in before what comes out.
    shapes |= {"model3.0.weight": (256, 128, 3, 3), "model3.0.bias": (128,)}
    shapes |= {"model3.3.weight": (128, 64, 3, 3), "model3.3.bias": (64,)}
    return shapes | affine("model4.1", 1, 64, 7, 7)


LAYOUTS = {"softedge": (hed, 14_716_168), "lineart": (line_art, 4_290_945)}


def random_weights(kind):
    draw = torch.Generator().manual_seed(0)
    shapes = LAYOUTS[kind][0]()
    return {name: torch.randn(shape, generator=draw) * 0.05 for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ckpt")
    for kind, name in lines.FILES.items():
        torch.save(random_weights(kind), folder / name)
    return folder


@pytest.fixture(params=LAYOUTS)
def kind(request):
    return request.param


def test_the_authors_file_is_loaded_strictly_and_every_weight_has_its_place(kind, folder):
    network = lines.load_lines(kind, folder)
    weights, state = random_weights(kind), network.state_dict()
    assert sum(value.numel() for value in weights.values()) == LAYOUTS[kind][1]
    assert set(state) == set(weights)
    assert all(torch.equal(state[name], value) for name, value in weights.items())


def test_a_picture_of_any_aspect_becomes_a_hint(kind, folder):
    makers = HintMakers(folder, CPU)
    make, picture = makers.of(kind, DiffusionOptions()), smooth_picture((90, 150), 1)
    hint = make(picture, (64, 128))
    assert hint.shape == (3, 64, 128)
    assert torch.equal(hint[0], hint[2])
    assert hint.min() >= 0
    assert hint.max() <= 1
    assert hint.std() > 0
    assert torch.equal(hint, makers.of(kind, DiffusionOptions())(picture, (64, 128)))


def test_a_side_of_any_length(kind, folder):
    assert hints.lines(lines.load_lines(kind, folder), CPU)(smooth_picture((61, 83), 1), (61, 83)).shape == (3, 61, 83)


def test_an_edge_is_white_on_black_and_where_it_is_in_the_picture():
    """HED whose finest scale finds a step from left to right, and whose others see nothing."""
    network = lines.SoftEdges().requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    finest = network.get_submodule("block1")
    finest.convs[0].weight[0, :, 1] = torch.tensor([-1.0, 0.0, 1.0])
    finest.convs[1].weight[0, 0, 1, 1] = 1
    finest.projection.weight[:] = 0.1
    finest.projection.bias[:] = -30
    picture = torch.zeros(3, 48, 96)
    picture[:, :, 30:] = 0.9
    hint = hints.lines(network, CPU)(picture, (48, 96))[0]
    assert (hint.amax(0) > 0.9).nonzero()[:, 0].tolist() == [29, 30]
    assert hint[:, 40:95].max() < 0.01


def test_line_art_is_the_negative_of_what_is_drawn_on_paper():
    network = lines.LineArt().requires_grad_(False)
    network.model4[1].weight.zero_()
    for bias, hint in ((9.0, 0.0), (-9.0, 1.0)):
        network.model4[1].bias[:] = bias
        made = hints.lines(network, CPU)(smooth_picture((32, 48), 1), (32, 48))
        assert torch.allclose(made, torch.full((3, 32, 48), hint), atol=1e-3)


def test_pictures_are_seen_in_levels_as_the_authors_show_them():
    network = lines.SoftEdges()
    seen = []
    network.get_submodule("block1").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.norm.data += 100
    picture = smooth_picture((32, 48), 1)
    hints.lines(network, CPU)(picture, (32, 48))
    assert torch.allclose(seen[0][0], picture * 255 - 100, atol=1e-3)


def test_a_network_is_loaded_once_and_waits_on_the_cpu(kind, folder, monkeypatch):
    makers, loads, moves = HintMakers(folder, CPU), [], []
    load, move = lines.load_lines, torch.nn.Module.to
    monkeypatch.setattr(hints, "load_lines", lambda *given: loads.append(given) or load(*given))
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, place: moves.append(str(place)) or move(self, place))
    for _ in range(2):
        makers.of(kind, DiffusionOptions())(smooth_picture((32, 48), 1), (32, 48))
    assert len(loads) == 1
    assert moves == ["cpu", "cpu"] * 2  # to where it works, and back


def test_a_missing_weight_and_another_network_are_named(kind, tmp_path):
    name = lines.FILES[kind]
    weights = random_weights(kind)
    lost = sorted(weights)[-1]
    weights.pop(lost)
    torch.save(weights, tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} does not hold the network that draws {kind}: .*{lost}"):
        lines.load_lines(kind, tmp_path)


def test_a_pickle_of_old_is_read_and_one_with_code_is_refused(kind, tmp_path):
    path = tmp_path / lines.FILES[kind]
    torch.save(random_weights(kind), path, _use_new_zipfile_serialization=False)
    lines.load_lines(kind, tmp_path)
    for modern in (True, False):
        torch.save({"norm": Code()}, path, _use_new_zipfile_serialization=modern)
        with pytest.raises(InputError, match="refused"):
            lines.load_lines(kind, tmp_path)


def test_no_file_and_no_network(kind, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"Annotators are not all in .*Annotators.*or follow canny edges\.$"):
        lines.load_lines(kind, tmp_path)


def test_bilinear_edges_are_the_authors_own():
    """They bring scales together by OpenCV, which begins at the same corner."""
    import cv2

    coarse = torch.rand(1, 1, 6, 9)
    ours = F.interpolate(coarse, (24, 36), mode="bilinear")[0, 0].numpy()
    assert abs(ours - cv2.resize(coarse[0, 0].numpy(), (36, 24), interpolation=cv2.INTER_LINEAR)).max() < 1e-6


class Code:
    def __reduce__(self):
        return os.system, ("true",)
