"""The moving picture of the page at the top of the README: the clip plays, the words change it, a stroke sticks to it.

    python -m benchmarks.moving_page [--out docs/page.webp]

A real Chromium (the command `chromium`) uses the real page, frame by frame; only the wait for the edit is left out.
"""

import argparse
import io
import math
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from benchmarks.report import ROOT
from tests.browser.canvas import SOFTWARE, seek, wait_until_shown
from tests.browser.test_page import JOB_MS, serving

VIEW_PX, WIDTH_PX, FRAME_MS, QUALITY = (1280, 830), 960, 80, 68
FRAMES, EVERY = 48, 2
WORDS = ("purple", "night")
STROKE = [(0.30 + 0.006 * i, 0.62 + 0.035 * math.sin(i / 2.2)) for i in range(28)]  # over the car, shares of the canvas


class Camera:
    """Takes a picture of the page at each frame of the clip."""

    def __init__(self, page):
        self.page, self.pictures, self.frame = page, [], 0

    def take(self, times=1):
        for _ in range(times):
            seek(self.page, self.frame)
            picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
            height = round(WIDTH_PX * picture.height / picture.width)
            self.pictures.append(picture.resize((WIDTH_PX, height), Image.Resampling.LANCZOS))
            self.frame = (self.frame + EVERY) % FRAMES


def place(page, x, y):
    box = page.locator(".sv-picture").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def wipe(page, camera, begin, end, steps):
    """Pull the slider between before and after."""
    page.mouse.move(*place(page, begin, 0.5))
    page.mouse.down()
    for step in range(1, steps + 1):
        page.mouse.move(*place(page, begin + (end - begin) * step / steps, 0.5))
        camera.take()
    page.mouse.up()


def ask(page, camera):
    """Click the words, and show the clip as they make it."""
    shown = wait_until_shown(page)
    for layer, word in zip(("foreground", "background"), WORDS, strict=True):
        page.locator(f"#{layer}-chips").get_by_role("button", name=word, exact=True).click()
        expect(page.locator(f"#{layer}-prompt").locator("textarea, input")).to_have_value(word)
        camera.take(4)
    page.locator("#edit").click()
    camera.take(3)
    expect(page.locator("#earlier img")).to_have_count(2, timeout=JOB_MS)
    wait_until_shown(page, after=shown)
    page.wait_for_timeout(1500)
    page.mouse.move(5, 5)
    camera.take(16)


def paint(page, camera):
    """Draw on the clip where it stands, and let it go on."""
    page.locator("[name=sv-tool][value=brush]").check(force=True)
    page.locator(".sv-colour").fill("#f7f7ff")
    page.locator(".sv-size").fill("6")
    camera.frame = 16
    camera.take()
    page.mouse.move(*place(page, *STROKE[0]))
    page.mouse.down()
    for number, (x, y) in enumerate(STROKE):
        page.mouse.move(*place(page, x, y))
        if number % 4 == 3:
            camera.frame = 16
            camera.take()
    page.mouse.up()
    page.wait_for_timeout(1000)
    page.mouse.move(5, 5)
    camera.take(16)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "page.webp")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "log") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SOFTWARE)
        page = browser.new_page(viewport=dict(zip(("width", "height"), VIEW_PX, strict=True)))
        page.goto(url)
        wait_until_shown(page)
        page.locator(".sv-play").click()
        camera = Camera(page)
        camera.take(8)
        wipe(page, camera, 0.5, 0.02, 14)
        page.locator(".sv-compare").uncheck()
        camera.take(4)
        ask(page, camera)
        paint(page, camera)
        browser.close()
    first, *others = camera.pictures
    first.save(arguments.out, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=QUALITY, method=6)
    print(f"{arguments.out}: {len(camera.pictures)} frames, {arguments.out.stat().st_size / 2**20:.2f} MB")


if __name__ == "__main__":
    main()
