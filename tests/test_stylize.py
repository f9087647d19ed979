"""A style on videos, on layers, on pictures: by function and by command."""

import json
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from stablevideo import InputError, StyleOptions, read_video, stylize, stylize_layer, write_video
from stablevideo.edit.style import stylize_layers
from stablevideo.layers.store import save_layers
from stablevideo.style.gallery import style_pictures
from stablevideo.style.load import load_painter
from stablevideo.style.network import light_network
from stablevideo.style.paint import Painter
from stablevideo.video.pictures import read_picture, write_picture
from tests.clips import make_clip, psnr, smooth_picture, write_tone
from tests.test_style import lively, moderate

SIZE, COUNT, FPS = (48, 64), 8, Fraction(12)


@pytest.fixture(scope="module")
def painter():
    return Painter(moderate(lively(light_network())), [smooth_picture((64, 64), 9)])


def pictures_of(folder, frames):
    """Frames [n, 3, h, w] as a clip without a codec's losses."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_picture(folder / f"{number:03d}.png", frame)
    return read_video(folder, fps=FPS)


def painted(video, painter, **options):
    return torch.cat(list(stylize(video, painter, StyleOptions(**options))))


def alone(frame, painter):
    return painter.paint(painter.see((frame * 255).round() / 255))


def test_without_smoothing_every_frame_is_painted_by_itself(painter, tmp_path):
    frames = torch.stack([smooth_picture(SIZE, seed) for seed in range(3)])
    made = painted(pictures_of(tmp_path / "clip", frames), painter, smoothing_s=0)
    assert made.shape == frames.shape
    for frame, own in zip(frames, made, strict=True):
        assert torch.allclose(own, alone(frame, painter), atol=1e-5)


def test_what_comes_into_the_picture_does_not_make_the_rest_pump(painter, tmp_path):
    # So far from the corner that is looked at, that nothing but the whole picture's statistics tells of it there.
    still = 0.2 + 0.3 * smooth_picture((160, 200), 3)
    frames = still.repeat(COUNT, 1, 1, 1)
    frames[3:, :, 110:, 130:] = 1.0
    video, corner = pictures_of(tmp_path / "clip", frames), (slice(None), slice(None), slice(0, 16), slice(0, 16))
    steps = [
        (painted(video, painter, smoothing_s=seconds)[corner].diff(dim=0).abs().mean((1, 2, 3)).max())
        for seconds in (0.0, 1.0)
    ]
    assert steps[0] > 0.01
    assert steps[1] < 0.35 * steps[0]


def test_a_new_scene_is_not_painted_by_what_the_last_one_was_like(painter, tmp_path):
    first, second = 0.1 + 0.2 * smooth_picture(SIZE, 1), 1 - 0.3 * smooth_picture(SIZE, 2)
    video = pictures_of(tmp_path / "clip", torch.stack([first] * 4 + [second] * 4))
    made = painted(video, painter, smoothing_s=5)
    assert torch.allclose(made[4], alone(second, painter), atol=2e-3)


def test_strength_follows_time(painter, tmp_path):
    frames = torch.stack([smooth_picture(SIZE, 1)] * 5)
    made = painted(pictures_of(tmp_path / "clip", frames), painter, strength_over_time="1=0, 3=1")
    source, full = (frames[0] * 255).round() / 255, alone(frames[0], painter)
    for number, strength in enumerate((0, 0, 0.5, 1, 1)):
        assert torch.allclose(made[number], source.lerp(full, strength), atol=1e-5)


def test_the_clip_is_walked_through_frame_by_frame(painter, tmp_path):
    video = pictures_of(tmp_path / "clip", torch.stack([smooth_picture(SIZE, 1)] * COUNT))
    seen = []
    frames = stylize(video, painter, StyleOptions(smoothing_s=0), lambda fraction, text: seen.append(text))
    next(frames)
    assert len(seen) <= 1
    assert len(list(frames)) == COUNT - 1
    assert seen[-1] == f"frame {COUNT} of {COUNT}"


def test_colours_can_stay(painter):
    picture = smooth_picture(SIZE, 4)
    seen = painter.see(picture)
    kept, plain = (painter.paint(seen, keep_colours=keep) for keep in (True, False))
    chroma = [torch.stack([p[0] - p[1], p[1] - p[2]]) for p in (picture, kept, plain)]
    assert np.corrcoef(chroma[0].flatten(), chroma[1].flatten())[0, 1] > 0.9
    assert (chroma[1] - chroma[0]).abs().mean() < 0.5 * (chroma[2] - chroma[0]).abs().mean()


def test_texels_that_no_frame_sees_have_no_say(painter, tmp_path):
    clip = make_clip(tmp_path, (256, 192), 2, (640, 480))
    atlas, coverage = clip.foreground.atlas.clone(), torch.zeros(1, *clip.foreground.size)
    coverage[:, :240] = 1
    outcomes = []
    for colour in (0.0, 1.0):
        atlas[:, 420:] = colour
        layer = replace(clip.foreground, atlas=atlas.clone(), coverage=coverage)
        outcomes.append(stylize_layer(replace(clip, foreground=layer), "foreground", painter))
    near, far = (slice(None), slice(0, 200)), (slice(None), slice(450, 640))
    assert torch.allclose(outcomes[0].atlas[near], outcomes[1].atlas[near], atol=1e-3)
    assert (outcomes[0].atlas[far] - outcomes[1].atlas[far]).abs().mean() > 0.05
    assert torch.equal(outcomes[0].changed, coverage)


def test_a_layer_at_strength_nought_is_the_layer_and_an_edit_can_be_painted_over(painter, tmp_path):
    clip = make_clip(tmp_path)
    none = stylize_layer(clip, "background", painter, StyleOptions(strength=0))
    assert torch.allclose(none.atlas, clip.background.atlas)
    red = replace(none, atlas=torch.ones_like(none.atlas) * torch.tensor([1.0, 0, 0])[:, None, None])
    over = stylize_layer(clip, "background", painter, StyleOptions(strength=0), edited=red)
    assert torch.equal(over.atlas, red.atlas)
    full = stylize_layer(clip, "background", painter)
    assert psnr(full.atlas, clip.background.atlas) < 25


def test_layers_in_one_style_stay_as_far_apart_as_in_a_painted_frame(sample):
    """The dark part of a clip stays the dark one: each layer by itself is brought to the style's own brightness."""
    painter, frame = load_painter([style_pictures()["oil"]]), sample.frame_count // 2
    alpha = sample.alpha([frame])[0]
    inside, outside = (alpha > 0.9).float(), (alpha < 0.1).float()

    def apart(picture):
        light = picture.mean(0, keepdim=True)
        return ((light * inside).sum() / inside.sum() - (light * outside).sum() / outside.sum()).item()

    source = sample.source([frame])[0]
    wanted = apart(painter.paint(painter.see(source)))

    def rendered(edits):
        atlases = {layer: edit.atlas for layer, edit in edits.items()}
        return apart(next(sample.render(frames=[frame], **atlases))[0])

    layers = ("foreground", "background")
    together = rendered(stylize_layers(sample, dict.fromkeys(layers, painter)))
    single = rendered({layer: stylize_layer(sample, layer, painter) for layer in layers})
    assert abs(together - wanted) < 0.06, (together, wanted)
    assert abs(together - wanted) < 0.5 * abs(single - wanted), (together, single, wanted)


