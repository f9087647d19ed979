"""Other colours for a layer: what they become, that they stay within sRGB, and that nothing else changes."""

import itertools
import json
import math

import pytest
import torch

from stablevideo import ForegroundOptions, InputError, RecolourOptions, edit_foreground, read_video, recolour
from stablevideo.color.recolour import on_curve, recolour_picture
from stablevideo.color.spaces import rgb_to_lab
from tests.clips import make_clip, psnr, smooth_picture

MUTED_RED = torch.tensor([0.6, 0.47, 0.45])[:, None, None]


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path, (64, 48), atlas_size=(160, 120))


def lch(picture):
    light, a, b = rgb_to_lab(picture.double()).unbind(0)
    return light, torch.hypot(a, b), torch.rad2deg(torch.atan2(b, a))


def apart(first, second):
    """Between hues in degrees."""
    return ((first - second + 180) % 360 - 180).abs()


@pytest.mark.parametrize("hue", [90, -170, 180])
def test_a_turned_colour_has_that_hue_and_the_same_lightness(hue):
    before, after = lch(MUTED_RED), lch(recolour_picture(MUTED_RED, RecolourOptions(hue=hue)))
    assert apart(after[2], before[2] + hue).max() < 0.1
    assert (after[0] - before[0]).abs().max() < 0.05
    assert (after[1] - before[1]).abs().max() < 0.05


def test_no_saturation_is_grey_as_light_as_before():
    picture = smooth_picture((40, 60), 1)
    grey = recolour_picture(picture, RecolourOptions(saturation=0))
    assert (grey - grey[:1]).abs().max() < 1e-3
    assert (lch(grey)[0] - lch(picture)[0]).abs().max() < 0.05


def test_saturation_scales_chroma_and_lightness_is_added():
    light, chroma, hue = lch(MUTED_RED)
    stronger = lch(recolour_picture(MUTED_RED, RecolourOptions(saturation=1.4, lightness=7)))
    assert stronger[0].item() == pytest.approx(light.item() + 7, abs=0.05)
    assert stronger[1].item() == pytest.approx(1.4 * chroma.item(), abs=0.05)
    assert apart(stronger[2], hue).max() < 0.1
    assert recolour_picture(MUTED_RED, RecolourOptions(lightness=100)).min() > 0.999


def test_the_curve_leads_lightness():
    after = lch(recolour_picture(MUTED_RED, RecolourOptions(curve="0,0 0.5,0.5 0.6,0.8 1,1")))
    light = lch(MUTED_RED)[0] / 100
    assert after[0].item() == pytest.approx(
        100 * on_curve(light, [(0, 0), (0.5, 0.5), (0.6, 0.8), (1, 1)]).item(), abs=0.05
    )
    assert after[0].item() > 100 * light.item() + 1


def test_a_curve_goes_through_its_points_rises_with_them_and_never_overshoots():
    points = [(0.1, 0.0), (0.3, 0.02), (0.35, 0.9), (0.6, 0.9), (0.8, 0.3), (1.0, 0.5)]
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    y = on_curve(x, points)
    for start, end in points:
        assert on_curve(torch.tensor([start], dtype=torch.float64), points).item() == pytest.approx(end, abs=1e-9)
    for (left, low), (right, high) in itertools.pairwise(points):
        part = y[(x >= left) & (x <= right)]
        assert part.min() >= min(low, high) - 1e-9
        assert part.max() <= max(low, high) + 1e-9
        assert (part.diff() * math.copysign(1, high - low) >= -1e-12).all()
    assert (y[x < 0.1] == 0).all()
    assert on_curve(x, [(0, 0), (1, 1)]).sub(x).abs().max() < 1e-12


@pytest.mark.parametrize("options", [{"saturation": 4.0}, {"saturation": 2.0, "hue": 120.0}, {"lightness": 25.0}])
def test_colours_that_leave_srgb_keep_hue_and_lightness(options):
    levels = torch.linspace(0.1, 0.9, 9)
    picture = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij")).flatten(2)
    chosen = RecolourOptions(**options)
    after = recolour_picture(picture, chosen)
    assert after.min() >= 0
    assert after.max() <= 1
    wanted, found = lch(picture), lch(after)
    coloured = found[1] > 2
    assert (wanted[1] * chosen.saturation - found[1])[coloured].max() > 10  # some had to lose chroma
    assert apart(found[2], wanted[2] + chosen.hue)[coloured].max() < 3
    assert (found[0] - (wanted[0] + chosen.lightness).clamp(max=100)).abs().max() < 0.5


