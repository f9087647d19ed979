"""What a hand paints on a layer, replayed at the atlas's own size."""

import base64
import json

import cv2
import numpy as np
import pytest
import torch

from stablevideo import InputError
from stablevideo.edit import strokes
from stablevideo.edit.history import MOST_EDITS, MOST_STROKES, History, Step
from stablevideo.edit.painting import Edit
from stablevideo.edit.strokes import cover, paint_stroke, parse_stroke, stick
from tests.clips import make_clip

RED = {"layer": "foreground", "tool": "brush", "points": [[0.25, 0.5], [0.75, 0.5]], "radius": 10,
       "colour": [1, 0, 0], "softness": 0, "opacity": 1}  # fmt: skip


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path)


def sticker(pixels, **changes):
    content = cv2.imencode(".png", pixels[..., [2, 1, 0, 3]])[1].tobytes()
    given = {"layer": "background", "tool": "sticker", "at": [0.5, 0.5], "across": [0.25, 0], "down": [0, 0.2]}
    return given | {"opacity": 1, "picture": base64.b64encode(content).decode()} | changes


def test_a_hard_stroke_covers_what_lies_within_its_radius_of_the_line():
    (rows, columns), share = cover(parse_stroke(RED), (100, 200))
    whole = np.zeros((100, 200), np.float32)
    whole[rows, columns] = share[0]
    y, x = np.mgrid[:100, :200] + 0.5
    away = np.hypot(x - np.clip(x, 50, 150), y - 50)
    assert (whole[away < 9] == 1).all()
    assert (whole[away >= 10] == 0).all()


def test_a_soft_stroke_fades_from_the_middle_to_its_border():
    (rows, _), share = cover(parse_stroke(RED | {"softness": 1, "opacity": 0.8}), (100, 200))
    across = share[0, :, share.shape[2] // 2]
    middle = 50 - rows.start
    assert across[middle] == pytest.approx(0.8, abs=0.02)
    assert across[middle + 5] == pytest.approx(0.4, abs=0.07)
    assert (across[middle:].diff() <= 0).all()


def test_a_stroke_that_crosses_itself_is_no_stronger_there():
    crossing = RED | {"points": [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]], "opacity": 0.5}
    assert cover(parse_stroke(crossing), (100, 100))[1].max() == pytest.approx(0.5)


def test_strokes_lie_on_the_layer_alone_and_leave_the_earlier_edit_as_it_was(clip):
    first = paint_stroke(clip, None, parse_stroke(RED | {"radius": 8}))
    kept = first.atlas.clone()
    second = paint_stroke(clip, first, parse_stroke(RED | {"radius": 8, "colour": [0, 0, 1], "opacity": 0.5}))
    at = (slice(None), 80, 60)
    assert first.atlas[at].tolist() == [1, 0, 0]
    assert torch.allclose(second.atlas[at], torch.tensor([0.5, 0, 0.5]))
    assert torch.equal(first.atlas, kept)
    untouched = first.changed[0] == 0
    assert torch.equal(first.atlas[:, untouched], clip.foreground.atlas[:, untouched])
    assert json.loads(json.dumps(second.settings))["after"][1]["stroke"]["colour"] == [0, 0, 1]


def test_the_eraser_brings_the_clip_back(clip):
    painted = paint_stroke(clip, None, parse_stroke(RED))
    erased = paint_stroke(clip, painted, parse_stroke(RED | {"tool": "eraser", "radius": 20}))
    assert torch.allclose(erased.atlas, clip.foreground.atlas, atol=1e-6)
    assert erased.changed.max() < 1e-6


def test_a_sticker_lies_where_it_was_put_and_as_it_was_turned():
    halves = np.zeros((40, 60, 4), np.uint8)
    halves[:, :30], halves[:, 30:] = (255, 0, 0, 255), (0, 255, 0, 128)
    (rows, columns), colours, share = stick(parse_stroke(sticker(halves)), (200, 400))
    whole = torch.zeros(4, 200, 400)
    whole[:, rows, columns] = torch.cat([colours, share])
    assert whole[:, 100, 175].tolist() == pytest.approx([1, 0, 0, 1], abs=0.01)
    assert whole[:, 100, 225].tolist() == pytest.approx([0, 128 / 255, 0, 128 / 255], abs=0.01)
    assert whole[:, 100, [145, 255]].abs().max() == 0
    assert whole[:, [75, 125], 200].abs().max() == 0
    turned = sticker(halves, across=[0, 0.5], down=[-0.1, 0])  # its right is down
    (rows, columns), colours, share = stick(parse_stroke(turned), (200, 400))
    whole = torch.zeros(4, 200, 400)
    whole[:, rows, columns] = torch.cat([colours, share])
    assert whole[0, 70, 200] == pytest.approx(1, abs=0.01)
    assert whole[1, 130, 200] == pytest.approx(128 / 255, abs=0.01)


