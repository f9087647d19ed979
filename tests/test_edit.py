"""Editing with words, judged by what the words did; with the embedded model, at small sizes."""

from dataclasses import replace

import pytest
import torch

from stablevideo import BackgroundOptions, Cancelled, ForegroundOptions, InputError, edit_background, edit_foreground
from stablevideo.diffusion.hints import Hint
from stablevideo.diffusion.settle import paint_size, with_seed
from stablevideo.edit.choice import choose_keyframes, keyframe_region
from stablevideo.edit.keyframes import lift_keyframe, propagate
from stablevideo.options import RenderOptions
from stablevideo.parse import parse_frames
from tests.clips import hue_degrees, hue_distance, make_clip

QUICK = {"resolution": 256, "steps": 10, "seed": 3}
HUES = {"red": 0, "green": 120, "blue": 230}


@pytest.fixture(scope="module")
def edits(sample, editor):
    """Each colour word alone, on one keyframe."""
    options = ForegroundOptions(**QUICK, keyframes="24")
    return {word: edit_foreground(sample, f"a {word} car", editor, options) for word in HUES}


def test_a_colour_word_moves_the_foreground_there_and_leaves_the_background(sample, edits):
    frame = 24
    alpha = sample.alpha([frame])[0, 0]
    before = next(sample.render(frames=[frame]))[0]
    for word, edit in edits.items():
        after = next(sample.render(foreground=edit.atlas, frames=[frame]))[0]
        hue = hue_degrees(after[:, alpha > 0.9].T)
        assert hue_distance(hue, HUES[word]) < 40, (word, hue)
        assert (after - before)[:, alpha == 0].abs().max() <= 1 / 255
    hues = [
        hue_degrees(next(sample.render(foreground=e.atlas, frames=[40]))[0][:, sample.alpha([40])[0, 0] > 0.9].T)
        for e in edits.values()
    ]
    # The colour holds in a frame that was never painted.
    assert all(hue_distance(h, HUES[w]) < 45 for h, w in zip(hues, HUES, strict=True)), hues


@pytest.mark.slow
def test_same_seed_same_result_and_another_seed_another(sample, editor, edits):
    options = ForegroundOptions(**QUICK, keyframes="24")
    assert torch.equal(edit_foreground(sample, "a red car", editor, options).atlas, edits["red"].atlas)
    other = edit_foreground(sample, "a red car", editor, replace(options, seed=4))
    assert (other.atlas - edits["red"].atlas).abs().mean() > 0.001


@pytest.mark.slow
def test_prompts_ask_for_what_the_original_asks(sample, editor, monkeypatch):
    """`no background` is wished for, not unwished; `longbody` is the background's alone."""
    asked = []
    encode = type(editor.pipeline).encode_prompt

    def record(pipeline, prompt, device, count, guided, negative, **others):
        asked.append((prompt, negative))
        return encode(pipeline, prompt, device, count, guided, negative, **others)

    monkeypatch.setattr(type(editor.pipeline), "encode_prompt", record)
    quick = {"resolution": 256, "steps": 1, "seed": 1}
    edit_foreground(sample, "a red car", editor, ForegroundOptions(**quick, keyframes="24"))
    edit_background(sample, "winter", editor, BackgroundOptions(**quick))
    unwanted = "lowres, bad anatomy, bad hands, missing fingers, extra digit, fewer digits, cropped, worst quality, "
    assert asked == [
        ("a red car, best quality, extremely detailed, no background", f"{unwanted}low quality"),
        ("winter, best quality, extremely detailed", f"longbody, {unwanted}low quality"),
    ]


@pytest.mark.slow
def test_the_background_hint_is_made_from_the_whole_atlas(sample, editor, monkeypatch):
    shown = []

    def hint_maker(self, kind, options):
        return lambda picture, size: shown.append(picture) or torch.zeros(3, *size)

    monkeypatch.setattr(type(editor), "hint_maker", hint_maker)
    edit_background(sample, "winter", editor, BackgroundOptions(resolution=256, steps=1))
    assert torch.equal(shown[0], sample.background.atlas)


@pytest.mark.slow
def test_propagation_carries_the_appearance_over(sample, editor, edits):
    """A keyframe whose words name no colour takes the one that an earlier keyframe left on the atlas."""
    (keyframe,) = edits["blue"].keyframes
    earlier = [lift_keyframe(sample, keyframe.frame, keyframe.region, keyframe.after)]
    region = keyframe_region(sample, 40)
    hint = keyframe.hint
    carried, seen = propagate(sample, 40, region, hint.shape[1:], earlier)
    assert seen.mean() > 0.3
    known = (seen > 0.5).expand(3, -1, -1)
    options = ForegroundOptions(**QUICK)

    def paint(**kept):
        generator = torch.Generator().manual_seed(7)
        return editor.paint("a picture of a car", Hint("canny", hint), options, generator, **kept)

    following, alone = paint(start=carried, seen=seen, strength=0.4), paint()
    distances = [(painted - carried)[known].abs().mean() for painted in (following, alone)]
    assert distances[0] < 0.6 * distances[1], distances


