"""The losses of training: values by hand and by slow formulas, and gradients."""

import importlib.util
import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.color import rgb2lab
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from stablevideo.errors import InputError
from tests.conftest import ROOT
from training.embedded.cosine import LATENT_CHANNELS, MEAN_CHANNELS, block_colours, build_vae, to_latents
from training.embedded.loss import diffusion_loss
from training.embedded.model import build_scheduler
from training.embedded.options import Options
from training.embedded.pool import Batch
from training.embedded.train import train
from training.losses import (
    balance,
    edm_weight,
    lab_loss,
    lpips_heads,
    masked_mean,
    perceptual_distance,
    sample_sigma,
    temporal_loss,
)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain(value, height=2, width=3):
    """One picture of one colour [1, 3, height, width]."""
    return torch.tensor(value, dtype=torch.float64)[None, :, None, None].expand(1, 3, height, width)


@pytest.fixture(scope="module")
def backbone():
    """Three stages of 4, 6 and 5 channels, the second at half the size, with smooth activations for gradcheck."""
    torch.manual_seed(0)
    return [
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh()).double(),
        nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.Tanh()).double(),
        nn.Conv2d(6, 5, 1).double(),
    ]


HEADS = [random(4, seed=1), random(6, seed=2), random(5, seed=3)]


def test_lab_loss_by_hand():
    """Black to white is L from 0 to 1, and nothing in a and b."""
    black, white = plain([0.0, 0, 0]), plain([1.0, 1, 1])
    assert lab_loss(black, white).item() == pytest.approx(1 / 3, abs=1e-6)
    assert lab_loss(black, white, (1, 0, 0)).item() == pytest.approx(1, abs=1e-6)
    assert lab_loss(black, white, (0, 1, 1)).item() == pytest.approx(0, abs=1e-6)
    assert lab_loss(black, white, (3, 1, 0)).item() == pytest.approx(3 / 4, abs=1e-6)


def test_lab_loss_as_a_slow_formula_has_it():
    first, second, pixels, channels = (
        random(2, 3, 4, 5),
        random(2, 3, 4, 5, seed=1),
        random(2, 1, 4, 5, seed=2),
        (1, 2, 4),
    )
    scales, total, weight = (100, 128, 128), 0.0, 0.0
    for frame in range(2):
        ours, theirs = (rgb2lab(x[frame].numpy(), channel_axis=0) for x in (first, second))
        for channel in range(3):
            for y in range(4):
                for x in range(5):
                    share = channels[channel] * pixels[frame, 0, y, x].item()
                    total += share * ((ours[channel, y, x] - theirs[channel, y, x]) / scales[channel]) ** 2
                    weight += share
    assert lab_loss(first, second, channels, pixels).item() == pytest.approx(total / weight, rel=1e-3)


def test_pixels_without_weight_have_no_say():
    first, second, pixels = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1), torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    pixels[..., :2] = 3
    other = second.clone()
    other[..., 2:] = 0.5
    assert lab_loss(first, second, pixels=pixels) == lab_loss(first, other, pixels=pixels)
    assert lab_loss(first, second, pixels=pixels).item() == pytest.approx(
        lab_loss(first[..., :2], second[..., :2]).item()
    )
    assert lab_loss(first, second, pixels=pixels * 0) == 0


def test_lab_loss_is_symmetric_and_nothing_between_equals():
    first, second = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    assert lab_loss(first, second) == lab_loss(second, first) > 0
    same = first.clone().requires_grad_()
    lab_loss(same, first).backward()
    assert lab_loss(same, first) == 0
    assert not same.grad.any()


def test_lab_loss_gradients():
    first, pixels = random(1, 3, 2, 2).requires_grad_(), random(1, 1, 2, 2, seed=2)
    assert torch.autograd.gradcheck(lambda x: lab_loss(x, random(1, 3, 2, 2, seed=1), (1, 2, 3), pixels), first)


@pytest.mark.parametrize("value", [0.0, 1e-8, 0.0031308, 0.008856, 0.04045, 0.5, 1.0, -0.3, 1.4])
def test_lab_loss_gradients_are_finite_for_every_grey(value):
    grey = plain([value] * 3).float().clone().requires_grad_()
    lab_loss(grey, plain([0.2, 0.6, 0.4]).float()).backward()
    assert grey.grad.isfinite().all()
    assert grey.grad.abs().max() > 0


