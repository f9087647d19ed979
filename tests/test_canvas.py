"""What the live viewer is given to draw a clip from."""

import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from stablevideo.edit.painting import Edit
from stablevideo.layers.warp import LatticeWarp
from stablevideo.ui.canvas import scene
from stablevideo.ui.canvas.component import layer_canvas
from stablevideo.ui.canvas.scene import write_atlas, write_change, write_scene
from stablevideo.ui.canvas.values import open_scene, with_edits
from tests.clips import make_clip


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip", size=(54, 96), frame_count=5)


def part(content, at, dtype, shape):
    return np.frombuffer(content[at[0] : at[0] + at[1]], dtype).reshape(shape)


def test_a_scene_holds_lattice_light_and_matte_as_they_are(clip, tmp_path):
    light = 0.5 + torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    lit = replace(clip, background=replace(clip.background, light=light))
    facts = write_scene(lit, tmp_path / "layers.bin")
    content = zlib.decompress((tmp_path / "layers.bin").read_bytes())
    assert facts["size"] == [54, 96]
    assert facts["frames"] == 5
    for name, layer in facts["layers"].items():
        values = part(content, layer["nodes"], "<i2", (5, *layer["shape"], 2))
        uv = (values + 32768.0) * np.array(layer["step"]) + layer["low"]
        assert np.abs(uv - lit.layer(name).warp.nodes_of(range(5)).numpy()).max() < 1e-4
    factors = part(content, facts["layers"]["background"]["light"], "<u2", (5, 4, 6, 4))[..., :3] / scene.LIGHT_STEPS
    assert np.abs(factors - light.permute(0, 2, 3, 1).numpy()).max() < 1e-4
    assert "light" not in facts["layers"]["foreground"]
    alpha = part(content, facts["alpha"]["at"], np.uint8, (5, *facts["alpha"]["size"]))
    assert np.abs(alpha / 255 - clip.alpha(range(5))[:, 0].numpy()).max() < 1 / 255
    assert all(at[0] % 4 == 0 for at in (facts["alpha"]["at"], *(each["nodes"] for each in facts["layers"].values())))


def test_clips_too_large_for_a_browser_are_drawn_from_coarser_lattices(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(scene, "MOST_NODE_BYTES", 1200)
    monkeypatch.setattr(scene, "MOST_MATTE_BYTES", 5 * 54 * 96 / 4)
    facts = write_scene(clip, tmp_path / "layers.bin")
    content = zlib.decompress((tmp_path / "layers.bin").read_bytes())
    layer = facts["layers"]["foreground"]
    assert layer["nodes"][1] <= 2400
    assert layer["stride"] > clip.foreground.warp.stride
    assert facts["alpha"]["size"] == [27, 48]
    values = torch.from_numpy(part(content, layer["nodes"], "<i2", (5, *layer["shape"], 2)).copy())
    low, step = torch.tensor(layer["low"]), torch.tensor(layer["step"])
    coarse = LatticeWarp(values, layer["stride"], clip.size, low, step)
    # The map is straight, so that a coarse lattice holds it as well, its border included.
    off = coarse.uv([3], clip.size) - clip.foreground.warp.uv([3], clip.size)
    assert off.abs().max() < 2e-4


def test_atlases_are_sent_as_the_frames_see_them(clip, tmp_path):
    layer, atlas = clip.foreground, clip.foreground.atlas
    picture = atlas.clone()
    picture[:, 40:70, 20:90] = torch.rand(3, 30, 70, generator=torch.Generator().manual_seed(2))
    path, (x, y) = write_change(clip, "foreground", picture, tmp_path / "x.png")
    sent, change = (sent_picture(each) for each in (write_atlas(clip, "foreground", tmp_path), path))
    assert change.shape[1] * change.shape[2] < 0.3 * sent.shape[1] * sent.shape[2]
    sent[:, y : y + change.shape[1], x : x + change.shape[2]] = change
    seen = layer.at_pixel_scale(layer.as_seen(picture, clip.size), clip.size)
    assert sent.shape == seen.shape
    assert (sent - seen).abs().max() < 0.6 / 255
    assert write_change(clip, "foreground", atlas, tmp_path / "y.png") == (None, (0, 0))


def sent_picture(path):
    return torch.from_numpy(cv2.imread(str(path))[..., ::-1].copy()).permute(2, 0, 1) / 255


def test_every_value_differs_from_the_one_before(clip, tmp_path):
    first = open_scene(clip, tmp_path)
    edit = Edit(torch.zeros_like(clip.foreground.atlas), torch.ones(1, *clip.foreground.size), (), {})
    states = [{"foreground": edit, "background": None}, {"foreground": None, "background": None}] * 2
    values = [with_edits(first, clip, edits, tmp_path, True, False) for edits in states]
    assert len({value["version"] for value in values}) == 4
    assert values[0]["atlases"]["foreground"]["edited"] is not None
    assert values[1]["atlases"]["foreground"]["edited"] is None
    assert values[2]["atlases"]["background"]["original"] == first["atlases"]["background"]["original"]


def test_the_template_is_constant():
    canvas = layer_canvas(render=False)
    for template in (canvas.html_template, canvas.css_template):
        assert "${" not in template
        assert "{{" not in template
