"""Keyframes carried through a clip: against planted truths, and at what a person may give."""

import gc
import json
import sys
import urllib.request
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablevideo import Cancelled, InputError, InterpolateOptions, interpolate, read_video
from stablevideo.deflicker.between import Side, between
from stablevideo.deflicker.carry import Carrier
from stablevideo.deflicker.local_colours import recoloured
from stablevideo.deflicker.scenes import scene_starts
from stablevideo.edit.choice import keyframe_region
from stablevideo.edit.keyframe import Keyframe
from stablevideo.edit.whole_frames import keyframe_frames, saved_keyframes
from stablevideo.video.pictures import to_uint8, write_picture
from tests.clips import make_clip, psnr, smooth_picture
from tests.test_video import encode

SIZES = [(72, 96), (112, 64)]  # one is portrait
STEP_PX = 2
INK = torch.tensor([0.9, 0.15, 0.1])[:, None, None]


def drawn(size, count, seed=0):
    """A textured disc that moves right over a background that pans left -> sources, edits [T, 3, H, W], discs.

    The edit recolours the disc, and writes a bar on it that moves along.
    """
    height, width = size
    wide = rough(height, width + STEP_PX * count, seed)
    disc_picture = rough(height, width, seed + 1) * 0.6 + 0.3
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    disc = (min(size) * 0.25 - ((x - width * 0.3) ** 2 + (y - height / 2) ** 2).sqrt()).clamp(0, 1)
    bar = disc * ((y - height / 2).abs() < 5)
    painted = torch.lerp(disc_picture[[2, 0, 1]], INK.expand(3, height, width), bar)
    sources, edits, discs = [], [], []
    for i in range(count):
        back = wide[:, :, STEP_PX * i : STEP_PX * i + width]
        alpha, plain, new = (part.roll(i, -1) for part in (disc, disc_picture, painted))
        sources.append(torch.lerp(back, plain, alpha))
        edits.append(torch.lerp(back, new, alpha))
        discs.append(alpha > 0.99)
    return torch.stack(sources), torch.stack(edits), torch.stack(discs)


