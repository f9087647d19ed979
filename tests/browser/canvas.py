"""The live viewer in a real Chromium: what it shows, as numbers."""

import base64
from contextlib import contextmanager

import cv2
import numpy as np
from playwright.sync_api import expect, sync_playwright

SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
            "--ignore-gpu-blocklist", "--no-first-run", "--disable-background-networking"]  # fmt: skip
VERSION = "Number(document.querySelector('.sv-canvas')?.dataset.version)"
DRAWN = "Number(document.querySelector('.sv-canvas')?.dataset.drawn)"
WAIT_MS = 240_000  # a page may be slow on a busy machine: only what never comes is a failure
expect.set_options(timeout=WAIT_MS)


@contextmanager
def browsing(chromium, address, size=(1440, 900), **options):
    """A page in a browser of its own. What it shows at the end is printed, so that the report of a failure tells it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SOFTWARE)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: print(error))  # noqa: T201
        page.goto(address)
        try:
            yield page
        finally:
            print(page.locator("body").inner_text())  # noqa: T201
            browser.close()


def wait_until_shown(page, after=0):
    """Wait for a version of the layers after that one; which it is."""
    page.wait_for_function(f"() => {VERSION} > {after} && {DRAWN} > 0")
    return page.evaluate(VERSION)


def at_own_size(page, width):
    """Draw as many pixels as the clip has, and stop."""
    page.evaluate(f"document.querySelector('.sv-stage').style.width = '{width}px'")
    if page.locator("#canvas .sv-canvas").get_attribute("data-playing") == "true":
        page.locator("#canvas .sv-play").click()
    page.wait_for_function(f"() => document.querySelector('.sv-picture').width === {width}")


def seek(part, frame):
    """Let the first viewer of a page, or of a part of it, draw a frame."""
    part.locator(".sv-canvas").first.evaluate(
        """async (root, frame) => {
            const time = root.querySelector('.sv-time');
            const before = root.dataset.drawn;
            time.value = frame;
            time.dispatchEvent(new Event('input'));
            while (root.dataset.drawn === before) {
                root.scrollIntoView({ block: "nearest" }); // out of sight nothing is drawn
                await new Promise(requestAnimationFrame);
            }
        }""",
        frame,
    )


def pixels(part):
    """What the first viewer of a page, or of a part of it, shows, [h, w, 3] in [0, 1]."""
    url = part.locator(".sv-picture").first.evaluate("picture => picture.toDataURL('image/png')")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    return picture[..., ::-1].astype(np.float32) / 255


def rendered(clip, frame, **atlases):
    """What Python renders, [h, w, 3] in [0, 1]."""
    return next(clip.render(frames=[frame], **atlases))[0].permute(1, 2, 0).numpy()


def psnr_db(first, second):
    return -10 * np.log10(np.mean((first - second) ** 2))


def draw(page, *places):
    """Draw a line over the canvas through places in pixels of the clip, at its own size."""
    box = page.locator("#canvas .sv-picture").bounding_box()
    for number, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
