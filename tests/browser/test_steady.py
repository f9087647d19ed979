"""Steadying in a real Chromium: a clip that drifts, or flickers, is uploaded and steadied; what comes is read."""

import re
from fractions import Fraction

import pytest
import torch
from playwright.sync_api import expect

from stablevideo import measure, read_video, write_video
from tests.browser.canvas import wait_until_shown
from tests.browser.test_page import A_VIDEO, address, page  # noqa: F401 (fixtures)
from tests.clips import flickering, smooth_picture

# The whole of `app.py` in a process of its own, as beside it.
pytestmark = [pytest.mark.alone, pytest.mark.slow]
COUNT, SIZE = 12, (72, 128)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory):
    """A clip that pales and turns blue, frame by frame."""
    path = tmp_path_factory.mktemp("drifted") / "drifted.mp4"
    wide = 0.15 + 0.6 * smooth_picture((SIZE[0], SIZE[1] + 2 * COUNT), 5)
    frames = torch.stack([wide[:, :, 2 * i : 2 * i + SIZE[1]] for i in range(COUNT)])
    gains = torch.tensor([[1 - 0.03 * i, 1.0, 1 + 0.02 * i] for i in range(COUNT)])
    write_video([frames * gains[:, :, None, None]], path, Fraction(25))
    return path


def redness(path):
    """For each frame, red less blue of the mean colour, in [-1, 1]."""
    means = read_video(path).frames(range(COUNT)).float().mean((2, 3)) / 255
    return means[:, 0] - means[:, 2]


def open_tab(page):  # noqa: F811
    page.get_by_role("tab", name="Steady").click()
    expect(page.locator("#steady-run")).to_be_visible()


def before_and_after(page, row):  # noqa: F811
    """Once both videos stand side by side: a row of the table."""
    expect(page.locator("#steady-comparison video")).to_have_attribute("src", A_VIDEO)
    expect(page.locator("#steady-status")).to_contain_text("Done in")
    sizes = page.locator("#steady-comparison video").evaluate("v => [v.videoWidth, v.videoHeight]")
    assert sizes == [2 * SIZE[1] + 4, SIZE[0]]
    heads = page.locator("#steady-table th").all_inner_texts()
    assert [head.strip() for head in heads] == ["", "before", "after"]
    return [float(text) for text in page.locator(f"#steady-table tr:has-text('{row}') td").all_inner_texts()[1:]]


def downloaded(page, path):  # noqa: F811
    """The tab's video, as a file of that name."""
    with page.expect_download() as download:
        page.locator("#steady-files a[download]").first.click()
    return download.value.path().rename(path)


def test_a_clip_that_drifts_is_steadied(page, drifted, tmp_path):  # noqa: F811
    open_tab(page)
    page.locator("#steady-video input[type=file]").set_input_files(str(drifted))
    expect(page.locator("#steady-facts")).to_contain_text("12 frames of 128x72")
    expect(page.locator("#steady-said")).to_contain_text("Click the frames whose colours are right")
    frames = page.locator("#steady-frames button:has(img)")
    expect(frames).to_have_count(COUNT)
    for place, said in [
        (0, "Frame 0 is right"),
        (COUNT - 1, "Frames 0 and 11 are right"),
        (0, "Frame 11 is right"),
    ]:
        frames.nth(place).click()
        expect(page.locator("#steady-said")).to_contain_text(said)
    expect(page.get_by_label("right frames")).to_have_value("11")
    expect(frames.nth(COUNT - 1)).to_contain_text("is right")
    numbers = page.get_by_label("right frames")
    numbers.press("End")
    numbers.press_sequentially(" 99")
    expect(page.locator("#steady-said")).to_contain_text("Frame 99 is out of range; the clip has frames 0 to 11")
    for _ in range(3):
        numbers.press("Backspace")
    numbers.press("Tab")
    expect(page.locator("#steady-said")).to_contain_text("Frame 11 is right")

    page.locator("#steady-run").click()
    before, after = before_and_after(page, "most less least")
    assert after < before / 3
    for plot in ("#steady-steps", "#steady-drift"):
        expect(page.locator(f"{plot} canvas, {plot} svg.marks").first).to_be_visible()
    expect(page.locator("#steady-leaps img")).to_have_count(3)
    repaired = downloaded(page, tmp_path / "steady.mp4")
    wanted = redness(drifted)[-1]
    assert (redness(drifted) - wanted).abs().max() > 0.2
    assert (redness(repaired) - wanted).abs().max() < 0.04

    page.locator("#steady-video").get_by_label("Clear").click()
    expect(page.locator("#steady-table")).to_be_hidden()
    expect(page.locator("#steady-facts")).to_contain_text("A clip of at least two frames")
    assert not page.locator(".toast-body.error").count()


def test_flicker_is_taken_out(page, tmp_path):  # noqa: F811
    clean, lit = flickering(SIZE, 9)
    for name, frames in (("clean", clean), ("lit", lit)):
        write_video([frames], tmp_path / f"{name}.mp4", Fraction(25), crf=4)
    open_tab(page)
    page.locator("#steady-video input[type=file]").set_input_files(str(tmp_path / "lit.mp4"))
    expect(page.locator("#steady-facts")).to_contain_text("9 frames of 128x72")
    page.get_by_role("tab", name="Flicker").click()
    expect(page.locator("#steady-run")).to_be_hidden()
    page.locator("#deflicker-run").click()
    before, after = before_and_after(page, "warp error")
    assert after < before / 10
    repaired = downloaded(page, tmp_path / "deflickered.mp4")
    errors = [measure(read_video(path)).video.warp_error for path in (tmp_path / "lit.mp4", repaired)]
    assert errors[1] < errors[0] / 10
    expect(page.locator("#steady-still")).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Colours", "Flicker", "Restyle"):
        expect(page.get_by_role("tab", name=name)).to_be_visible()
    page.get_by_role("tab", name="Restyle").click()
    expect(page.locator("#restyle-prompt textarea, #restyle-prompt input")).to_be_visible()
    expect(page.get_by_text("It knows").last).to_be_visible()
    assert not page.locator(".toast-body.error").count()


def test_a_rendered_edit_is_measured_beside_its_source_by_one_click(page):  # noqa: F811
    wait_until_shown(page)
    expect(page.locator("#steady-this")).to_be_hidden()
    page.locator("#render").click()
    page.locator("#steady-this").click()
    expect(page.locator("#steady-status")).to_contain_text("Done in")
    expect(page.locator("#steady-said")).to_contain_text("Each frame gets the colours of the same frame of its source")
    expect(page.locator("#steady-source")).to_contain_text(re.compile("sample.*mp4", re.DOTALL))
    heads = page.locator("#steady-table th").all_inner_texts()
    assert [head.strip() for head in heads] == ["", "clip", "source"]
    expect(page.locator("#steady-files")).to_contain_text("measures")
    expect(page.locator("#steady-comparison video")).to_be_hidden()
