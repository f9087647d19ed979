"""The tab 'Your video': a person's video becomes a clip, by hand in a browser and by the page's endpoints."""

import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from stablevideo import InputError, load_clip, read_video
from stablevideo.decompose import fit
from stablevideo.decompose.session import DecomposeSession
from stablevideo.layers.store import save_layers
from stablevideo.options import DecomposeOptions
from stablevideo.progress import Cancelled
from stablevideo.ui import fit_step
from stablevideo.ui.live import watched
from stablevideo.ui.marking import enlarged, shown_size
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.progress_view import Clock
from stablevideo.ui.project import Project
from stablevideo.ui.settings import Settings
from stablevideo.ui.uploads import Upload, height_for, open_upload, statement, suggested
from stablevideo.ui.visits import ROOT_PREFIX
from stablevideo.ui.your_video_layout import IN_SIGHT
from stablevideo.video.pictures import read_picture
from stablevideo.video.write import write_video
from tests.browser.canvas import at_own_size, browsing, seek, wait_until_shown
from tests.browser.canvas import draw as draw_on_canvas
from tests.clips import make_clip, smooth_picture

SIZE, COUNT, FEW = (72, 128), 8, 6
ERASED = (44, 36)  # on the disc, in the first frame
CORNERS = (0.17, 0.19), (0.52, 0.86)  # of a box around the disc in the first frame, in fractions of the frame's sides
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
    """A data folder with a small clip, uploads to choose from, and where results go."""
    folder = tmp_path_factory.mktemp("your-video")
    save_layers(make_clip(folder / "made"), folder / "data" / "small")
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
    cpu = torch.device("cpu")
    page = build_app(Settings(places / "data", ckpt, places / "log", model="embedded", device=cpu))
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    page.close()


@pytest.fixture
def project(places, ckpt, tmp_path):
    return Project.begin(open_upload(places / "disc.mp4"), DecomposeOptions(), tmp_path, ckpt)


def at(project, *places):
    """Pixels of the frame as pixels of the shown picture."""
    scale = shown_size(project.work.frame(0))[0] / SIZE[1]
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


def test_two_clicks_make_a_box_and_the_object_in_it(project, tmp_path):
    truth = drawn()[1]
    first, second = at(project, (22, 62), (66, 14))  # lower left and upper right
    plain = project.picture()
    project.click(first)
    assert project.marked() == "Now click the opposite corner."
    project.click(second)
    assert project.work.marks[0].box == (22, 14, 67, 63)
    assert overlap(project.work.marks[0].mask, truth[0]) > 0.9
    assert np.abs(project.picture().astype(int) - plain)[200:230, 250:280].mean() > 20
    project.find("box", None, tmp_path)
    assert all(overlap(found, mask) > 0.85 for found, mask in zip(project.work.masks, truth, strict=True))
    assert "Found in 8 of 8 frames" in project.marked()


def test_a_box_of_no_area_or_outside_is_refused_and_begins_anew(project, tmp_path):
    corner, near = at(project, (20, 20), (60, 21))
    project.click(corner)
    with pytest.raises(InputError, match="two opposite corners"):
        project.click(near)
    assert project.corner is None
    assert not project.work.marks
    project.click((-50, -50))
    with pytest.raises(InputError, match="covers the whole frame"):
        project.click((5000, 5000))
    with pytest.raises(InputError, match="nothing is marked yet"):
        project.find("box", None, tmp_path)
    with pytest.raises(InputError, match="frame 99 is not used; the part that is has frames 0 to 7"):
        project.show(99)


def test_marks_of_several_frames_are_kept_and_can_be_forgotten(project):
    for frame, shift in ((0, 0), (7, 14)):
        project.show(frame)
        for place in at(project, (22 + shift, 14), (66 + shift, 62)):
            project.click(place)
    assert "frame 0 (box), 7 (box)" in project.marked()
    project.show(0)
    project.unmark()
    assert set(project.work.marks) == {7}


