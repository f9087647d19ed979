"""The tab 'Style' by its endpoints: what each kind of thing becomes, and what is said where something is missing."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from gradio_client import Client, handle_file

from stablevideo import read_video, write_video
from stablevideo.layers.store import save_layers
from stablevideo.style.gallery import style_pictures
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.settings import Settings
from stablevideo.ui.style_layout import FOR_BACKGROUND, MIXED
from stablevideo.video.pictures import read_picture, write_picture
from tests.clips import make_clip, smooth_picture, write_tone

SIZE, COUNT, FPS = (48, 64), 6, Fraction(24)
STYLES = style_pictures()


@pytest.fixture(scope="module")
def places(tmp_path_factory, ckpt):
    folder = tmp_path_factory.mktemp("style")
    save_layers(make_clip(folder / "made"), folder / "data" / "small")
    write_tone(folder / "tone.wav", COUNT / FPS)
    frames = torch.stack([smooth_picture(SIZE, 1)] * COUNT)
    write_video([frames], folder / "clip.mp4", FPS, audio=folder / "tone.wav")
    write_picture(folder / "photo.png", smooth_picture(SIZE, 2))
    return folder


@pytest.fixture(scope="module")
def settings(places, ckpt):
    return Settings(data=places / "data", log=places / "log", ckpt=ckpt)


@pytest.fixture(scope="module")
def person(settings):
    app = build_app(settings)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    client = Client(url, verbose=False)
    yield client
    client.close()
    app.close()


def call(person, name, *given, look="oil", second=None, use=MIXED):
    looks = [handle_file(str(STYLES[one])) if one else None for one in (look, second)]
    return person.predict(*looks, use, *given, api_name=f"/{name}")


def test_both_layers_get_the_look(person, settings):
    compared, _, files = call(person, "style_layers", "small", "both")
    video = read_video(files[0])
    assert (video.frame_count, video.size) == (6, (64, 48))
    assert [Path(file).name for file in files] == ["video.mp4", "settings.json"]
    assert "oil" in Path(files[1]).read_text()
    before, after = (read_picture(Path(one)) for one in compared)
    assert before.shape == after.shape == (3, 64, 48)
    assert (before - after).abs().mean() > 0.03


def test_a_second_picture_is_for_the_background_alone(person):
    from json import loads

    _, _, files = call(person, "style_layers", "small", "both", second="ink", use=FOR_BACKGROUND)
    edits = {edit["layer"]: edit["style"]["pictures"] for edit in loads(Path(files[1]).read_text())["edits"]}
    assert "oil" in edits["foreground"][0]
    assert "ink" in edits["background"][0]
    _, _, files = call(person, "style_layers", "small", "foreground", second="ink")
    (edit,) = loads(Path(files[1]).read_text())["edits"]
    assert len(edit["style"]["pictures"]) == 2


def test_a_preview_is_a_frame_before_and_after(person):
    before, after = call(person, "preview_layers", "small", "background")
    assert (read_picture(Path(before)) - read_picture(Path(after))).abs().mean() > 0.01


def test_a_video_gets_the_look_and_keeps_its_sound(person, places):
    _, _, files = call(person, "style_video", handle_file(str(places / "clip.mp4")))
    video = read_video(files[0])
    assert (video.frame_count, video.fps, video.has_audio) == (COUNT, FPS, True)


def test_a_picture_gets_the_look(person, places):
    _, _, files = call(person, "style_picture", handle_file(str(places / "photo.png")))
    assert read_picture(Path(files[0])).shape == (3, *SIZE)


def test_what_is_missing_is_said(person, places):
    with pytest.raises(Exception, match="No picture to look like is chosen"):
        call(person, "style_layers", "small", "both", look=None)
    with pytest.raises(Exception, match="no video yet"):
        call(person, "style_video", None)
    with pytest.raises(Exception, match="no picture yet"):
        call(person, "preview_picture", None)
    with pytest.raises(Exception, match="no clip 'none'"):
        call(person, "style_layers", "none", "both")
    thin = places / "thin.png"
    write_picture(thin, torch.rand(3, 300, 1))
    with pytest.raises(Exception, match="too small to take a look from"):
        person.predict(handle_file(str(thin)), None, MIXED, "small", "both", api_name="/style_layers")
