"""The ways through the page as somebody new takes them, in a real Chromium: how many clicks, and how long.

The times are written down and not held to, since they are the machine's: `shots/ways.txt`.
"""

import shutil
import time

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from stablevideo import load_clip, read_video, write_video
from stablevideo.video.pictures import write_picture
from tests.browser.canvas import browsing, draw, pixels, psnr_db, seek, wait_until_shown
from tests.browser.test_page import A_VIDEO, SHOTS, address, page, serving  # noqa: F401 (fixtures)
from tests.conftest import REAL

pytestmark = [pytest.mark.alone, pytest.mark.slow]
FIT_MS = 600_000


def note(words):
    with (SHOTS / "ways.txt").open("a") as file:
        file.write(f"{words}\n")


class Newcomer:
    """Somebody who clicks, with a clock and a counter."""

    def __init__(self, page):  # noqa: F811
        self.page, self.clicks, self.began_s = page, 0, time.monotonic()

    def click(self, place):
        place.click()
        self.clicks += 1

    def download(self, path):
        with self.page.expect_download() as download:
            self.click(self.page.locator("#files a[download]").first)
        download.value.save_as(path)
        note(f"{path.stem}: {self.clicks} clicks, {time.monotonic() - self.began_s:.0f} s")
        return read_video(path)


def edited_and_kept(page, newcomer):  # noqa: F811
    undo = page.locator("#canvas .sv-undo")
    shown = wait_until_shown(page)
    newcomer.click(page.locator("#edit"))
    wait_until_shown(page, after=shown)
    expect(undo).to_be_enabled()
    page.wait_for_function("() => document.querySelectorAll('#earlier img').length >= 2")
    newcomer.click(page.locator("#render"))
    expect(page.locator("#result video")).to_have_attribute("src", A_VIDEO)