def test_strokes_beyond_the_atlas_paint_what_they_reach(clip):
    outside = paint_stroke(clip, None, parse_stroke(RED | {"points": [[-3, -3], [-2, -2]]}))
    assert torch.equal(outside.atlas, clip.foreground.atlas)
    corner = paint_stroke(clip, None, parse_stroke(RED | {"points": [[-1, 0], [0, 0]]}))
    assert corner.atlas[:, 0, 0].tolist() == [1, 0, 0]
    gone = sticker(np.full((4, 4, 4), 255, np.uint8), at=[3, 3])
    assert torch.equal(paint_stroke(clip, None, parse_stroke(gone)).atlas, clip.background.atlas)


BOMB = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2 + bytes(20)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "no stroke"),
        ([], "no stroke"),
        (RED | {"layer": "../etc"}, "no layer"),
        (RED | {"tool": "rm"}, "no tool"),
        (RED | {"points": []}, "0 points"),
        (RED | {"points": [[0, 0]] * 401}, "401 points"),
        (RED | {"points": [[0, float("nan")]]}, "nan is not within"),
        (RED | {"points": [["0", "a"]]}, "could not convert"),
        (RED | {"points": [[0, 0, 0]]}, "unpack"),
        (RED | {"radius": 1e9}, "not within"),
        (RED | {"colour": [1, 2, 0]}, "2 is not within"),
        (RED | {"opacity": -1}, "-1 is not within"),
        (sticker(np.zeros((4, 4, 4), np.uint8), picture="?"), "no base64"),
        (sticker(np.zeros((4, 4, 4), np.uint8), picture="QUJD"), "no PNG"),
        (sticker(np.zeros((4, 4, 4), np.uint8), picture="A" * 2_000_000), "characters"),
        (sticker(np.zeros((600, 4, 4), np.uint8)), "4x600, of at most 512"),
        (sticker(np.zeros((4, 4, 4), np.uint8), picture=base64.b64encode(BOMB).decode()), "60000x60000"),
    ],
)
def test_what_is_no_stroke_is_refused_in_words(given, words):
    with pytest.raises(InputError, match=words):
        parse_stroke(given)


def test_steps_are_undone_and_done_again_one_by_one(clip):
    edit = Edit(torch.zeros_like(clip.foreground.atlas), torch.ones(1, *clip.foreground.size), (), {})
    stroke = parse_stroke(RED)
    behind = parse_stroke(RED | {"layer": "background"})
    history = History()
    for step in (Step("foreground", edit), Step("background", behind), Step("foreground", stroke)):
        history = history.then(step, clip)
    painted = history.edit_of(clip, "foreground")
    assert painted.atlas[0].max() == 1
    history = history.undo()
    assert history.edit_of(clip, "foreground") is edit
    assert history.edit_of(clip, "background").changed.max() == 1
    history = history.undo().undo().undo()
    assert history.edit_of(clip, "foreground") is None
    assert not history.done
    again = history.redo().redo().redo().redo()
    assert torch.equal(again.edit_of(clip, "foreground").atlas, painted.atlas)
    assert not history.redo().then(Step("foreground", stroke), clip).undone


def test_what_cannot_be_undone_any_more_stays_done(clip, monkeypatch):
    monkeypatch.setattr("stablevideo.edit.history.MOST_STROKES", 3)
    history = History()
    places = [0.1, 0.3, 0.5, 0.7, 0.9]
    for y in places:
        history = history.then(Step("foreground", parse_stroke(RED | {"points": [[0.5, y]], "radius": 4})), clip)
    assert len(history.done) == 3
    for _ in range(9):
        history = history.undo()
    left = history.edit_of(clip, "foreground").changed[0, :, clip.foreground.size[1] // 2]
    rows = [int(y * clip.foreground.size[0]) for y in places]
    assert left[rows].tolist() == [1, 1, 0, 0, 0]
    assert MOST_EDITS < MOST_STROKES
    assert strokes.MOST_POINTS == 400  # as the page's brush has it
