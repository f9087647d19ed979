"""An edit made again from the settings that came with its video becomes the same."""

import json

import pytest
import torch

from stablevideo import (
    BackgroundOptions,
    ForegroundOptions,
    InputError,
    RecolourOptions,
    edit_background,
    edit_foreground,
)
from stablevideo.edit.again import edit_again, read_settings
from stablevideo.edit.recolour import recolour
from stablevideo.edit.strokes import paint_stroke, parse_stroke
from stablevideo.results import save_run
from tests.clips import make_clip

STROKE = {"layer": "background", "tool": "brush", "points": [[0.2, 0.5], [0.8, 0.5]], "radius": 12,
          "colour": [1, 0, 0], "softness": 0.2, "opacity": 0.8}  # fmt: skip


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip")


def no_model(name):
    raise AssertionError(f"no model was needed, and {name} was asked for")


def kept(clip, edit, tmp_path):
    """An edit's settings, as they come back from a run's file."""
    layer = edit.settings["layer"]
    run = save_run(clip, tmp_path / "log", {"edits": [edit.settings]}, **{layer: edit.atlas})
    (settings,) = read_settings(run / "settings.json")
    return settings


def test_strokes_and_colours_come_back_in_their_order(clip, tmp_path):
    stroke = parse_stroke(STROKE)
    one_way = recolour(clip, "background", RecolourOptions(hue=90), paint_stroke(clip, None, stroke))
    other_way = paint_stroke(clip, recolour(clip, "background", RecolourOptions(hue=90)), stroke)
    assert not torch.equal(one_way.atlas, other_way.atlas)
    for edit in (one_way, other_way):
        again = edit_again(clip, kept(clip, edit, tmp_path), no_model)
        assert torch.equal(again.atlas, edit.atlas)
        assert again.settings == json.loads(json.dumps(edit.settings)) or again.settings == edit.settings


def test_sliders_never_add_up_but_begin_anew_after_a_stroke(clip):
    once = recolour(clip, "background", RecolourOptions(hue=90))
    twice = recolour(clip, "background", RecolourOptions(hue=90), recolour(clip, "background", RecolourOptions(hue=30)))
    assert torch.equal(once.atlas, twice.atlas)
    assert len(twice.settings["after"]) == 1
    painted = paint_stroke(clip, once, parse_stroke(STROKE))
    later = recolour(clip, "background", RecolourOptions(lightness=20), painted)
    middle = later.atlas[:, 80, 60]
    assert middle[0] > middle[1] + 0.3  # the stroke is still there
    assert len(later.settings["after"]) == 3


@pytest.mark.slow
def test_words_come_back_with_their_seed(clip, editor, tmp_path):
    front = edit_foreground(clip, "a red car", editor, ForegroundOptions(resolution=256, steps=2, keyframes="2"))
    back = edit_background(clip, "winter scene", editor, BackgroundOptions(resolution=256, steps=2))
    for edit in (front, back):
        asked = []
        again = edit_again(clip, kept(clip, edit, tmp_path), lambda name, asked=asked: asked.append(name) or editor)
        assert asked == ["embedded"]
        assert torch.equal(again.atlas, edit.atlas)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "no settings.json"),
        ("[]", "no settings.json"),
        ('{"edits": [{"layer": "sky"}]}', "names no layers"),
        ('{"edits": 3}', "no settings.json"),
    ],
)
def test_what_is_no_settings_is_refused(tmp_path, content, words):
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        read_settings(path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layer": "background", "own_picture": [1, 1]}, "made from a picture"),
        ({"layer": "background"}, "made from a picture"),
        ({"layer": "background", "after": []}, "say nothing"),
        ({"layer": "foreground", "after": [{"stroke": STROKE}]}, "stroke of the background stands among"),
        ({"layer": "background", "after": [{"stroke": {}}]}, "no stroke that can be painted"),
        ({"layer": "background", "after": [{"recolour": {"hue": "x"}}]}, "hue must be a number"),
        ({"layer": "background", "after": [{"recolour": 3}]}, "hold no RecolourOptions"),
    ],
)
def test_settings_that_say_nothing_that_can_be_done_are_refused(clip, settings, words):
    with pytest.raises(InputError, match=words):
        edit_again(clip, settings, no_model)
