"""The edit that the first screen shows, kept beside the clip."""

import shutil

import pytest
import torch

from stablevideo.edit.painting import Edit
from stablevideo.ui.welcome import save_welcome, welcome_steps
from tests.clips import make_clip, smooth_picture


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip")


def edits(clip):
    """Smooth pictures in place of both atlases."""
    return {
        layer: Edit(smooth_picture(clip.layer(layer).size, seed), torch.ones(1, 1, 1), (), {"layer": layer})
        for seed, layer in enumerate(("foreground", "background"), 5)
    }


def test_what_was_kept_comes_back_layer_by_layer(clip, tmp_path):
    made = edits(clip)
    save_welcome(made, tmp_path)
    steps = welcome_steps(clip, tmp_path)
    assert [step.layer for step in steps] == ["foreground", "background"]
    for step in steps:
        assert step.done.settings == {"layer": step.layer}
        assert (step.done.atlas - made[step.layer].atlas).abs().mean() < 0.02


def test_what_does_not_fit_the_clip_is_left_out(clip, tmp_path):
    assert welcome_steps(clip, tmp_path) == []
    save_welcome(edits(clip), tmp_path)
    other = make_clip(tmp_path / "other", atlas_size=(96, 96))
    assert welcome_steps(other, tmp_path) == []
    (tmp_path / "welcome" / "background.webp").unlink()
    assert welcome_steps(clip, tmp_path) == []
    shutil.rmtree(tmp_path / "welcome")


def test_the_sample_clip_has_one(sample, data):
    steps = welcome_steps(sample, data / "sample")
    assert [step.layer for step in steps] == ["foreground", "background"]
    off = (steps[1].done.atlas - sample.background.atlas).abs().mean()
    assert off > 0.05  # it is seen to be edited