def closeness_db(canvas, video):
    """How close a viewer's layers come to the video, in the frame that is shown."""
    if canvas.locator(".sv-canvas").get_attribute("data-playing") == "true":
        canvas.locator(".sv-play").click()
    frame = int(canvas.locator(".sv-time").input_value())
    seek(canvas, frame)
    small = cv2.resize(pixels(canvas), (video.width, video.height), interpolation=cv2.INTER_AREA)
    return psnr_db(small, video.frames([frame])[0].permute(1, 2, 0).numpy() / 255)


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["desktop", "phone"])
def test_from_the_first_screen_to_an_edit_of_ones_own(page, tmp_path, size):  # noqa: F811
    page.set_viewport_size({"width": size[0], "height": size[1]})
    newcomer = Newcomer(page)
    wait_until_shown(page)
    note(f"{size[0]} pixels wide, first picture after {time.monotonic() - newcomer.began_s:.1f} s")
    newcomer.click(page.locator("#foreground-chips").get_by_role("button", name="golden"))
    newcomer.click(page.locator("#background-chips").get_by_role("button", name="night"))
    edited_and_kept(page, newcomer)
    page.screenshot(path=SHOTS / f"way-sample-{size[0]}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    video = newcomer.download(tmp_path / "first-screen-to-download.mp4")
    assert (video.frame_count, video.size) == (48, (216, 384))
    assert newcomer.clicks <= 5


@pytest.fixture
def own_page(chromium, data, tmp_path):
    """A page whose clips are a copy, since one is added."""
    shutil.copytree(data / "sample", tmp_path / "data" / "sample")
    log, clips = tmp_path / "log", tmp_path / "data"
    with serving(log, "--data", str(clips)) as address, browsing(chromium, address) as page:  # noqa: F811
        yield page


@pytest.fixture
def short_bear(tmp_path):
    """50 frames at 384 x 216."""
    path = REAL / "videos" / "bear.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    video = read_video(path, limit=50)
    small = tmp_path / "my bear.mp4"
    frames = (F.interpolate(part.float(), (216, 384), mode="area") / 255 for part in video.chunks(10))
    write_video(frames, small, video.fps)
    return small


@pytest.mark.timeout(900)
def test_from_a_video_of_ones_own_to_an_edit_of_it(own_page, short_bear, tmp_path):
    page = own_page  # noqa: F811
    wait_until_shown(page)
    newcomer = Newcomer(page)
    newcomer.click(page.get_by_role("tab", name="Your video"))
    page.locator("#upload input[type=file]").set_input_files(short_bear)
    newcomer.clicks += 1  # the file is dropped
    expect(page.locator("#found video")).to_have_attribute("src", A_VIDEO)
    note(f"object proposed after {time.monotonic() - newcomer.began_s:.0f} s")
    page.screenshot(path=SHOTS / "way-proposed.png", full_page=True)
    newcomer.click(page.locator("#decompose"))
    forming = page.locator("#forming")
    expect(forming.locator(".sv-canvas[data-forming]")).to_be_visible()
    assert page.locator("#edit-clip").is_hidden()  # they still form
    assert forming.locator(".sv-tools").is_hidden()
    page.screenshot(path=SHOTS / "way-forming.png", full_page=True)
    expect(page.locator("#edit-clip")).to_be_visible(timeout=FIT_MS)
    assert int(forming.locator(".sv-canvas").get_attribute("data-version")) >= 4  # by and by they got finer
    assert closeness_db(forming, read_video(short_bear)) > 24
    note(f"layers after {time.monotonic() - newcomer.began_s:.0f} s")
    page.screenshot(path=SHOTS / "way-layers.png", full_page=True)
    shown = wait_until_shown(page)
    newcomer.click(page.locator("#edit-clip"))
    wait_until_shown(page, after=shown)
    edited_and_kept(page, newcomer)
    page.screenshot(path=SHOTS / "way-own.png")
    video = newcomer.download(tmp_path / "own-video-to-download.mp4")
    assert (video.frame_count, video.size) == (50, (216, 384))
    assert newcomer.clicks <= 8
    assert not page.locator(".toast-body.error").count()


def test_what_was_made_before_is_taken_up_again(page):  # noqa: F811
    shown = wait_until_shown(page)
    page.locator("#background-prompt textarea, #background-prompt input").fill("")
    prompt = page.locator("#foreground-prompt textarea, #foreground-prompt input")
    for number, word in enumerate(("red", "blue"), 1):
        prompt.fill(word)
        page.locator("#edit").click()
        expect(page.locator("#earlier img")).to_have_count(number)
        shown = wait_until_shown(page, after=shown)
    page.locator(".sv-compare").uncheck()
    page.locator(".sv-play").click()
    seek(page, 24)
    red, _, blue = colour_of_the_car(page)
    assert blue > red + 0.15
    page.locator("#earlier button").nth(1).click()
    wait_until_shown(page, after=shown)
    page.wait_for_timeout(1000)  # it is drawn with the next frame
    page.screenshot(path=SHOTS / "earlier.png")
    red, _, blue = colour_of_the_car(page)
    assert red > blue + 0.15


def colour_of_the_car(page):  # noqa: F811
    """In the middle of the clip."""
    picture = pixels(page)
    height, width, _ = picture.shape
    return picture[int(0.6 * height) : int(0.7 * height), int(0.35 * width) : int(0.55 * width)].mean((0, 1))


def test_the_frame_under_the_playhead_is_the_keyframe(page):  # noqa: F811
    page.locator("#options > button").click()
    wait_until_shown(page)
    page.locator(".sv-time").fill("11")
    page.locator(".sv-keyframe").click()
    expect(page.get_by_label("keyframes").first).to_have_value("11")


def test_two_visitors_never_see_each_others_work_and_the_second_is_told_to_wait(page):  # noqa: F811
    other = page.context.browser.new_page(viewport={"width": 1440, "height": 900})
    other.goto(page.url)
    for each in (page, other):
        wait_until_shown(each)
        each.locator(".sv-compare").uncheck()
        each.locator(".sv-play").click()
        seek(each, 20)
    before, theirs = pixels(page), pixels(other)
    page.locator("[name=sv-tool][value=brush]").check(force=True)
    width, height = page.locator(".sv-picture").evaluate("p => [p.clientWidth, p.clientHeight]")
    draw(page, (0.7 * width, 0.3 * height), (0.8 * width, 0.35 * height))
    page.wait_for_timeout(2000)  # it has reached the server
    seek(page, 20)
    assert np.abs(pixels(page) - before).max() > 0.3
    other.reload()
    wait_until_shown(other)
    other.locator(".sv-compare").uncheck()
    other.locator(".sv-play").click()
    seek(other, 20)
    assert np.abs(pixels(other) - theirs).max() < 0.02
    for each in (page, other):
        each.locator("#edit").click()
    expect(other.locator("#way").get_by_text("queue:").first).to_be_visible()
    other.screenshot(path=SHOTS / "waiting.png")
    for each in (page, other):
        each.locator("#cancel").click()


def test_a_video_made_before_is_played_and_saved_again(page, tmp_path):  # noqa: F811
    wait_until_shown(page)
    seen = None
    for word in ("red", "blue"):
        page.locator("#background-prompt textarea, #background-prompt input").fill("")
        page.locator("#foreground-prompt textarea, #foreground-prompt input").fill(word)
        before = page.locator("#earlier img").count()
        page.locator("#edit").click()
        page.wait_for_function(f"() => document.querySelectorAll('#earlier img').length > {before}")
        page.locator("#render").click()
        video = page.locator("#result video")
        expect(video).to_have_attribute("src", A_VIDEO)
        if seen:
            expect(video).not_to_have_attribute("src", seen)
        seen = video.get_attribute("src")
    expect(page.locator("#videos .sv-earlier")).to_have_count(2)
    page.locator("#videos").scroll_into_view_if_needed()
    page.screenshot(path=SHOTS / "videos.png")
    page.locator("#videos .sv-earlier").nth(1).click()
    expect(page.locator("#result video")).not_to_have_attribute("src", seen)
    with page.expect_download() as download:
        page.locator("#files a[download]").first.click()
    download.value.save_as(tmp_path / "first.mp4")
    middle = read_video(tmp_path / "first.mp4").frames([24])[0].float().mean((1, 2))
    assert middle[0] > middle[2]  # the red one


def share_of(page, colour):  # noqa: F811
    return (np.abs(pixels(page) - colour).max(-1) < 0.15).mean()


def at_frame(page, frame):  # noqa: F811
    page.locator("#canvas").scroll_into_view_if_needed()  # out of sight it draws nothing
    page.locator("#canvas .sv-compare").uncheck()
    if page.locator("#canvas .sv-canvas").get_attribute("data-playing") == "true":
        page.locator("#canvas .sv-play").click()
    seek(page, frame)


def test_a_picture_from_a_paint_program_lies_on_the_layer(page, data, tmp_path):  # noqa: F811
    magenta = (1.0, 0.0, 1.0)
    shown = wait_until_shown(page)
    at_frame(page, 24)
    assert share_of(page, magenta) == 0
    page.get_by_text("The layers: by hand and by file").click()
    expect(page.locator("#background-atlas img")).to_be_visible()
    height, width = load_clip(data / "sample").background.size
    drawn = torch.zeros(4, height, width)
    drawn[:3] = torch.tensor(magenta)[:, None, None]
    drawn[3, height // 8 : height // 4] = 1  # a stripe in the sky, all else transparent
    write_picture(tmp_path / "stripe.png", drawn)
    page.locator("#background-picture input[type=file]").set_input_files(tmp_path / "stripe.png")
    page.locator("#lay-background").click()
    shown = wait_until_shown(page, after=shown)
    at_frame(page, 24)
    page.screenshot(path=SHOTS / "by-hand.png", full_page=True)
    assert share_of(page, magenta) > 0.05
    page.locator("#canvas .sv-undo").click()
    wait_until_shown(page, after=shown)
    at_frame(page, 24)
    assert share_of(page, magenta) == 0


def test_an_earlier_video_s_settings_do_its_edits_again(page, address, tmp_path):  # noqa: F811
    red = (0xE8 / 255, 0x30 / 255, 0x30 / 255)
    wait_until_shown(page)
    at_frame(page, 24)
    before = share_of(page, red)
    page.locator("#canvas [value=brush]").check(force=True)
    page.locator("#canvas .sv-size").fill("60")
    box = page.locator("#canvas .sv-picture").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.15 * box["height"], steps=5)
    page.mouse.up()
    page.locator("#render").click()
    expect(page.locator("#result video")).to_have_attribute("src", A_VIDEO)
    at_frame(page, 24)
    painted = share_of(page, red)
    assert painted > before + 0.02
    with page.expect_download() as download:
        page.locator("#files a[download]").nth(1).click()
    download.value.save_as(tmp_path / "settings.json")
    page.goto(address)
    shown = wait_until_shown(page)
    page.get_by_text("The layers: by hand and by file").click()
    page.locator("#settings input[type=file]").set_input_files(tmp_path / "settings.json")
    page.locator("#again").click()
    page.wait_for_function(
        "() => document.querySelector('#canvas .sv-undo') && !document.querySelector('.toast-body.error')"
    )
    wait_until_shown(page, after=shown)
    expect(page.locator("#earlier img")).to_have_count(2)  # both layers' edits
    at_frame(page, 24)
    assert abs(share_of(page, red) - painted) < 0.2 * painted