@pytest.mark.slow
def test_settings_are_enough_to_run_it_again(sample, editor):
    open_seed = ForegroundOptions(resolution=256, keyframes="24", steps=2)
    edit = edit_foreground(sample, "a red car", editor, open_seed)
    settings = edit.settings
    assert settings["seed"] >= 0
    assert settings["model"] == "embedded"
    names = ForegroundOptions.__dataclass_fields__
    again = ForegroundOptions(**{k: v for k, v in settings.items() if k in names})
    assert torch.equal(edit_foreground(sample, settings["prompt"], editor, again).atlas, edit.atlas)


def test_an_open_seed_leaves_the_callers_randomness_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    seeds = {with_seed(ForegroundOptions()).seed for _ in range(3)}
    assert torch.equal(torch.rand(3), expected)
    assert len(seeds) == 3
    assert min(seeds) >= 0


def test_settings_say_what_the_edit_ran_on(edits):
    settings = edits["red"].settings
    assert (settings["device"], settings["dtype"]) == ("cpu", "float32")


@pytest.mark.slow
def test_background_edit_stays_in_the_background(sample, editor):
    edit = edit_background(sample, "winter scene", editor, BackgroundOptions(**QUICK))
    assert edit.atlas.shape == sample.background.atlas.shape
    alpha = sample.alpha([24])[0, 0]
    before, after = (next(sample.render(background=b, frames=[24]))[0] for b in (None, edit.atlas))
    assert (after - before)[:, alpha == 0].abs().mean() > 0.02
    assert (after - before)[:, alpha == 1].abs().max() <= 1 / 255
    assert edit.settings["hints"] == "canny 1"


def test_the_atlas_stays_where_no_keyframe_reached(sample, edits):
    edit = edits["red"]
    untouched = (edit.changed == 0).expand(3, -1, -1)
    assert untouched.any()
    assert torch.equal(edit.atlas[untouched], sample.foreground.atlas[untouched])


@pytest.mark.slow
def test_cancel_stops_at_the_next_step(sample, editor):
    calls = []

    def stop(fraction, text):
        calls.append(text)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        edit_foreground(sample, "a red car", editor, ForegroundOptions(**QUICK, keyframes="1, 2"), stop)
    assert len(calls) == 3


def test_empty_prompt(sample, editor):
    with pytest.raises(InputError, match="prompt is empty"):
        edit_foreground(sample, "  ", editor, ForegroundOptions(**QUICK))
    with pytest.raises(InputError, match="prompt is empty"):
        edit_background(sample, "", editor, BackgroundOptions(**QUICK))


def test_keyframes_are_read_and_checked():
    assert parse_frames("20, 0 40,20", 48) == [20, 0, 40]
    for text, said in {
        "": "no keyframe is given",
        "0, 48": "keyframe 48 is out of range; the clip has frames 0 to 47",
        "1, two": "'two' is no keyframe",
        "-1": "'-1' is no keyframe",
        "1.5": "'1.5' is no keyframe",
    }.items():
        with pytest.raises(InputError, match=said):
            parse_frames(text, 48, "keyframe")


def test_chosen_keyframes_cover_what_the_clip_shows(tmp_path):
    """A disc that wanders over the atlas needs several frames; together they show nearly all of it."""
    clip = make_clip(tmp_path, (64, 96), frame_count=24, atlas_size=(120, 200))
    chosen = choose_keyframes(clip)
    assert 2 <= len(chosen) <= 4
    seen = lambda frames: torch.stack([clip.lift("foreground", f, torch.ones(1, *clip.size))[1] for f in frames])  # noqa: E731
    everything = (seen(range(24)).amax(0) > 0.5).sum()
    assert (seen(chosen).amax(0) > 0.5).sum() > 0.8 * everything


def test_keyframe_crop_holds_the_matte(sample):
    for frame in (0, 24, 47):
        top, left, bottom, right = keyframe_region(sample, frame)
        alpha = sample.alpha([frame])[0, 0] > 0.5
        inside = alpha[top:bottom, left:right].sum()
        assert inside == alpha.sum()
        assert (bottom - top) * (right - left) < alpha.numel()


def test_paint_sizes_suit_the_network():
    assert paint_size((144, 203), 512) == (512, 704)
    assert paint_size((1000, 400), 256) == (640, 256)
    assert all(side % 64 == 0 for side in paint_size((123, 457), 512))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"guidance": 99.0},
        {"strength": -0.1},
        {"aggregation": "sum"},
        {"resolution": "big"},
        {"steps": 2.5},
        {"steps": float("inf")},
        {"steps": float("nan")},
        {"guidance": float("nan")},
    ],
)
def test_options_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ForegroundOptions(**wrong)


def test_render_size_needs_both_sides():
    with pytest.raises(InputError, match="width and height together"):
        RenderOptions(width=640)
