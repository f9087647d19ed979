"""The live viewer against Python's own render, in a real Chromium: pictures, strokes, stickers, contexts."""

import threading
import time

import cv2
import gradio as gr
import numpy as np
import pytest

from stablevideo.edit.history import History, Step
from stablevideo.edit.strokes import parse_stroke
from stablevideo.layers.coords import LAYER_NAMES
from stablevideo.ui.canvas.component import layer_canvas
from stablevideo.ui.canvas.values import open_scene, with_edits
from tests.browser.canvas import DRAWN, at_own_size, browsing, draw, pixels, psnr_db, rendered, seek, wait_until_shown

pytestmark = [pytest.mark.alone, pytest.mark.slow]


class Theatre:
    """A page with nothing but the viewer, and what it sent."""

    def __init__(self, clip, folder):
        self.clip, self.folder, self.history, self.came = clip, folder, History(), threading.Event()
        self.scene = open_scene(clip, folder) | {"sound": None, "video": None}
        with gr.Blocks() as self.page:
            canvas = layer_canvas(elem_id="canvas")
            canvas.stroke(self.stroke, None, None, trigger_mode="multiple")
            canvas.undo(self.undo, None, [canvas])
            canvas.refresh(self.value, None, [canvas])
            self.page.load(self.value, None, [canvas])

    def value(self):
        edits = {name: self.history.edit_of(self.clip, name) for name in LAYER_NAMES}
        return with_edits(self.scene, self.clip, edits, self.folder, bool(self.history.done), bool(self.history.undone))

    def stroke(self, event: gr.EventData):
        stroke = parse_stroke(event._data["stroke"])
        self.history = self.history.then(Step(stroke.layer, stroke), self.clip)
        self.came.set()

    def undo(self):
        self.history = self.history.undo()
        return self.value()

    def atlases(self):
        edits = {name: self.history.edit_of(self.clip, name) for name in LAYER_NAMES}
        return {name: edit.atlas for name, edit in edits.items() if edit}


@pytest.fixture
def stage(request, chromium, tmp_path):
    theatre = Theatre(request.getfixturevalue(getattr(request, "param", "sample")), tmp_path)
    _, url, _ = theatre.page.launch(prevent_thread_lock=True, quiet=True, allowed_paths=[str(tmp_path)])
    failures = []
    with browsing(chromium, url, (1000, 700)) as page:
        page.on("pageerror", lambda error: failures.append(error))
        wait_until_shown(page)
        yield page, theatre
    theatre.page.close()
    assert not failures


@pytest.mark.parametrize("stage", ["sample", "bear"], indirect=True)
def test_the_browser_draws_what_python_renders(stage):
    page, theatre = stage
    at_own_size(page, theatre.clip.size[1])
    for frame in (0, theatre.clip.frame_count // 3, theatre.clip.frame_count - 1):
        seek(page, frame)
        assert psnr_db(pixels(page), rendered(theatre.clip, frame)) > 45


def test_a_stroke_is_seen_at_once_moves_with_the_surface_and_is_what_the_server_has(stage):
    page, theatre = stage
    at_own_size(page, 384)
    page.locator("[value=brush]").check(force=True)
    seek(page, 7)
    before = pixels(page)
    box = page.locator(".sv-picture").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + 190, box["y"] + 130)
    page.wait_for_function("n => " + DRAWN + " > n", arg=page.evaluate(DRAWN) - 1)
    page.wait_for_timeout(300)
    during = pixels(page)
    assert (np.abs(during - before).max(-1) > 0.2).mean() > 0.002
    page.mouse.up()
    assert theatre.came.wait(30)
    page.wait_for_timeout(300)
    assert psnr_db(pixels(page), during) > 45  # what was painted stays as it was seen
    atlases = theatre.atlases()
    for frame in (7, 30):
        seek(page, frame)
        server, plain = rendered(theatre.clip, frame, **atlases), rendered(theatre.clip, frame)
        assert psnr_db(pixels(page), server) > 40
        painted = np.abs(server - plain).max(-1) > 0.1
        assert painted.mean() > 0.002  # in every frame
        assert psnr_db(pixels(page)[painted], server[painted]) > 30
    page.locator(".sv-undo").click()
    wait_until_shown(page, after=int(page.locator(".sv-canvas").get_attribute("data-version")))
    seek(page, 7)
    assert psnr_db(pixels(page), before) > 60


