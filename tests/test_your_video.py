"""The tab 'Your video': a person's video becomes a clip, by hand in a browser and by the page's endpoints."""

import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file

from stablevideo import InputError, read_video
from stablevideo.decompose import fit
from stablevideo.options import DecomposeOptions
from stablevideo.progress import Cancelled
from stablevideo.ui.live import watched
from stablevideo.ui.marking import shown_size
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.project import Clock, Project
from stablevideo.ui.session import PROJECTS_KEPT, Settings, Workshop
from stablevideo.ui.uploads import Upload, free_name, height_for, open_upload, statement, suggested
from stablevideo.ui.your_video_layout import IN_SIGHT
from stablevideo.video.write import write_video
from tests.clips import smooth_picture
from tests.conftest import REAL, ROOT

SIZE, COUNT = (72, 128), 8
DISC = np.array([44.0, 36.0]), 18  # centre in the first frame and radius, in pixels


def detailed(size, seed):
    fine = np.random.default_rng(seed).random((*size, 3), np.float32)
    coarse = smooth_picture(size, seed).permute(1, 2, 0).numpy()
    return (255 * (0.3 * cv2.GaussianBlur(fine, (0, 0), 1) + 0.7 * coarse)).astype(np.float32)


def drawn(count=COUNT, seed=1):
    """A reddish disc that wanders over a bluish wall: frames uint8 [T, 3, H, W], and masks."""
    wall, skin = detailed((SIZE[0], SIZE[1] + 40), seed), detailed(SIZE, seed + 1)
    wall[..., 0], skin[..., 0] = wall[..., 0] / 4, 170 + skin[..., 0] / 4
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    frames, masks = [], []
    for i in range(count):
        x, y = DISC[0] + (2 * i, 0)
        mask = (columns - x) ** 2 + (rows - y) ** 2 < DISC[1] ** 2
        frames.append(np.where(mask[..., None], np.roll(skin, 2 * i, 1), wall[:, i : i + SIZE[1]]))
        masks.append(mask)
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).round().byte(), np.stack(masks)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A data folder with the sample clip, uploads to choose from, and where results go."""
    folder = tmp_path_factory.mktemp("your-video")
    (folder / "data").mkdir()
    (folder / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    frames, masks = drawn()
    write_video([frames], folder / "disc.mp4", 25, crf=4)
    write_video([torch.from_numpy(masks)[:, None].expand(-1, 3, -1, -1).float()], folder / "masks.mp4", 25)
    write_video([frames[:1]], folder / "one.mp4", 25)
    other = 255 - drawn(6, seed=7)[0].flip(2)
    write_video([torch.cat([frames, other])], folder / "cut.mp4", 25, crf=4)
    (folder / "text.mp4").write_text("no video " * 1000)
    return folder


@pytest.fixture(scope="module")
def address(places, ckpt):
    page = build_app(Settings(places / "data", ckpt, places / "log", model="embedded", device="cpu"))
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    page.close()


@pytest.fixture
def project(places):
    return Project.begun(open_upload(places / "disc.mp4"), DecomposeOptions(), Path("ckpt"))


def at(project, *places):
    """Pixels of the frame as pixels of the shown picture."""
    scale = shown_size(project.footage.frames[0])[0] / SIZE[1]
    return [((x + 0.5) * scale, (y + 0.5) * scale) for x, y in places]


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize(
    ("facts", "options", "said"),
    [
        (
            (82, 25, 480, 854),
            {},
            ["**82 frames of 854x480** at 25 a second, 3.3 seconds", "All 82", "768x432", "minutes"],
        ),
        ((50, 25, 216, 384), {}, ["All 50 will be used, at 384x216", "seconds on two cores"]),
        ((82, 25, 480, 854), {"first_frame": 10, "frames": 20}, ["Frames 10 to 29 will be used, 20 frames or 0.8 s"]),
        ((10000, Fraction(30000, 1001), 4320, 7680), None, ["10,000 frames", "at 29.97", "Frames 0 to 299", "768x432"]),
        ((400, 25, 480, 854), None, ["Frames 0 to 249", "longer than 10 seconds", "only its beginning is preselected"]),
    ],
)
def test_an_upload_is_described_in_words(facts, options, said):
    count, fps, height, width = facts
    upload = Upload(Path("a.mp4"), count, Fraction(fps), height, width)
    words = statement(upload, suggested(upload) if options is None else DecomposeOptions(**options))
    for part in said:
        assert part in words
    assert ("preselected" in words) == (options is None)


def test_a_width_brings_the_height_that_keeps_the_shape():
    assert height_for(Upload(Path("a.mp4"), 82, Fraction(25), 480, 854), 384) == 216
    assert height_for(None, 384) == 0


def test_options_that_use_no_two_frames_are_refused():
    upload = Upload(Path("a.mp4"), 82, Fraction(25), 480, 854)
    with pytest.raises(InputError, match="from frame 81 on these options use 1 of 82 frames"):
        statement(upload, DecomposeOptions(first_frame=81))


def test_what_is_no_video_is_refused_without_telling_where_it_lies(places):
    for name, said in [
        ("text.mp4", "the file text.mp4 is not a video"),
        ("one.mp4", "one.mp4 has a single frame"),
        ("gone.mp4", "gone.mp4 is not here any more; upload it again"),
    ]:
        with pytest.raises(InputError, match=said) as error:
            open_upload(places / name)
        assert str(places) not in str(error.value)
    with pytest.raises(InputError, match="upload one first"):
        open_upload(None)


def test_a_clip_gets_a_free_name_made_from_the_files(tmp_path):
    assert free_name(tmp_path, "../My holiday (1)") == "My-holiday-1"
    (tmp_path / "My-holiday-1").mkdir()
    assert free_name(tmp_path, "My holiday (1)") == "My-holiday-1-2"
    assert free_name(tmp_path, "Ünïcödé") == "n-c-d"
    assert free_name(tmp_path, "...") == "clip"


def test_two_clicks_make_a_box_and_the_object_in_it(project):
    truth = drawn()[1]
    first, second = at(project, (22, 62), (66, 14))  # lower left and upper right
    project.click(0, first)
    assert project.marked() == "Now click the opposite corner."
    project.click(0, second)
    assert project.boxes == {0: (22, 14, 67, 63)}
    assert overlap(project.marks[0], truth[0]) > 0.9
    plain, marked = (replace(project, marks=marks, boxes={}).picture(0) for marks in ({}, project.marks))
    assert np.abs(marked.astype(int) - plain)[200:230, 250:280].mean() > 20
    project.find("box", None)
    assert all(overlap(found, mask) > 0.85 for found, mask in zip(project.masks, truth, strict=True))
    assert "Found in 8 of 8 frames" in project.marked()


def test_a_box_of_no_area_or_outside_is_refused_and_begins_anew(project):
    corner, near = at(project, (20, 20), (60, 21))
    project.click(0, corner)
    with pytest.raises(InputError, match="two opposite corners"):
        project.click(0, near)
    assert project.corner is None
    assert not project.marks
    project.click(0, (-50, -50))
    with pytest.raises(InputError, match="covers the whole frame"):
        project.click(0, (5000, 5000))
    with pytest.raises(InputError, match="nothing is marked yet"):
        project.find("box", None)


def test_marks_of_several_frames_are_kept_and_can_be_forgotten(project):
    for frame, shift in ((0, 0), (7, 14)):
        for place in at(project, (22 + shift, 14), (66 + shift, 62)):
            project.click(frame, place)
    assert "frame 0 (box), 7 (box)" in project.marked()
    project.unmark(0)
    assert set(project.marks) == set(project.boxes) == {7}


def test_strokes_cut_the_object_out(project):
    picture = np.zeros((*shown_size(project.footage.frames[0])[::-1], 4), np.uint8)
    with pytest.raises(InputError, match="no stroke lies on the object"):
        project.draw(0, {"layers": [picture]})
    (left, upper), (right, lower) = (np.int32(place) for place in at(project, (36, 30), (52, 42)))
    picture[upper:lower, left:right] = 0, 210, 106, 255
    beside, _ = (np.int32(place) for place in at(project, (90, 0), (0, 0)))
    picture[:, beside[0] : beside[0] + 20] = 255, 59, 48, 255
    project.draw(0, {"layers": [picture]})
    assert overlap(project.marks[0], drawn()[1][0]) > 0.8


def test_what_moves_and_mask_videos_need_no_mark(project, places):
    truth = drawn()[1]
    for way, masks in (("what moves", None), ("mask video", places / "masks.mp4")):
        assert read_video(project.find(way, masks)).frame_count == COUNT
        assert overlap(project.masks, truth) > 0.8
    with pytest.raises(InputError, match="the mask video has 14 frames; it needs 8"):
        project.find("mask video", places / "cut.mp4")


def test_a_few_videos_are_held_and_the_longest_unused_makes_room(project):
    workshop = Workshop(Settings())
    people = [type("Request", (), {"session_hash": str(i)})() for i in range(PROJECTS_KEPT + 1)]
    for person in people[:PROJECTS_KEPT]:
        workshop.keep_project(person, project)
    workshop.project(people[0])
    workshop.keep_project(people[-1], project)
    assert workshop.project(people[0]) is project
    with pytest.raises(InputError, match="upload it again"):
        workshop.project(people[1])
    workshop.forget(people[0])
    with pytest.raises(InputError, match="upload it again"):
        workshop.project(people[0])


def test_a_watched_job_passes_its_error_on_and_ends_when_nobody_watches():
    def job(tell):
        tell(1)
        raise InputError("mended by a person")

    seen = []
    with pytest.raises(InputError, match="mended"):
        seen.extend(watched(job))
    assert 1 in seen

    ended = threading.Event()

    def endless(tell):
        try:
            while True:
                tell(2)
                time.sleep(0.01)
        except Cancelled:
            ended.set()

    left = watched(endless)
    assert next(left) == 2
    left.close()
    assert ended.is_set()
    assert not any(thread.name == "watched job" for thread in threading.enumerate())


def test_the_clock_tells_the_time_left_of_a_job_begun_half_way(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock()
    assert clock.words(0.5) == "0:00 gone"
    now[0] += 60
    assert clock.words(0.7) == "1:00 gone, about 1:30 left"


def look_inputs(**options):
    """The options as the page sends them: those in sight, then the others."""
    chosen = vars(DecomposeOptions(**options))
    in_sight = sum(IN_SIGHT, ())
    return [*(chosen[name] for name in in_sight), *(value for name, value in chosen.items() if name not in in_sight)]


def person_with(address, places, name, **options):
    """Someone whose video is uploaded and looked at, and what looking said."""
    person = Client(address, verbose=False)
    person.predict(handle_file(str(places / name)), api_name="/upload_video")
    return person, person.predict(*look_inputs(**options), api_name="/look")


def test_a_cut_video_offers_its_scenes(address, places):
    _, said = person_with(address, places, "cut.mp4")
    assert "cut into 2 scenes" in said[0]
    assert [value for _, value in said[1]["choices"]] == ["0+8", "8+6"]
    assert said[1]["choices"][1][0] == "frames 8 to 13, 0.2 s"
    _, said = person_with(address, places, "cut.mp4", first_frame=8, frames=6)
    assert "Frames 8 to 13 will be used" in said[0]


def test_wrong_uploads_are_a_sentence_on_the_page(address, places):
    person = Client(address, verbose=False)
    said = person.predict(handle_file(str(places / "text.mp4")), api_name="/upload_video")
    assert said[0].startswith("**The file text.mp4 is not a video that can be read")
    with pytest.raises(Exception, match="There is no video yet; upload one first"):
        person.predict(*look_inputs(), api_name="/look")
    with pytest.raises(Exception, match="press 'Look' again, or upload it again"):
        person.predict("what moves", 0, None, api_name="/find_object")


def test_cancelled_and_begun_again_it_goes_on_and_finishes(address, places, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_S", 0.0)
    person, _ = person_with(address, places, "disc.mp4")
    with pytest.raises(Exception, match="The object is not found yet"):
        person.predict("disc", api_name="/decompose")
    person.predict("what moves", 0, None, api_name="/find_object")
    with pytest.raises(Exception, match="already; choose another name"):
        person.predict("sample", api_name="/decompose")
    with pytest.raises(Exception, match="is no clip name"):
        person.predict("../disc", api_name="/decompose")

    job = person.submit("disc", api_name="/decompose")
    while not any("turn 3 of 4" in str(said[0]) for said in job.outputs()):
        assert not job.done()
        time.sleep(0.02)
    person.predict(api_name="/cancel")
    assert "Cancelled after" in job.result()[0]
    assert not (places / "data" / "disc").exists()
    assert not any(thread.name == "watched job" for thread in threading.enumerate())

    again = person.submit("disc", api_name="/decompose")
    assert "Done in" in again.result()[0]
    turns = [str(said[0]) for said in again.outputs()]
    assert turns
    assert not any("frames at 32x18" in text for text in turns)  # the coarsest, where a fit begins
    assert "dB" in again.result()[4]
    assert (places / "data" / "disc" / "layers.json").is_file()
    # What is fitted is only written once more.
    copy = person.submit("disc-again", api_name="/decompose")
    assert "Done in" in copy.result()[0]
    assert not any("turn" in str(said[0]) for said in copy.outputs())


@pytest.fixture
def page(address, chromium):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(address)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def short_video(places):
    """A second of a real clip where there is one, else of the drawn one; and the corners of its object's box."""
    real, path = REAL / "videos" / "bear.mp4", places / "a walk.mp4"
    if real.is_file():
        video = read_video(real).part(0, 12)
        write_video(video.chunks(), path, video.fps)
        return path, ((0.11, 0.44), (0.55, 0.91))
    write_video([drawn(12)[0]], path, 25, crf=4)
    return path, ((0.17, 0.19), (0.52, 0.86))