def test_strokes_cut_the_object_out(project):
    picture = np.zeros((*shown_size(project.work.frame(0))[::-1], 4), np.uint8)
    with pytest.raises(InputError, match="no stroke lies on the object"):
        project.draw({"layers": [picture]})
    (left, upper), (right, lower) = (np.int32(place) for place in at(project, (36, 30), (52, 42)))
    picture[upper:lower, left:right] = 0, 210, 106, 255
    beside, _ = (np.int32(place) for place in at(project, (90, 0), (0, 0)))
    picture[:, beside[0] : beside[0] + 20] = 255, 59, 48, 255
    project.draw({"layers": [picture]})
    assert overlap(project.work.marks[0].mask, drawn()[1][0]) > 0.8
    assert project.marked().startswith("Marked: frame 0 (strokes).")


def test_what_moves_and_mask_videos_need_no_mark(project, places, tmp_path):
    truth = drawn()[1]
    for way, masks in (("what moves", None), ("mask video", str(places / "masks.mp4"))):
        assert read_video(project.find(way, masks, tmp_path)).frame_count == COUNT
        assert overlap(project.work.masks, truth) > 0.8
    with pytest.raises(InputError, match="there are 14 masks; 8 are needed, one for each frame that is used"):
        project.find("mask video", str(places / "cut.mp4"), tmp_path)


def test_a_mark_made_while_the_object_is_found_is_kept_and_asked_for(project, tmp_path):
    for way in ("box", "what moves"):
        project.show(0)
        for place in at(project, (22, 14), (66, 62)):
            project.click(place)

        def mark_another(fraction, text):
            if 7 not in project.work.marks:
                project.work.mark_mask(7, drawn()[1][7])

        project.find(way, None, tmp_path, mark_another)
        assert set(project.work.marks) == ({0, 7} if way == "box" else {7})
        assert "Press 'Find the object' again" in project.marked()
        project.work.marks.clear()


def test_masks_of_the_whole_video_serve_the_part_that_is_used(places, ckpt):
    masks = drawn()[1]
    options = DecomposeOptions(first_frame=2, frames=4, width=64, height=36)
    session = DecomposeSession.begin(read_video(places / "disc.mp4"), options, ckpt=ckpt)
    small = np.stack([cv2.resize(mask.astype(np.uint8), (64, 36), interpolation=cv2.INTER_AREA) > 0 for mask in masks])
    assert overlap(session.take_masks(masks), small[2:6]) > 0.9
    assert overlap(session.take_masks(masks[2:6]), small[2:6]) > 0.9
    assert overlap(session.read_masks(places / "masks.mp4"), small[2:6]) > 0.85
    with pytest.raises(InputError, match="there are 5 masks; 4 are needed.*or 8, one for each of the video"):
        session.take_masks(masks[:5])
    assert session.box_of((22, 14, 67, 63)) == (11, 7, 34, 32)


def test_marks_that_cannot_serve_are_a_sentence(places, ckpt):
    session = DecomposeSession.begin(read_video(places / "disc.mp4"), ckpt=ckpt)
    with pytest.raises(InputError, match="frame 8 is not used; the part that is has frames 0 to 7"):
        session.mark_box(8, (22, 14, 67, 63))
    with pytest.raises(InputError, match="not inside the frame of 128x72"):
        session.mark_box(0, (100, 50, 300, 300))
    with pytest.raises(InputError, match="the box is 3x40 pixels"):
        session.mark_box(0, (20, 10, 23, 50))
    speck = np.zeros((8, *SIZE), bool)
    speck[:, 30:33, 40:43] = True
    with pytest.raises(InputError, match="covers 9 pixels of 128x72 at most, and at least 64 are needed"):
        session.take_masks(speck)
    with pytest.raises(InputError, match="the object is not found yet"):
        session.fit()


def test_footage_lies_in_files_and_not_in_memory(project, tmp_path):
    footage = project.work.footage
    for array in (footage.frames[0], footage.flow.forward, footage.flow.backward_valid):
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert isinstance(array, np.memmap)
        assert Path(array.filename).parent == tmp_path
    assert np.array_equal(footage.frames[0], read_video(footage.video.path).frames([0])[0].permute(1, 2, 0).numpy())


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
    with pytest.raises(Exception, match="There is no video here yet"):
        person.predict("what moves", None, api_name="/find_object")


