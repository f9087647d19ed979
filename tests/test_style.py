"""The style network against plain references, files in the authors' layout, and what a person sees of it."""

import itertools
import math

import pytest
import torch
from torch import nn

from stablevideo import InputError, StyleOptions, load_painter
from stablevideo.style import paint
from stablevideo.style.load import PublishedFiles, load_published, load_style_network
from stablevideo.style.network import full_network, light_network
from stablevideo.style.paint import Painter
from stablevideo.style.sct import SCT, Moments, MomentSums
from stablevideo.style.vgg import decoder_layers, vgg_layers
from tests.clips import smooth_picture


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def lively(network, seed=0):
    """Weights so large that what goes in is seen in what comes out."""
    with torch.no_grad():
        for values in network.parameters():
            values.copy_(torch.randn(values.shape, generator=generator(seed := seed + 1)))
            values *= (2 / values[0].numel()) ** 0.5 if values.ndim > 1 else 0.1
    return network.eval().requires_grad_(False)


def moderate(network):
    """The same, with colours that do not all end in black and white."""
    last = [layer for layer in network.decoder.modules() if isinstance(layer, nn.Conv2d)][-1]
    with torch.no_grad():
        made = network(smooth_picture((64, 64), 1)[None], smooth_picture((64, 64), 2)[None])
        last.bias.copy_((last.bias - made.mean((0, 2, 3))) * 0.15 / made.std() + 0.5)
        last.weight.mul_(0.15 / made.std())
    return network


def slow_moments(features):
    """Mean and deviation of one channel after the other, by the textbook."""
    means, deviations = [], []
    for channel in features:
        values = [value.item() for value in channel.flatten()]
        mean = sum(values) / len(values)
        means.append(mean)
        deviations.append(math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) + 1e-5))
    return means, deviations


def slow_convolution(features, layer):
    """Places one after the other, unpadded."""
    side = layer.kernel_size[0]
    height, width = features.shape[1] - side + 1, features.shape[2] - side + 1
    made = torch.empty(len(layer.weight), height, width, dtype=features.dtype)
    for y, x in itertools.product(range(height), range(width)):
        seen = features[:, y : y + side, x : x + side]
        made[:, y, x] = (layer.weight * seen).sum((1, 2, 3)) + layer.bias
    return made


def slow_narrowing(features, layers):
    for layer in layers:
        features = slow_convolution(features, layer) if isinstance(layer, nn.Conv2d) else features.clamp(min=0)
    return features


def slow_sct(transfer, content, style):
    """Section 3.2 of the paper, place by place."""
    means, deviations = slow_moments(content)
    normed = torch.stack([(c - m) / d for c, m, d in zip(content, means, deviations, strict=True)])
    style_means = [channel.mean().item() for channel in style]
    centred = torch.stack([channel - mean for channel, mean in zip(style, style_means, strict=True)])
    narrow_style = slow_narrowing(centred, transfer.snet)
    covariance = torch.zeros(32, 32, dtype=content.dtype)
    for y, x in itertools.product(range(narrow_style.shape[1]), range(narrow_style.shape[2])):
        covariance += torch.outer(narrow_style[:, y, x], narrow_style[:, y, x])
    covariance /= narrow_style.shape[1] * narrow_style.shape[2]
    narrow = slow_narrowing(normed, transfer.cnet)
    turned = torch.stack([covariance @ narrow[:, y, x] for y, x in itertools.product(*map(range, narrow.shape[1:]))], 1)
    made = slow_convolution(turned.reshape(32, *narrow.shape[1:]), transfer.uncompress)
    return made + torch.tensor(style_means, dtype=content.dtype)[:, None, None]


@pytest.mark.parametrize(("channels", "wide"), [((48, 40, 36), 2), ((40, 36), 1)])
def test_the_transfer_is_that_of_the_paper(channels, wide):
    transfer = lively(SCT(channels, wide)).double()
    content = 3 * torch.randn(1, channels[0], 6, 5, generator=generator(1), dtype=torch.float64) + 2
    style = torch.randn(1, channels[0], 7, 8, generator=generator(2), dtype=torch.float64) - 1
    made = transfer(content, transfer.code(style))[0]
    wanted = slow_sct(transfer, content[0], style[0])
    assert wanted.std() > 0.1
    assert (made - wanted).abs().max() < 1e-5


def test_moments_are_those_of_the_textbook_and_do_not_depend_on_the_parts():
    features = 2 + 5 * torch.randn(1, 4, 9, 7, generator=generator(), dtype=torch.float64)
    found = Moments.of(features)
    means, deviations = slow_moments(features[0])
    assert torch.allclose(found.mean.flatten(), torch.tensor(means, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found.deviation.flatten(), torch.tensor(deviations, dtype=torch.float64), atol=1e-9)
    sums = MomentSums()
    for part in (features[..., :4, :], features[..., 4:, :2], features[..., 4:, 2:]):
        sums.add(part)
    assert torch.allclose(sums.moments().deviation, found.deviation, atol=1e-9)
    weight = torch.zeros(1, 1, 9, 7)
    weight[..., :4, :] = 1
    weighed = MomentSums()
    weighed.add(features, weight)
    upper = Moments.of(features[..., :4, :])
    assert torch.allclose(weighed.moments().mean, upper.mean, atol=1e-9)
    assert torch.allclose(weighed.moments().deviation, upper.deviation, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 9)])
