"""Frames painted side by side: against frames painted alone, and by what holds between frames; small, few steps."""

import copy
import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from diffusers import LCMScheduler, MultiControlNetModel
from torch.nn.functional import avg_pool2d

from stablevideo import Cancelled, InputError, RestyleOptions, load_editor, read_video, restyle
from stablevideo.deflicker import deflickered
from stablevideo.diffusion import frames as frames_module
from stablevideo.diffusion.frames import FrameHints, paint_frames
from stablevideo.diffusion.hints import Hint, canny
from stablevideo.diffusion.memory import offload_modules
from stablevideo.diffusion.schedule import EvenDDIM
from stablevideo.diffusion.smoothing import decoded, smoothing
from stablevideo.diffusion.windows import shares, smoothing_steps, triangle, windows
from stablevideo.video.pictures import to_uint8, write_picture
from tests.clips import psnr, smooth_picture

SIZE = (64, 96)
PROMPT = "a red wall"
QUICK = RestyleOptions(steps=3, guidance=2.0, window=4, attention=0, seed=5)
TOGETHER = replace(QUICK, attention=8)


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_collected():
    """It takes longer than painting anything so small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stablevideo.diffusion.memory.free_memory", lambda: None)
        yield


def edges(count, size=SIZE):
    """Grey hints of different pictures."""
    made = [canny(20, 60)(smooth_picture(size, seed), size)[:1] for seed in range(count)]
    return FrameHints("canny", to_uint8(torch.stack(made)))


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def paint(editor, hints, options, **others):
    """All frames [T, 3, h, w]."""
    hints = hints if isinstance(hints, list) else [hints]
    return torch.cat(list(decoded(editor, paint_frames(editor, PROMPT, hints, options, seeded(), **others))))


def mean_of_three(frames):
    """The stand-in for deflickering: each frame with its neighbours, wherever things move."""
    kept = list(frames)
    for i in range(len(kept)):
        yield torch.cat(kept[max(0, i - 1) : i + 2]).mean(0, keepdim=True)


class TestWindows:
    @pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 64])
    @pytest.mark.parametrize("overlap", [True, False])
    def test_cover_every_frame_and_their_shares_sum_to_one(self, length, overlap):
        for count in range(1, 40):
            spans = windows(count, length, overlap)
            total, places = torch.zeros(count), range(count)
            for span, share in zip(spans, shares(count, spans), strict=True):
                assert len(places[span]) == min(length, count) == len(share)
                assert share.min() > 0
                total[span] += share
            assert torch.allclose(total, torch.ones(count), atol=1e-6)
            assert spans[0].start == 0
            assert spans[-1].stop == count
            assert all(before.start < after.start for before, after in pairwise(spans))

    def test_overlap_by_half_and_fade_into_each_other(self):
        assert [span.start for span in windows(24, 8)] == [0, 4, 8, 12, 16]
        assert [span.start for span in windows(24, 8, overlap=False)] == [0, 8, 16]
        assert [span.start for span in windows(10, 8)] == [0, 2]
        assert triangle(8).tolist() == [1, 2, 3, 4, 4, 3, 2, 1]
        assert triangle(5).tolist() == [1, 2, 3, 2, 1]
        share = shares(24, windows(24, 8))[2]
        assert share[0] == share[-1] == pytest.approx(0.2)

    def test_smoothing_is_at_the_end_of_each_quarter_but_the_last(self):
        assert smoothing_steps(20) == {4, 9, 14}
        assert smoothing_steps(1) == frozenset()
        for steps in range(2, 101):
            chosen = smoothing_steps(steps)
            assert 1 <= len(chosen) <= 3
            assert min(chosen) >= 0
            assert max(chosen) < steps - 1


class TestPainting:
    @pytest.mark.parametrize(
        "options",
        [replace(QUICK, window=1), replace(QUICK, window=1, guidance=1.0), replace(QUICK, window=1, eta=0.8)],
        ids=["guided", "unguided", "fresh noise"],
    )
    def test_a_frame_that_looks_at_no_other_is_what_the_editor_paints(self, editor, options):
        hints = edges(2)
        painted = paint(editor, hints, options)
        for hint, frame in zip(hints.hints, painted, strict=True):
            alone = editor.paint(PROMPT, Hint("canny", (hint / 255).expand(3, -1, -1)), options, seeded())
            assert torch.allclose(frame, alone, atol=1e-6)
        assert (painted[0] - painted[1]).abs().mean() > 0.01

    def test_the_only_frame_is_a_picture_whatever_the_window(self, editor):
        hints = edges(1)
        painted = paint(editor, hints, TOGETHER, smooth=mean_of_three)
        alone = editor.paint(PROMPT, Hint("canny", (hints.hints[0] / 255).expand(3, -1, -1)), QUICK, seeded())
        assert torch.allclose(painted[0], alone, atol=1e-4)

    def test_how_frames_are_batched_does_not_matter(self, editor):
        few, hints = replace(QUICK, steps=2), edges(4)
        expected = paint(editor, hints, replace(few, window=1))
        for window in (3, 64):
            assert torch.allclose(paint(editor, hints, replace(few, window=window)), expected, atol=1e-4)

    def test_one_window_at_a_time_is_in_the_network(self, editor, monkeypatch):
        batches, forward = [], editor.pipeline.unet.forward

        def spy(sample, *others, **named):
            batches.append(len(sample))
            return forward(sample, *others, **named)

        monkeypatch.setattr(editor.pipeline.unet, "forward", spy)
        paint(editor, edges(7), replace(TOGETHER, steps=1, window=3))
        assert batches == [6] * 5

    @pytest.mark.slow
    @pytest.mark.parametrize("attention", [0, 2])
    def test_a_still_clip_stays_still_where_noise_is_shared(self, editor, attention):
        still = FrameHints("canny", edges(1).hints.repeat(4, 1, 1, 1))
        options = replace(QUICK, steps=2, attention=attention, window=3)
        apart = paint(editor, still, options).diff(dim=0).abs()
        assert apart.max() < 1e-3
        apart = paint(editor, still, replace(options, shared_noise=False)).diff(dim=0).abs()
        assert apart.mean(dim=(1, 2, 3)).min() > 0.005

    def test_fresh_noise_is_shared_too(self, editor):
        still = FrameHints("canny", edges(1).hints.repeat(3, 1, 1, 1))
        assert paint(editor, still, replace(QUICK, eta=1.0)).diff(dim=0).abs().max() < 1e-3

    @pytest.mark.slow
    def test_a_frame_sees_its_window_and_through_overlaps_the_others(self, editor):
        """The embedded model attends before hints come in: from the second step on, to what they left of the first."""
        hints, other = edges(5), edges(5)
        other.hints[0] = 255 - other.hints[0]
        for window, attention, reached in ((2, 8, 3), (5, 1, 3), (5, 0, 1)):
            options = replace(QUICK, window=window, attention=attention)
            both = [paint_frames(editor, PROMPT, [each], options, seeded()) for each in (hints, other)]
            moved = (both[0] - both[1]).abs().amax((1, 2, 3))
            assert moved[:reached].min() > 0
            assert moved[reached:].max() == 0

    def test_chroma_has_a_say_where_it_is_asked_for(self, editor, loud_attention):
        hints, options = edges(2), replace(TOGETHER, colour_bias=500.0)
        grey, split = torch.zeros(2, 2, 16, 24), torch.zeros(2, 2, 16, 24)
        split[:, 0, :, 12:] = 0.5
        same = paint(editor, hints, options, chroma=grey)
        assert torch.allclose(same, paint(editor, hints, TOGETHER), atol=2e-5)
        assert (same - paint(editor, hints, options, chroma=split)).abs().max() > 1e-4

    @pytest.mark.parametrize("window", [2, 8])
    def test_stopped_it_leaves_the_model_as_it_was(self, editor, window):
        hint = torch.zeros(3, *SIZE)
        before = editor.paint(PROMPT, Hint("canny", hint), QUICK, seeded())
        processors, controlnet = editor.pipeline.unet.attn_processors, editor.pipeline.controlnet

        def stop(fraction, text):
            if fraction > 0.4:
                raise Cancelled

        with pytest.raises(Cancelled):
            paint(editor, edges(4), replace(TOGETHER, window=window), smooth=mean_of_three, progress=stop)
        after = editor.pipeline.unet.attn_processors
        assert all(after[name] is processors[name] for name in processors)
        assert editor.pipeline.controlnet is controlnet
        assert torch.equal(editor.paint(PROMPT, Hint("canny", hint), QUICK, seeded()), before)

    def test_progress_rises_to_the_end_and_names_frames(self, editor):
        told = []
        paint(editor, edges(5), TOGETHER, smooth=mean_of_three, progress=lambda *now: told.append(now))
        fractions = [fraction for fraction, _ in told]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1
        assert told[0][1] == "step 1 of 3, frames 0 to 3"
        assert "step 2 of 3, smoothing frame 5 of 5" in [text for _, text in told]


class TestSmoothing:
    def test_what_changes_nothing_changes_nothing(self, editor):
        assert torch.equal(paint(editor, edges(3), TOGETHER, smooth=lambda f: f), paint(editor, edges(3), TOGETHER))

    @pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
    def test_a_redirected_prediction_foresees_what_was_asked(self, kind):
        scheduler = EvenDDIM(prediction_type=kind, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
        draw = torch.Generator().manual_seed(0)
        said, sample, change = torch.randn(3, 2, 4, 6, 5, generator=draw).double()
        for timestep in torch.tensor([999, 500, 1]):
            clean = scheduler.foreseen(said, timestep, sample)
            redirected = scheduler.redirected(said, timestep, change)
            assert torch.allclose(scheduler.foreseen(redirected, timestep, sample), clean + change, atol=1e-4)
            # What the sample is made of, put together again at its own noise, is the sample.
            alpha = scheduler.alphas_cumprod[timestep]
            both = scheduler._split(redirected, sample, alpha.sqrt(), (1 - alpha).sqrt())
            assert torch.allclose(alpha.sqrt() * both[0] + (1 - alpha).sqrt() * both[1], sample, atol=1e-4)

    def test_it_gets_all_frames_as_pictures_at_the_chosen_steps(self, editor):
        seen, steps = [], []

        def smooth(frames):
            seen.append([])
            for frame in frames:
                seen[-1].append(frame)
                yield frame

        paint(
            editor, edges(3), replace(QUICK, steps=8), smooth=smooth,
            progress=lambda _, text: steps.append(text.split()[1]) if "smoothing" in text else None,
        )  # fmt: skip
        assert list(dict.fromkeys(steps)) == ["2", "4", "6"]
        assert [len(frames) for frames in seen] == [3] * 3
        for frame in [frame for frames in seen for frame in frames]:
            assert frame.shape == (1, 3, *SIZE)
            assert frame.min() >= 0
            assert frame.max() <= 1
            assert frame.std() > 0.01

    def test_frames_become_what_it_makes_of_them(self, editor):
        wanted, clean = smooth_picture(SIZE, 3)[None], paint_frames(editor, PROMPT, [edges(2)], QUICK, seeded())
        change = smoothing(editor, clean, lambda frames: (wanted for _ in frames))
        assert all(psnr(frame, wanted) > 28 for frame in decoded(editor, clean + change))
        far = paint_frames(editor, PROMPT, [edges(2)], QUICK, seeded(), smooth=lambda frames: (wanted for _ in frames))
        apart = [psnr(torch.cat(list(decoded(editor, each))), wanted) for each in (clean, far)]
        assert apart[1] > apart[0] + 3

    def test_a_mean_along_time_brings_frames_together(self, editor):
        # At large: this model's samples say nothing of it, so smoothing is all that does; texture is drawn afterwards.
        step = lambda frames: avg_pool2d(frames, 16).diff(dim=0).square().mean()  # noqa: E731
        options = replace(QUICK, shared_noise=False)
        still = FrameHints("canny", edges(1).hints.repeat(3, 1, 1, 1))
        assert step(paint(editor, still, options, smooth=mean_of_three)) < 0.85 * step(paint(editor, still, options))

    @pytest.mark.parametrize("smooth", [lambda f: list(f)[1:], lambda f: [*f, *f, torch.zeros(1, 3, *SIZE)]])
    def test_a_frame_too_few_or_too_many_is_refused(self, editor, smooth):
        with pytest.raises(ValueError, match="a frame for each"):
            paint(editor, edges(2), replace(QUICK, steps=2), smooth=smooth)

    def test_frames_of_another_size_are_refused(self, editor):
        with pytest.raises(ValueError, match=r"in its size, got \[1, 3, 64, 64\]"):
            paint(editor, edges(2), replace(QUICK, steps=2), smooth=lambda f: (x[..., :64] for x in f))


@pytest.fixture(scope="module")
def two(ckpt, tmp_path_factory):
    """The embedded model with a second ControlNet, of random values, for depth."""
    folder = tmp_path_factory.mktemp("ckpt")
    shutil.copytree(ckpt / "embedded", folder / "two")
    shutil.copytree(folder / "two" / "controlnet", folder / "two" / "controlnet_depth")
    editor = load_editor("two", folder, "cpu")
    torch.manual_seed(0)
    for parameter in editor.controlnets["depth"].parameters():
        parameter.mul_(1 + 0.3 * torch.randn_like(parameter))
    return editor


class TestSeveralHints:
    def both(self, canny_strength, depth_strength):
        depth = FrameHints(
            "depth", to_uint8(torch.stack([smooth_picture(SIZE, 7 + i) for i in range(2)])), depth_strength
        )
        return [replace(edges(2), strength=canny_strength), depth]

    def test_their_strengths_matter_and_none_is_as_if_it_were_not_there(self, two):
        options = replace(QUICK, steps=1, guidance=1.0)
        lines, depth = self.both(0.7, 0.7)
        alone = {each.kind: paint(two, [each], options) for each in (lines, depth)}
        assert torch.allclose(paint(two, self.both(0.7, 0.0), options), alone["canny"], atol=1e-4)
        assert torch.allclose(paint(two, self.both(0.0, 0.7), options), alone["depth"], atol=1e-4)
        together = paint(two, [lines, depth], options)
        for other in (*alone.values(), paint(two, self.both(0.3, 0.7), options)):
            assert (together - other).abs().mean() > 1e-3
        scaled = paint(two, self.both(1.4, 1.4), replace(options, hint_scale=0.5))
        assert torch.allclose(scaled, together, atol=1e-4)

    def test_afterwards_the_editor_paints_as_before(self, two):
        hint = torch.zeros(3, *SIZE)
        before = two.paint(PROMPT, Hint("depth", hint), QUICK, seeded())

        def stop(fraction, text):
            assert isinstance(two.pipeline.controlnet, MultiControlNetModel)
            raise Cancelled

        with pytest.raises(Cancelled):
            paint(two, self.both(0.5, 0.5), QUICK, progress=stop)
        assert two.pipeline.controlnet is two.controlnets["canny"]
        assert torch.equal(two.paint(PROMPT, Hint("depth", hint), QUICK, seeded()), before)

    def test_where_modules_wait_on_the_cpu_nothing_stays_on_the_device(self, two, monkeypatch):
        """Both places are the same memory here; where a module was sent is told by the index in `cpu:0`."""
        editor = replace(two, pipeline=copy.copy(two.pipeline))
        places, move = {}, torch.nn.Module.to

        def to(module, *arguments, **others):
            if arguments and isinstance(arguments[0], str | torch.device):
                for part in getattr(module, "nets", [module]):
                    places[id(part)] = str(arguments[0])
            return move(module, *arguments, **others)

        monkeypatch.setattr(torch.nn.Module, "to", to)
        offload_modules(editor.pipeline, torch.device("cpu"))
        known = {"unet": editor.pipeline.unet, "vae": editor.pipeline.vae, **editor.controlnets}
        on_device = lambda: {name for name, module in known.items() if places[id(module)] == "cpu:0"}  # noqa: E731
        for controlnet in editor.controlnets.values():
            places.setdefault(id(controlnet), "cpu")
        seen = {}
        try:
            painted = paint(
                editor, self.both(0.5, 0.5), replace(QUICK, steps=2), smooth=mean_of_three,
                progress=lambda _, text: seen.setdefault("smoothing" in text, on_device()),
            )  # fmt: skip
            assert seen == {False: {"unet", "canny", "depth"}, True: {"vae"}}
            assert on_device() == set()
        finally:
            editor.pipeline.remove_all_hooks()
        expected = paint(two, self.both(0.5, 0.5), replace(QUICK, steps=2), smooth=mean_of_three)
        assert torch.equal(painted, expected)


def moving(folder, count=4, size=(60, 90), speed=3, noise=0.0):
    """A clip of a picture that slides to the left, with noise of each frame's own."""
    wide = smooth_picture((size[0], size[1] + speed * count), 4)
    draw = torch.Generator().manual_seed(0)
    folder.mkdir(exist_ok=True)
    frames = [wide[:, :, speed * i : speed * i + size[1]] for i in range(count)]
    for i, frame in enumerate(frames):
        write_picture(folder / f"{i:03d}.png", frame)
    noisy = [(frame + noise * torch.randn(frame.shape, generator=draw)).clamp(0, 1)[None] for frame in frames]
    return read_video(folder, fps=Fraction(12)), torch.stack(frames), noisy


