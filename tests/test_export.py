"""A layered clip written as a layered-neural-atlas checkpoint."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from stablevideo import InputError, load_clip
from stablevideo.layers import coords
from stablevideo.nla import descent, export
from stablevideo.nla.descent import Soap
from stablevideo.nla.export import export_nla, render_networks
from stablevideo.nla.files import NLATraining
from stablevideo.nla.networks import load_networks
from stablevideo.nla.targets import Targets
from stablevideo.progress import Cancelled
from tests.clips import make_clip, psnr

MINUTES, LONG = 12, 20  # by a clock that goes on a second a step, however busy the machine is


CPU = torch.device("cpu")

SMALL = {
    **{f"number_of_channels_{part}": 64 for part in ("mapping1", "mapping2", "atlas", "alpha")},
    "number_of_layers_mapping1": 3,
    "number_of_layers_mapping2": 3,
    "number_of_layers_atlas": 5,
    "number_of_layers_alpha": 4,
    "positional_encoding_num_atlas": 7,
}


@pytest.fixture(scope="module", autouse=True)
def _small():
    """So few pixels are learned by smaller networks, in longer steps and smaller batches."""
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(monotonic=count().__next__, perf_counter=time.perf_counter)
        patch.setattr(export, "time", clock)
        patch.setattr(descent, "time", clock)
        for module in (descent, export):
            patch.setattr(module, "BATCH", 1024)
        patch.setattr(export, "_half_is_faster", lambda device: False)  # measured by a clock
        patch.setattr(export, "NLATraining", partial(NLATraining, **SMALL))
        for rates in ("RATES", "JOINT_RATES"):
            patch.setattr(export, rates, {name: 4 * rate for name, rate in getattr(export, rates).items()})
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """64x48 pixels, six frames, known maps and a disc."""
    return make_clip(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def exported(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return folder / "disc", export_nla(clip, folder, "disc", MINUTES)


@pytest.fixture(scope="module")
def fitted(clip, tmp_path_factory):
    """Fitted for as long as these small networks have something to learn."""
    folder = tmp_path_factory.mktemp("fitted")
    export_nla(clip, folder, "disc", LONG)
    return load_clip(folder / "disc")


@pytest.fixture(scope="module")
def source(clip):
    return clip.source(range(clip.frame_count))


@pytest.mark.slow
def test_it_loads_and_renders_the_frames(clip, fitted, source):
    rendered = torch.cat(list(fitted.render()))
    still = source.mean(0, keepdim=True).expand_as(source)
    assert psnr(rendered, source) > psnr(still, source) + 6
    assert psnr(rendered, source) > 26
    assert (fitted.alpha(range(6)) - clip.alpha(range(6))).abs().mean() < 0.02


@pytest.mark.slow
def test_the_facts_are_measured(exported, source):
    facts = exported[1]
    networks = load_networks(exported[0])
    rendered = torch.stack([render_networks(networks, i) for i in range(len(source))])
    # Threads round differently, and the highest frequencies of the encoding make more of it; a frame beside the
    # right one, or another clip, is further off.
    assert facts.networks_psnr == pytest.approx(psnr(rendered, source), abs=0.2)
    assert abs(facts.networks_psnr - psnr(rendered.roll(1, 0), source)) > 0.3
    assert facts.lattice_psnr > 40
    assert facts.seconds > MINUTES * 60


def test_what_is_trained_is_what_is_rendered(clip, exported):
    networks, targets = load_networks(exported[0]), Targets.of(clip, 0, CPU)
    xy = coords.pixel_mesh(clip.size, 1, 0).view(-1, 2)
    video = targets.video(torch.full((len(xy),), 2), xy)
    alpha = networks.alpha_at(video)
    composed = export._composed(networks, export._canvases(networks, video, alpha), alpha, fast=False)
    assert (composed.T.view(3, *clip.size) - render_networks(networks, 2)).abs().max() < 0.012


def test_maps_and_layers_are_the_clips(clip, exported):
    """Two surfaces of the clip keep their places on the exported atlases, which show the same pictures."""
    loaded = load_clip(exported[0])
    for name in ("foreground", "background"):
        given, found = clip.layer(name), loaded.layer(name)
        seen = (clip.alpha([3])[0, 0] if name == "foreground" else 1 - clip.alpha([3])[0, 0]) > 0.9
        uv = given.uv([0, 3], clip.size)
        scale = found.warp.texels_per_pixel(found.size)
        texels = (found.uv([3], clip.size)[0][seen] + 1) * torch.tensor(found.size[::-1]) / 2 / scale
        wanted = (uv[1][seen] + 1) * torch.tensor(given.size[::-1]) / 2 / given.warp.texels_per_pixel(given.size)
        off = texels - wanted
        assert (off - off.mean(0)).norm(dim=1).median() < 0.5, name  # pixels of the frame


def test_it_is_laid_out_as_the_original_tools_do(exported, bear_folder):
    folder = exported[0]
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "config.json", "disc"]
    assert sorted(path.name for path in (folder / "disc").iterdir()) == [f"{i:05d}.jpg" for i in range(6)]
    config = json.loads((folder / "config.json").read_text())
    assert set(config) == set(json.loads((bear_folder / "config.json").read_text()))
    assert (config["resx"], config["resy"], config["maximum_number_of_frames"]) == (48, 64, 6)
    assert config["data_folder"] == "data/disc"
    published = torch.load(bear_folder / "checkpoint", weights_only=True)
    states = torch.load(folder / "checkpoint", weights_only=True)
    for key in (key for key in published if key.endswith("state_dict") and "optimizer" not in key):
        assert set(states[key]) <= set(published[key])  # those of these few layers


@pytest.mark.slow
def test_light_is_carried_by_the_networks(clip, tmp_path):
    """A background as bright as its frames, by half of an atlas and a light of 2, comes out as bright."""
    dim = replace(clip.background, atlas=clip.background.atlas / 2, light=torch.full((6, 3, 4, 4), 2.0))
    export_nla(replace(clip, background=dim), tmp_path, "lit", 12)
    rendered = torch.cat(list(load_clip(tmp_path / "lit").render()))
    source = clip.source(range(6))
    assert (rendered.mean() - source.mean()).abs() < 0.1  # 0.23 where the light is lost


def test_a_folder_that_is_there_and_no_time_are_refused(clip, exported):
    with pytest.raises(InputError, match="already there; choose another name"):
        export_nla(clip, exported[0].parent, "disc", MINUTES)
    with pytest.raises(InputError, match="minutes must be more than 0"):
        export_nla(clip, exported[0].parent, "other", 0)


@pytest.mark.parametrize("when", ["background: step 1", "alpha: step 1", "writing"])
def test_nothing_stays_when_it_is_cancelled(clip, tmp_path, when):
    def stop(fraction, text):
        assert 0 <= fraction <= 1
        if text.startswith(when):
            raise Cancelled

    with pytest.raises(Cancelled):
        export_nla(clip, tmp_path, "disc", 1, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_nowhere_is_named(clip, tmp_path):
    empty = type(clip.matte).pack([torch.zeros(clip.size)] * 6)
    with pytest.raises(InputError, match="foreground covers no pixel"):
        export_nla(replace(clip, matte=empty), tmp_path, "disc", 1)
    assert not list(tmp_path.iterdir())


def test_targets_are_the_clips_own_maps(clip):
    """The canvas of a batch is an affine map of the lattice's uv, square and within reach."""
    targets = Targets.of(clip, 0, CPU)
    for name in ("foreground", "background"):
        video, canvas, weights = targets.map_batch(name, 8192)
        frame = ((video[:, 2] + 1) * 3).round()
        drift = torch.linspace(-1, 1, 6)[frame.long()] * 0.04 * 3
        x, y = (video[:, axis] * 32 + 32 for axis in (0, 1))
        zoom = 0.6 if name == "foreground" else 0.8
        uv = torch.stack([((x + 0.5) / 24 - 1) * zoom + drift, ((y + 0.5) / 32 - 1) * zoom + drift / 2], 1)
        texels = uv * torch.tensor([60.0, 80.0])
        near = (weights[:, 0] == 1) & (x >= 0) & (x <= 47)  # beyond a stride outside, a lattice is constant
        scale = (canvas[near].amax(0) - canvas[near].amin(0)) / (texels[near].amax(0) - texels[near].amin(0))
        off = canvas[near] - texels[near] * scale
        assert (off - off.mean(0)).abs().max() < 5e-4
        assert scale[0] == pytest.approx(scale[1].item(), rel=1e-2)
        assert canvas[near].abs().max() < 0.9