def test_no_change_is_the_picture_itself_and_chunks_leave_no_trace(monkeypatch):
    picture = smooth_picture((40, 60), 1)
    assert torch.equal(recolour_picture(picture, RecolourOptions()), picture)
    options = RecolourOptions(hue=50, saturation=3)
    whole = recolour_picture(picture, options)
    monkeypatch.setattr("stablevideo.color.recolour.CHUNK_PX", 333)
    assert torch.allclose(recolour_picture(picture, options), whole, atol=1e-3)
    half = recolour_picture(picture.half(), options)
    assert half.dtype == torch.float16
    assert psnr(half.float(), whole) > 45


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        ("", "at least two points.*got ''"),
        ("0,0", "at least two points"),
        ("0,0 1", "must be points such as"),
        ("0,0 1,one", "must be points such as.*'0,0 1,one'"),
        ("0,0 1,1.2", "between 0 and 1"),
        ("0,0 nan,1", "between 0 and 1"),
        ("0,0 0.5,0.2 0.5,0.4 1,1", "from left to right"),
        ("1,1 0,0", "from left to right"),
    ],
)
def test_a_wrong_curve_is_a_sentence(curve, said):
    with pytest.raises(InputError, match=f"^curve.*{said}"):
        RecolourOptions(curve=curve)


@pytest.mark.parametrize(("layer", "share"), [("foreground", 0), ("background", 1)])
def test_the_other_layer_stays_bit_for_bit(clip, layer, share):
    edit = recolour(clip, layer, RecolourOptions(hue=90))
    before, after = (next(clip.render(frames=[2], **{layer: atlas}))[0] for atlas in (None, edit.atlas))
    others = (clip.alpha([2])[0, 0] == share).expand(3, -1, -1)
    assert others.any()
    assert torch.equal(before[others], after[others])
    assert (before - after)[~others].abs().mean() > 0.05
    assert torch.equal(edit.changed, clip.layer(layer).coverage)


@pytest.mark.slow
def test_an_edit_is_recoloured_and_options_never_add_up(sample, editor):
    painted = edit_foreground(sample, "a red car", editor, ForegroundOptions(resolution=256, steps=1, keyframes="24"))
    turned = recolour(sample, "foreground", RecolourOptions(hue=90), painted)
    assert torch.equal(turned.atlas, recolour_picture(painted.atlas, RecolourOptions(hue=90)))
    assert turned.settings["prompt"] == "a red car"
    assert turned.settings["after"][-1]["recolour"]["hue"] == 90
    assert turned.keyframes == painted.keyframes
    grey = recolour(sample, "foreground", RecolourOptions(saturation=0), turned)
    again = recolour(sample, "foreground", RecolourOptions(hue=90), grey)
    assert torch.equal(again.atlas, turned.atlas)
    assert torch.equal(recolour(sample, "foreground", RecolourOptions(), grey).atlas, painted.atlas)


@pytest.mark.slow
def test_the_command_renders_and_records(run_command, data, sample, tmp_path):
    output = tmp_path / "out" / "turned.mp4"
    done = run_command(
        "recolour", "sample", "--layer", "background", "--hue", -60, "--curve", "0,0 0.5,0.6 1,1", "--size", "192x108",
        "--data", data, "--log", tmp_path / "log", "-o", output, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    colours = {"hue": -60, "saturation": 1, "lightness": 0, "curve": "0,0 0.5,0.6 1,1"}
    assert facts["background"]["after"][0]["recolour"] == colours
    shown = read_video(output).frames([20])[0] / 255
    edit = recolour(sample, "background", RecolourOptions(hue=-60, curve="0,0 0.5,0.6 1,1"))
    plain, wanted = (next(sample.render(background=a, frames=[20], size=(108, 192)))[0] for a in (None, edit.atlas))
    assert psnr(shown, wanted) > 28
    assert psnr(shown, plain) < 20


@pytest.mark.parametrize(("given", "said"), [(["--hue", 270], "hue must lie"), (["--curve", "up"], "curve must be")])
def test_what_is_wrong_is_said_before_the_clip_is_loaded(run_command, data, tmp_path, given, said):
    done = run_command("recolour", "nowhere", *given, "--data", data, "--log", tmp_path / "log")
    assert done.returncode == 2
    assert said in done.stderr