def test_even_the_smallest_pictures_are_painted(size):
    painter = Painter(moderate(lively(light_network())), [smooth_picture((40, 40), 1)])
    assert painter.paint(painter.see(torch.rand(3, *size, generator=generator()))).shape == (3, *size)


def test_gradients_of_the_transfer_are_right():
    transfer = lively(SCT((6, 5), 1)).double()
    content = torch.randn(1, 6, 4, 4, generator=generator(1), dtype=torch.float64, requires_grad=True)
    style = torch.randn(1, 6, 5, 5, generator=generator(2), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, s: transfer(c, transfer.code(s)), (content, style))


def published(folder, mode, seed=0):
    """The authors' three files, with random values: names, shapes and numbers of modules are theirs."""
    files = PublishedFiles.of(mode, folder)
    files.transfer.parent.mkdir(parents=True, exist_ok=True)
    channels = [512, 256, 128, 32] if mode == "artistic" else [256, 128, 32]
    wide = 2 if mode == "artistic" else 1
    transfer = {}
    for number, (before, after) in enumerate(itertools.pairwise(channels)):
        for stack, side in (("cnet", 1), ("snet", 3 if number < wide else 1)):
            transfer[f"{stack}.{2 * number}.weight"] = (
                torch.randn(after, before, side, side, generator=generator(seed)) / 20
            )
            transfer[f"{stack}.{2 * number}.bias"] = torch.zeros(after)
    transfer["uncompress.weight"] = torch.randn(channels[0], 32, 1, 1, generator=generator(seed)) / 10
    transfer["uncompress.bias"] = torch.zeros(channels[0])
    torch.save(transfer, files.transfer)
    torch.save(lively(nn.Sequential(*decoder_layers()), seed).state_dict(), files.decoder)
    if not files.vgg.exists():
        torch.save(lively(nn.Sequential(*vgg_layers()), seed).state_dict(), files.vgg)
    return files


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["artistic", "photo"])
def test_files_in_the_authors_layout_load_and_run_at_their_real_size(mode, tmp_path):
    published(tmp_path / "ccpl", mode)
    network = load_style_network(mode, "ccpl", tmp_path, "cpu")
    painter = Painter(network, [smooth_picture((48, 64), 1)])
    picture = smooth_picture((90, 70), 2)
    made = painter.paint(painter.see(picture))
    assert made.shape == picture.shape
    assert network(picture[None], smooth_picture((48, 64), 1)[None]).std() > 0.01


def test_the_published_encoder_and_decoder_have_the_authors_modules():
    assert len(vgg_layers()) == 53
    assert len(decoder_layers()) == 29
    ends = [4, 11, 18, 31]
    network = full_network("artistic")
    assert [sum(len(stage) for stage in network.encoder.stages[: n + 1]) for n in range(4)] == ends
    odd = network.features(torch.rand(1, 3, 49, 50))
    assert [tuple(found.shape[1:]) for found in odd] == [(512, 7, 7)]


def test_the_photo_mode_takes_the_decoder_from_its_tenth_module_on(tmp_path):
    files = published(tmp_path, "photo")
    state = torch.load(files.decoder, weights_only=True)
    network = load_published("photo", tmp_path)
    assert torch.equal(network.decoder[1].weight, state["11.weight"])
    assert torch.equal(network.decoder[-1].weight, state["28.weight"])


def test_a_transfer_of_the_other_mode_is_told_by_its_channels(tmp_path):
    published(tmp_path, "artistic")
    other = published(tmp_path, "photo")
    other.transfer.rename(PublishedFiles.of("artistic", tmp_path).transfer)
    with pytest.raises(InputError, match=r"256 channels, not those of artistic mode: it is for photo mode.*'art'"):
        load_published("artistic", tmp_path)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"sct_iter_160000.pth.tar is not there.*choose the embedded model"):
        load_published("artistic", tmp_path)
    files = published(tmp_path, "artistic")
    for file, what in ((files.vgg, "VGG-19"), (files.decoder, "decoder of CCPL")):
        kept = file.read_bytes()
        state = torch.load(file, weights_only=True)
        torch.save(dict(list(state.items())[2:]), file)
        with pytest.raises(InputError, match=rf"{file.name}.*does not hold the .*{what}.*issing"):
            load_published("artistic", tmp_path)
        file.write_bytes(kept)
    files.transfer.write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=r"sct_iter_160000.pth.tar is .*no checkpoint"):
        load_published("artistic", tmp_path)
    embedded = tmp_path / "embedded-style" / "photo.safetensors"
    with pytest.raises(InputError, match=r"photo.safetensors is not there"):
        load_style_network("photo", "embedded", tmp_path)
    embedded.parent.mkdir()
    embedded.write_bytes(b"no")
    with pytest.raises(InputError, match=r"photo.safetensors is no safetensors file"):
        load_style_network("photo", "embedded", tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        light_network,
        lambda: full_network("photo"),
        pytest.param(lambda: full_network("artistic"), marks=pytest.mark.slow),
    ],
)
def test_tiles_leave_no_seams(make, monkeypatch):
    network = moderate(lively(make()))
    painter = Painter(network, [smooth_picture((60, 70), 3)])
    picture = smooth_picture((203, 150), 4)
    monkeypatch.setattr(paint, "TILE_PX", {"cpu": 256})
    whole = painter.paint(painter.see(picture))
    monkeypatch.setattr(paint, "TILE_PX", {"cpu": 64})
    seen = painter.see(picture)
    assert len(seen.tiles) == 12
    assert whole.std() > 0.02
    assert (painter.paint(seen) - whole).abs().max() < 1e-4


