"""Colour drift that is planted, and taken out again."""

import json
import wave

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablevideo import Cancelled, InputError, read_video, write_video
from stablevideo.color.calibrate import calibrate
from stablevideo.color.fit import Samples, fit_grade
from stablevideo.color.grade import Grade
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


def repaired(video, reference=None, *rest):
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


def steps(pictures):
    """CIEDE2000 between the mean colours of neighbouring frames."""
    means = rgb_to_lab(pictures.float() / 255).mean((2, 3))[:, :, None, None]
    return delta_e(means[1:], means[:-1]).mean().item()


@pytest.mark.parametrize("kind", PLANTED)
def test_drift_is_taken_out_by_what_the_first_frame_shows(kind, clean, tmp_path):
    wanted = clean.frames(range(COUNT))
    video = clip(tmp_path / "drift", [PLANTED[kind](p, i) for i, p in enumerate(frames())])
    planted, found = video.frames(range(COUNT)), repaired(video, None)
    before, after = off(planted, wanted), off(found, wanted)
    assert after.mean() < 1.3
    assert after.mean() < 0.75 * before.mean() or before.mean() < 1
    if kind in ("steps", "pumping", "dip"):
        assert steps(found) - steps(wanted) < 0.1 * (steps(planted) - steps(wanted))


def test_a_clean_clip_is_left_alone_by_its_first_frame(clean):
    assert off(repaired(clean, None), clean.frames(range(COUNT))).mean() < 0.2