def test_colours_outside_of_rgb_are_drawn_back():
    outside = torch.tensor([-0.4, 1.3, 0.5]).view(1, 3, 1, 1).requires_grad_()
    lab_loss(outside, torch.tensor([0.0, 1.0, 0.5]).view(1, 3, 1, 1)).backward()
    assert outside.grad[0, 0] < 0 < outside.grad[0, 1]


@pytest.mark.parametrize("channels", [(0, 0, 0), (1, -1, 1)])
def test_channel_weights_that_make_no_sense_are_refused(channels):
    with pytest.raises(InputError, match="got"):
        lab_loss(random(1, 3, 2, 2), random(1, 3, 2, 2), channels)


def test_perceptual_distance_by_hand():
    """Features (3, 0) and (0, 7) have the directions (1, 0) and (0, 1), whatever their lengths."""
    first, second = (torch.tensor(x).view(1, 2, 1, 1).expand(1, 2, 2, 3) for x in ([3.0, 0.0], [0.0, 7.0]))
    stage, head = nn.Identity(), torch.tensor([0.25, 2.0])
    assert perceptual_distance(first, second, [stage], [head]).tolist() == pytest.approx([2.25])
    assert perceptual_distance(first, second, [stage, stage], [head, head * 2]).tolist() == pytest.approx([6.75])


def test_perceptual_distance_as_a_slow_formula_has_it(backbone):
    first, second = random(2, 3, 6, 8), random(2, 3, 6, 8, seed=1)
    expected = np.zeros(2)
    features = [first, second]
    for stage, head in zip(backbone, HEADS, strict=True):
        features = [stage(x) for x in features]
        ours, theirs = (x.detach().numpy() for x in features)
        for n in range(2):
            _, _, height, width = ours.shape
            for y in range(height):
                for x in range(width):
                    u, v = ours[n, :, y, x], theirs[n, :, y, x]
                    off = u / np.linalg.norm(u) - v / np.linalg.norm(v)
                    expected[n] += (head.numpy() * off**2).sum() / (height * width)
    assert perceptual_distance(first, second, backbone, HEADS).tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_perceptual_distance_is_symmetric_and_nothing_between_equals(backbone):
    first, second = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    there, back = (perceptual_distance(*pair, backbone, HEADS) for pair in ((first, second), (second, first)))
    assert torch.equal(there, back)
    assert (there > 0).all()
    same = first.clone().requires_grad_()
    none = perceptual_distance(same, first, backbone, HEADS)
    none.sum().backward()
    assert not none.any()
    assert not same.grad.any()


def test_perceptual_distance_gradients(backbone):
    first, second = random(1, 3, 4, 4).requires_grad_(), random(1, 3, 4, 4, seed=1)
    assert torch.autograd.gradcheck(lambda x: perceptual_distance(x, second, backbone, HEADS), first)


def test_features_that_are_all_zero_have_finite_gradients():
    first = torch.zeros(1, 2, 2, 2, requires_grad=True)
    perceptual_distance(first, torch.ones(1, 2, 2, 2), [nn.Identity()], [torch.ones(2)]).sum().backward()
    assert first.grad.isfinite().all()


@pytest.mark.parametrize(
    ("heads", "said"), [(HEADS[:2], "2 heads for 3"), ([*HEADS[:2], -HEADS[2]], "at least 0"), (HEADS[::-1], "stage 0")]
)
def test_heads_that_do_not_fit_are_refused(backbone, heads, said):
    with pytest.raises(InputError, match=said):
        perceptual_distance(random(1, 3, 4, 4), random(1, 3, 4, 4), backbone, heads)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("alex", [64, 192, 384, 256, 256]),
        ("squeeze", [64, 128, 256, 384, 384, 512, 512]),
        ("vgg", [64, 128, 256, 512, 512]),
    ],
)
def test_lpips_heads_are_those_of_the_package(name, channels):
    pytest.importorskip("lpips")
    heads = lpips_heads(name)
    assert [len(head) for head in heads] == channels
    assert all((head >= 0).all() and head.any() for head in heads)


