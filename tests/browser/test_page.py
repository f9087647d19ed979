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
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
JOB_MS = 240_000
A_VIDEO = re.compile(r"\.mp4")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A minute or two: the whole of `app.py` in a process of its own, with the model's own number of steps.
pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "0"},
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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    log = tmp_path_factory.mktemp("page") / "log"
    with serving(log) as url:
        yield url


@pytest.fixture
def page(chromium, address):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1500, "height": 2100})
        page.goto(address)
        yield page
        browser.close()


def pictures(page, panel: str):
    return page.locator(f"#{panel} img")


def edit_and_render(page, clip: str, foreground: str, background: str):
    """Do the whole job as a person would, and leave the result playing."""
    expect(page.locator("#load")).to_be_visible(timeout=JOB_MS)
    if page.locator("#clip input").input_value() != clip:
        page.locator("#clip input").click()
        page.get_by_role("option", name=clip).click()
    page.locator("#load").click()
    expect(page.locator("#source video")).to_have_attribute("src", A_VIDEO, timeout=JOB_MS)
    page.locator("#foreground-prompt textarea").fill(foreground)
    page.locator("#edit-foreground").click()
    expect(page.locator("#keyframes img").first).to_be_visible(timeout=JOB_MS)
    page.locator("#background-prompt textarea").fill(background)
    page.locator("#edit-background").click()
    expect(pictures(page, "edited-background").first).to_be_visible(timeout=JOB_MS)
    page.locator("#render").click()
    expect(page.locator("#result video")).to_have_attribute("src", A_VIDEO, timeout=JOB_MS)


def test_sample_clip_is_edited_rendered_and_played(page, tmp_path):
    edit_and_render(page, "sample", "a picture of an orange suv", "winter scene")
    result = page.locator("#result video")
    # It plays: the picture has a size, and time goes on.
    page.wait_for_function("document.querySelector('#result video').readyState >= 2", timeout=60_000)
    width, height = result.evaluate("v => [v.videoWidth, v.videoHeight]")
    assert (width, height) == (384, 216)
    before = result.evaluate("v => { v.loop = true; v.play(); return v.currentTime }")
    page.wait_for_function(f"document.querySelector('#result video').currentTime != {before}", timeout=30_000)
    shot = Path(os.environ.get("SCREENSHOTS", tmp_path)) / "page.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 100_000
    assert not page.locator(".toast-body.error").count()


def test_wrong_input_is_a_message(page):
    page.locator("#edit-foreground").click()
    message = page.locator(".toast-body").first
    expect(message).to_contain_text("No clip is loaded yet", timeout=60_000)
