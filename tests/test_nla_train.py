"""The trainer of layered neural atlases, on a drawn clip small enough to learn in seconds."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from stablevideo import InputError, load_clip
from stablevideo.nla import train as nla_train
from stablevideo.nla.files import NLATraining
from stablevideo.nla.losses import Material, bootstrapping, nla_losses, rigidity
from stablevideo.nla.networks import NLANetworks, load_networks, save_networks
from stablevideo.nla.train import train_nla
from stablevideo.progress import Cancelled
from stablevideo.video.flow import ClipFlow
from tests.clips import psnr, smooth_picture

SIZE, COUNT = (24, 40), 4
OBJECT_STEP = 2  # pixels to the right a frame; the background stands still
OPTIONS = NLATraining(
    iters_num=200,
    samples_batch=192,
    evaluate_every=50,
    pretrain_iter_number=20,
    global_rigidity_derivative_amount_fg=8,
    global_rigidity_derivative_amount_bg=8,
    number_of_channels_mapping1=32,
    number_of_channels_mapping2=32,
    number_of_channels_atlas=64,
    number_of_channels_alpha=64,
    positional_encoding_num_atlas=4,
    number_of_layers_mapping1=3,
    number_of_layers_mapping2=3,
    number_of_layers_atlas=5,
    number_of_layers_alpha=4,
)


@pytest.fixture(scope="module", autouse=True)
def _in_a_hurry():
    """The published rate is for hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nla_train, "LEARNING_RATE", 1e-3)
        yield


@pytest.fixture(scope="module")
def material():
    """A bright square that wanders over a dark picture."""
    wall, skin = smooth_picture(SIZE, 1) * 0.4, smooth_picture(SIZE, 2) * 0.4 + 0.6
    frames, masks, forward = [], [], np.zeros((COUNT - 1, *SIZE, 2), np.float16)
    for i in range(COUNT):
        mask = torch.zeros(SIZE, dtype=torch.bool)
        mask[6:18, 8 + OBJECT_STEP * i : 22 + OBJECT_STEP * i] = True
        moved = skin.roll(OBJECT_STEP * i, 2)
        frames.append((torch.where(mask, moved, wall) * 255).byte())
        masks.append(mask)
    masks = torch.stack(masks)
    backward = -forward.copy()
    forward[masks[:-1].numpy()] = (OBJECT_STEP, 0)
    backward[masks[1:].numpy()] = (-OBJECT_STEP, 0)
    valid = np.ones((COUNT - 1, *SIZE), bool)
    return Material(torch.stack(frames), masks, ClipFlow(forward, backward, valid, valid))


def train(material, folder, options=OPTIONS, **more):
    return train_nla(material.frames, material.masks, material.flow, folder, options, **more)


def whole_frames(networks, material):
    """What the networks render, [T, 3, H, W]."""
    frame, y, x = torch.meshgrid(*(torch.arange(n) for n in (COUNT, *SIZE)), indexing="ij")
    video = material.video(frame.flatten(), torch.stack([x.flatten(), y.flatten()], 1))
    alpha = networks.alpha_at(video)[:, None]
    front, back = (networks.colour_at(n, networks.canvas_at(n, video)) for n in ("foreground", "background"))
    return (back + alpha * (front - back)).view(COUNT, *SIZE, 3).permute(0, 3, 1, 2)


def total_loss(networks, material):
    frame, xy = material.draw(np.random.default_rng(9), 500, 1)
    return sum(nla_losses(networks, material, frame, xy, 0, OPTIONS).values()).item()


