"""The page without a browser: widgets, visits that never meet, named endpoints, cancels."""

import json
import os
import re
import shutil
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from stablevideo import (
    BackgroundOptions,
    ColorCorrectionOptions,
    ForegroundOptions,
    RestyleOptions,
    StyleOptions,
    load_clip,
    measure,
    read_video,
)
from stablevideo.edit.history import Step
from stablevideo.edit.strokes import parse_stroke
from stablevideo.errors import InputError
from stablevideo.layers.store import save_layers
from stablevideo.nla.networks import NLAConfig, NLANetworks, save_networks
from stablevideo.options import HINT_KINDS
from stablevideo.progress import Cancelled
from stablevideo.results import save_run
from stablevideo.steadiness import Measures
from stablevideo.ui import edit_tab, shelf, visits
from stablevideo.ui.chips import with_word
from stablevideo.ui.events import arrival
from stablevideo.ui.keep_part import in_words
from stablevideo.ui.link import read_link
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.settings import Settings, for_one_person, read_logins
from stablevideo.ui.shelf import Shelf
from stablevideo.ui.visits import Visits, Work
from stablevideo.ui.widgets import option_widgets
from stablevideo.ui.workshop import Workshop
from stablevideo.video.pictures import read_picture
from tests.clips import hue_degrees, hue_distance, make_clip
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A data folder with two clips that everybody may load: `small`, of layers, and `networks`, of untrained ones."""
    folder = tmp_path_factory.mktemp("ui")
    clip = make_clip(folder / "made")
    save_layers(clip, folder / "data" / "small")
    networks = folder / "data" / "networks"
    shutil.copytree(clip.video.path, networks / "networks")
    channels = {f"number_of_channels_{part}": 8 for part in ("mapping1", "mapping2", "atlas", "alpha")}
    config = {"resx": clip.size[1], "resy": clip.size[0], "maximum_number_of_frames": clip.frame_count, **channels}
    (networks / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    save_networks(NLANetworks(NLAConfig.from_file(networks / "config.json")), networks / "checkpoint", 1)
    return folder


@pytest.fixture(scope="module")
def settings(places, ckpt):
    return Settings(places / "data", ckpt, places / "log", model="embedded", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def address(settings):
    page = build_app(settings)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    page.close()


@pytest.fixture
def person(address):
    return Client(address, verbose=False)


@pytest.fixture
def other(address):
    return Client(address, verbose=False)


def somebody(name):
    """A request of that session, which passed by no server."""
    return SimpleNamespace(session_hash=name)


def quick(**changes):
    return {"model": "embedded", "resolution": 256, "steps": 1, "seed": 1, **changes}


@pytest.mark.parametrize("options", [ForegroundOptions, BackgroundOptions])
def test_hints_can_be_picked_and_several_can_be_typed(options):
    widget = option_widgets(options)["hints"]
    assert [value for _, value in widget.choices] == ["auto", *HINT_KINDS]
    assert widget.allow_custom_value
    for picked in ("auto", *HINT_KINDS):
        options(hints=picked)


@pytest.mark.parametrize("options", [ForegroundOptions, BackgroundOptions])
def test_widgets_have_the_options_defaults_and_ranges(options):
    widgets = option_widgets(options)
    assert list(widgets) == [item.name for item in fields(options)]
    for item in fields(options):
        assert widgets[item.name].value == item.default
        if isinstance(widgets[item.name], gr.Slider):
            assert (widgets[item.name].minimum, widgets[item.name].maximum) == (
                item.metadata["low"],
                item.metadata["high"],
            )


def test_every_step_has_a_named_endpoint(person):
    endpoints = person.view_api(return_format="dict", print_info=False)["named_endpoints"]
    wordless = {"/foreground_picture", "/background_picture", "/recolour"}
    whole = {"/steady_colours", "/deflicker", "/restyle", "/measure"}
    edits = {"/load_clip", "/edit_foreground", "/edit_background", "/paint", "/again", "/render", "/cancel"}
    styles = {f"/{what}_{of}" for what in ("preview", "style") for of in ("layers", "video", "picture")}
    assert set(endpoints) == edits | wordless | whole | styles | {"/edit_clip", "/list_clips"}
    parameters = {p["parameter_name"]: p for p in endpoints["/edit_foreground"]["parameters"]}
    assert {item.name for item in fields(ForegroundOptions)} < set(parameters)
    assert parameters["prompt"]["parameter_default"] == "red"
    assert parameters["keyframes"]["parameter_default"] == "auto"
    given = {name: {p["parameter_name"] for p in endpoints[name]["parameters"]} for name in whole}
    left_out = {"enable", "reference_frame"}
    colours = {item.name for item in fields(ColorCorrectionOptions)} - left_out
    assert given["/steady_colours"] == {"video", "source"} | colours
    assert given["/deflicker"] == {"video", "source", "mode", "window", "color_correction"}
    assert given["/restyle"] == {"video", "prompt", "model"} | {item.name for item in fields(RestyleOptions)}
    style = {"look", "second", "use"} | {item.name for item in fields(StyleOptions)}
    for of, own in (("layers", {"clip", "layer"}), ("video", {"video"}), ("picture", {"picture"})):
        assert {p["parameter_name"] for p in endpoints[f"/style_{of}"]["parameters"]} == style | own
    resolution = next(p for p in endpoints["/restyle"]["parameters"] if p["parameter_name"] == "resolution")
    assert resolution["parameter_default"] == 256  # the model's own


@pytest.mark.slow
def test_hints_that_are_typed_reach_the_edit(person):
    person.predict("small", api_name="/load_clip")
    _, gallery, *_ = person.predict(
        "a red car", keyframes="1", hints="canny 0.5", **quick(), api_name="/edit_foreground"
    )
    assert len(gallery) == 3
    with pytest.raises(Exception, match="Embedded follows canny and picture, got the hint 'tile'"):
        person.predict("winter scene", hints="canny 0.5, tile", **quick(), api_name="/edit_background")


def test_the_whole_job_by_client(person):
    loaded = person.predict("small", api_name="/load_clip")
    assert read_video(loaded[0]).frame_count == 6
    chosen = [int(number) for number in loaded[-1].split(",")]
    assert chosen
    assert set(chosen) <= set(range(6))
    _, gallery, *_ = person.predict("a red car", keyframes="1, 4", **quick(), api_name="/edit_foreground")
    assert [item["caption"] for item in gallery[3:]] == ["frame 4, before", "frame 4, hint", "frame 4, after"]
    assert person.predict("winter scene", **quick(), api_name="/edit_background")
    video, files = person.predict(api_name="/render")
    assert read_video(video).size == (64, 48)
    assert [name.rsplit("/", 1)[-1] for name in files] == ["video.mp4", "settings.json"]


@pytest.mark.slow
def test_an_edit_is_seen_while_it_is_painted(person):
    person.predict("small", api_name="/load_clip")
    job = person.submit("winter scene", **quick(steps=6), api_name="/edit_background")
    job.result()
    shown = [canvas for canvas, *_ in job.outputs() if isinstance(canvas, dict) and "version" in canvas]
    assert len(shown) > 1
    assert [canvas["version"] for canvas in shown] == sorted({canvas["version"] for canvas in shown})
    assert not shown[0]["undo"]  # nothing is done yet
    assert shown[-1]["undo"]
    first, last = (read_picture(Path(canvas["atlases"]["background"]["edited"])) for canvas in (shown[0], shown[-1]))
    assert first.shape == last.shape
    assert (first - last).abs().mean() > 0.005  # it was rough at first


def test_a_clip_of_networks_loads_at_the_atlas_resolution_asked(settings):
    workshop = Workshop(settings)
    folder = settings.data / "networks"
    full, half = workshop.clip(folder, 2000), workshop.clip(folder, 1000)
    for layer in ("foreground", "background"):
        for side, whole in zip(half.layer(layer).size, full.layer(layer).size, strict=True):
            assert abs(side - whole / 2) <= 1
    assert workshop.clip(folder, 2000) is full


def test_a_picture_of_ones_own_is_rendered_where_it_is_opaque(person, settings, tmp_path):
    clip = load_clip(settings.data / "small")
    height, width = clip.background.size
    picture = np.zeros((height, width, 4), np.uint8)
    picture[:, : width // 2] = 200, 10, 250, 255  # blue, green, red
    cv2.imwrite(str(tmp_path / "own.png"), picture)
    person.predict("small", api_name="/load_clip")
    with pytest.raises(Exception, match="There is no picture yet"):
        person.predict(None, api_name="/background_picture")
    person.predict(handle_file(str(tmp_path / "own.png")), api_name="/background_picture")
    video, _ = person.predict(api_name="/render")
    before, after = clip.source([0])[0] * 255, read_video(video).frames([0])[0].float()
    seen, behind = clip.background.uv([0], clip.size)[0], clip.alpha([0], clip.size)[0, 0] < 0.01
    painted, beside = behind & (seen[..., 0] < -0.2), behind & (seen[..., 0] > 0.2)
    assert after[0][painted].mean() > 200
    assert after[1][painted].mean() < 60
    assert (after - before)[:, beside].abs().mean() < 8


@pytest.mark.slow
def test_a_layer_is_recoloured_from_what_it_shows_by_now(person, settings):
    clip = load_clip(settings.data / "small")
    person.predict("small", api_name="/load_clip")
    person.predict("a red car", keyframes="2", **quick(), api_name="/edit_foreground")
    red = frames(person.predict(api_name="/render")[0])
    with pytest.raises(Exception, match="Curve must be points"):
        person.predict("foreground", curve="up", api_name="/recolour")
    person.predict("background", saturation=0.0, api_name="/recolour")
    person.predict("foreground", hue=120.0, api_name="/recolour")
    person.predict("foreground", lightness=20.0, api_name="/recolour")
    shown = frames(person.predict(api_name="/render")[0])
    alpha = clip.alpha([2], clip.size)[0, 0]
    behind, front = shown[2][:, alpha < 0.01], shown[2][:, alpha > 0.99]
    assert (behind - behind.mean(0)).abs().mean() < 4
    assert front.mean() > red[2][:, alpha > 0.99].mean() + 20
    hues = [hue_degrees(pixels.T / 255) for pixels in (front, red[2][:, alpha > 0.99])]
    assert hue_distance(*hues) < 25  # the sliders say all: no turn is left of the one before


def test_two_people_never_see_each_others_work(person, other, settings, tmp_path):
    person.predict("small", api_name="/load_clip")
    person.predict("a red car", keyframes="2", **quick(), api_name="/edit_foreground")
    with pytest.raises(Exception, match="No clip is loaded yet"):
        other.predict(api_name="/render")
    other.predict("small", api_name="/load_clip")
    plain, edited = (frames(who.predict(api_name="/render")[0]) for who in (other, person))
    unedited = frames(save_run(load_clip(settings.data / "small"), tmp_path, {}) / "video.mp4")
    assert torch.equal(plain, unedited)
    assert (edited - unedited).abs().mean() > 4


STROKE = {"layer": "background", "tool": "brush", "points": [[0.1, 0.1], [0.9, 0.9]], "radius": 20,
          "colour": [1, 0, 1], "softness": 0, "opacity": 1}  # fmt: skip


def test_strokes_are_rendered_undone_and_done_again(person, settings):
    clip = load_clip(settings.data / "small")
    with pytest.raises(Exception, match="No clip is loaded yet"):
        person.predict(STROKE, api_name="/paint")
    person.predict("small", api_name="/load_clip")
    plain = frames(person.predict(api_name="/render")[0])
    assert person.predict(STROKE, api_name="/paint") == {"steps": 1}
    with pytest.raises(Exception, match="This is no stroke that can be painted: it has 0 points"):
        person.predict(STROKE | {"points": []}, api_name="/paint")
    video, files = person.predict(api_name="/render")
    painted = frames(video)
    u, v = clip.background.uv([3], clip.size)[0].unbind(-1)
    behind = clip.alpha([3], clip.size)[0, 0] < 0.01
    on, off = behind & ((u - v).abs() < 0.1), behind & ((u - v).abs() > 0.7)
    assert (painted[3][:, on].mean(1) - torch.tensor([255, 0, 255])).abs().max() < 25
    assert (painted[3] - plain[3])[:, off].abs().mean() < 8  # what the codec does
    assert json.loads(Path(files[1]).read_text())["edits"][0]["after"][0]["stroke"]["radius"] == 20
    assert person.predict(api_name="/undo")["undo"] is False
    with pytest.raises(Exception, match="There are no settings yet"):
        person.predict(None, api_name="/again")
    person.predict(handle_file(files[1]), api_name="/again")
    assert (frames(person.predict(api_name="/render")[0]) - painted).abs().max() < 2
    person.predict(api_name="/undo")
    assert torch.equal(frames(person.predict(api_name="/render")[0]), plain)
    again = person.predict(api_name="/redo")
    assert again["redo"] is False
    assert torch.equal(frames(person.predict(api_name="/render")[0]), painted)


def test_a_stroke_for_a_clip_that_is_not_loaded_any_more_paints_nothing(settings):
    visit, other = Visits().of(somebody("one")), load_clip(settings.data / "networks")
    visit.work = Work(settings.data / "small", 2000)
    with pytest.raises(InputError, match="belongs to the clip networks, and small is loaded"):
        visit.take(Step("background", parse_stroke(STROKE)), other)
    assert visit.work.background is None


def frames(path):
    video = read_video(path)
    return video.frames(range(video.frame_count)).float()


def wait_until(condition):
    """Ask again until it holds; the suite's time limit ends what never does."""
    while not condition():
        time.sleep(0.02)


