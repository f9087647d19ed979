"""The source's detail under an edit's colours: planted textures, flat and blurred repaints; the edits that keep it."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from stablevideo import (
    BackgroundOptions,
    ForegroundOptions,
    InputError,
    RestyleOptions,
    edit_background,
    edit_foreground,
    read_video,
    restyle,
)
from stablevideo.color.source_detail import FINE, STRONGEST, WEAKEST, keep_detail
from stablevideo.color.spaces import rgb_to_lab
from stablevideo.video.pictures import write_picture
from tests.clips import hue_degrees, hue_distance, smooth_picture

SIZE = (80, 120)
RED = torch.tensor([0.7, 0.3, 0.25])[:, None, None].expand(3, *SIZE)
QUICK = {"resolution": 256, "steps": 1, "seed": 3}


def textured(strength=0.15, size=SIZE):
    """Grey shapes with a texture of single pixels on them."""
    grain = torch.rand(1, *size, generator=torch.Generator().manual_seed(1)) - 0.5
    return (0.25 + 0.5 * smooth_picture(size, 2).mean(0, keepdim=True) + strength * grain).expand(3, -1, -1).clamp(0, 1)


def blurred(picture, sigma):
    return torch.from_numpy(cv2.GaussianBlur(picture.permute(1, 2, 0).numpy(), (0, 0), sigma)).permute(2, 0, 1)


def fine(picture):
    """What lies above shapes in lightness [h, w], by a filter of its own."""
    light = rgb_to_lab(picture)[0]
    kernel = 2 * round(1.5 * FINE * min(light.shape)) + 1
    return light - torch.from_numpy(cv2.blur(light.numpy(), (kernel, kernel)))


def correlation(first, second, where=None):
    where = torch.ones_like(first, dtype=torch.bool) if where is None else where
    return float(np.corrcoef(first[where].numpy(), second[where].numpy())[0, 1])


def test_none_is_the_painted_picture_itself():
    assert keep_detail(RED, textured(), 0.0) is RED


def test_on_a_flat_repaint_the_texture_comes_back_and_the_colour_stays():
    source = textured()
    made = keep_detail(RED, source, 1.0)
    assert correlation(fine(made), fine(source)) > 0.9
    assert (made.mean((1, 2)) - RED.mean((1, 2))).abs().max() < 0.01
    assert hue_distance(hue_degrees(made.flatten(1).T), hue_degrees(RED.flatten(1).T)) < 3
    assert 0.9 * WEAKEST < float(fine(made).std() / fine(source).std()) < 1.05
    # Shapes are the repaint's: none.
    assert blurred(made, 6).std((1, 2)).max() < 0.15 * blurred(source, 6).std((1, 2)).max()


def test_what_a_soft_repaint_lost_comes_back_in_full():
    source = textured()
    soft = blurred(source, 2.5) * torch.tensor([1.0, 0.75, 0.6])[:, None, None]
    made = keep_detail(soft, source, 1.0)
    lost, found = (correlation(fine(each), fine(source)) for each in (soft, made))
    assert found > 0.97 > 0.5 > lost
    # In contrast it follows the tint, which darkens.
    assert 0.65 < float(fine(made).std() / fine(source).std()) < 1.05
    assert (made.mean((1, 2)) - soft.mean((1, 2))).abs().max() < 0.01


def test_own_detail_gives_way_in_proportion():
    source = textured()
    grainy = (0.6 * blurred(source, 3) + 0.2 * torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(5))).clamp(
        0, 1
    )
    own, kept = zip(
        *[
            (correlation(fine(made), fine(grainy)), correlation(fine(made), fine(source)))
            for made in (keep_detail(grainy, source, amount) for amount in (0.0, 0.5, 1.0))
        ],
        strict=True,
    )
    assert own[0] > own[1] > own[2]
    assert kept[0] < kept[1] < kept[2]
    assert own[2] < 0.3
    assert kept[2] > 0.97


@pytest.mark.parametrize(("contrast", "most", "least"), [(1.0, 1.05, 0.95), (0.3, 0.8, 0.5), (2.5, 2.0, 1.3)])
def test_detail_takes_the_contrast_of_what_was_painted(contrast, most, least):
    shapes = 0.4 + 0.2 * smooth_picture(SIZE, 2).mean(0, keepdim=True).expand(3, -1, -1)
    grain = 0.03 * (torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(1)) - 0.5)
    painted = (0.5 + contrast * (shapes - 0.5)).clamp(0, 1)
    made = keep_detail(painted, shapes + grain, 1.0)
    gain = float(fine(made).std() / fine(shapes + grain).std())
    assert WEAKEST <= least < gain < most <= STRONGEST


def test_what_has_no_say_stays_and_does_not_shine_in():
    source, weight = textured(), torch.zeros(1, *SIZE)
    weight[:, 20:60, 30:90] = 1
    made = []
    for outside in (0.0, 1.0):
        there = torch.lerp(torch.full_like(source, outside), source, weight)
        painted = torch.lerp(torch.full_like(source, 1 - outside), RED, weight)
        made.append(keep_detail(painted, there, 1.0, weight))
        assert torch.equal(made[-1][:, weight[0] == 0], painted[:, weight[0] == 0])
    inside = weight[0] == 1
    assert torch.allclose(made[0][:, inside], made[1][:, inside], atol=1e-4)
    assert correlation(fine(made[0]), fine(source), eroded(inside)) > 0.9
    assert (made[0][:, inside].mean(1) - RED[:, 0, 0]).abs().max() < 0.01
    assert torch.equal(keep_detail(RED, source, 1.0, torch.zeros(1, *SIZE)), RED)


def eroded(mask):
    return torch.from_numpy(cv2.erode(mask.byte().numpy(), np.ones((9, 9), np.uint8))) > 0


@pytest.mark.parametrize("tone", [0.0, 0.02, 0.98, 1.0])
def test_near_black_and_white_it_stays_a_picture(tone):
    made = keep_detail(torch.full((3, *SIZE), tone), textured(0.5), 1.0)
    assert made.isfinite().all()
    assert made.min() >= 0
    assert made.max() <= 1


def test_the_background_keeps_the_atlas_s_detail(sample, editor, monkeypatch):
    monkeypatch.setattr(type(editor), "paint", lambda self, prompt, hints, *_, **__: flat_for(hints))
    options = BackgroundOptions(**QUICK)
    flat = edit_background(sample, "x", editor, options)
    kept = edit_background(sample, "x", editor, replace(options, keep_detail=1.0))
    source, seen = sample.background.atlas, eroded(sample.background.coverage[0] > 0.99)
    assert correlation(fine(kept.atlas), fine(source), seen) > 0.9
    assert fine(flat.atlas)[seen].std() < 0.5 * fine(kept.atlas)[seen].std()
    assert (kept.atlas[:, seen].mean(1) - RED[:, 0, 0]).abs().max() < 0.02
    assert kept.settings["keep_detail"] == 1.0
    again = BackgroundOptions(**{name: kept.settings[name] for name in vars(options)})
    assert torch.equal(edit_background(sample, "x", editor, again).atlas, kept.atlas)


def test_a_keyframe_keeps_the_frame_s_detail_before_it_is_lifted(sample, editor, monkeypatch):
    monkeypatch.setattr(type(editor), "paint", lambda self, prompt, hints, *_: flat_for(hints))
    options = ForegroundOptions(**QUICK, keyframes="24", keep_detail=1.0)
    edit = edit_foreground(sample, "x", editor, options)
    (keyframe,) = edit.keyframes
    inside = eroded(keyframe.alpha[0] > 0.99)
    assert correlation(fine(keyframe.after), fine(keyframe.before), inside) > 0.9
    assert (keyframe.after[:, inside].mean(1) - RED[:, 0, 0]).abs().max() < 0.04
    assert edit.settings["keyframe_error"] < 0.03  # the atlas shows it


def flat_for(hints):
    return RED[:, :1, :1].expand(3, *hints[0].picture.shape[1:])


@pytest.mark.slow
def test_frames_painted_anew_keep_theirs(tmp_path, editor):
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(2):
        write_picture(folder / f"{i}.png", textured(0.4).roll(3 * i, 2))
    video = read_video(folder, fps=Fraction(12))
    found = []
    for amount in (0.0, 1.0):
        options = RestyleOptions(**QUICK, deflicker=False, keep_detail=amount)
        frames = restyle(video, "a red wall", editor, options).frames
        found.append(
            [correlation(fine(f[0]), fine(o / 255.0)) for f, o in zip(frames, video.frames([0, 1]), strict=True)]
        )
    assert max(found[0]) < 0.6
    assert min(found[1]) > 0.9


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan"), "all"])
def test_an_amount_that_is_none(amount):
    with pytest.raises(InputError, match="keep_detail must"):
        BackgroundOptions(keep_detail=amount)