def fill(page, name, value):
    field = page.get_by_role("spinbutton", name=f"number input for {name}", exact=True).first
    field.fill(str(value))
    field.press("Tab")


def click_at(page, selector, places):
    """Click places of a picture, given in fractions of its sides, each when the one before is shown."""
    for x, y in places:
        picture = page.locator(f"{selector} img")
        before, box = picture.get_attribute("src"), picture.bounding_box()
        picture.click(position={"x": x * box["width"], "y": y * box["height"]})
        page.wait_for_function(
            "([selector, before]) => document.querySelector(selector + ' img').src != before", arg=[selector, before]
        )


@pytest.mark.browser
def test_a_persons_video_is_marked_decomposed_edited_and_downloaded(page, short_video):
    path, corners = short_video
    page.get_by_role("tab", name="Your video").click()
    page.locator("#upload input[type=file]").set_input_files(str(path))
    page.locator("#facts").get_by_text("All 12 will be used").wait_for()
    fill(page, "frames", COUNT)
    fill(page, "width", 192)
    page.locator("#facts").get_by_text("Frames 0 to 7 will be used").and_(page.get_by_text("192x108")).wait_for()
    page.locator("#look").click()
    page.locator("#picture img").wait_for()
    click_at(page, "#picture", corners)
    page.locator("#marked").get_by_text("Marked: frame 0 (box)").wait_for()
    page.locator("#find").click()
    page.locator("#found video").wait_for()
    tinted = page.locator("#picture img").get_attribute("src")
    fill(page, "frame", COUNT - 1)
    page.wait_for_function("before => document.querySelector('#picture img').src != before", arg=tinted)
    click_at(page, "#picture", corners)
    page.locator("#marked").get_by_text("Marked: frame 0 (box), 7 (box). Press 'Find").wait_for()
    page.locator("#find").click()
    page.locator("#marked").get_by_text("Marked: frame 0 (box), 7 (box). Found in 8 of 8 frames").wait_for()
    page.locator("#decompose").click()
    page.locator("#live-foreground img").wait_for()
    page.locator("#report").get_by_text("dB").wait_for()
    page.locator("#edit-clip").click()

    page.locator("#source video").wait_for()
    assert page.get_by_label("clip", exact=True).input_value() == "a-walk"
    page.locator("#foreground-prompt textarea").fill("a red thing")
    page.get_by_label("keyframes").fill("0")
    page.get_by_role("button", name="advanced").first.click()
    fill(page, "resolution", 256)
    fill(page, "steps", 1)
    page.locator("#edit-foreground").click()
    page.locator("#keyframes img").first.wait_for()
    page.locator("#render").click()
    with page.expect_download() as download:
        page.locator("#files a[download]").first.click()
    video = read_video(download.value.path().rename(path.with_name("result.mp4")))
    assert (video.frame_count, video.size) == (COUNT, (108, 192))
    page.reload()
    page.get_by_label("clip", exact=True).click()
    page.get_by_role("option", name="a-walk").wait_for()