def rough(height, width, seed):
    """Texture of two sizes."""
    fine = np.random.default_rng(seed + 50).random((height // 3 + 2, width // 3 + 2, 3), np.float32)
    fine = torch.from_numpy(cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC)).permute(2, 0, 1)
    return (0.6 * smooth_picture((height, width), seed) + 0.4 * fine).clamp(0, 1)


def written(frames, folder):
    """Frames as a video of pictures."""
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        write_picture(folder / f"{i:05d}.png", frame)
    return read_video(folder, fps=Fraction(12))


def made(*arguments, **options):
    return torch.cat(list(interpolate(*arguments, **options)))


@pytest.fixture(scope="module", params=SIZES, ids=["landscape", "portrait"])
def planted(request, tmp_path_factory):
    """A clip of 9 frames, its edit, where its disc is, and what keyframes 0 and 8 make of it."""
    sources, edits, discs = drawn(request.param, 9)
    video = written(sources, tmp_path_factory.mktemp("planted") / "clip")
    return video, edits, discs, made(video, {0: edits[0], 8: edits[8]})


class TestKeyframes:
    def test_are_what_was_given_to_the_bit(self, planted):
        video, edits, _, frames = planted
        assert torch.equal(frames[0], edits[0])
        assert torch.equal(frames[8], edits[8])
        assert frames.shape == (9, 3, *video.size)
        assert frames.dtype == torch.float32
        eight = to_uint8(edits[4])
        assert torch.equal(to_uint8(made(video, {4: eight})[4]), eight)

    def test_a_frame_that_is_changed_afterwards_does_not_change_what_was_given(self, planted):
        video, edits, *_ = planted
        given = edits[0].clone()
        next(interpolate(video, {0: given})).zero_()
        assert torch.equal(given, edits[0])

    def test_all_of_them_given_are_the_result(self, planted):
        video, edits, *_ = planted
        assert torch.equal(made(video, dict(enumerate(edits))), edits)

    def test_of_another_size_are_brought_to_the_clips(self, planted):
        video, edits, *_ = planted
        double = F.interpolate(edits[4:5], scale_factor=2, mode="bicubic")[0].clamp(0, 1)
        frames = made(video, {4: double})
        assert frames.shape[2:] == video.size
        assert psnr(frames[4], edits[4]) > 30


class TestBetween:
    def test_an_edit_moves_with_what_was_edited(self, planted):
        _, edits, discs, frames = planted
        for i in range(1, 8):
            fade = torch.lerp(edits[0], edits[8], i / 8)
            assert psnr(frames[i], edits[i]) > max(24, psnr(fade, edits[i]) + 9), i
            inside = -F.max_pool2d(-discs[i][None].float(), 9, 1, 4)[0] > 0
            assert psnr(frames[i][:, inside], edits[i][:, inside]) > 28, i

    @pytest.mark.parametrize("key", [0, 4, 8])
    def test_one_keyframe_is_followed_before_and_after_it(self, planted, key):
        video, edits, *_ = planted
        frames = made(video, {key: edits[key]})
        for i in {0, 1, 3, 5, 7, 8} - {key}:
            assert psnr(frames[i], edits[i]) > max(20, psnr(edits[key], edits[i]) + 7), i

    def test_nothing_moves_where_the_source_stands_still(self, tmp_path):
        sources, edits, _ = drawn(SIZES[0], 1)
        frames = made(written(sources.repeat(5, 1, 1, 1), tmp_path / "still"), {1: edits[0]})
        assert all(psnr(frame, edits[0]) > 45 for frame in frames)

    def test_what_neither_keyframe_shows_is_the_source_in_the_colours_of_the_edit(self, planted):
        """The look is of the whole frame: what comes into view has it too, and nothing is black or smeared."""
        video, *_ = planted
        sources = video.frames(range(9)).float() / 255
        look = (sources[:, [1, 2, 0]] * 0.8 + 0.1).clamp(0, 1)
        frames = made(video, {0: look[0]})
        fresh = frames[8][..., -2 * STEP_PX * 8 + STEP_PX * 4 :]
        truth = look[8][..., -2 * STEP_PX * 8 + STEP_PX * 4 :]
        assert psnr(fresh, truth) > 22
        assert (fresh.mean((1, 2)) - truth.mean((1, 2))).abs().max() < 0.04

    def test_colours_go_gradually_from_one_keyframe_to_the_other(self, planted):
        video, edits, *_ = planted
        tints = [torch.tensor([0.12, 0.0, -0.08])[:, None, None] * side for side in (-1, 1)]
        frames = made(video, {0: (edits[0] + tints[0]).clamp(0, 1), 8: (edits[8] + tints[1]).clamp(0, 1)})
        red = (frames[:, 0] - edits[:, 0]).mean((1, 2))
        steps = red.diff()
        assert steps.min() > 0
        assert steps.max() < 2 * (red[-1] - red[0]) / 8

    def test_two_textures_do_not_lie_over_each_other(self):
        """A quarter of the way, the detail is the nearer keyframe's."""
        source = torch.full((1, 3, 48, 64), 0.5)
        textures = [torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
        sides = [Side(one, source, torch.ones(1, 1, 48, 64), away) for one, away in zip(textures, (2, 6), strict=True)]
        frame = between(source, sides)
        own, other = (np.corrcoef((one - one.mean()).flatten(), frame.flatten())[0, 1] for one in textures)
        assert own > 0.97
        assert abs(other) < 0.1

    def test_what_is_hidden_in_one_keyframe_comes_from_the_other(self):
        source = rough(48, 64, 3)[None]
        edit = source[:, [1, 2, 0]]
        hidden = torch.ones(1, 1, 48, 64)
        hidden[..., 20:40] = 0
        wrong = torch.where(hidden > 0, edit, torch.zeros_like(edit))
        sides = [Side(wrong, source, hidden, 1), Side(edit, source, torch.ones(1, 1, 48, 64), 9)]
        assert psnr(between(source, sides)[..., 22:38], edit[..., 22:38]) > 35


def test_recolouring_finds_any_linear_map_of_colours_and_holds_it_afar():
    picture = rough(64, 96, 5)[None]
    turn = torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.2, 0.6], [0.8, 0.0, 0.1]])
    wanted = torch.einsum("ij,njhw->nihw", turn, picture) + 0.05
    known = torch.zeros(1, 1, 64, 96)
    known[..., :32] = 1
    garbage = torch.where(known > 0, wanted, torch.zeros_like(wanted))
    found = recoloured(picture, garbage, known)
    assert psnr(found, wanted) > 30
    assert psnr(found[..., 64:], wanted[..., 64:]) > 28