def test_light_that_truly_changes_and_a_cut_stay(clean, tmp_path):
    other = [0.1 + 0.8 * smooth_picture(SIZE, 9).flip(0) for _ in range(COUNT)]
    cut = clip(tmp_path / "cut", [*frames()[: COUNT // 2], *other[COUNT // 2 :]])
    assert off(repaired(cut, None), cut.frames(range(COUNT))).max() < 0.5
    assert off(repaired(cut, cut), cut.frames(range(COUNT))).max() < 0.5
    sunrise = clip(tmp_path / "sunrise", [p * (0.5 + 0.04 * i) for i, p in enumerate(frames())])
    assert off(repaired(sunrise, sunrise), sunrise.frames(range(COUNT))).max() < 0.5
    light = ColorCorrectionOptions(keep_light=True)
    assert off(repaired(sunrise, None, None, light), sunrise.frames(range(COUNT))).max() < 0.5
    # No frames can tell a sunrise from a drift: said to be right, the first one is what the others are held to.
    assert off(repaired(sunrise, None), sunrise.frames(range(COUNT))).max() > 3


def test_flicker_goes_where_light_is_kept(tmp_path):
    light = [p * (0.75 + 0.015 * i) for i, p in enumerate(frames())]
    wanted = clip(tmp_path / "sunrise", light).frames(range(COUNT))
    video = clip(tmp_path / "flicker", [p * (0.8 if i in (4, 9) else 1) for i, p in enumerate(light)])
    found = repaired(video, None, None, ColorCorrectionOptions(keep_light=True))
    assert off(video.frames(range(COUNT)), wanted)[[4, 9]].min() > 3
    assert off(found, wanted).max() < 1


def test_between_two_frames_that_are_right_light_takes_its_course(tmp_path):
    sunrise = clip(tmp_path / "sunrise", [p * (0.6 + 0.03 * i) for i, p in enumerate(frames())])
    found = repaired(sunrise, None, None, ColorCorrectionOptions(references=f"0, {COUNT - 1}"))
    assert off(found, sunrise.frames(range(COUNT))).max() < 2.5
    assert off(found, sunrise.frames([0] * COUNT)).max() > 10


def test_what_comes_into_view_is_held_to_what_was_there_before(tmp_path):
    """Nothing of the first frame is left in the last; all the while it grows darker."""
    count = 45
    wide = 0.1 + 0.75 * smooth_picture((SIZE[0], SIZE[1] + 4 * count), 5)
    pan = [wide[:, :, 4 * i : 4 * i + SIZE[1]] for i in range(count)]
    wanted = clip(tmp_path / "pan", pan).frames(range(count))
    video = clip(tmp_path / "dark", [p * (1 - 0.012 * i) for i, p in enumerate(pan)])
    before, after = off(video.frames(range(count)), wanted), off(repaired(video), wanted)
    assert before[-1] > 10
    assert after.mean() < 1.5
    assert after[-1] < 3


def test_frames_named_as_right_hold_those_around_them(clean, tmp_path):
    """The clip is dark, but for frames 3 and 8."""
    pictures = [p * (1 if i in (3, 8) else 0.8) for i, p in enumerate(frames())]
    video, wanted = clip(tmp_path / "dark", pictures), clean.frames(range(COUNT))
    for options in (ColorCorrectionOptions(references="3, 8"), ColorCorrectionOptions(reference_frame=3)):
        assert off(repaired(video, None, None, options), wanted).max() < 1
    dark = repaired(video, None)
    assert off(dark, wanted).mean() > 3
    assert off(dark, (wanted * 0.8).to(torch.uint8)).max() < 1


def test_a_picture_gives_the_first_frame_its_look_and_the_others_follow(clean, tmp_path):
    graded = [p * torch.tensor([1.1, 0.95, 0.75])[:, None, None] for p in frames()]
    wanted = clip(tmp_path / "graded", graded).frames(range(COUNT))
    picture = clip(tmp_path / "picture", graded[:1])
    assert off(repaired(clean, picture), wanted).max() < 1
    one = read_video(picture.path / "000.png")
    assert off(repaired(clean, one), wanted).max() < 1
    turned_round = clip(tmp_path / "other", [F.interpolate(graded[0][None].flip(3), (70, 60))[0]])
    means = repaired(clean, turned_round)[0].float().mean((1, 2)) - turned_round.frames([0])[0].float().mean((1, 2))
    assert means.abs().max() < 4  # another picture: then its statistics


def test_statistics_alone_give_all_frames_one_mean_and_spread(clean, tmp_path):
    video = clip(tmp_path / "drift", [PLANTED["gain"](p, i) for i, p in enumerate(frames())])
    options = ColorCorrectionOptions(method="statistics", references="0, 1, 2", temporal_smoothing=0)
    found = repaired(video, None, None, options).float()
    assert (found.mean((2, 3)) - found.mean((0, 2, 3))).abs().max() < 2
    assert (found.std((2, 3)) - found.std((2, 3)).mean(0)).abs().max() < 2
    like = repaired(video, clean, None, ColorCorrectionOptions(method="statistics")).float()
    assert (like.mean((2, 3)) - clean.frames(range(COUNT)).float().mean((2, 3))).abs().max() < 2


def test_what_is_masked_has_no_say_along_the_motion(clean, tmp_path):
    """Most of each frame, further and further, is painted over and darkens; the rest only darkens a little."""

    def painted(picture, i):
        picture = picture * (1 - 0.015 * i)
        picture[:, :65] *= torch.tensor([1 - 0.07 * i, 1, 1 + 0.05 * i])[:, None, None]
        return picture

    video = clip(tmp_path / "painted", [painted(p.clone(), i) for i, p in enumerate(frames())])
    mask = torch.zeros(3, *SIZE)
    mask[:, :67] = 1
    told = repaired(video, None, clip(tmp_path / "mask", [mask]))
    wanted, below = clean.frames(range(COUNT)), slice(70, None)
    assert off(told, wanted, below).max() < 1
    assert off(repaired(video, None), wanted, below).max() > 2


def test_a_patch_keeps_its_colour(clean, tmp_path):
    """A grey card in the corner, under a light that changes but for the rest of the picture."""

    def carded(picture, i):
        picture[:, 60:80, 100:125] = 0.5
        return picture * (1 + 0.02 * i)

    video = clip(tmp_path / "card", [carded(p.clone(), i) for i, p in enumerate(frames())])
    options = ColorCorrectionOptions(patch="102,62,123,78")
    card = repaired(video, clean, None, options)[:, :, 62:78, 102:123].float().mean((2, 3))
    assert (card - card[0]).abs().max() < 1
    statistics = ColorCorrectionOptions(patch="102,62,123,78", method="statistics")
    card = repaired(video, None, None, statistics)[:, :, 62:78, 102:123].float().mean((2, 3))
    assert (card - card[0]).abs().max() < 1


def test_a_white_point_becomes_neutral(clean, tmp_path):
    tinted = [p * torch.tensor([1, 0.9, 0.7])[:, None, None] for p in frames()]
    for picture in tinted:
        picture[:, 40:50, 60:70] = torch.tensor([0.75, 0.66, 0.5])[:, None, None]
    video = clip(tmp_path / "tinted", tinted)
    place = repaired(video, None, None, ColorCorrectionOptions(white_point="65,45"))[:, :, 42:48, 62:68]
    mean = place.float().mean((2, 3))
    assert (mean.amax(1) - mean.amin(1)).max() < 3
    black = clip(tmp_path / "black", [p * 0 for p in frames()])
    with pytest.raises(InputError, match="too dark or clipped"):
        list(calibrate(black, None, None, ColorCorrectionOptions(white_point="3,3")))


def test_off_means_off(clean):
    found = repaired(clean, clean, None, ColorCorrectionOptions(enable=False))
    assert torch.equal(found, clean.frames(range(COUNT)))


def test_it_stops_when_it_is_told_to(clean):
    def cancel(fraction, text):
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(calibrate(clean, None, None, None, cancel))


def test_what_cannot_be_calibrated_is_a_sentence(clean, tmp_path):
    black = clip(tmp_path / "black", [torch.zeros(3, *SIZE)] * COUNT)
    with pytest.raises(InputError, match="no frame of black can be compared: they are black"):
        list(calibrate(black, clean))
    # What is wrong with the inputs is said at once, before any frame is asked for.
    with pytest.raises(InputError, match="the source has 3 frames"):
        calibrate(clean, clip(tmp_path / "short", frames()[:3]))
    with pytest.raises(InputError, match="which does not fit a video of 134x90"):
        calibrate(clean, clip(tmp_path / "tall", [p.transpose(1, 2) for p in frames()]))
    with pytest.raises(InputError, match="has 1 frame"):
        calibrate(clip(tmp_path / "one", frames()[:1]))
    for wrong, sentence in {
        "patch": {
            "10,10,400,20": "does not lie within frames of 134x90",
            "5,5,5,9": "does not lie",
            "a": "a box looks",
        },
        "white_point": {"200,3": "does not lie within frames of 134x90", "1": "looks like X,Y"},
        "references": {"3, 12": "reference frame 12 is out of range", "x": "'x' is no reference frame"},
        "strength": {2: "must lie between", float("nan"): "must be a number"},
        "method": {"magic": "must be one of auto, statistics"},
    }.items():
        for value, said in sentence.items():
            with pytest.raises(InputError, match=said):
                calibrate(clean, None, None, ColorCorrectionOptions(**{wrong: value}))


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
    for reference in ((), ("--reference", "0,5"), ("--reference", clean.path / "000.png")):
        assert run_command("calibrate", video, *reference, "-o", made).returncode == 0
    assert off(F.avg_pool2d(read_video(made).frames(range(COUNT)).float(), 15), wanted).max() < 4
    elsewhere = tmp_path / "elsewhere" / "made.mp4"
    done = run_command("calibrate", video, "--patch", "0,0,400,9", "-o", elsewhere)
    assert done.returncode == 2
    assert "does not lie within" in done.stderr
    assert not elsewhere.parent.exists()


def test_a_grade_is_found_though_both_sides_are_noisy():
    """Least squares would say 1.12."""
    rng = np.random.default_rng(2)
    true = rng.random((1500, 3)) * 0.5 + 0.2
    noisy, wanted = (colours + rng.normal(0, 0.035, true.shape) for colours in (true, 1.2 * true - 0.1))
    colours, wanted = np.clip(noisy, 0.03, 0.97), np.clip(wanted, 0.03, 0.97)
    cells = np.eye(9)[rng.integers(0, 9, len(true))]
    found = fit_grade(Samples(colours, wanted, cells), Grade.identity(), 1)
    low, high = found.of(np.array([[0.35] * 3, [0.55] * 3]))
    assert ((high - low) / 0.2).mean() == pytest.approx(1.2, abs=0.03)
    nothing = fit_grade(Samples(colours, colours, cells), Grade.identity(), 1)
    assert np.abs(nothing.coefficients).max() < 1e-6


def test_of_points_that_were_lost_only_gains_are_read():
    """Their colours are others', and more varied: no contrast has changed."""
    rng = np.random.default_rng(4)
    colours = rng.normal(0.4, 0.06, (1500, 3)).clip(0.05, 0.95)
    wanted = 1.1 * rng.normal(0.4, 0.12, (1500, 3)).clip(0.05, 0.95)
    found = fit_grade(Samples(colours, wanted, np.eye(9)[rng.integers(0, 9, 1500)]), Grade.identity(), 1)
    assert np.abs(found.coefficients[3:]).max() < 1e-9
    assert np.exp(found.coefficients[:3]) == pytest.approx(1.1, abs=0.05)