def test_soap_takes_fewer_steps_than_adam():
    """On a quadratic whose axes lie aslant in rows and columns; without rows and columns it is Adam."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(12, 12, generator=generator))[0] for _ in range(2))
    start, stretch = torch.randn(12, 12, generator=generator), torch.logspace(0, -3, 12)
    found = []
    for shape in ((12, 12), (144,)):
        weights = start.reshape(shape).clone().requires_grad_()
        optimizer = Soap([([weights], 0.1)])
        with ThreadPoolExecutor(1) as pool:
            for step in range(200):
                loss = ((left.T @ weights.view(12, 12) @ right).square() * stretch[:, None] * stretch).sum()
                optimizer.step(torch.autograd.grad(loss, [weights]), 1 - step / 200, pool)
        found.append(loss.item())
    assert found[0] < 0.1 * found[1], found


def test_both_precisions_learn_the_same(clip):
    """What is drawn, and what it costs, is the same in bfloat16, but for its three digits."""
    targets = [Targets.of(clip, 0, CPU) for _ in range(2)]
    networks = export.fit_networks(targets[0], 0.1, lambda fraction, text: None)[0]
    targets[0] = Targets.of(clip, 0, CPU)
    full, half = (
        export._joint_loss(networks, own, 256, fast).item() for own, fast in zip(targets, (False, True), strict=True)
    )
    assert half == pytest.approx(full, rel=0.01)
    assert half != full