@pytest.fixture
def places(tmp_path):
    """A data folder with a clip, a video with sound, a picture, two styles."""
    save_layers(make_clip(tmp_path / "made"), tmp_path / "data" / "small")
    write_tone(tmp_path / "tone.wav", 1.0)
    frames = torch.stack([smooth_picture(SIZE, 1)] * COUNT)
    write_video([frames], tmp_path / "clip.mp4", FPS, audio=tmp_path / "tone.wav")
    write_picture(tmp_path / "photo.png", smooth_picture(SIZE, 2))
    return tmp_path


@pytest.fixture(scope="module")
def looks():
    return list(style_pictures().values())


def test_the_command_paints_a_video_and_keeps_its_sound(places, looks, run_command):
    out = places / "out" / "styled.mp4"
    done = run_command("stylize", places / "clip.mp4", "--style", looks[0], "-o", out, "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"video": str(out), "frames": COUNT, "pictures": [looks[0].name]}
    video = read_video(out)
    assert (video.frame_count, video.size, video.fps, video.has_audio) == (COUNT, SIZE, FPS, True)


def test_the_command_paints_a_picture_in_two_styles_mixed(places, looks, run_command):
    out = places / "styled.png"
    styles = ["--style", looks[0], "--style", looks[2], "--share", "0.3"]
    done = run_command("stylize", places / "photo.png", *styles, "-o", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert read_picture(out).shape == (3, *SIZE)


def test_the_command_gives_each_layer_its_own_style(places, looks, run_command):
    shared = ["stylize", "small", "--data", places / "data", "--log", places / "log", "--json", "--device", "cpu"]
    done = run_command(*shared, "--foreground", looks[1], "--style", looks[3])
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["foreground"]["style"]["pictures"] == [looks[1].name]
    assert facts["background"]["style"]["pictures"] == [looks[3].name]
    one = json.loads(run_command(*shared, "--background", looks[3]).stdout)
    assert "foreground" not in one
    settings = json.loads((places / "log" / one["folder"].split("/")[-1] / "settings.json").read_text())
    assert settings["edits"][0]["style"]["mode"] == "artistic"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["clip.mp4", "-o", "out.mp4"], "nothing to do; give --style PICTURE"),
        (["clip.mp4", "--style", "photo.png"], "say where the result goes"),
        (["clip.mp4", "--style", "photo.png", "-o", "out.avi"], "out.avi"),
        (["photo.png", "--style", "photo.png", "-o", "out.jpg"], "a picture is written as .png"),
        (["clip.mp4", "--foreground", "photo.png", "-o", "out.mp4"], "has no layers"),
        (["nowhere.mp4", "--style", "photo.png", "-o", "out.mp4"], "nowhere.mp4"),
        (["clip.mp4", "--style", "tone.wav", "-o", "out.mp4"], "tone.wav is no picture"),
        (["clip.mp4", "--style", "photo.png", "--model", "ccpl", "-o", "out.mp4"], "is not there; put the files"),
        (["small"], "nothing to do"),
    ],
)
def test_wrong_commands_are_one_sentence(arguments, sentence, places, run_command):
    given = [places / one if (places / one).exists() or one.endswith(".mp4") else one for one in arguments]
    more = ["--ckpt", places / "ckpt"] if "ccpl" in arguments else []
    done = run_command("stylize", *given, "--data", places / "data", "--log", places / "log", *more)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not list(places.glob("out.*"))


def test_the_pictures_that_come_along_are_good_styles(looks):
    assert [path.suffix for path in looks] == [".jpg"] * 8
    assert list(style_pictures())[3] == "stained glass"
    for path in looks:
        assert read_picture(path).std() > 0.1


def test_a_style_of_two_thousand_texels_is_fitted(ckpt, tmp_path):
    cv2.imwrite(str(tmp_path / "long.png"), np.zeros((40, 4000, 3), np.uint8))
    painter = load_painter([tmp_path / "long.png"], ckpt=ckpt, device="cpu")
    assert painter.codes[0].mean.shape[1] == 64
    with pytest.raises(InputError, match="there is no picture"):
        load_painter([tmp_path / "none.png"], ckpt=ckpt)