class KnownMotion:
    """A stand-in for a search: a look tells its frame's number, and frames are scaled and shifted, each otherwise."""

    SCALES, SHIFTS = (1, 1, 1.3, 1.3, 0.9, 1.1), (0, 6, 6, -4, 2, 0)

    def look(self, number):
        return torch.full((1, 1, 40, 56), float(number))

    def match(self, targets, sources, start=None):
        if start is not None:
            return start
        pairs = zip(targets[:, 0, 0, 0].long(), sources[:, 0, 0, 0].long(), strict=True)
        return torch.cat([self.truth(int(a), int(b)) for a, b in pairs])

    def truth(self, frame, other):
        y, x = torch.meshgrid(torch.arange(40.0), torch.arange(56.0), indexing="ij")
        at = torch.stack([x, y], -1)
        place = (at - 25 - self.SHIFTS[frame]) / self.SCALES[frame]
        return (place * self.SCALES[other] + 25 + self.SHIFTS[other] - at)[None]


@pytest.mark.parametrize("held", [2, 24])
def test_ways_through_many_frames_are_those_of_each_step_after_the_other(held, monkeypatch):
    monkeypatch.setattr(sys.modules["stablevideo.deflicker.carry"], "HELD", held)
    known = KnownMotion()
    carrier = Carrier(known, known)
    rows, columns = slice(18, 24), slice(22, 32)
    ahead, behind = list(carrier.ahead(0, 5, known.look)), list(carrier.behind(5, 0, known.look))
    for found, key, frames in ((ahead, 0, range(1, 6)), (behind, 5, range(5))):
        for one, frame in zip(found, frames, strict=True):
            assert one.frames == [key]
            assert (one.maps - known.truth(frame, key))[:, rows, columns].abs().max() < 0.01, (frame, key)
            assert one.return_px2[..., rows, columns].max() < 0.01


class TestCuts:
    @pytest.fixture(scope="class")
    def cut(self, tmp_path_factory):
        first, second = drawn(SIZES[0], 5), drawn(SIZES[0], 4, seed=20)
        sources, edits = (torch.cat([a, b]) for a, b in zip(first[:2], second[:2], strict=True))
        return written(sources, tmp_path_factory.mktemp("cut") / "clip"), edits

    def test_are_found(self, cut, planted):
        assert scene_starts(cut[0]) == [0, 5]
        assert scene_starts(planted[0]) == [0]

    def test_nothing_is_carried_across_one(self, cut):
        video, edits = cut
        frames = made(video, {2: edits[2], 6: edits[6]})
        alone = made(video.part(0, 5), {2: edits[2]})
        assert torch.equal(frames[:5], alone)
        assert psnr(frames[5], edits[5]) > 25

    def test_a_scene_without_a_keyframe_is_named(self, cut):
        video, edits = cut
        with pytest.raises(InputError, match="there is no keyframe: 5 to 8;"):
            interpolate(video, {2: edits[2]})


WRONG = {
    "none": (lambda p: {}, "there is no keyframe"),
    "beyond the end": (lambda p: {9: p}, "there is no frame 9; the clip has frames 0 to 8"),
    "negative": (lambda p: {-1: p}, "there is no frame -1"),
    "another shape": (lambda p: {1: p[:, :, :-9]}, "keyframe 1 is .* does not fit"),
    "grey": (lambda p: {1: p[:1]}, r"shape \[1, "),
    "nan": (lambda p: {1: p / 0 * 0}, "keyframe 1 holds values that are no numbers"),
    "0 to 255": (lambda p: {1: p * 255}, "keyframe 1 has values from"),
    "whole numbers": (lambda p: {1: (p * 255).int()}, "int32; give floats in"),
}