def test_heads_fit_the_stages_of_a_vgg():
    pytest.importorskip("lpips")
    layers = make_layers(cfgs["D"])
    stages = [layers[begin:end] for begin, end in ((0, 4), (4, 9), (9, 16), (16, 23), (23, 30))]
    first, second = random(1, 3, 32, 48, dtype=torch.float32), random(1, 3, 32, 48, seed=1, dtype=torch.float32)
    with torch.no_grad():
        assert perceptual_distance(first, second, stages, lpips_heads("vgg")).item() > 0


def test_with_the_package_s_own_backbone_it_is_the_package_s_own_number():
    """Its backbone at random, since the form is what is compared."""
    lpips = pytest.importorskip("lpips")
    torch.manual_seed(0)
    theirs = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    stages = [getattr(theirs.net, f"slice{number}") for number in range(1, 8)]
    stages[0] = nn.Sequential(theirs.scaling_layer, stages[0])
    first, second = (random(2, 3, 64, 48, seed=n, dtype=torch.float32) * 2 - 1 for n in range(2))
    with torch.no_grad():
        expected = theirs(first, second).flatten()
        assert torch.allclose(perceptual_distance(first, second, stages, lpips_heads("squeeze")), expected, rtol=1e-3)


def test_without_the_package_the_heads_are_asked_for(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="lpips is not installed"):
        lpips_heads("vgg")


def test_an_unknown_backbone_is_refused():
    pytest.importorskip("lpips")
    with pytest.raises(InputError, match="'resnet'"):
        lpips_heads("resnet")


def test_temporal_loss_by_hand():
    """0.3 and 0.5 apart in two pixels, of which the second is not known from the frame before."""
    frames, warped = torch.full((1, 3, 1, 2), 0.5), torch.tensor([0.2, 1.0]).expand(1, 3, 1, 2)
    valid = torch.tensor([True, False]).view(1, 1, 1, 2)
    base = torch.tensor(2.0)
    assert temporal_loss(base, frames, warped, valid).item() == pytest.approx(2.03)
    assert temporal_loss(base, frames, warped, torch.ones(1, 1, 1, 2)).item() == pytest.approx(2.04)
    assert temporal_loss(base, frames, warped, valid, weight=1).item() == pytest.approx(2.3)
    assert temporal_loss(base, frames, frames, valid) == base
    assert temporal_loss(base, frames, warped, valid & False) == base


def test_temporal_loss_gradients():
    frames, warped, valid = random(2, 3, 3, 3).requires_grad_(), random(2, 3, 3, 3, seed=1), random(2, 1, 3, 3, seed=2)
    base = random(1)[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda b, x: temporal_loss(b, x, warped, valid), (base, frames))
    nothing = torch.autograd.grad(temporal_loss(base, frames, warped, valid * 0), frames)[0]
    assert not nothing.any()


def test_masked_mean_by_hand():
    values, weights = torch.tensor([1.0, 4.0]).view(1, 1, 1, 2), torch.tensor([3.0, 1.0]).view(1, 1, 1, 2)
    assert masked_mean(values, weights).item() == pytest.approx(7 / 4)


def test_edm_weight_by_hand():
    assert edm_weight(torch.tensor([0.5, 1.0, 1e4])).tolist() == pytest.approx([8, 5, 4])
    sigma = 0.002 + 80 * random(20)
    c_out = sigma * 0.5 / (sigma**2 + 0.5**2).sqrt()  # the paper's output scaling: weight and its square cancel
    assert torch.allclose(edm_weight(sigma) * c_out**2, torch.ones_like(sigma))
    assert torch.autograd.gradcheck(edm_weight, (0.1 + random(4)).requires_grad_())