def test_strength_goes_from_the_picture_to_the_style():
    painter, picture = (
        Painter(moderate(lively(light_network())), [smooth_picture((40, 40), 1)]),
        smooth_picture((48, 40), 2),
    )
    seen = painter.see(picture)
    none, half, full = (painter.paint(seen, strength) for strength in (0.0, 0.5, 1.0))
    assert torch.equal(none, picture)
    assert torch.allclose(half, (none + full) / 2, atol=1e-6)
    assert (full - none).abs().mean() > 0.05


def test_two_styles_are_mixed_by_their_share():
    network, picture = moderate(lively(light_network())), smooth_picture((64, 64), 2)
    one, two = smooth_picture((64, 64), 5), smooth_picture((64, 64), 6)

    def painted(*styles, share=0.5):
        painter = Painter(network, styles, share)
        return painter.paint(painter.see(picture))

    assert torch.allclose(painted(one, two, share=0.0), painted(one), atol=1e-4)
    assert torch.allclose(painted(one, two, share=1.0), painted(two), atol=1e-4)
    mixed = painted(one, two)
    assert 0 < (mixed - painted(one)).abs().mean() < (painted(two) - painted(one)).abs().mean()
    with pytest.raises(InputError, match="one style picture, or two"):
        Painter(network, [one, two, one])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("0=0, 0=1", "rising order"),
        ("5=1, 2=0", "rising order"),
        ("0=2", "strengths from 0 to 1"),
        ("a=1", "got 'a=1'"),
        ("-1=0", "rising order"),
    ],
)
def test_a_strength_over_time_that_is_none_is_said(given, sentence):
    with pytest.raises(InputError, match=sentence):
        StyleOptions(strength_over_time=given)


def test_style_pictures_that_are_none_are_said_in_one_sentence(tmp_path, ckpt):
    import cv2
    import numpy as np

    def style(name, picture):
        path = tmp_path / name
        assert cv2.imwrite(str(path), picture)
        return path

    corrupt = tmp_path / "corrupt.png"
    corrupt.write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    wrong = {
        corrupt: "corrupt.png is no picture that can be read",
        style("thin.png", np.zeros((300, 1, 3), np.uint8)): "thin.png is 1x300, too small",
        style("clear.png", np.zeros((50, 50, 4), np.uint8)): "clear.png is transparent all over",
        style("wide.png", np.zeros((20, 20000, 3), np.uint8)): "larger than 8192 pixels",
        tmp_path / "none.png": "there is no picture",
    }
    for path, sentence in wrong.items():
        with pytest.raises(InputError, match=sentence) as told:
            load_painter([path], ckpt=ckpt, device="cpu")
        assert str(told.value).count(". ") == 0
    half = np.full((50, 50, 4), 255, np.uint8)
    half[:25, :, 3], half[:25, :, :3] = 0, 7
    assert paint.read_style(style("half.png", half)).min() == 1  # what is transparent lies on white
    grey = paint.read_style(style("grey.png", np.full((40, 40), 128, np.uint8)))
    assert grey.shape == (3, 40, 40)


def test_a_grey_style_gives_a_grey_picture_and_every_style_its_mean_colour(ckpt):
    network, picture = load_style_network("artistic", ckpt=ckpt, device="cpu"), smooth_picture((96, 128), 3)
    grey = smooth_picture((80, 90), 4).mean(0, keepdim=True).expand(3, -1, -1)
    painter = Painter(network, [grey])
    made = painter.paint(painter.see(picture))
    assert (made - made.mean(0)).abs().max() < 0.03
    assert made.std() > 0.05
    warm = 0.4 + 0.2 * smooth_picture((80, 90), 5) + torch.tensor([0.2, 0.0, -0.3])[:, None, None]
    painter = Painter(network, [warm])
    made = painter.paint(painter.see(picture))
    assert (made.mean((1, 2)) - warm.mean((1, 2))).abs().max() < 0.04
