"""The live viewer in Chromium's software renderer. Goals, at 384x216: 45 dB against Python's render, 15 frames a
second, a stroke seen within 100 ms; first picture within 2 s of asking for the page.

    python -m benchmarks.canvas [--chromium /usr/bin/chromium]
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import gradio as gr
import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.report import clip_folders, report
from stablevideo import load_clip
from stablevideo.layers.coords import LAYER_NAMES
from stablevideo.ui.canvas.component import layer_canvas
from stablevideo.ui.canvas.values import open_scene, with_edits
from tests.browser.canvas import DRAWN, SOFTWARE, at_own_size, pixels, psnr_db, rendered, seek, wait_until_shown

PLAY_S = 5
# From a pointer's move to the frame that shows it, in ms, twenty times.
STROKE = """async () => {
    const root = document.querySelector('.sv-canvas'), picture = root.querySelector('.sv-picture');
    const box = picture.getBoundingClientRect(), waits = [];
    const point = (kind, x) => picture.dispatchEvent(new PointerEvent(kind, {
        clientX: box.left + x, clientY: box.top + box.height / 2, button: 0, buttons: 1, pointerId: 1, bubbles: true,
    }));
    picture.setPointerCapture = () => {};
    point('pointerdown', 100);
    for (let i = 0; i < 20; i++) {
        const before = root.dataset.drawn, begin = performance.now();
        point('pointermove', 110 + 8 * i);
        while (root.dataset.drawn === before) await new Promise(requestAnimationFrame);
        waits.push(performance.now() - begin);
    }
    point('pointerup', 270);
    return waits;
}"""


def measure(folder, chromium):
    """A row of figures for one clip."""
    clip, place = load_clip(folder), Path(tempfile.mkdtemp())
    begin = time.perf_counter()
    scene = open_scene(clip, place) | {"sound": None, "video": None}
    written_s = time.perf_counter() - begin
    with gr.Blocks() as blocks:
        canvas = layer_canvas()
        canvas.stroke(lambda: None, None, None)
        value = with_edits(scene, clip, dict.fromkeys(LAYER_NAMES), place, False, False)
        blocks.load(lambda: value, None, [canvas])
    _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, allowed_paths=[str(place)])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SOFTWARE)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.goto(url)
        wait_until_shown(page)
        page.goto("about:blank")
        begin = time.perf_counter()
        page.goto(url)
        wait_until_shown(page)
        first_s = time.perf_counter() - begin
        page.evaluate(f"document.querySelector('.sv-stage').style.width = '{clip.size[1]}px'")
        page.wait_for_timeout(1000)
        before, begin = page.evaluate(DRAWN), time.perf_counter()
        page.wait_for_timeout(1000 * PLAY_S)
        fps = (page.evaluate(DRAWN) - before) / (time.perf_counter() - begin)
        at_own_size(page, clip.size[1])
        scores = []
        for frame in np.linspace(0, clip.frame_count - 1, 5).round().astype(int).tolist():
            seek(page, frame)
            scores.append(psnr_db(pixels(page), rendered(clip, frame)))
        page.locator("[value=brush]").check(force=True)
        waits = page.evaluate(STROKE)
        browser.close()
    blocks.close()
    sent_mb = (place / "layers.bin").stat().st_size / 1e6
    shutil.rmtree(place)
    return {
        "clip": folder.name,
        "size": f"{clip.size[1]}x{clip.size[0]}",
        "written s": round(written_s, 2),
        "sent MB": round(sent_mb, 1),
        "first picture s": round(first_s, 2),
        "PSNR dB, least": round(float(min(scores)), 1),
        "frames a second": round(fps, 1),
        "of the clip's": float(clip.video.fps),
        "stroke seen ms, median": round(float(np.median(waits))),
        "stroke seen ms, most": round(max(waits)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    arguments = parser.parse_args()
    report("canvas", [measure(folder, arguments.chromium) for folder in clip_folders()])


if __name__ == "__main__":
    main()