def test_what_visitors_render_is_not_kept(person, settings):
    person.predict("small", api_name="/load_clip")
    person.predict(api_name="/render")
    assert not settings.log.exists()


def test_wrong_input_is_a_sentence(person):
    person.predict("small", api_name="/load_clip")
    for prompt, changes, said in [
        ("", {}, "The prompt is empty"),
        ("x", {"keyframes": "99"}, "Keyframe 99 is out of range"),
        ("x", {"keyframes": "a"}, "'a' is no keyframe"),
        ("x", {"keyframes": ""}, "No keyframe is given"),
    ]:
        with pytest.raises(Exception, match=said):
            person.predict(prompt, **quick(**changes), api_name="/edit_foreground")
    with pytest.raises(Exception, match="There is no clip 'gone'; the clips are: networks, small"):
        person.predict("gone", api_name="/load_clip")


def test_cancel_ends_the_job_and_nothing_is_changed(person):
    person.predict("small", api_name="/load_clip")
    job = person.submit("a red car", **quick(steps=100, keyframes="0, 1, 2, 3"), api_name="/edit_foreground")
    wait_until(lambda: job.done() or job.status().code is Status.PROGRESS)
    person.predict(api_name="/cancel")
    with pytest.raises(Exception, match="Cancelled"):
        job.result()