def letterboxed(atlas, size):
    """An atlas [3, h, w] as a picture of that size (height, width) shows it whole."""
    height, width = size
    scale = min(height / atlas.shape[1], width / atlas.shape[2])
    high, wide = round(atlas.shape[1] * scale), round(atlas.shape[2] * scale)
    picture = np.full((height, width, 3), 0.08, np.float32)
    top, left = (height - high) // 2, (width - wide) // 2
    small = cv2.resize(atlas.permute(1, 2, 0).numpy(), (wide, high), interpolation=cv2.INTER_AREA)
    picture[top : top + high, left : left + wide] = small
    return picture


def test_an_atlas_is_shown_whole_and_painted_on_itself(stage):
    page, theatre = stage
    at_own_size(page, 384)
    page.locator(".sv-overlay").select_option("6")
    page.wait_for_timeout(500)
    original = theatre.clip.background.atlas
    assert psnr_db(pixels(page), letterboxed(original, theatre.clip.size)) > 28  # mipmaps here, areas there
    page.locator("[value=brush]").check(force=True)
    draw(page, (170, 108), (214, 108))
    assert theatre.came.wait(30)
    page.wait_for_timeout(300)
    painted = theatre.atlases()["background"]
    middle = painted[:, painted.shape[1] // 2, painted.shape[2] // 2]
    assert np.allclose(middle, [0xE8 / 255, 0x30 / 255, 0x30 / 255], atol=0.02)
    assert psnr_db(pixels(page), letterboxed(painted, theatre.clip.size)) > 28
    page.locator(".sv-overlay").select_option("0")
    for frame in (7, 30):
        seek(page, frame)
        assert psnr_db(pixels(page), rendered(theatre.clip, frame, background=painted)) > 40


def test_words_and_pictures_stick_to_the_surface(stage):
    page, theatre = stage
    at_own_size(page, 384)
    seek(page, 7)
    page.locator("[value=text]").check(force=True)
    page.locator(".sv-words").fill("Hello ${1+1} {{x}} <b>")
    draw(page, (300, 40))
    assert theatre.came.wait(30)
    page.wait_for_timeout(300)
    for frame in (7, 12):
        seek(page, frame)
        server = rendered(theatre.clip, frame, **theatre.atlases())
        assert psnr_db(pixels(page), server) > 34
        assert (np.abs(server - rendered(theatre.clip, frame)).max(-1) > 0.2).mean() > 0.004


def test_it_comes_back_after_the_graphics_card_lost_its_context(stage):
    page, theatre = stage
    at_own_size(page, 384)
    page.locator("[value=brush]").check(force=True)
    seek(page, 5)
    draw(page, (150, 120), (180, 140))
    assert theatre.came.wait(30)
    seek(page, 6)
    before = pixels(page)
    version = int(page.locator(".sv-canvas").get_attribute("data-version"))
    page.evaluate(
        """async () => {
            const lose = document.querySelector('.sv-picture').getContext('webgl2').getExtension('WEBGL_lose_context');
            lose.loseContext();
            await new Promise((done) => setTimeout(done, 300));
            lose.restoreContext();
        }"""
    )
    wait_until_shown(page, after=version)
    seek(page, 5)
    seek(page, 6)
    assert psnr_db(pixels(page), before) > 40


def test_twenty_opens_and_closes_leak_no_context(chromium, stage):
    page, _ = stage
    url, warnings = page.url, []
    page.on("console", lambda message: warnings.append(message.text))
    for _ in range(20):
        page.goto("about:blank")
        page.goto(url)
        wait_until_shown(page)
    assert not [text for text in warnings if "WebGL contexts" in text]


def test_it_stops_drawing_out_of_sight(stage):
    page, _ = stage
    page.evaluate("document.body.style.paddingTop = '5000px'")
    time.sleep(1)
    drawn = page.evaluate(DRAWN)
    time.sleep(1)
    assert page.evaluate(DRAWN) == drawn
    page.evaluate("document.body.style.paddingTop = '0'")
    page.wait_for_function("n => " + DRAWN + " > n + 2", arg=drawn)


def test_where_there_is_no_webgl_the_video_plays(chromium, stage):
    _, theatre = stage
    theatre.scene["video"] = theatre.scene["file"]  # any file: what matters is that it is asked for
    browser = stage[0].context.browser
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(stage[0].url)
    page.wait_for_function("() => document.querySelector('.sv-fallback')?.hidden === false")
    assert "layers.bin" in page.locator(".sv-fallback").get_attribute("src")
    page.close()