class TestWhatSteadies:
    def test_flicker_goes_and_what_moves_stays_sharp(self, tmp_path):
        guide, clean, noisy = moving(tmp_path / "clip", noise=0.05)
        steadied = torch.cat(list(deflickered(iter(noisy), guide)))
        assert psnr(steadied, clean) > psnr(torch.cat(noisy), clean) + 3
        assert psnr(steadied, clean) > psnr(torch.cat(list(mean_of_three(noisy))), clean) + 3

    @pytest.mark.parametrize(("count", "said"), [(3, "fewer"), (5, "more")])
    def test_frames_that_are_not_the_guide_s(self, tmp_path, count, said):
        guide, _, noisy = moving(tmp_path / "clip")
        with pytest.raises(ValueError, match=f"{said} frames than the 4"):
            list(deflickered(iter((noisy * 2)[:count]), guide))


@pytest.fixture
def small(monkeypatch):
    # By its file: `stablevideo.deflicker` is also the name of a function.
    monkeypatch.setattr(sys.modules["stablevideo.deflicker.restyle"], "paint_size", lambda size, resolution: SIZE)


@pytest.mark.usefixtures("small")
class TestRestyle:
    def test_frames_of_the_video_s_own_size_and_all_that_is_needed_to_run_it_again(self, tmp_path, editor):
        video, _, _ = moving(tmp_path / "clip", size=(50, 81))
        made = restyle(video, PROMPT, editor, replace(TOGETHER, steps=2, seed=-1))
        frames = list(made.frames)
        assert [tuple(frame.shape) for frame in frames] == [(1, 3, 50, 81)] * 4
        assert all(frame.min() >= 0 and frame.max() <= 1 for frame in frames)
        assert made.settings["seed"] >= 0
        assert (made.settings["video"], made.settings["hints"]) == ("clip", "canny 1")
        again = {name: made.settings[name] for name in vars(TOGETHER)}
        repeated = list(restyle(video, made.settings["prompt"], editor, RestyleOptions(**again)).frames)
        assert all(torch.equal(a, b) for a, b in zip(frames, repeated, strict=True))

    def test_hints_are_the_source_s_and_steadying_is_told_of_the_video(self, tmp_path, editor, monkeypatch):
        video, _, _ = moving(tmp_path / "clip", size=SIZE)
        told, given = [], []
        monkeypatch.setattr(
            frames_module, "paint_frames",
            lambda *a: given.append(a) or paint_frames(*a),
        )  # fmt: skip
        options = replace(QUICK, steps=1, canny_low=20, canny_high=60, colour_bias=1.0)
        list(restyle(video, PROMPT, editor, options, smoother=lambda f, v: told.append(v) or f).frames)
        (hints,), chroma = given[0][2], given[0][5]
        for i, picture in enumerate(video.frames(range(4))):
            assert torch.equal(hints.hints[i], to_uint8(canny(20, 60)(picture / 255, SIZE)[:1]))
        assert chroma.shape == (4, 2, 16, 24)
        assert chroma.std() > 0.01
        assert told == [video]
        list(restyle(video, PROMPT, editor, replace(options, deflicker=False), smoother=lambda f, v: 1 / 0).frames)

    def test_a_picture_is_painted_as_a_picture(self, tmp_path, editor):
        video = moving(tmp_path / "clip", count=1, size=SIZE)[0]
        frames = list(restyle(video, PROMPT, editor, replace(QUICK, steps=2)).frames)
        hint = canny(QUICK.canny_low, QUICK.canny_high)(video.frames([0])[0] / 255, SIZE)
        alone = editor.paint(PROMPT, Hint("canny", hint), replace(QUICK, steps=2), seeded())
        assert torch.allclose(frames[0][0], alone, atol=1e-4)

    def test_the_last_to_have_a_say_is_what_steadies(self, tmp_path, editor):
        video = moving(tmp_path / "clip", size=SIZE)[0]
        wanted, seen = smooth_picture(SIZE, 3)[None], []

        def smoother(frames, guide):
            for frame in frames:
                seen.append(frame)
                yield wanted

        frames = list(restyle(video, PROMPT, editor, replace(QUICK, steps=2), smoother=smoother).frames)
        assert len(seen) == 8
        assert all(torch.equal(frame, wanted) for frame in frames)

    def test_sharpening_sharpens(self, tmp_path, editor):
        video = moving(tmp_path / "clip", count=1)[0]
        detail = []
        for amount in (0.0, 1.0):
            (frame,) = restyle(video, PROMPT, editor, replace(QUICK, steps=2, sharpen=amount)).frames
            detail.append(cv2.Laplacian(frame[0].mean(0).numpy(), cv2.CV_32F).std())
        assert detail[1] > 1.2 * detail[0]

    @pytest.mark.slow
    def test_progress_may_stop_it_at_any_time(self, tmp_path, editor):
        video = moving(tmp_path / "clip")[0]
        processors = editor.pipeline.unet.attn_processors
        told = []
        options = replace(TOGETHER, steps=2)
        list(restyle(video, PROMPT, editor, options, progress=lambda *now: told.append(now[0])).frames)
        assert told == sorted(told)
        assert told[-1] == pytest.approx(1)
        for moment in np.linspace(0, len(told) - 1, 3).astype(int):
            left = iter([None] * moment)

            def stop(fraction, text, left=left):
                if next(left, 0) == 0:
                    raise Cancelled

            with pytest.raises(Cancelled):
                list(restyle(video, PROMPT, editor, options, progress=stop).frames)
            after = editor.pipeline.unet.attn_processors
            assert all(after[name] is processors[name] for name in processors)

    @pytest.mark.parametrize(
        ("prompt", "options", "said"),
        [
            (" ", QUICK, "the prompt is empty"),
            ("x", replace(QUICK, hints="depth 0.5, canny"), "embedded follows canny and picture, got the hint 'depth'"),
        ],
    )
    def test_wrong_input_is_a_sentence_before_any_work(self, tmp_path, editor, prompt, options, said):
        video = moving(tmp_path / "clip")[0]
        with pytest.raises(InputError, match=said):
            restyle(video, prompt, editor, options, progress=lambda *_: 1 / 0)

    def test_a_model_that_draws_fresh_noise_is_refused(self, tmp_path, editor):
        pipeline = copy.copy(editor.pipeline)
        pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
        with pytest.raises(InputError, match="embedded draws fresh noise at each step.*; choose another model"):
            restyle(moving(tmp_path / "clip")[0], "x", replace(editor, pipeline=pipeline), QUICK)

    def test_the_safety_checker_names_the_frame(self, tmp_path, editor, monkeypatch):
        flagged = iter([[False], [True]])
        monkeypatch.setattr(type(editor.pipeline), "run_safety_checker", lambda *_: (None, next(flagged)))
        made = restyle(moving(tmp_path / "clip")[0], PROMPT, editor, replace(QUICK, steps=1))
        with pytest.raises(InputError, match="held frame 1 back"):
            list(made.frames)