@pytest.mark.slow
def test_cancelled_and_begun_again_it_goes_on_and_finishes(address, places, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_S", 0.0)
    person, _ = person_with(address, places, "disc.mp4", quality="quick")
    with pytest.raises(Exception, match="The object is not found yet"):
        person.predict("disc", api_name="/decompose")
    person.predict("what moves", None, api_name="/find_object")
    with pytest.raises(Exception, match="already; choose another name"):
        person.predict("small", api_name="/decompose")
    with pytest.raises(Exception, match="is no clip name"):
        person.predict("../disc", api_name="/decompose")

    turns, reached, go_on = [], threading.Event(), threading.Event()

    def held(picture):  # shown after each turn, one for each layer
        turns.append(picture)
        if len(turns) == 20:  # beyond the coarsest level
            reached.set()
            go_on.wait()
        return enlarged(picture)

    monkeypatch.setattr(fit_step, "enlarged", held)
    job = person.submit("disc", api_name="/decompose")
    reached.wait()
    person.predict(api_name="/cancel_video")
    go_on.set()
    assert "Cancelled after" in job.result()[0]
    assert not any(thread.name == "watched job" for thread in threading.enumerate())
    with pytest.raises(Exception, match="There is no clip 'disc'"):
        person.predict("disc", api_name="/load_clip")

    again = person.submit("disc", api_name="/decompose")
    assert "Done in" in again.result()[0]
    said = [str(said[0]) for said in again.outputs()]
    assert said
    assert not any("frames at 32x18" in text for text in said)  # the coarsest, where a fit begins
    assert "dB" in again.result()[4]
    # What is fitted is only written once more.
    copy = person.submit("disc-again", api_name="/decompose")
    assert "Done in" in copy.result()[0]
    assert not any("turn" in str(said[0]) for said in copy.outputs())

    assert read_video(person.predict("disc", api_name="/load_clip")[0]).frame_count == COUNT
    _nobody_else_sees(address, places, "disc")
    person.predict("disc", api_name="/delete_clip")
    with pytest.raises(Exception, match="There is no clip 'disc'"):
        person.predict("disc", api_name="/load_clip")
    assert read_video(person.predict("disc-again", api_name="/load_clip")[0]).frame_count == COUNT


def _nobody_else_sees(address, places, name):
    """By no name that might lead there: nor may anybody else delete it, nor does its name show in an error."""
    other = Client(address, verbose=False)
    (folder,) = Path(tempfile.gettempdir()).glob(f"{ROOT_PREFIX}*/visit-*/clips/{name}")
    assert not (places / "data" / name).exists()
    tricks = [
        name,
        f"{name} (yours)",
        str(folder),
        folder.as_uri(),
        f"../{'/'.join(folder.parts[-4:])}",
        f"../../..{folder}",
        f"small/../../..{folder}",
        f"./{name}",
        f"{name}\0",
        f"..\\clips\\{name}",
        f"%2e%2e/{name}",
    ]
    for trick in tricks:
        for endpoint in ("/load_clip", "/delete_clip"):
            with pytest.raises(Exception, match="no clip") as error:
                other.predict(trick, api_name=endpoint)
            assert "the clips are: small" in str(error.value) or "is no clip name" in str(error.value)
    assert folder.is_dir()


@pytest.mark.slow
def test_edits_do_not_wait_for_a_fit(address, places, monkeypatch):
    release = threading.Event()

    def endless(self, folder, progress, watch):
        progress(0.5, "fitting for ever")
        release.wait()
        raise InputError("released")

    monkeypatch.setattr(DecomposeSession, "decompose", endless)
    person, other = (person_with(address, places, "disc.mp4")[0] for _ in range(2))
    job = person.submit("held", api_name="/decompose")
    while not job.outputs():
        time.sleep(0.02)
    waiting = other.submit("waits", api_name="/decompose")
    while waiting.status().code is not Status.IN_QUEUE:
        time.sleep(0.02)
    try:
        assert other.predict("small", api_name="/load_clip")
        assert other.predict("what moves", None, api_name="/find_object")
        assert not job.done()
        assert not waiting.outputs()
    finally:
        release.set()
    for fitted in (job, waiting):
        with pytest.raises(Exception, match="Released"):
            fitted.result()


@pytest.fixture
def page(address, chromium):
    with browsing(chromium, address) as page:
        yield page


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


@pytest.mark.alone
@pytest.mark.slow
def test_a_persons_video_is_marked_decomposed_edited_and_downloaded(page, places, tmp_path):
    first = wait_until_shown(page)
    page.get_by_role("tab", name="Your video").click()
    page.locator("#upload input[type=file]").set_input_files(str(places / "disc.mp4"))
    page.locator("#facts").get_by_text("All 8 will be used").wait_for()
    page.locator("#how-much > button").click()
    page.get_by_label("quick", exact=True).click()
    fill(page, "frames", FEW)
    page.locator("#facts").get_by_text("Frames 0 to 5 will be used").wait_for()
    page.locator("#look").click()
    page.locator("#marked").get_by_text("Found in 6 of 6 frames").wait_for()  # what moves is proposed
    click_at(page, "#picture", CORNERS)
    page.locator("#marked").get_by_text("Marked: frame 0 (box)").wait_for()
    page.locator("#find").click()
    page.locator("#marked").get_by_text("Marked: frame 0 (box). Found in 6 of 6 frames").wait_for()
    tinted = page.locator("#picture img").get_attribute("src")
    fill(page, "frame", FEW - 1)
    page.wait_for_function("before => document.querySelector('#picture img').src != before", arg=tinted)
    page.get_by_label("strokes", exact=True).click()
    draw(page, "#strokes", (0.39, 0.5), (0.49, 0.5))
    page.locator("#use-strokes").click()
    page.locator("#marked").get_by_text("Marked: frame 0 (box), 5 (strokes). Press 'Find").wait_for()
    page.locator("#find").click()
    page.locator("#marked").get_by_text("Marked: frame 0 (box), 5 (strokes). Found in 6 of 6 frames").wait_for()
    page.locator("#decompose").click()
    page.locator("#live-foreground img").wait_for()
    page.locator("#report").get_by_text("dB").first.wait_for()
    page.locator("#edit-clip").click()

    shown = wait_until_shown(page, after=first)
    assert page.get_by_label("Clip", exact=True).input_value() == "disc (yours)"
    page.locator("#foreground-prompt").locator("textarea, input").fill("a red thing")
    page.get_by_role("button", name="The model, and its options").click()
    page.get_by_label("keyframes").fill("0")
    page.get_by_role("button", name="advanced").first.click()
    fill(page, "resolution", 256)
    fill(page, "steps", 1)
    page.locator("#edit-foreground").click()
    page.locator("#keyframes img").first.wait_for()
    wait_until_shown(page, after=shown)
    at_own_size(page, SIZE[1])
    page.locator("#canvas [value=eraser]").check(force=True)
    seek(page, 0)
    draw_on_canvas(page, ERASED, (ERASED[0] + 1, ERASED[1]))
    page.wait_for_timeout(1000)
    page.locator("#render").click()
    with page.expect_download() as download:
        page.locator("#files a[download]").first.click()
    video = read_video(download.value.path().rename(tmp_path / "result.mp4"))
    assert (video.frame_count, video.size) == (FEW, SIZE)
    _the_original_is_back_where_it_was_erased()

    page.locator("#delete").click()
    page.locator("#really-delete").click()
    page.wait_for_function("document.querySelector('#clip input').value == 'small'")
    page.reload()
    page.get_by_label("Clip", exact=True).click()
    page.get_by_role("option", name="small").wait_for()
    assert not page.get_by_role("option", name="disc").count()


def _the_original_is_back_where_it_was_erased():
    """Looks at the atlas as it was rendered."""
    (folder,) = Path(tempfile.gettempdir()).glob(f"{ROOT_PREFIX}*/visit-*/clips/disc")
    (run,) = folder.parent.parent.glob("result-*/log/*/foreground.png")
    clip = load_clip(folder, "cpu")
    changed = (read_picture(run) - clip.foreground.atlas).abs().amax(0) > 0.02
    u, v = clip.foreground.uv([0], clip.size)[0, ERASED[1], ERASED[0]].tolist()
    row, column = int((v + 1) / 2 * changed.shape[0]), int((u + 1) / 2 * changed.shape[1])
    assert not changed[row - 1 : row + 2, column - 1 : column + 2].any()
    # Around it the edit is as it was: it is a hole in what changed, and no stripe.
    assert changed.float().mean() > 0.05


def draw(page, selector, begin, end):
    """A stroke on a picture that can be drawn on, between places given in fractions of its sides."""
    canvas = page.locator(f"{selector} canvas").first
    canvas.wait_for()
    page.wait_for_function("selector => [...document.querySelectorAll(selector + ' button')].length > 0", arg=selector)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=6)
    page.mouse.up()
