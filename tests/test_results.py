import errno
import json

import pytest
import torch

from stablevideo import Cancelled, InputError, RenderOptions, read_video, save_run
from stablevideo.video.pictures import read_picture
from tests.clips import make_clip, psnr


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "data", (64, 48))


def test_a_run_is_one_whole_folder(clip, tmp_path):
    grey = torch.full_like(clip.foreground.atlas, 0.4)
    folder = save_run(clip, tmp_path / "log", {"edits": ["x"]}, foreground=grey)
    assert sorted(path.name for path in folder.iterdir()) == ["foreground.png", "settings.json", "video.mp4"]
    assert json.loads((folder / "settings.json").read_text())["clip"] == "made"
    video = read_video(folder / "video.mp4")
    assert (len(video), video.size, video.fps) == (6, (64, 48), 12)
    expected = torch.cat(list(clip.render(foreground=grey)))
    luma = [frames.mean(1) for frames in (video.frames(range(6)).float() / 255, expected)]
    assert psnr(*luma) > 28  # in grey: 4:2:0 halves the colours of so small a picture
    assert torch.allclose(read_picture(folder / "foreground.png"), grey, atol=1 / 255)


def test_another_size(clip, tmp_path):
    folder = save_run(clip, tmp_path / "log", {}, options=RenderOptions(width=96, height=130))
    assert read_video(folder / "video.mp4").size == (130, 96)


@pytest.mark.parametrize("error", [Cancelled(), OSError(errno.ENOSPC, "No space left on device")])
def test_nothing_half_written_is_left(clip, tmp_path, error):
    def stop(fraction, text):
        raise error

    with pytest.raises(type(error)):
        save_run(clip, tmp_path / "log", {}, progress=stop)
    assert list((tmp_path / "log").iterdir()) == []


def test_full_disk_while_writing_a_picture(clip, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save_run(clip, tmp_path / "log", {}, background=clip.background.atlas)
    assert list((tmp_path / "log").iterdir()) == []


def test_pictures_that_are_none(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, said in {"text.png": "no picture", "empty.png": "no picture", "none.png": "there is no picture"}.items():
        with pytest.raises(InputError, match=said):
            read_picture(tmp_path / name)
