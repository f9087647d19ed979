"""The losses against plain references, what they pull at, and a run that is stopped and goes on."""

import itertools
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stablevideo import InputError
from stablevideo.style.load import load_light, load_published
from stablevideo.style.sct import Moments
from stablevideo.style.vgg import VGGEncoder, vgg_layers
from tests.test_style import generator, slow_moments
from training.style import train as train_module
from training.style.baselines import AdaIN, Linear
from training.style.export import export_light, export_published
from training.style.losses import Coherence, content_loss, differences, draw_places, palette_loss, style_loss
from training.style.painters import TECHNIQUES, paint
from training.style.pictures import Squares
from training.style.train import Options, Run, build, rate_at, train, trained


def features(count, *shape, seed=0):
    return torch.randn(count, *shape, generator=generator(seed), dtype=torch.float64)


def slow_coherence(heads, made, content, seed):
    """Equations 2 to 4, a vector at a time."""
    draw, total = generator(seed), 0.0
    for head, own, other in zip(heads, made, content, strict=True):
        places = draw_places(own.shape[2:], draw).tolist()
        of_level = []
        for g, c in zip(own, other, strict=True):
            pairs = [
                (p, (p[0] + y, p[1] + x)) for p in places for y, x in itertools.product((-1, 0, 1), repeat=2) if y or x
            ]
            queries, keys = ([head(f[:, *a] - f[:, *b]) for a, b in pairs] for f in (g, c))
            queries, keys = ([v / v.norm() for v in vectors] for vectors in (queries, keys))
            for m, query in enumerate(queries):
                scores = [math.exp((query @ key).item() / 0.07) for key in keys]
                of_level.append(-math.log(scores[m] / sum(scores)))
        total += sum(of_level) / len(of_level)
    return total


def test_coherence_is_that_of_the_paper():
    torch.manual_seed(0)
    loss = Coherence((8, 12, 16)).double()
    made = [features(2, channels, 7, 6, seed=n) for n, channels in enumerate((4, 8, 12, 16))]
    content = [features(2, channels, 7, 6, seed=9 + n) for n, channels in enumerate((4, 8, 12, 16))]
    found = loss(made, content, generator(5)).item()
    assert found == pytest.approx(slow_coherence(loss.heads, made[1:], content[1:], 5), abs=1e-5)
    assert loss(content, content, generator(5)) < found


def test_places_lie_inside_and_never_twice():
    for seed in range(20):
        places = [tuple(place) for place in draw_places((5, 6), generator(seed)).tolist()]
        assert len(set(places)) == 8
        assert all(1 <= y <= 3 and 1 <= x <= 4 for y, x in places)
    assert len(draw_places((4, 4), generator(0))) == 4


def test_coherence_pulls_at_what_is_made_and_not_at_the_content():
    torch.manual_seed(0)
    loss = Coherence((4,)).double()
    made, content = (features(1, 4, 5, 5, seed=n).requires_grad_() for n in (1, 2))
    loss([made], [content], generator(3)).backward()
    assert made.grad.abs().sum() > 0
    assert content.grad is None
    checked = torch.autograd.gradcheck(lambda x: loss([x], [content.detach()], generator(3)), made)
    assert checked


def test_differences_are_place_less_neighbour():
    ramp = torch.arange(5.0)[:, None] * 10 + torch.arange(6.0)
    found = differences(ramp[None, None], torch.tensor([[2, 3]]))[0, :, 0]
    assert found.tolist() == [11, 10, 9, 1, -1, -9, -10, -11]


def test_content_and_style_are_those_of_the_paper():
    made, other = [features(1, 3, 4, 5, seed=n) for n in (1, 2)], [2 * features(1, 3, 4, 5, seed=n) for n in (3, 4)]
    last = (
        sum((a - b) ** 2 for a, b in zip(made[-1].flatten().tolist(), other[-1].flatten().tolist(), strict=True)) / 60
    )
    assert content_loss(made, other).item() == pytest.approx(last, abs=1e-9)
    wanted = 0.0
    for own, look in zip(made, other, strict=True):
        for a, b in zip(slow_moments(own[0]), slow_moments(look[0]), strict=True):
            wanted += sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / 3
    look = [Moments.of(found) for found in other]
    assert style_loss(made, look).item() == pytest.approx(wanted, abs=1e-9)
    scaled = style_loss([9 * found for found in made], [Moments.of(9 * found) for found in other], balanced=True)
    assert scaled.item() == pytest.approx(style_loss(made, look, balanced=True).item(), rel=1e-3)


def test_the_palette_does_not_care_where_colours_lie():
    picture = torch.rand(1, 3, 4, 4, generator=generator(1)).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert palette_loss(picture.flip(3), picture) < 1e-10
    assert palette_loss(picture.flip(1), picture) > 1e-4


def test_adain_gives_the_styles_moments_and_linear_its_mean():
    content, style = features(1, 8, 9, 9, seed=1), 3 * features(1, 8, 9, 9, seed=2) + 1
    made = AdaIN()(content, AdaIN().code(style))
    assert torch.allclose(Moments.of(made).mean, Moments.of(style).mean, atol=1e-6)
    assert torch.allclose(Moments.of(made).deviation, Moments.of(style).deviation, rtol=1e-4)
    torch.manual_seed(0)
    linear = Linear(8).double()
    nn.init.zeros_(linear.unzip.weight)
    nn.init.zeros_(linear.unzip.bias)
    assert torch.allclose(linear(content, linear.code(style)), style.mean((2, 3), keepdim=True).expand(1, 8, 9, 9))


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: one.__name__)
def test_every_technique_paints_what_it_is_given_a_motif_of(technique):
    motif = np.full((96, 96, 3), 0.2, np.float32)
    motif[30:70, 20:60] = (0.9, 0.7, 0.3)
    made = technique(motif.copy(), np.random.default_rng(1))
    assert made.shape == motif.shape
    assert made.std() > 0.02
    assert np.isfinite(made).all()
    again = paint(motif, np.random.default_rng(3))
    assert np.array_equal(again, paint(motif, np.random.default_rng(3)))
    assert 0 <= again.min() <= again.max() <= 1


