"""The whole job in a real Chromium: load the sample clip, edit both layers, render, play."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.canvas import browsing, wait_until_shown

ROOT = Path(__file__).parent.parent.parent
SHOTS = Path(__file__).parent / "shots"  # git-ignored, to be looked at
SHOTS.mkdir(exist_ok=True)
A_VIDEO = re.compile(r"\.mp4")
# A minute or two: the whole of `app.py` in a process of its own, with the model's own number of steps.
pytestmark = [pytest.mark.alone, pytest.mark.slow]


@contextmanager
def serving(log: Path, *arguments: str):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--log", str(log), *arguments]
    with (log.parent / "server.txt").open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "0", "HF_HUB_OFFLINE": "1"},
        )
        try:
            deadline = time.monotonic() + 180
            while time.monotonic() < deadline and server.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.3)
            else:
                pytest.fail("the page did not start: " + (log.parent / "server.txt").read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)
            print((log.parent / "server.txt").read_text()[-3000:])  # noqa: T201


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    log = tmp_path_factory.mktemp("page") / "log"
    with serving(log) as url:
        yield url


@pytest.fixture
def page(chromium, address):
    with browsing(chromium, address) as page:
        yield page


def edit_and_render(page, clip: str, foreground: str, background: str):
    """Do the whole job as a person would, and leave the result playing."""
    shown = wait_until_shown(page)
    if page.locator("#clip input").input_value() != clip:
        page.locator("#clip input").click()
        page.get_by_role("option", name=clip).click()
        shown = wait_until_shown(page, after=shown)
    page.locator("#foreground-prompt textarea, #foreground-prompt input").fill(foreground)
    page.locator("#background-prompt textarea, #background-prompt input").fill(background)
    page.locator("#edit").click()
    for _ in range(2):  # one layer after the other
        shown = wait_until_shown(page, after=shown)
    page.locator("#render").click()
    expect(page.locator("#result video")).to_have_attribute("src", A_VIDEO)


def test_sample_clip_is_edited_rendered_and_played(page):
    edit_and_render(page, "sample", "a picture of an orange suv", "winter scene")
    result = page.locator("#result video")
    # It plays: the picture has a size, and time goes on.
    page.wait_for_function("document.querySelector('#result video').readyState >= 2")
    width, height = result.evaluate("v => [v.videoWidth, v.videoHeight]")
    assert (width, height) == (384, 216)
    before = result.evaluate("v => { v.loop = true; v.play(); return v.currentTime }")
    page.wait_for_function(f"document.querySelector('#result video').currentTime != {before}")
    shot = Path(os.environ.get("SCREENSHOTS", SHOTS)) / "page.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 100_000
    assert not page.locator(".toast-body.error").count()


def test_the_address_fills_the_form_again(page, address):
    page.locator("#options > button").click()  # first: what it holds takes its values once more when it is opened
    wait_until_shown(page)
    page.locator("#foreground-prompt textarea, #foreground-prompt input").fill("a wooden car & more?")
    page.locator("#background-prompt textarea, #background-prompt input").fill("")
    page.get_by_label("keyframes").first.fill("3, 9")
    page.locator("#edit").click()
    page.wait_for_url("**foreground.keyframes=3%2C*")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    prompt = page.locator("#foreground-prompt textarea, #foreground-prompt input")
    expect(prompt).to_have_value("a wooden car & more?")
    expect(page.locator("#background-prompt textarea, #background-prompt input")).to_have_value("")
    page.locator("#options > button").click()
    expect(page.get_by_label("keyframes").first).to_have_value("3, 9")
    wait_until_shown(page)
    assert not page.locator(".sv-compare").is_checked()  # not the welcome, but what somebody asked for
    assert not page.locator(".toast-body.error").count()
    page.goto(f"{address}/?clip=nobody")
    expect(page.locator(".toast-body.error").first).to_contain_text("There is no clip")


def test_wrong_input_is_a_message(page):
    wait_until_shown(page)
    for layer in ("foreground", "background"):
        page.locator(f"#{layer}-prompt textarea, #{layer}-prompt input").fill("")
    page.locator("#edit").click()
    message = page.locator(".toast-body").first
    expect(message).to_contain_text("Say first what should become")


def test_the_first_screen_shows_the_sample_edited_and_words_can_be_clicked(page):
    wait_until_shown(page)
    expect(page.locator(".sv-wipe")).to_be_visible()  # half before, half after
    expect(page.locator(".sv-undo")).to_be_enabled()
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    for name in ("#canvas", "#edit", "#render"):
        box = page.locator(name).bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    prompt = page.locator("#foreground-prompt textarea, #foreground-prompt input")
    page.locator("#foreground-chips").get_by_role("button", name="blue", exact=True).click()
    expect(prompt).to_have_value("blue")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_first_screen_is_for_everybody(address, chromium, size, scheme):
    with browsing(chromium, f"{address}/?__theme={scheme}", size, color_scheme=scheme) as page:
        wait_until_shown(page)
        page.screenshot(path=SHOTS / f"first-{size[0]}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        canvas, edit = (page.locator(name).bounding_box() for name in ("#canvas", "#edit"))
        assert canvas["y"] < edit["y"]  # on a phone, the clip comes first
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    bad = [(each["id"], [node["target"] for node in each["nodes"]][:4]) for each in found
           if each["impact"] in ("serious", "critical")]  # fmt: skip
    assert not bad