def test_a_job_that_is_cancelled_while_it_waits_never_runs(person, other, monkeypatch):
    runs, started, release = [], threading.Event(), threading.Event()

    def painted(clip, prompt, *rest):
        runs.append(prompt)
        started.set()
        release.wait()
        raise InputError("the first has run")

    monkeypatch.setattr(edit_tab, "edit_background", painted)
    for who in (person, other):
        who.predict("small", api_name="/load_clip")
    first = other.submit("the first", **quick(), api_name="/edit_background")
    started.wait()
    second = person.submit("the second", **quick(), api_name="/edit_background")
    wait_until(lambda: second.status().code in (Status.IN_QUEUE, Status.FINISHED))
    person.predict(api_name="/cancel")
    third = person.submit("asked for after the cancel", **quick(), api_name="/edit_background")
    release.set()
    for job, said in ((first, "The first has run"), (second, "Cancelled"), (third, "The first has run")):
        with pytest.raises(Exception, match=said):
            job.result()
    assert runs == ["the first", "asked for after the cancel"]


def test_files_outside_are_not_served(address, data):
    for path in ("app.py", "data/sample/config.json", "../../etc/passwd", str(data / "sample" / "checkpoint")):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404)


def test_a_call_of_no_session_is_refused(address):
    """Else all such calls would share what they made."""
    called = httpx.post(f"{address}gradio_api/run/cancel", json={"data": []})
    assert "belongs to no session" in called.json()["error"]


