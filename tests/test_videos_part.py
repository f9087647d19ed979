"""Videos that were made of a clip stay at hand, the last few of them."""

import pytest
import torch

from stablevideo import write_video
from stablevideo.edit.painting import Edit
from stablevideo.ui.videos_part import MOST_VIDEOS, keep, row
from stablevideo.ui.visits import Visit, Work
from stablevideo.video.alpha import write_pictures
from stablevideo.video.pictures import read_picture
from tests.clips import hue_degrees, hue_distance


@pytest.fixture
def visit(tmp_path):
    return Visit(tmp_path / "visit", work=Work(tmp_path / "car", 2000))


def edits(**words):
    return {
        layer: Edit(torch.zeros(3, 1, 1), torch.zeros(1, 1, 1), (), {"prompt": said}) for layer, said in words.items()
    }


def made(visit, clip="car", name="video.mp4", part="all", **words):
    folder = visit.further_folder("result")
    frames = torch.zeros(4, 3, 32, 48)
    frames[:, 0] = torch.linspace(0.2, 1, 4)[:, None, None]
    if name == "frames":
        write_pictures(iter([frames]), folder / name)
        files = [folder / "frames.zip"]
        files[0].touch()
    else:
        write_video([frames], folder / name, 25)
        files = [folder / name]
    return keep(visit, clip, edits(**words), folder / name, files, part)


def words(visit):
    return [each["words"] for each in row(visit)]


def test_the_latest_is_first_and_one_alone_needs_no_row(visit):
    made(visit, foreground="gold")
    assert row(visit) == []
    made(visit, foreground="red", background="night")
    assert words(visit) == ["red; night", "gold"]
    picture = read_picture(visit.shown.picture)
    assert picture.shape[2] == 240
    assert hue_distance(hue_degrees(picture.flatten(1).T), 0) < 10


def test_each_clip_has_its_own(visit, tmp_path):
    made(visit, foreground="gold")
    made(visit, clip="bear", foreground="snow")
    assert words(visit) == ["gold"]
    visit.work, visit.shown = Work(tmp_path / "bear", 2000), None  # it is loaded
    assert words(visit) == ["snow"]


def test_old_ones_go_with_their_files(visit):
    results = [made(visit, foreground=f"colour {number}") for number in range(MOST_VIDEOS + 2)]
    assert words(visit) == [f"colour {number}" for number in reversed(range(2, MOST_VIDEOS + 2))]
    assert [each.files[0].exists() for each in results] == [False] * 2 + [True] * MOST_VIDEOS


@pytest.mark.parametrize(("name", "part", "measured"), [
    ("video.mp4", "all", True), ("frames", "all", False), ("video.mp4", "edit", False)])  # fmt: skip
def test_what_is_measured_is_the_whole_clip_as_a_video(visit, name, part, measured):
    assert made(visit, name=name, part=part, foreground="gold").measured == measured