@pytest.mark.parametrize(("given", "words"), WRONG.values(), ids=WRONG)
def test_wrong_keyframes_are_one_sentence_at_once(planted, given, words):
    video, edits, *_ = planted
    with pytest.raises(InputError, match=words) as caught:
        interpolate(video, given(edits[1]))
    assert "\n" not in str(caught.value)


def test_clips_too_small_or_very_long_shaped(tmp_path):
    small, long = (torch.rand(2, 3, *size) for size in ((8, 40), (16, 400)))
    with pytest.raises(InputError, match="a clip of 40x8 is too small; give 12 pixels"):
        interpolate(written(small, tmp_path / "small"), {0: small[0]})
    assert made(written(long[:1].repeat(2, 1, 1, 1), tmp_path / "long"), {0: long[0]}).shape == long.shape


def test_options_that_are_none_and_weights_that_are_missing(planted, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="engine"):
        InterpolateOptions(engine="magic")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(InputError, match="use the flow `dis`"):
        interpolate(planted[0], {0: planted[1][0]}, InterpolateOptions(flow="raft"), ckpt=tmp_path)


def test_patches_find_the_way_too(planted):
    video, edits, *_ = planted
    frames = made(video.part(0, 3), {0: edits[0]}, InterpolateOptions(engine="patch"))
    assert torch.equal(frames[0], edits[0])
    assert psnr(frames[2], edits[2]) > psnr(edits[0], edits[2]) + 3


@pytest.mark.parametrize("words", ["scenes", "motion of frame 2", "frame 4 of 9"])
def test_it_stops_when_asked(planted, words):
    told = []

    def stop(share, text):
        told.append(share)
        if text.startswith(words):
            raise Cancelled

    with pytest.raises(Cancelled):
        made(planted[0], {0: planted[1][0]}, progress=stop)
    assert told == sorted(told)


@pytest.mark.slow
def test_frames_are_made_one_after_the_other_and_few_are_held(tmp_path, monkeypatch):
    """The keyframe comes last, so that the way leads back from it; reading goes on where it is asked to."""
    monkeypatch.setattr(sys.modules["stablevideo.deflicker.carry"], "HELD", 4)
    size, count = (32, 40), 60
    sources, edits, _ = drawn(size, count)
    video = written(sources, tmp_path / "long")
    del sources
    frames = interpolate(video, {count - 1: edits[-1].clone()})
    del edits
    most, before = 0, large_tensors(size)
    for i, _ in enumerate(frames):
        if i % 10 == 5:
            most = max(most, large_tensors(size) - before)
    assert i == count - 1
    assert most < 100  # 28 looks, 15 borders, 3 tensors of a few frames; all of the frames' would be 180 and more


def large_tensors(size):
    return sum(isinstance(o, torch.Tensor) and o.numel() >= size[0] * size[1] for o in gc.get_objects())


def test_painted_crops_become_whole_frames(tmp_path):
    clip = make_clip(tmp_path)
    region = keyframe_region(clip, 2)
    top, left, bottom, right = region
    alpha = clip.alpha([2])[0, :, top:bottom, left:right]
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, bottom - top, right - left)
    keyframe = Keyframe.pack(2, region, red, red, red, alpha)
    [(number, frame)] = keyframe_frames(clip, [keyframe]).items()
    source, matte = clip.source([2])[0], clip.alpha([2])[0, 0]
    assert number == 2
    assert torch.equal(frame[:, matte < 0.002], source[:, matte < 0.002])
    assert (frame[:, matte > 0.99] - INK.new_tensor([1.0, 0.0, 0.0])[:, None]).abs().max() < 0.02
    folder = tmp_path / "run" / "keyframes"
    folder.mkdir(parents=True)
    for part in ("before", "hint", "after"):
        write_picture(folder / f"00002-{part}.png", getattr(keyframe, part))
    again = keyframe_frames(clip, saved_keyframes(clip, tmp_path / "run"))
    assert (again[2] - frame).abs().max() < 0.01
    with pytest.raises(InputError, match="holds no keyframes"):
        saved_keyframes(clip, tmp_path)
    (folder / "00002-after.png").rename(folder / "00099-after.png")
    with pytest.raises(InputError, match="of no frame"):
        saved_keyframes(clip, tmp_path / "run")
    smaller = replace(keyframe, pictures=keyframe.pictures[:, ::2, ::2])
    assert keyframe_frames(clip, [smaller])[2].shape[1:] == clip.size


