"""The tab 'Steady': planted drift and flicker are taken out of an upload, it is restyled, and measured: by endpoint."""

import json
import sys
import tempfile
import threading
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import torch
import torch.nn.functional as F
from gradio_client import Client, handle_file

from stablevideo import ColorCorrectionOptions, InputError, read_video, write_video
from stablevideo.color.spaces import delta_e, rgb_to_lab
from stablevideo.layers.store import save_layers
from stablevideo.progress import Cancelled
from stablevideo.steady import examine, steady
from stablevideo.treatments import steady_colours
from stablevideo.ui import right_frames, shelf, steady_jobs
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.right_frames import RightFrames, read_pair
from stablevideo.ui.settings import Settings
from stablevideo.ui.visits import ROOT_PREFIX
from stablevideo.ui.workshop import Workshop
from stablevideo.video.pictures import resize, write_picture
from stablevideo.video.side_by_side import DIVIDER_PX, HALF_PX, side_by_side, spread_frames
from tests.clips import flickering, make_clip, smooth_picture, write_tone

SIZE, COUNT, FPS = (72, 128), 14, Fraction(30000, 1001)
LIT = 9  # frames of what flickers
LEAP = 9  # the frame from which on everything is darker


def clean_frames():
    """A wall that the camera goes along, its colours coarse, for a codec blurs them."""
    coarse = smooth_picture((SIZE[0] // 3, (SIZE[1] + 2 * COUNT) // 3), 5)
    wide = 0.15 + 0.7 * resize(coarse[None], (SIZE[0], SIZE[1] + 2 * COUNT))[0]
    return torch.stack([wide[:, :, 2 * i : 2 * i + SIZE[1]] for i in range(COUNT)])


def drifted_frames():
    gains = torch.tensor([[1 - 0.015 * i, 1.0, 1 + 0.01 * i] for i in range(COUNT)])
    gains[LEAP:] *= 0.8
    return clean_frames() * gains[:, :, None, None]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A data folder with a small clip, uploads to choose from, and where results go."""
    folder = tmp_path_factory.mktemp("steady")
    save_layers(make_clip(folder / "made"), folder / "data" / "small")
    write_tone(folder / "tone.wav", COUNT / FPS)
    still, lit = flickering(SIZE, LIT)
    clips = {
        "clean": clean_frames(),
        "drifted": drifted_frames(),
        "short": clean_frames()[:5],
        "one": clean_frames()[:1],
        "still": still,
        "lit": lit,
        "three": clean_frames()[:3],
    }
    for name, frames in clips.items():
        write_video(
            [frames],
            folder / f"{name}.mp4",
            FPS,
            folder / "tone.wav" if name in ("drifted", "lit", "three") else None,
            crf=4,
        )
    write_picture(folder / "look.png", clean_frames()[0].flip(0))
    return folder


@pytest.fixture(scope="module")
def address(places, ckpt):
    cpu = torch.device("cpu")
    page = build_app(Settings(places / "data", ckpt, places / "log", model="embedded", device=cpu))
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    page.close()


@pytest.fixture
def person(address):
    return Client(address, verbose=False)


def given(places, *names):
    """Uploads by name; None for no second one."""
    return [handle_file(str(places / name)) if name else None for name in (*names, None)[:2]]


def shown(said):
    """What a steadying or measuring endpoint gives back, by name."""
    names = ("status", "comparison", "files", "verdict", "table", "steps", "drift", "leaps")
    assert len(said) == len(names)
    return SimpleNamespace(**dict(zip(names, said, strict=True)))


def colours_off(path, wanted):
    """CIEDE2000 of each frame of a video from frames in [0, 1], on average over cells: a codec blurs colours."""
    video = read_video(path)
    assert video.frame_count == len(wanted)
    pictures = video.frames(range(len(wanted))).float() / 255
    return delta_e(*(rgb_to_lab(F.avg_pool2d(part, 24)) for part in (pictures, wanted))).mean((1, 2))


def series(plot, name):
    """By clip, the curve that a plot shows."""
    frame, clip, value = (plot["columns"].index(column) for column in ("frame", "clip", name))
    curves = {}
    for row in plot["data"]:
        curves.setdefault(row[clip], {})[row[frame]] = row[value]
    return curves


@pytest.mark.parametrize("source", ["clean.mp4", None])
def test_planted_drift_is_taken_out_of_an_upload(person, places, source):
    facts = person.predict(*given(places, "drifted.mp4", source), api_name="/upload_steady")[0]
    assert facts == "**14 frames of 128x72** at 29.97 a second, 0.5 seconds."
    found = shown(person.predict(*given(places, "drifted.mp4", source), api_name="/steady_colours"))
    repaired, record = found.files
    assert colours_off(places / "drifted.mp4", clean_frames()).max() > 6
    assert colours_off(repaired, clean_frames()).max() < 1.8
    video = read_video(repaired)
    assert (video.size, video.fps, video.has_audio) == (SIZE, FPS, True)

    before, after = both_halves(found.comparison)
    assert (before - drifted_frames().clamp(0, 1)).abs().mean() < 0.02
    assert (after - clean_frames()).abs().mean() < 0.02

    facts = json.loads(Path(record).read_text())
    assert facts["options"]["strength"] == 1
    assert facts["reference"] == source
    assert facts["measures"]["before"]["video"]["drift_range"] > 3 * facts["measures"]["after"]["video"]["drift_range"]

    heads = ["before", "after", *(["source"] if source else [])]
    assert found.table.splitlines()[0] == f"|  | {' | '.join(heads)} |"
    assert ("flicker, times the source's" in found.table) == bool(source)
    curves = series(found.steps, "colour step")
    assert list(curves) == heads
    assert list(curves["before"]) == list(range(1, COUNT))
    assert curves["before"][LEAP] > 2 * curves["after"][LEAP]
    assert found.leaps[0]["caption"].startswith(f"frame {LEAP}: {curves['before'][LEAP]:.2f}, then ")
    assert len(found.leaps) == 3
    assert "Done in" in found.status


def both_halves(path, count=COUNT):
    pictures = read_video(path).frames(range(count)).float() / 255
    assert pictures.shape[2:] == (SIZE[0], 2 * SIZE[1] + DIVIDER_PX)
    assert pictures[..., SIZE[1] : SIZE[1] + DIVIDER_PX].mean() > 0.9
    return pictures[..., : SIZE[1]], pictures[..., SIZE[1] + DIVIDER_PX :]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "mode"), [("still.mp4", "balanced"), ("look.png", "fast"), (None, "accurate")])
def test_planted_flicker_is_taken_out_of_an_upload(person, places, source, mode):
    found = shown(person.predict(*given(places, "lit.mp4", source), mode=mode, api_name="/deflicker"))
    assert [Path(name).name for name in found.files] == ["deflickered.mp4", "deflickered.json"]
    before, after = both_halves(found.comparison, LIT)
    still, lit = (read_video(places / f"{name}.mp4").frames(range(LIT)).float() / 255 for name in ("still", "lit"))
    assert (before - lit).abs().mean() < 0.02
    levels = [frames.mean((1, 2, 3)) for frames in (lit, after)]
    assert float(levels[0].std()) > 0.05
    assert float(levels[1].std()) < 0.006
    # What is drawn stays where it is.
    even = after * (still.mean((1, 2, 3)) / levels[1])[:, None, None, None]
    assert (even - still).abs().mean() < 0.02
    video = read_video(found.files[0])
    assert (video.size, video.fps, video.has_audio) == (SIZE, FPS, True)

    heads = ["before", "after", *(["source"] if source == "still.mp4" else [])]  # a picture has no motion
    assert found.table.splitlines()[0] == f"|  | {' | '.join(heads)} |"
    facts = json.loads(Path(found.files[1]).read_text())
    assert facts["options"]["mode"] == mode
    assert facts["reference"] == (source if "source" in heads else None)
    measured = [facts["measures"][name]["video"]["warp_error"] for name in ("before", "after")]
    assert measured[1] < measured[0] / 10
    assert list(series(found.steps, "colour step")) == heads


@pytest.fixture
def small(monkeypatch):
    """Paint smaller than a person may ask for."""
    module = sys.modules["stablevideo.deflicker.restyle"]
    monkeypatch.setattr(module, "paint_size", lambda size, resolution: (64, 128))
    monkeypatch.setattr("stablevideo.diffusion.memory.free_memory", lambda: None)  # it takes longer than painting


PAINTED = {"model": "embedded", "steps": 2, "seed": 5, "api_name": "/restyle"}


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_upload_is_restyled(person, places):
    video = given(places, "three.mp4")[0]
    found = shown(person.predict(video, "winter scene", **PAINTED))
    assert [Path(name).name for name in found.files] == ["restyled.mp4", "restyled.json"]
    before, after = both_halves(found.comparison, 3)
    assert (before - clean_frames()[:3]).abs().mean() < 0.02
    assert (before - after).abs().mean() > 0.05
    made = read_video(found.files[0])
    assert (made.size, made.fps, made.has_audio) == (SIZE, FPS, True)
    # It is measured beside what it was made from: a repair has a before, this has none.
    assert found.table.splitlines()[0] == "|  | restyled | source |"
    assert found.leaps[0]["caption"].split(":")[0].endswith(", its source")
    options = json.loads(Path(found.files[1]).read_text())["options"]
    assert {name: options[name] for name in ("prompt", "model", "seed", "steps")} == {
        "prompt": "winter scene", "model": "embedded", "seed": 5, "steps": 2,
    }  # fmt: skip


@pytest.mark.usefixtures("small")
def test_restyling_has_its_limits(person, places, monkeypatch):
    for words, wrong, said in [
        (" ", {}, "The prompt is empty; write what should be seen"),
        ("x", {"model": "magic"}, "Value: magic|no model 'magic'"),
        ("x", {"hints": "depth"}, "Embedded follows canny and picture, got the hint 'depth'"),
    ]:
        with pytest.raises(Exception, match=said):
            person.predict(given(places, "three.mp4")[0], words, **(PAINTED | wrong))
    with pytest.raises(Exception, match="There is no video yet"):
        person.predict(None, "x", **PAINTED)
    monkeypatch.setattr(steady_jobs, "MOST_RESTYLED", 2)
    with pytest.raises(Exception, match="The clip has 3 frames, and 2 is the most on a page for several people"):
        person.predict(given(places, "three.mp4")[0], "x", **PAINTED)


@pytest.fixture
def page(places, ckpt):
    page = build_app(Settings(places / "data", ckpt, places / "log", model="embedded", device=torch.device("cpu")))
    yield page
    page.close()


def test_restyling_shares_the_model_and_the_queue_of_the_edits(page):
    queues = {event.api_name: event.concurrency_id for event in page.fns.values()}
    assert queues["restyle"] == queues["edit_foreground"] != queues["deflicker"]
    assert queues["deflicker"] == queues["steady_colours"] == queues["measure"]


def test_what_still_flickers_after_restyling_is_one_click_away(page, places):
    (click,) = [event for event in page.fns.values() if event.api_name == "open_restyled"]
    source, made = str(places / "clean.mp4"), str(places / "drifted.mp4")
    changes = click.fn(source, [made, "restyled.json"], SimpleNamespace(session_hash="somebody"))
    shown = {getattr(block, "elem_id", None): value for block, value in changes.items()}
    assert (shown["steady-video"], shown["steady-source"]) == (made, source)
    assert shown["steady-tasks"].selected == "flicker"
    assert "14 frames" in shown["steady-facts"]
    assert not shown["steady-still"].visible
    with pytest.raises(Exception, match="There is no restyled video here any more"):
        click.fn(source, None, SimpleNamespace(session_hash="somebody"))


def test_the_last_thing_asked_for_has_the_tab(person, places, monkeypatch):
    begun, go_on = held(monkeypatch, "steady")
    restyling = person.submit(given(places, "three.mp4")[0], "x", **PAINTED)
    begun.wait()
    found = shown(person.predict(*given(places, "drifted.mp4"), api_name="/measure"))
    assert "Done in" in found.status
    go_on.set()
    assert "Cancelled after" in shown(restyling.result()).status


@pytest.mark.slow
def test_frames_that_are_right_are_the_ones_the_others_follow(person, places):
    found = shown(person.predict(*given(places, "drifted.mp4"), references=f"{COUNT - 1}", api_name="/steady_colours"))
    last = (drifted_frames()[-1:] / clean_frames()[-1:]).mean((2, 3), keepdim=True)
    assert colours_off(found.files[0], (clean_frames() * last).clamp(0, 1)).max() < 1.5


@pytest.mark.slow
def test_a_picture_gives_its_look(person, places):
    said = person.predict(*given(places, "drifted.mp4", "look.png"), api_name="/upload_steady")
    assert said[1] == "Frame 0 gets the picture's look, and the other frames follow."
    found = shown(person.predict(*given(places, "drifted.mp4", "look.png"), api_name="/steady_colours"))
    means = (read_video(found.files[0]).frames(range(COUNT)).float() / 255).mean((2, 3))
    assert (means - clean_frames()[0].flip(0).mean((1, 2))).abs().max() < 0.06
    assert "source" not in found.table


@pytest.mark.slow
@pytest.mark.parametrize("source", ["clean.mp4", None])
def test_a_clip_can_be_measured_and_left_as_it_is(person, places, source):
    found = shown(person.predict(*given(places, "drifted.mp4", source), api_name="/measure"))
    assert [Path(name).name for name in found.files] == ["measures.json"]
    measured = json.loads(Path(found.files[0]).read_text())["measures"]["clip"]
    assert measured["video"]["drift"] > 20
    heads = ["clip", "source"] if source else ["clip"]
    assert list(series(found.drift, "drift")) == heads
    assert f"It wanders over the whole clip: clip **{measured['video']['drift_range']:.2f}**" in found.verdict
    beside = f"frame {LEAP}, its source" if source else f"frames {LEAP - 1}, {LEAP}"
    assert found.leaps[0]["caption"].startswith(beside)
    assert not (places / "log").exists()


def test_a_click_chooses_a_frame_and_another_lets_it_go(places):
    right = RightFrames.of(read_video(places / "drifted.mp4"), None)
    assert right.shown == (0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13)
    assert "Click the frames" in right.said("")
    once = right.toggled("", 3)
    assert (once, right.said(once)) == ("4", "Frame 4 is right, and the others follow.")
    twice = right.toggled(once, 0)
    assert (twice, right.said(twice)) == ("0, 4", "Frames 0 and 4 are right, and the others follow.")
    assert right.captions(twice)[:4] == ["✓ 0 is right", "1", "2", "✓ 4 is right"]
    assert right.toggled(twice, 3) == "0"
    assert right.toggled("3", 0) == "0, 3"  # one that is written stays, shown or not
    for wrong in ("14", "first"):
        with pytest.raises(InputError, match="frame"):
            right.said(wrong)


def test_uploads_that_cannot_serve_are_a_sentence(person, places):
    for names, said in [
        (("drifted.mp4", "short.mp4"), "the source has 5 frames and the video 14; give the part that it was made from"),
        (("one.mp4",), "the file one.mp4 has a single frame; a video of at least 2 frames is needed"),
        (("drifted.mp4", "tone.wav"), "tone.wav is not a video|Invalid file type"),
    ]:
        said = f"(?i){said}"
        for name in ("/steady_colours", "/deflicker", "/measure"):
            with pytest.raises(Exception, match=said) as error:
                person.predict(*given(places, *names), api_name=name)
            assert tempfile.gettempdir() not in str(error.value)
    facts = person.predict(*given(places, "drifted.mp4", "short.mp4"), api_name="/upload_steady")[0]
    assert facts.startswith("**The source has 5 frames and the video 14")
    with pytest.raises(Exception, match="Reference frame 99 is out of range"):
        person.predict(*given(places, "drifted.mp4"), references="99", api_name="/steady_colours")
    with pytest.raises(Exception, match="There is no video yet; upload one first"):
        person.predict(None, None, api_name="/measure")


def held(monkeypatch, name):
    """Make a job of the tab wait after its first step; when it has begun, and what lets it go on."""
    begun, go_on, work = threading.Event(), threading.Event(), getattr(steady_jobs, name)

    def waits(*values):
        def step(fraction, text):
            begun.set()
            go_on.wait()
            values[3](fraction, text)

        return work(*values[:3], step, *values[4:])

    monkeypatch.setattr(steady_jobs, name, waits)
    return begun, go_on


@pytest.mark.parametrize("end", ["cancel", "another upload"])
def test_a_job_that_is_ended_leaves_nothing(person, places, monkeypatch, end):
    begun, go_on = held(monkeypatch, "steady")
    job = person.submit(*given(places, "drifted.mp4"), api_name="/steady_colours")
    begun.wait()
    if end == "cancel":
        person.predict(api_name="/cancel_steady")
    else:
        person.predict(*given(places, "clean.mp4"), api_name="/upload_steady")
    go_on.set()
    found = shown(job.result())
    assert found.status.startswith("Cancelled after")
    assert "Nothing was made" in found.status
    left = [path.name for path in Path(tempfile.gettempdir()).glob(f"{ROOT_PREFIX}*/visit-*/steady-*/*")]
    assert not [name for name in left if name.endswith(".partial")]
    assert not any(thread.name == "watched job" for thread in threading.enumerate())


def test_another_upload_clears_what_was_found(person, places):
    person.predict(*given(places, "drifted.mp4"), api_name="/measure")
    said = person.predict(*given(places, "clean.mp4"), api_name="/upload_steady")
    results = shown(said[-8:])
    assert not results.status
    assert not any([results.files, results.table, results.verdict, results.leaps, results.comparison])


@pytest.mark.slow
def test_nobody_works_on_anothers_files(person, address, places):
    person.predict(*given(places, "drifted.mp4"), api_name="/steady_colours")
    made = list(Path(tempfile.gettempdir()).glob(f"{ROOT_PREFIX}*/visit-*/steady-*/steady.mp4"))
    assert made
    for path in (*made, places / "clean.mp4"):
        said = asked_for(address, person, "/measure", path)
        assert "Done in" not in said
        assert "cannot be accessed" in said or "was not uploaded" in said or '"success":false' in said


def asked_for(address, person, api_name, path):
    """What the page answers somebody whose call names a file of the machine as if they had uploaded it."""
    (number,) = [number for number, endpoint in person.endpoints.items() if endpoint.api_name == api_name]
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    call = {"data": [file, None], "fn_index": number, "session_hash": "thief"}
    httpx.post(f"{address}gradio_api/queue/join", json=call).raise_for_status()
    said = ""
    with httpx.stream("GET", f"{address}gradio_api/queue/data?session_hash=thief", timeout=60) as answer:
        for line in answer.iter_lines():
            said += line
            if "process_completed" in line:
                return said
    raise AssertionError(said)


def test_a_shared_page_has_its_limits(person, places, monkeypatch, ckpt):
    monkeypatch.setattr(right_frames, "MOST_FRAMES", COUNT - 1)
    path = str(places / "drifted.mp4")
    with pytest.raises(InputError, match="the clip has 14 frames, and 13 is the most on a page for several people"):
        read_pair(path, None, Settings())
    assert read_pair(path, None, Settings(one_person=True))[0].frame_count == COUNT
    monkeypatch.setattr(right_frames, "MOST_FRAMES", COUNT)
    monkeypatch.setattr(shelf, "BYTES_A_VISIT", 1000)
    with pytest.raises(Exception, match="Your videos and clips would take more than"):
        person.predict(*given(places, "drifted.mp4"), api_name="/steady_colours")


def test_results_are_kept_where_the_page_keeps_them(places, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "steady.mp4").write_bytes(b"whole")
    for one_person in (False, True):
        Workshop(Settings(log=tmp_path / "log", one_person=one_person)).keep(tmp_path / "made")
        assert len(list(tmp_path.glob("log/*/steady.mp4"))) == one_person


def colours_of(video):
    return steady_colours(video, None, ColorCorrectionOptions())


def test_the_repaired_video_is_told_of_before_it_is_measured(places, tmp_path):
    video, told = read_video(places / "drifted.mp4"), []

    def stop_when_measured(fraction, text):
        if "measuring" in text:
            raise Cancelled

    with pytest.raises(Cancelled):
        steady(video, colours_of(video), tmp_path, stop_when_measured, told.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.mp4", "steady.mp4"]
    assert read_video(told[0].video).frame_count == COUNT


def test_progress_only_grows(places, tmp_path):
    fractions, video = [], read_video(places / "drifted.mp4")
    steady(video, colours_of(video), tmp_path, progress=lambda fraction, _: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_picture_has_no_say_in_measures(places, tmp_path):
    found = examine(read_video(places / "drifted.mp4"), read_video(places / "look.png"), tmp_path)
    assert list(found.columns) == ["clip"]
    before, after = found.leaps[0].picture[..., : SIZE[1]], found.leaps[0].picture[..., SIZE[1] + DIVIDER_PX :]
    assert before.float().mean() > 1.15 * after.float().mean()


def test_halves_have_one_size_and_no_more_pixels_than_a_screen(tmp_path):
    picture = smooth_picture((300, 2001), 1)
    for name, size in (("large", (300, 2001)), ("small", (30, 200))):
        write_picture(tmp_path / f"{name}.png", resize(picture[None], size)[0])
    large, small = read_video(tmp_path / "large.png"), read_video(tmp_path / "small.png")
    (both,) = side_by_side(large, small)
    assert both.shape == (1, 3, 144, 2 * HALF_PX + DIVIDER_PX)
    left, right = both[0, ..., :HALF_PX].float(), both[0, ..., -HALF_PX:].float()
    assert (left.mean((1, 2)) - right.mean((1, 2))).abs().max() < 6


@pytest.mark.parametrize(("count", "frames"), [(2, (0, 1)), (12, tuple(range(12))), (600, (0, 54, 109))])
def test_frames_are_spread_from_the_first_to_the_last(count, frames):
    found = spread_frames(count)
    assert found[: len(frames)] == frames
    assert found[-1] == count - 1
    assert len(found) == min(12, count)
