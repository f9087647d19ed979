"""Styles in a real Chromium: the sample clip's layers in a picture's look, previewed, rendered, played, measured."""

import os
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import expect

from stablevideo import measure, read_video, write_video
from stablevideo.style.gallery import style_pictures
from stablevideo.video.pictures import read_picture
from tests.browser.test_page import A_VIDEO, address, page  # noqa: F401 (fixtures)
from tests.clips import smooth_picture

pytestmark = [pytest.mark.alone, pytest.mark.slow]


def open_tab(page):  # noqa: F811
    page.get_by_role("tab", name="Style").click()
    expect(page.locator("#style-pictures button:has(img)")).to_have_count(8)


def choose(page, number):  # noqa: F811
    page.locator("#style-pictures button:has(img)").nth(number).click()
    expect(page.locator("#style-look img")).to_be_visible()


def downloaded(page, path):  # noqa: F811
    with page.expect_download() as download:
        page.locator("#style-files a[download]").first.click()
    return download.value.path().rename(path)


def mean_colour(pictures):
    return pictures.float().mean((0, 2, 3)) / 255


def test_the_samples_layers_get_a_look_and_render(page, data, tmp_path):  # noqa: F811
    open_tab(page)
    page.locator("#style-run-layers").click()
    expect(page.get_by_text("No picture to look like is chosen")).to_be_visible()
    choose(page, 0)
    page.locator("#style-preview-layers").click()
    expect(page.locator("#style-compared img")).to_have_count(2)
    page.locator("#style-run-layers").click()
    expect(page.locator("#style-result video")).to_have_attribute("src", A_VIDEO)
    page.wait_for_function("document.querySelector('#style-result video').readyState >= 2")
    page.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / "style.png", full_page=True)
    made = read_video(downloaded(page, tmp_path / "styled.mp4"))
    source = read_video(data / "sample" / "sample")
    assert (made.frame_count, made.size) == (source.frame_count, source.size)
    look = mean_colour(255 * read_picture(style_pictures()["oil"])[None])
    far = [(mean_colour(video.frames([20])) - look).norm() for video in (source, made)]
    assert far[1] < 0.6 * far[0]
    found = measure(made, source)
    assert found.video.warp_error < 1.3 * found.source.warp_error
    page.locator("#style-steady").click()
    expect(page.locator("#steady-status")).to_contain_text("Done in")


def test_an_uploaded_video_and_picture_get_a_look(page, tmp_path):  # noqa: F811
    clip = tmp_path / "clip.mp4"
    write_video([torch.stack([smooth_picture((72, 128), 1)] * 6)], clip, 25)
    open_tab(page)
    choose(page, 4)
    page.get_by_role("tab", name="Video", exact=True).click()
    page.locator("#style-video input[type=file]").set_input_files(str(clip))
    expect(page.locator("#style-video video")).to_be_visible()
    page.locator("#style-run-video").click()
    expect(page.locator("#style-result video")).to_have_attribute("src", A_VIDEO)
    assert read_video(downloaded(page, tmp_path / "styled.mp4")).frame_count == 6
    page.get_by_role("tab", name="Picture", exact=True).click()
    page.locator("#style-picture input[type=file]").set_input_files(str(style_pictures()["ink"]))
    expect(page.locator("#style-picture img")).to_be_visible()
    page.locator("#style-run-picture").click()
    expect(page.locator("#style-files")).to_contain_text(re.compile(r"stylized\s*\.png"))