@pytest.fixture
def folders(tmp_path):
    for kind in ("content", "style"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            rng = np.random.default_rng((number, len(kind)))
            picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (80, 60))
            cv2.imwrite(str(tmp_path / kind / f"{number}.png"), picture)
    return tmp_path


def options(folder, **others):
    given = {"steps": 6, "batch": 2, "resize_px": 64, "crop_px": 64, "rate": 1e-3, "save_every": 3} | others
    return Options(folder / "content", folder / "style", folder / "work", **given)


def judge():
    torch.manual_seed(7)
    return VGGEncoder(4, vgg_layers()).eval().requires_grad_(False)


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(folders):
    asked = options(
        folders,
        light=True,
        looks=2,
        colour_weight=20.0,
        itself_weight=5.0,
        moved_weight=3.0,
        balanced=True,
        warm_up=2,
    )
    whole = train(asked, build("artistic", True, "sct"), judge())
    half = replace(asked, work=folders / "again", steps=3)
    train(half, build("artistic", True, "sct"), judge())
    resumed = train(replace(half, steps=6), build("artistic", True, "sct"), judge())
    for name, values in whole.network.state_dict().items():
        assert torch.allclose(values, resumed.network.state_dict()[name], atol=1e-6), name
    rows = (folders / "again" / "log.csv").read_text().splitlines()
    assert rows[0] == "step,seconds,content,style,coherence,colour,itself,moved"
    assert (folders / "again" / "preview-000006.png").is_file()


def test_what_moves_along_costs_nothing(folders, monkeypatch):
    monkeypatch.setattr(train_module, "NOISE", 0.0)
    run = Run(options(folders, light=True), build("artistic", True, "sct"), judge())
    content = torch.rand(2, 3, 64, 64, generator=generator(1))
    monkeypatch.setattr(run.network, "features", lambda picture: [picture])
    monkeypatch.setattr(run.network, "paint", lambda features, codes, moments: 1 - features[0])
    assert run.moved(content, [], [], 1 - content) == 0
    assert run.moved(content, [], [], 1 - content.roll(1, 3)) > 0.2


def test_the_rate_rises_falls_and_ends(folders):
    published = options(folders, rate=1e-4, steps=160_000)
    assert rate_at(0, published) == 1e-4
    assert rate_at(20_000, published) == pytest.approx(5e-5)
    asked = options(folders, rate=1e-3, steps=100, ramp=10, cool_down=20, decay=0.0)
    rates = [rate_at(step, asked) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10] == rates[79] == 1e-3
    assert rates[90] == pytest.approx(5e-4)
    assert rates[99] == pytest.approx(5e-5)


@pytest.mark.slow
def test_training_teaches_what_it_is_asked_for(folders):
    asked = options(
        folders,
        light=True,
        mode="photo",
        steps=40,
        rate=1e-3,
        colour_weight=20.0,
        itself_weight=5.0,
        warm_up=99,
        save_every=99,
    )
    network = build("photo", True, "sct")
    contents, styles = (Squares(folder, 64, 64, 0) for folder in (asked.content, asked.style))
    content, style = contents.draw(5, 3), styles.draw(5, 3)

    def off(network):
        return palette_loss(network(content, style), style).item() + F.l1_loss(network(style, style), style).item()

    before = off(network)
    train(asked, network, judge())
    assert off(trained(asked.work)) < 0.75 * before


def test_the_embedded_file_is_what_was_trained(folders):
    asked = options(folders, light=True, mode="photo", steps=1)
    run = train(asked, build("photo", True, "sct"), judge())
    export_light(run, folders / "made" / "photo.safetensors")
    network, picture = load_light("photo", folders / "made" / "photo.safetensors").eval(), torch.rand(1, 3, 32, 32)
    assert (network(picture, picture) - run.trained(picture, picture)).abs().max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["artistic", "photo"])
def test_the_published_files_are_what_was_trained(folders, mode):
    torch.manual_seed(7)
    layers = vgg_layers()
    (folders / "ccpl").mkdir()
    torch.save(nn.Sequential(*layers).state_dict(), folders / "ccpl" / "vgg_normalised.pth")
    network = build(mode, False, "sct")
    network.encoder = VGGEncoder(4 if mode == "artistic" else 3, layers).requires_grad_(False)
    run = train(options(folders, mode=mode, steps=1, batch=1), network, judge())
    export_published(run, folders / "ccpl")
    loaded, picture = load_published(mode, folders / "ccpl").eval(), torch.rand(1, 3, 64, 64)
    assert torch.allclose(loaded(picture, picture), run.trained(picture, picture), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("transfer", ["adain", "linear"])
def test_the_baselines_train_in_the_same_place(folders, transfer):
    asked = options(folders, light=True, transfer=transfer, steps=2)
    run = train(asked, build("artistic", True, transfer), judge())
    assert run.step == 2
    assert trained(asked.work)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_a_folder_without_pictures_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="holds no pictures"):
        Squares(tmp_path, 64, 64, 0)
    (tmp_path / "broken.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"broken.png is no picture; remove it"):
        Squares(tmp_path, 64, 64, 0).draw(0, 1)