@pytest.fixture(scope="module")
def trained(material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "square"
    return folder, train(material, folder)


def test_training_learns_the_clip(material, trained, tmp_path):
    start = train(material, tmp_path / "start", replace(OPTIONS, iters_num=0))
    assert total_loss(trained[1], material) < 0.5 * total_loss(start, material)
    source = material.frames / 255
    assert psnr(whole_frames(trained[1], material), source) > psnr(whole_frames(start, material), source) + 5


def test_the_folder_is_a_clip(material, trained):
    folder, networks = trained
    loaded = load_networks(folder)
    assert all(torch.equal(a, b) for a, b in zip(networks.parameters(), loaded.parameters(), strict=True))
    clip = load_clip(folder)
    assert clip.size == SIZE
    assert (clip.source(range(COUNT)) - material.frames / 255).abs().mean() < 0.03
    states = torch.load(folder / "checkpoint", weights_only=True)
    assert states["iteration"] == OPTIONS.iters_num
    assert len(states["optimizer_all_state_dict"]["state"]) == len(list(networks.parameters()))
    assert not list(folder.glob("*.partial"))


def test_the_config_has_the_published_keys_and_values(bear_folder):
    published = json.loads((bear_folder / "config.json").read_text())
    assert nla_train.published_config("bear", (216, 384), 50, NLATraining()) == published


@pytest.mark.slow
def test_interrupted_and_resumed_is_as_uninterrupted(material, trained, tmp_path):
    def stop(fraction, text):
        if text.startswith("iteration 130"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(material, tmp_path / "square", progress=stop)
    assert torch.load(tmp_path / "square" / "checkpoint", weights_only=True)["iteration"] == 100
    resumed = train(material, tmp_path / "square")
    for a, b in zip(resumed.parameters(), trained[1].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("where", "when"), [("loss", 7), ("weights", 9)])
def test_what_is_not_finite_is_stepped_back_from_and_never_saved(material, tmp_path, monkeypatch, where, when):
    """The loss at once; weights that the step right before a save spoils, by that save."""
    real, iterations = nla_train.nla_losses, []

    def poisoned(networks, material, frame, xy, iteration, options):
        terms = real(networks, material, frame, xy, iteration, options)
        iterations.append(iteration)
        if iteration == when and iterations.count(when) == 1:
            if where == "loss":
                terms["colour"] = terms["colour"] * float("nan")
            else:
                terms["colour"].register_hook(lambda gradient: gradient * float("nan"))
        return terms

    monkeypatch.setattr(nla_train, "nla_losses", poisoned)
    networks = train(material, tmp_path / "square", replace(OPTIONS, iters_num=20, evaluate_every=5))
    assert iterations == [*range(when + 1), *range(5, 20)]
    assert all(weights.isfinite().all() for weights in networks.parameters())
    states = torch.load(tmp_path / "square" / "checkpoint", weights_only=True)
    assert states["iteration"] == 20
    rates = {group["lr"] for group in states["optimizer_all_state_dict"]["param_groups"]}
    assert rates == {nla_train.LEARNING_RATE / 2}


def test_a_loss_that_is_never_finite_ends_with_a_word(material, tmp_path, monkeypatch):
    monkeypatch.setattr(nla_train, "nla_losses", lambda *_: {"colour": torch.tensor(float("nan"))})
    with pytest.raises(InputError, match="not finite after iteration 0"):
        train(material, tmp_path / "square", replace(OPTIONS, pretrain_iter_number=1))


def test_rigidity_is_zero_for_isometries_alone():
    here, step = torch.rand(50, 2), 0.01
    angle = torch.tensor(0.7)
    right = step * torch.stack([angle.cos(), angle.sin()])
    down = step * torch.stack([-angle.sin(), angle.cos()])
    assert rigidity([here, here + right, here + down], step).abs().max() < 1e-3
    assert rigidity([here, here + right, here - down], step).abs().max() < 1e-3  # a mirror is one too
    for a, b in ((2 * right, down), (0.5 * right, 0.5 * down), (right, down + 0.5 * right)):
        assert rigidity([here, here + a, here + b], step).min() > 0.1


def test_bootstrapping_is_the_cross_entropy():
    alpha, mask = torch.tensor([0.999, 0.001, 0.001, 0.5]), torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert torch.allclose(bootstrapping(alpha, mask), torch.tensor([0.001, 0.001, 6.908, 0.693]), atol=1e-3)


class Known(NLANetworks):
    """Stands for networks with known maps (in pixels, from frame and pixel), alpha, and colours."""

    def __init__(self, material, foreground, alpha=lambda frame, xy: torch.ones(len(xy)), colour=None):
        super().__init__(OPTIONS.network_config(SIZE, COUNT))
        self.maps = {"foreground": foreground, "background": lambda frame, xy: xy}
        self.known_alpha, self.colour, self.material = alpha, colour, material

    def pixels(self, video):
        half = max(SIZE) / 2
        return (video[:, 2] + 1) * COUNT / 2, (video[:, :2] + 1) * half

    def canvas_at(self, layer, video):
        return self.maps[layer](*self.pixels(video)) * OPTIONS.uv_mapping_scale / (max(SIZE) / 2) - 0.8

    def alpha_at(self, video):
        return self.known_alpha(*self.pixels(video))

    def colour_at(self, layer, canvas):
        return torch.full((len(canvas), 3), 0.5) if self.colour is None else self.colour(layer, canvas)


def along(frame, xy):
    """The map that follows the object."""
    return xy - torch.stack([OBJECT_STEP * frame, 0 * frame], 1)


def still(frame, xy):
    return xy


def terms_of(networks, material, xy=(14, 10)):
    """The terms at a pixel that is the object's in every frame."""
    frame = torch.arange(COUNT)
    return nla_losses(networks, material, frame, torch.tensor([xy]).expand(COUNT, 2), 0, OPTIONS)


def test_flow_terms_ask_that_a_surface_keeps_its_place(material):
    good = terms_of(Known(material, along), material)
    assert good["flow"] < 1e-3
    assert good["alpha flow"] == 0
    assert terms_of(Known(material, still), material)["flow"] == pytest.approx(
        OPTIONS.optical_flow_coeff * OBJECT_STEP, rel=1e-3
    )
    # Where alpha is 0 only the background counts, and that does not follow the object.
    hidden = Known(material, along, alpha=lambda frame, xy: torch.zeros(len(xy)))
    assert terms_of(hidden, material)["flow"] > 1
    blinking = Known(material, along, alpha=lambda frame, xy: frame.round() % 2)
    assert terms_of(blinking, material)["alpha flow"] == pytest.approx(OPTIONS.alpha_flow_factor)


def test_flow_that_is_not_trusted_does_not_count(material):
    nowhere = np.zeros_like(material.flow.forward_valid)
    blind = replace(material, flow=replace(material.flow, forward_valid=nowhere, backward_valid=nowhere))
    assert terms_of(Known(blind, still), blind)["flow"] == 0


def test_sparsity_asks_for_black_where_the_foreground_is_hidden(material):
    def half_shown(frame, xy):
        return torch.full((len(xy),), 0.25)

    def black(layer, canvas):
        return torch.zeros(len(canvas), 3)

    assert terms_of(Known(material, along), material)["sparsity"] == 0
    assert terms_of(Known(material, along, half_shown, black), material)["sparsity"] == 0
    expected = OPTIONS.sparsity_coeff * 3 * (0.75 * 0.5) ** 2
    assert terms_of(Known(material, along, half_shown), material)["sparsity"] == pytest.approx(expected)


def test_colour_and_gradient_are_zero_for_the_right_picture(material):
    grey = replace(material, frames=torch.full_like(material.frames, 51))

    def shade(value, slope=0.0):
        return lambda layer, canvas: (value + slope * canvas[:, :1]).expand(-1, 3)

    right = terms_of(Known(grey, along, colour=shade(0.2)), grey)
    assert right["colour"] < 1e-6
    assert right["gradient"] < 1e-6
    lighter = terms_of(Known(grey, along, colour=shade(0.3)), grey)
    assert lighter["colour"] == pytest.approx(OPTIONS.rgb_coeff * 3 * 0.01, rel=1e-3)
    assert lighter["gradient"] < 1e-6
    assert terms_of(Known(grey, along, colour=shade(0.2, 0.5)), grey)["gradient"] > 0.1


def test_rigidity_terms_are_zero_for_plain_maps(material):
    plain = terms_of(Known(material, along), material)
    assert plain["rigidity"].abs() < 0.02
    assert plain["global rigidity"].abs() < 0.02
    stretched = terms_of(Known(material, lambda frame, xy: 2 * xy), material)
    assert stretched["rigidity"] > 1
    assert stretched["global rigidity"] > 5


def test_terms_end_when_they_should(material):
    networks, frame, xy = Known(material, along), torch.tensor([1]), torch.tensor([[14, 10]])
    late = nla_losses(networks, material, frame, xy, 10**6, OPTIONS)
    assert {"bootstrapping", "global rigidity"} & set(late) == set()
    plain = replace(OPTIONS, use_gradient_loss=False, include_global_rigidity_loss=False)
    assert {"gradient", "global rigidity"} & set(nla_losses(networks, material, frame, xy, 0, plain)) == set()


def test_wrong_input_is_named(material, trained, tmp_path):
    for changed, said in (
        ({"masks": material.masks[:, :-1]}, "masks must be"),
        ({"frames": material.frames.float()}, "frames must be uint8"),
        ({"flow": replace(material.flow, forward=material.flow.forward[:1])}, "the flow must be"),
    ):
        with pytest.raises(InputError, match=said):
            replace(material, **changed)
    with pytest.raises(InputError, match=r"rgb_coeff 5000, not 1"):
        train(material, trained[0], replace(OPTIONS, rgb_coeff=1))
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        train(material, tmp_path)


def test_a_checkpoint_that_cannot_be_gone_on_from_is_named(material, trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "square")
    save_networks(trained[1], tmp_path / "square" / "checkpoint", 7)
    with pytest.raises(InputError, match="without their training state"):
        train(material, tmp_path / "square")
    (tmp_path / "square" / "checkpoint").write_bytes((trained[0] / "checkpoint").read_bytes()[:1000])
    with pytest.raises(InputError, match="truncated"):
        train(material, tmp_path / "square")


def test_frames_are_written_as_they_are(material, trained):
    written = cv2.imread(str(trained[0] / "square" / "00002.jpg"))[..., ::-1]
    assert np.abs(written.astype(int) - material.frames[2].permute(1, 2, 0).numpy()).mean() < 6