class TestCommand:
    @pytest.fixture
    def clip(self, planted, tmp_path):
        """A folder of the clip's frames, and one with a keyframe."""
        video, edits, *_ = planted
        edited = tmp_path / "edited"
        edited.mkdir()
        write_picture(edited / "frame_v2_0004.png", edits[4])
        return video.path, edited

    def test_writes_a_video(self, clip, run_command, tmp_path, planted):
        output = tmp_path / "out" / "made.mp4"
        done = run_command("interpolate", clip[0], "--keyframes", clip[1], "-o", output, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"video": str(output), "frames": 9, "keyframes": [4]}
        assert psnr(read_video(output).frames([4])[0] / 255, planted[1][4]) > 25

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["look.png"], "look.png has no frame's number"),
            (["4.png", "04.png"], "04.png and 4.png are both of frame 4"),
            (["broken4.jpg"], "broken4.jpg is no picture"),
            ([], "there is no keyframe"),
        ],
        ids=["no number", "twice", "unreadable", "empty"],
    )
    def test_says_what_is_wrong_with_the_keyframes(self, clip, run_command, tmp_path, names, words):
        folder = tmp_path / "wrong"
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(b"no picture")
        done = run_command("interpolate", clip[0], "--keyframes", folder, "-o", tmp_path / "made.mp4")
        assert done.returncode == 2
        assert words in done.stderr
        assert not (tmp_path / "made.mp4").exists()

    def test_wants_keyframes_or_a_run(self, clip, run_command, tmp_path):
        done = run_command("interpolate", clip[0], "-o", tmp_path / "made.mp4")
        assert done.returncode == 2
        assert "--keyframes FOLDER" in done.stderr

    def test_the_keyframes_of_a_run_are_carried_through_its_clip(self, run_command, tmp_path, monkeypatch):
        clip = make_clip(tmp_path)
        command = sys.modules["stablevideo.commands.interpolate"]
        monkeypatch.setattr(command, "clip_folder", lambda data, name: data / name)
        monkeypatch.setattr(command, "load_clip", lambda folder, *_, **__: clip if folder.name == "made" else None)
        folder = tmp_path / "run" / "keyframes"
        folder.mkdir(parents=True)
        top, left, bottom, right = keyframe_region(clip, 2)
        red = torch.tensor([1.0, 0.1, 0.1])[:, None, None].expand(3, bottom - top, right - left)
        for part in ("before", "hint", "after"):
            write_picture(folder / f"00002-{part}.png", red)
        done = run_command("interpolate", "made", "--run", folder.parent, "-o", tmp_path / "red.mp4")
        assert done.returncode == 0, done.stderr
        frames = read_video(tmp_path / "red.mp4").frames(range(6)) / 255
        for frame, alpha in zip(frames, clip.alpha(range(6)), strict=True):
            body = frame[:, alpha[0] > 0.99].mean(1)
            assert body[0] > body[1:].max() + 0.3

    def test_keeps_rate_and_sound(self, planted, run_command, tmp_path):
        video, edits, *_ = planted
        frames = video.frames(range(4)).permute(0, 2, 3, 1).numpy()
        source = encode(tmp_path / "source.mp4", frames, fps=25, sound="aac")
        edited = tmp_path / "edited"
        edited.mkdir()
        write_picture(edited / "0.png", edits[0])
        done = run_command("interpolate", source, "--keyframes", edited, "-o", tmp_path / "made.mp4")
        assert done.returncode == 0, done.stderr
        found = read_video(tmp_path / "made.mp4")
        assert (found.fps, found.has_audio, len(found)) == (25, True, 4)
