"""Colour drift that is planted, and taken out again."""

import json
import wave

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablevideo import InputError, read_video, write_video
from stablevideo.color.calibrate import calibrate
from stablevideo.color.maps import ColorMap
from stablevideo.color.spaces import delta_e, rgb_to_lab
from stablevideo.options import ColorCorrectionOptions
from stablevideo.video.pictures import write_picture
from tests.clips import smooth_picture

SIZE, COUNT = (90, 134), 12


def frames():
    wide = smooth_picture((SIZE[0], SIZE[1] + 2 * COUNT), 5)
    return [0.1 + 0.75 * wide[:, :, 2 * i : 2 * i + SIZE[1]] for i in range(COUNT)]


def clip(folder, pictures):
    folder.mkdir()
    for i, picture in enumerate(pictures):
        write_picture(folder / f"{i:03d}.png", picture.clamp(0, 1))
    return read_video(folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("clean") / "clip", frames())


def off(pictures, wanted, where=slice(None)):
    """CIEDE2000 of each frame, uint8 [T, 3, H, W], on average over rows `where`."""
    first, second = (rgb_to_lab(part[:, :, where].float() / 255) for part in (pictures, wanted))
    return delta_e(first, second).mean((1, 2))


def repaired(video, reference, *rest):
    return torch.cat(list(calibrate(video, reference, *rest)))


def turned(picture, share):
    """Hue turned by up to 12 degrees in Lab."""
    lab = cv2.cvtColor(picture.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2Lab)
    angle = np.deg2rad(12 * share)
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 1], lab[..., 2] = np.cos(angle) * a - np.sin(angle) * b, np.sin(angle) * a + np.cos(angle) * b
    return torch.from_numpy(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)).permute(2, 0, 1)


PLANTED = {
    "gain": lambda p, i: p * torch.tensor([1 - 0.02 * i, 1 - 0.01 * i, 1 + 0.01 * i])[:, None, None],
    "hue": lambda p, i: turned(p, i / COUNT),
    "steps": lambda p, i: p * (0.85 if i // 4 % 2 else 1),
    "pumping": lambda p, i: p * (1 + 0.15 * np.sin(i)),
    "gamma": lambda p, i: torch.stack([p[0] ** (1 + 0.04 * i), p[1], p[2]]),
    "fade": lambda p, i: p * (1 - 0.06 * i),
    "dip": lambda p, i: p * (0.8 if i == 7 else 1),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_drift_is_taken_out(kind, clean, tmp_path):
    wanted = clean.frames(range(COUNT))
    video = clip(tmp_path / "drift", [PLANTED[kind](p, i) for i, p in enumerate(frames())])
    before, after = off(video.frames(range(COUNT)), wanted), off(repaired(video, clean), wanted)
    assert before.max() > 3
    assert after.mean() < 0.9
    assert after.max() < 1.5


def test_a_clean_clip_stays_as_it_is(clean):
    assert (repaired(clean, clean).int() - clean.frames(range(COUNT)).int()).abs().max() <= 1


def test_what_was_changed_on_purpose_stays_changed(clean, tmp_path):
    def edited(picture, i):
        picture = picture * (1 - 0.03 * i)
        picture[:, 20:60, 40:90] = torch.tensor([0.8, 0.15, 0.1])[:, None, None] * (1 - 0.03 * i)
        return picture

    video = clip(tmp_path / "edit", [edited(p.clone(), i) for i, p in enumerate(frames())])
    found = repaired(video, clean)
    wanted, below = clean.frames(range(COUNT)), slice(65, None)  # below the patch
    before = off(video.frames(range(COUNT)), wanted, below)
    assert off(found, wanted, below)[6:].max() < 0.3 * before[6:].min()  # no mask, and yet
    patch = found[:, :, 25:55, 45:85].float().mean((2, 3)) / 255
    assert (patch - torch.tensor([0.8, 0.15, 0.1])).abs().max() < 0.06
    mask = torch.zeros(3, *SIZE)
    mask[:, 15:65, 35:95] = 1
    told = repaired(video, clean, clip(tmp_path / "mask", [mask]))
    assert off(told, wanted, below).max() < 0.7


def test_white_and_black_frames_take_their_neighbours_map(clean, tmp_path):
    pictures = [p * 0.8 for p in frames()]
    pictures[4], pictures[9] = torch.ones_like(pictures[4]), torch.zeros_like(pictures[9])
    found = repaired(clip(tmp_path / "flash", pictures), clean)
    assert found[4].float().mean() > 240
    assert found[9].float().mean() < 5
    rest = [i for i in range(COUNT) if i not in (4, 9)]
    assert off(found[rest], clean.frames(rest)).max() < 0.6


def test_strength_takes_out_a_part(clean, tmp_path):
    video = clip(tmp_path / "dark", [p * 0.8 for p in frames()])
    wanted = clean.frames(range(COUNT))
    half = off(repaired(video, clean, None, ColorCorrectionOptions(strength=0.5)), wanted).mean()
    assert 0.3 < half / off(video.frames(range(COUNT)), wanted).mean() < 0.7


def test_a_map_is_applied_to_eight_bits_as_it_is_to_numbers():
    rng = np.random.default_rng(0)
    colours = rng.random((400, 3)) * 0.8 + 0.1
    wanted = np.clip(colours**1.2 @ np.array([[0.9, 0.05, 0], [0, 0.85, 0.1], [0.05, 0, 0.95]]), 0, 1)
    found = ColorMap.fit(colours, wanted, np.ones(400))
    assert np.abs(found.of(colours) - wanted).mean() < 0.005
    frame = rng.integers(0, 256, (50, 70, 3), np.uint8)
    expected = np.clip(found.of(frame.reshape(-1, 3) / 255).reshape(frame.shape) * 255, 0, 255)
    assert np.abs(found.apply(frame) - expected).max() < 0.6


def test_what_cannot_be_calibrated_is_a_sentence(clean, tmp_path):
    black = clip(tmp_path / "black", [torch.zeros(3, *SIZE)] * COUNT)
    with pytest.raises(InputError, match="no frame of black can be compared: they are black"):
        list(calibrate(black, clean))
    with pytest.raises(InputError, match="the source has 3 frames"):
        list(calibrate(clean, clip(tmp_path / "short", frames()[:3])))
    with pytest.raises(InputError, match=r"strength must be|got 2"):
        ColorCorrectionOptions(strength=2)


def test_the_command_writes_a_video_with_its_sound(clean, tmp_path, run_command):
    video, tone = tmp_path / "dark.mp4", tmp_path / "tone.wav"
    with wave.open(str(tone), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((8000 * np.sin(np.arange(8000) / 3)).astype(np.int16).tobytes())
    write_video(((p * 0.8)[None] for p in frames()), video, 24, audio=tone)
    made = tmp_path / "out" / "steady.mp4"
    done = run_command("calibrate", video, "--reference", clean.path, "-o", made, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"video": str(made), "frames": COUNT}
    found = read_video(made)
    assert found.has_audio
    # Fine colours are lost to the codec: their means over larger squares are not.
    dark, steady, wanted = (F.avg_pool2d(v.frames(range(COUNT)).float(), 15) for v in (read_video(video), found, clean))
    assert off(steady, wanted).max() < 0.4 * off(dark, wanted).min()
    assert run_command("calibrate", video, "--reference", tmp_path / "none", "-o", made).returncode == 2