def test_words_are_clicked_into_a_prompt_in_place_of_their_kind():
    looks = {"red": ["red", "crimson"], "blue": ["blue", "navy blue"]}
    assert with_word("a red car", "blue", looks) == "blue a car"
    assert with_word("navy blue", "red", looks) == "red"
    assert with_word("golden, blue", "blue", looks) == "golden"  # once more: off
    assert with_word("", "red", looks) == "red"
    assert with_word("bluebell", "red", looks) == "red bluebell"


def test_an_address_is_read_as_options_are():
    given = {"clip": "bear", "foreground": "a red car", "foreground.seed": "7", "background.guidance": "2.5"}
    assert read_link(given) == {
        "clip": "bear", "foreground": "a red car", "foreground.seed": 7, "background.guidance": 2.5,
    }  # fmt: skip
    for name, text, says in (
        ("foreground.seed", "x", "which is no number"),
        ("foreground.steps", "1000", "steps"),
        ("background.hints", "nonsense", "nonsense"),
        ("foreground", "red " * 300, "1000 is the most"),
    ):
        with pytest.raises(InputError, match=says):
            read_link({name: text})


@pytest.mark.parametrize(
    ("host", "share", "environment", "alone"),
    [
        (None, False, {}, True),
        ("localhost", False, {"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        (None, False, {"GRADIO_SERVER_NAME": "0.0.0.0"}, False),
        ("0.0.0.0", False, {}, False),
        (None, True, {}, False),
        (None, False, {"SPACE_ID": "someone/space"}, False),
    ],
)
def test_only_a_page_that_listens_on_this_machine_is_for_one_person(host, share, environment, alone):
    assert for_one_person(host, share, environment) is alone


@pytest.mark.parametrize(
    ("flicker", "words"),
    [(0.8, "As steady as"), (1.1, "Hardly less steady"), (1.4, "Less steady.*1.40 times"), (None, "stands still")],
)
def test_the_figures_of_an_edit_are_said_in_words(flicker, words):
    still = measure(read_video(ROOT / "data" / "sample" / "sample", limit=3)).video
    assert re.search(words, in_words(Measures(3, (216, 384), still, still, flicker)))


def test_logins_are_read_from_a_file_that_nobody_else_reads(tmp_path):
    path = tmp_path / "logins"
    with pytest.raises(InputError, match="there is no file"):
        read_logins(path)
    path.write_text("# us\nann:a:b\n\nbob:secret\n")
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_logins(path)
    path.chmod(0o600)
    assert read_logins(path) == [("ann", "a:b"), ("bob", "secret")]
    for wrong in ("", "ann", "ann:", ":x"):
        path.write_text(wrong)
        with pytest.raises(InputError, match="NAME:PASSWORD"):
            read_logins(path)


def test_the_page_says_which_rule_holds():
    assert "removed" in Settings().rule
    assert "every visitor sees them" in Settings(keep_clips=True).rule
    assert "kept" in Settings(one_person=True).rule


def test_a_visit_lasts_while_it_is_used_and_goes_with_its_files(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(visits.time, "monotonic", lambda: now[0])
    held, stays, goes, open_still = Visits(), somebody("stays"), somebody("goes"), somebody("open")
    folders = {who.session_hash: held.of(who).fresh_folder("result").parent for who in (stays, goes, open_still)}
    for who in (stays, goes):
        held.close(who)
    now[0] += visits.CLOSED_S - 1
    held.sweep()
    assert all(folder.is_dir() for folder in folders.values())
    held.of(stays)  # comes back
    now[0] += 2
    held.sweep()
    assert [name for name, folder in folders.items() if folder.is_dir()] == ["stays", "open"]
    visit, kept = held.of(open_still), visits.IDLE_S - 1
    for _ in range(3):  # a job that runs on counts as use
        now[0] += kept
        visit.go_on("video", 10**9)
        held.sweep()
    assert held.of(open_still) is visit
    now[0] += visits.IDLE_S + 1
    held.sweep()
    assert not any(folder.is_dir() for folder in folders.values())


def test_what_a_killed_page_left_behind_is_removed_by_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(visits.tempfile, "tempdir", str(tmp_path))
    left, in_use = tmp_path / f"{visits.ROOT_PREFIX}left", tmp_path / f"{visits.ROOT_PREFIX}in-use"
    for root in (left, in_use):
        (root / "visit-x").mkdir(parents=True)
    long_ago = time.time() - visits.CLOSED_S - 60
    os.utime(left, (long_ago, long_ago))
    assert Visits().root.parent == tmp_path
    assert not left.exists()
    assert in_use.exists()


def test_files_of_a_kind_make_room_for_the_next():
    visit = Visits().of(somebody("one"))
    first = visit.fresh_folder("result")
    other, second = visit.fresh_folder("source"), visit.fresh_folder("result")
    assert not first.exists()
    assert other.exists()
    assert second.exists()


def test_a_closed_page_ends_its_jobs_and_keeps_its_work():
    held, who = Visits(), somebody("one")
    visit = held.of(who)
    visit.work = Work(ROOT, 2000)
    asked = arrival(who)
    visit.go_on("edit", asked)
    held.close(who)
    with pytest.raises(Cancelled):
        visit.go_on("edit", asked)
    assert held.of(who).work is visit.work
    visit.go_on("edit", arrival(who))


@pytest.fixture
def own_shelf(settings):
    """The shelf of a visit, and what puts a clip on it as decomposing does."""
    mine = Shelf(settings, Visits().of(somebody("me")))

    def make(name):
        folder = mine.new_folder(name)
        shutil.copytree(settings.data / "small", folder)
        mine.visit.made.append(folder)
        return folder

    return mine, make


def test_own_clips_are_offered_first_and_can_be_deleted(own_shelf, settings):
    mine, make = own_shelf
    folder = make("bear")
    assert mine.choices() == [("bear (yours)", "bear"), ("networks", "networks"), ("small", "small")]
    assert Shelf(settings, Visits().of(somebody("else"))).choices() == mine.choices()[1:]
    assert mine.folder("bear") == folder
    assert mine.free_name("bear") == "bear-2"
    for name in ("bear", "small"):
        with pytest.raises(InputError, match="already; choose another name"):
            mine.new_folder(name)
    for name in ("small", "networks"):
        assert not mine.may_delete(name)
        with pytest.raises(InputError, match="not yours to delete"):
            mine.delete(name)
    mine.visit.work = Work(folder, 2000)
    mine.delete("bear")
    assert not folder.exists()
    assert mine.visit.work is None


def test_clips_have_a_quota_that_deleting_frees(own_shelf, monkeypatch):
    mine, make = own_shelf
    monkeypatch.setattr(shelf, "CLIPS_A_VISIT", 2)
    for name in ("one", "two"):
        make(name)
    with pytest.raises(InputError, match="you have 2 clips, and 2 is the most; delete one first"):
        make("three")
    mine.delete("one")
    make("three")
    monkeypatch.setattr(shelf, "BYTES_A_VISIT", 1000)
    with pytest.raises(InputError, match="delete a clip"):
        mine.check_room(0)
    monkeypatch.setattr(shelf, "BYTES_A_VISIT", 2**40)
    monkeypatch.setattr(shelf, "BYTES_IN_ALL", 1000)
    with pytest.raises(InputError, match="all visitors together.*nothing of yours is lost"):
        mine.check_room(0)


def test_kept_clips_are_everybodys_and_only_their_maker_deletes_them(settings, tmp_path):
    shutil.copytree(settings.data / "small", tmp_path / "small")
    kept = replace(settings, data=tmp_path, keep_clips=True)
    mine, theirs = (Shelf(kept, Visits().of(somebody(name))) for name in ("me", "them"))
    folder = mine.new_folder("bear")
    assert folder == tmp_path / "bear"
    shutil.copytree(tmp_path / "small", folder)
    mine.visit.made.append(folder)
    assert ("bear", "bear") in theirs.choices()
    assert not theirs.may_delete("bear")
    assert not mine.may_delete("small")
    mine.delete("bear")
    assert [name for _, name in theirs.choices()] == ["small"]
    alone = Shelf(replace(kept, one_person=True), Visits().of(somebody("owner")))
    assert alone.may_delete("small")
    assert not alone.may_delete("../small")


def test_a_clip_gets_a_free_name_made_from_the_files(settings, tmp_path):
    names = Shelf(replace(settings, data=tmp_path), Visits().of(somebody("one")))
    assert names.free_name("../My holiday (1)") == "My-holiday-1"
    (tmp_path / "My-holiday-1").mkdir()
    assert names.free_name("My holiday (1)") == "My-holiday-1-2"
    assert names.free_name("Ünïcödé") == "n-c-d"
    assert names.free_name("at 12:30") == "at-12-30"
    assert names.free_name("...") == "clip"
