"""The page without a browser: widgets, sessions that never meet, named endpoints, cancel."""

import threading
import time
from dataclasses import fields

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client

from stablevideo import BackgroundOptions, ForegroundOptions, read_video
from stablevideo.ui.edit_tab import brush_mask
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.session import Settings
from stablevideo.ui.widgets import option_widgets


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("ui") / "log"


@pytest.fixture(scope="module")
def address(data, ckpt, log):
    page = build_app(Settings(data, ckpt, log, model="embedded", device="cpu"))
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    page.close()


def client(address):
    return Client(address, verbose=False)


def quick(**changes):
    return {"model": "embedded", "resolution": 256, "steps": 2, "seed": 1, **changes}


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


def test_every_step_has_a_named_endpoint(address):
    endpoints = client(address).view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/load_clip", "/edit_foreground", "/edit_background", "/render", "/cancel"}
    names = [p["parameter_name"] for p in endpoints["/edit_foreground"]["parameters"]]
    assert {item.name for item in fields(ForegroundOptions)} < set(names)


def test_the_whole_job_by_client(address):
    person = client(address)
    assert read_video(person.predict("sample", api_name="/load_clip")[0]).frame_count == 48
    _, gallery = person.predict("a red car", keyframes="8, 40", **quick(), api_name="/edit_foreground")
    assert [item["caption"] for item in gallery[3:]] == ["frame 40, before", "frame 40, hint", "frame 40, after"]
    assert person.predict("winter scene", **quick(), api_name="/edit_background")
    video, files = person.predict(None, api_name="/render")
    assert read_video(video).size == (216, 384)
    assert [name.rsplit("/", 1)[-1] for name in files] == ["video.mp4", "settings.json"]


def test_two_people_never_see_each_others_work(address, log):
    one, other = client(address), client(address)
    one.predict("sample", api_name="/load_clip")
    one.predict("a red car", keyframes="8", **quick(), api_name="/edit_foreground")
    with pytest.raises(Exception, match="No clip is loaded yet"):
        other.predict(None, api_name="/render")
    other.predict("sample", api_name="/load_clip")
    log.mkdir(exist_ok=True)
    before = set(log.iterdir())
    other.predict(None, api_name="/render")
    (made,) = set(log.iterdir()) - before
    assert not (made / "foreground.png").exists()


def test_wrong_input_is_a_sentence(address):
    person = client(address)
    person.predict("sample", api_name="/load_clip")
    for prompt, changes, said in [
        ("", {}, "The prompt is empty"),
        ("x", {"keyframes": "99"}, "Keyframe 99 is out of range"),
        ("x", {"keyframes": "a"}, "'a' is no keyframe"),
        ("x", {"keyframes": ""}, "No keyframe is given"),
    ]:
        with pytest.raises(Exception, match=said):
            person.predict(prompt, **quick(**changes), api_name="/edit_foreground")


def test_cancel_ends_the_job_and_nothing_is_changed(address):
    person = client(address)
    person.predict("sample", api_name="/load_clip")
    job = person.submit("a red car", **quick(steps=100, keyframes="0, 8, 16, 24, 40"), api_name="/edit_foreground")
    started, ended = time.monotonic(), threading.Event()
    while not ended.is_set() and time.monotonic() - started < 60:
        time.sleep(1)
        person.predict(api_name="/cancel")
        if job.done():
            ended.set()
    assert ended.is_set()
    with pytest.raises(Exception, match="Cancelled"):
        job.result()


def test_files_outside_are_not_served(address, data):
    import httpx

    for path in ("app.py", "data/sample/config.json", "../../etc/passwd", str(data / "sample" / "checkpoint")):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404)


def test_a_brush_stroke_becomes_a_mask_of_the_atlas_size():
    stroke = np.zeros((30, 40, 4), np.uint8)
    stroke[10:20, 10:20] = 255
    mask = brush_mask({"layers": [stroke], "background": None}, (60, 80))
    assert mask.shape == (1, 60, 80)
    assert mask[0, 30, 30] == 1
    assert mask[0, 5, 5] == 0
    assert mask.mean().item() == pytest.approx(100 / 1200, rel=0.1)
    for nothing in (None, {}, {"layers": []}, {"layers": None}, {"layers": [None]}):
        assert brush_mask(nothing, (60, 80)).sum() == 0