class TestWrongInput:
    @pytest.mark.parametrize("hints", ["", "canny 1 1", "canny x", "canny -1", "canny 3", "canny, canny 1", "canny,"])
    def test_hints_that_are_none(self, hints):
        with pytest.raises(InputError, match="hints must be auto, or such as 'depth 0.5, canny 0.5'.*got"):
            RestyleOptions(hints=hints)

    def test_hints_as_they_are_typed(self):
        assert RestyleOptions().strengths() == {}
        assert RestyleOptions(hints="depth 0.5,canny").strengths() == {"depth": 0.5, "canny": 1.0}

    @pytest.mark.parametrize(
        ("hints", "said"),
        [
            ([], "no hint"),
            ([FrameHints("depth", torch.zeros(1, 1, 64, 64, dtype=torch.uint8))], "got the hint 'depth'"),
            ([FrameHints("canny", torch.zeros(1, 1, 64, 64))], "must be uint8"),
            ([FrameHints("canny", torch.zeros(0, 1, 64, 64, dtype=torch.uint8))], r"got \[0, 1, 64, 64\]"),
            ([edges(1), edges(2)], r"as many frames and one size, got \[\(1, 64, 96\), \(2, 64, 96\)\]"),
            ([edges(2, (64, 66))], "divisible by 4, got 66x64"),
        ],
    )
    def test_hints_that_do_not_fit(self, editor, hints, said):
        with pytest.raises(InputError, match=said):
            paint_frames(editor, PROMPT, hints, QUICK, seeded())

    def test_too_many_steps_and_no_chroma(self, editor):
        few = replace(editor, spec=replace(editor.spec, most_steps=2))
        with pytest.raises(InputError, match="embedded takes at most 2 steps, got 3"):
            paint_frames(few, PROMPT, [edges(1)], QUICK, seeded())
        with pytest.raises(InputError, match="needs the chroma"):
            paint_frames(editor, PROMPT, [edges(1)], replace(QUICK, colour_bias=1.0), seeded())
