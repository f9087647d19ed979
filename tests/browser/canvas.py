"""The live viewer in a real Chromium: what it shows, as numbers."""

import base64

import cv2
import numpy as np

SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
            "--ignore-gpu-blocklist", "--no-first-run", "--disable-background-networking"]  # fmt: skip
VERSION = "Number(document.querySelector('.sv-canvas')?.dataset.version)"
DRAWN = "Number(document.querySelector('.sv-canvas')?.dataset.drawn)"


def wait_until_shown(page, after=0):
    """Wait for a version of the layers after that one; which it is."""
    page.wait_for_function(f"() => {VERSION} > {after} && {DRAWN} > 0", timeout=240_000)
    return page.evaluate(VERSION)


def at_own_size(page, width):
    """Draw as many pixels as the clip has, and stop."""
    page.evaluate(f"document.querySelector('.sv-stage').style.width = '{width}px'")
    if page.locator("#canvas .sv-canvas").get_attribute("data-playing") == "true":
        page.locator("#canvas .sv-play").click()
    page.wait_for_function(f"() => document.querySelector('.sv-picture').width === {width}", timeout=60_000)


def seek(page, frame):
    page.evaluate(
        """async (frame) => {
            const root = document.querySelector('.sv-canvas'), time = root.querySelector('.sv-time');
            const before = root.dataset.drawn;
            time.value = frame;
            time.dispatchEvent(new Event('input'));
            while (root.dataset.drawn === before) await new Promise(requestAnimationFrame);
        }""",
        frame,
    )


def pixels(page):
    """What the canvas shows, [h, w, 3] in [0, 1]."""
    url = page.evaluate("document.querySelector('.sv-picture').toDataURL('image/png')")
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