def test_noise_levels_are_log_normal_and_come_from_their_seed():
    draw = lambda seed: sample_sigma(20000, torch.Generator().manual_seed(seed))  # noqa: E731
    before = torch.get_rng_state()
    logs = draw(0).log()
    assert torch.equal(before, torch.get_rng_state())
    assert logs.mean().item() == pytest.approx(-1.2, abs=0.04)
    assert logs.std().item() == pytest.approx(1.2, abs=0.03)
    within = ((logs + 1.2).abs() < 1.2).double().mean().item()
    assert within == pytest.approx(math.erf(0.5**0.5), abs=0.015)
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_balanced_losses_pull_equally_hard(scale):
    shared = random(3, 4).requires_grad_()
    base, other = shared.square().sum(), scale * (shared - 2).abs().sum()
    weight = balance(base, other, shared)
    ours, theirs = (torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in (base, weight * other))
    assert theirs.item() == pytest.approx(ours.item(), rel=1e-3)
    assert not weight.requires_grad
    (base + weight * other).backward()
    assert shared.grad.isfinite().all()


def test_a_loss_that_hardly_pulls_is_not_blown_up():
    shared = random(3).requires_grad_()
    assert balance(shared.sum(), 1e-9 * shared.sum(), shared) == 1e4
    assert balance(shared.sum(), 0 * shared.sum(), shared) == 1e4
    assert balance(0 * shared.sum(), shared.sum(), shared) == 0


def test_block_colours_are_the_means_of_four_by_four_pixels():
    pictures = random(2, 3, 16, 24, dtype=torch.float32)
    with torch.no_grad():
        latents = to_latents(build_vae(), pictures)
    assert torch.allclose(block_colours(latents), F.avg_pool2d(pictures, 4), atol=1e-6)


def says(clean):
    """A model whose UNet foresees the same, whatever it is given."""
    unet = lambda *_, **__: SimpleNamespace(sample=clean)  # noqa: E731
    unet.dtype = torch.float32
    return SimpleNamespace(
        unet=unet,
        controlnets={"picture": lambda *_, **__: (None, None)},
        text_encoder=lambda ids: SimpleNamespace(last_hidden_state=torch.zeros(len(ids), 77, 1)),
        scheduler=build_scheduler(),
    )


def test_the_trainer_s_colour_loss_pulls_as_hard_as_it_is_told():
    clean = random(4, LATENT_CHANNELS, 4, 4).float().requires_grad_()
    latents, ids = random(4, LATENT_CHANNELS, 4, 4, seed=1).float(), torch.zeros(4, 3)
    batch = Batch(latents, torch.zeros(4, 3, 16, 16), ids, torch.ones(4, 1, 4, 4))

    def pull(colour):
        generator = torch.Generator().manual_seed(3)
        loss = diffusion_loss(says(clean), "picture", batch, generator, "cpu", colour)
        return torch.autograd.grad(loss, clean)[0]

    without, half, whole = pull(0.0), pull(0.5), pull(1.0)
    assert (half - without).norm().item() == pytest.approx(0.5 * without.norm().item(), rel=1e-3)
    assert torch.allclose(whole - without, 2 * (half - without), rtol=1e-3, atol=1e-6)
    pulled = (half - without).abs().amax((0, 2, 3))
    # Light and shade within a block have no colour.
    assert pulled[[i for i in range(LATENT_CHANNELS) if i not in MEAN_CHANNELS]].max() < 1e-9
    assert pulled[list(MEAN_CHANNELS)].min() > 0


@pytest.mark.slow
def test_a_run_takes_the_steps_it_is_told(tmp_path):
    out = tmp_path / "embedded"
    shutil.copytree(ROOT / "ckpt" / "embedded", out)
    train(Options(out, tmp_path / "work", steps=2, decoder_minutes=0, batch=4, colour=0.5, save_every=100))
    assert json.loads((out / "model.json").read_text())["trained_steps"] == 2


@pytest.mark.slow
def test_lines_are_learnt_beside_a_unet_that_stays_as_it_is(tmp_path):
    out, shipped = tmp_path / "embedded", ROOT / "ckpt" / "embedded"
    shutil.copytree(shipped, out)
    train(Options(out, tmp_path / "work", steps=1, decoder_minutes=0, batch=4, hint="canny"))

    def same(part):
        return all(path.read_bytes() == (shipped / part / path.name).read_bytes() for path in (out / part).iterdir())

    assert same("unet")
    assert same("controlnet_picture")
    assert not same("controlnet")
    assert (out / "model.json").read_bytes() == (shipped / "model.json").read_bytes()
