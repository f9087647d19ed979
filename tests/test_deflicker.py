"""Deflickering: flicker planted in small clips whose motion is known, and taken out again."""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from stablevideo import Cancelled, DeflickerOptions, InputError, deflicker, read_video
from stablevideo.deflicker import deflickered
from stablevideo.deflicker.correspondence import Correspondence, Neighbours, compose
from stablevideo.deflicker.filters import laplacian
from stablevideo.deflicker.flicker import fitting_radius, flicker
from stablevideo.deflicker.flow_match import FlowMatch
from stablevideo.deflicker.gaps import bridged
from stablevideo.deflicker.patch_look import PatchLook
from stablevideo.deflicker.rehearse import NO_WOBBLE_PX, wobble_px
from stablevideo.video.flow import dense_inverse_search
from stablevideo.video.pictures import write_picture
from tests.clips import psnr

SIZE, COUNT, RADIUS = (96, 144), 13, 4
SPEED_PX = 2
MODES = ("accurate", "balanced", "fast")


def texture(size, seed):
    """A picture [3, H, W] with detail of every size."""
    draw = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, *size)
    for cell, share in ((24, 0.5), (8, 0.3), (3, 0.2)):
        coarse = torch.rand(1, 3, size[0] // cell + 3, size[1] // cell + 3, generator=draw)
        total += share * F.interpolate(coarse, size, mode="bicubic", align_corners=False)
    return total[0].clamp(0, 1)


def panned(count=COUNT, size=SIZE, seed=1):
    """Frames [1, 3, H, W] of a picture that slides to the left, and a square on it that goes the other way."""
    wide, patch = texture((size[0], size[1] + SPEED_PX * count), seed), texture((24, 24), seed + 1)
    top = size[0] // 3 - 2
    frames = []
    for i in range(count):
        frame = wide[:, :, SPEED_PX * i : SPEED_PX * i + size[1]].clone()
        left = min(10 + 3 * i, size[1] - 24)
        frame[:, top : top + 24, left : left + 24] = patch
        frames.append(frame[None])
    return frames


def gain(frames, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [(f * (1 + 0.12 * torch.randn(1, 3, 1, 1, generator=draw))).clamp(0, 1) for f in frames]


def noise(frames, seed=0):
    """A patch of noise in each frame, each time elsewhere."""
    draw, noisy = torch.Generator().manual_seed(seed), []
    for frame in frames:
        top, left = (int(torch.randint(0, side - 24, (1,), generator=draw)) for side in SIZE)
        frame = frame.clone()
        frame[..., top : top + 24, left : left + 24] += 0.2 * torch.randn(1, 3, 24, 24, generator=draw)
        noisy.append(frame.clamp(0, 1))
    return noisy


def grained(frames, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [(f + 0.05 * torch.randn(f.shape, generator=draw)).clamp(0, 1) for f in frames]


def flecked(frames, seed=0):
    """A texture on each frame, every time another."""
    draw, made = torch.Generator().manual_seed(seed), []
    for frame in frames:
        drawn = torch.randn(1, 1, frame.shape[2] // 3, frame.shape[3] // 3, generator=draw)
        made.append((frame + 0.06 * F.interpolate(drawn, frame.shape[2:], mode="bicubic")).clamp(0, 1))
    return made


def wobbled(frames, seed=0):
    """Each frame's parts moved about by a pixel and a half."""
    draw, moved = torch.Generator().manual_seed(seed), []
    for frame in frames:
        field = F.interpolate(torch.randn(1, 2, 5, 6, generator=draw), frame.shape[2:], mode="bicubic")
        unit = torch.eye(2, 3)[None]
        grid = F.affine_grid(unit, list(frame.shape), align_corners=False)
        step = torch.tensor([2 / frame.shape[3], 2 / frame.shape[2]]) * 1.5
        moved.append(
            F.grid_sample(frame, grid + field.permute(0, 2, 3, 1) * step, "bicubic", "border", align_corners=False)
        )
    return [frame.clamp(0, 1) for frame in moved]


@pytest.fixture(scope="module")
def clean():
    return panned()


@pytest.fixture(scope="module")
def guide(clean, tmp_path_factory):
    return stored(clean, tmp_path_factory.mktemp("guide"))


def stored(frames, folder):
    folder.mkdir(exist_ok=True)
    for i, frame in enumerate(frames):
        write_picture(folder / f"{i:03d}.png", frame[0])
    return read_video(folder, fps=Fraction(12))


def steadied(frames, guide=None, mode="balanced", radius=RADIUS, matcher=None):
    return list(deflickered(iter(frames), guide, matcher, radius, mode))


def off(frames, wanted):
    return psnr(torch.cat(frames), torch.cat(wanted))


def step_error(frames):
    """How far each frame is from the one before, moved along as the background moves."""
    pairs = itertools.pairwise(frames)
    return sum(float((a[..., SPEED_PX:] - b[..., :-SPEED_PX]).square().mean()) for a, b in pairs)


def sharpness(frames):
    return float(laplacian(torch.cat(frames)).var())


class TestWhatFlickersBecomesSteady:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("guided", [True, False])
    def test_light_and_colour(self, clean, guide, guided, mode):
        planted = gain(clean)
        made = steadied(planted, guide if guided else None, mode)
        assert off(made, clean) > off(planted, clean) + 4
        assert step_error(made) < 1.25 * step_error(clean)
        assert sharpness(made) > 0.9 * sharpness(planted)

    @pytest.mark.slow
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("guided", [True, False])
    def test_patches_of_noise(self, clean, guide, guided, mode):
        planted = noise(clean)
        made = steadied(planted, guide if guided else None, mode)
        assert off(made, clean) > off(planted, clean) + 4
        assert all(psnr(a, c) > psnr(b, c) for a, b, c in zip(made, planted, clean, strict=True))

    @pytest.mark.parametrize("guided", [True, False])
    def test_grain_of_every_frame_s_own(self, clean, guide, guided):
        planted = grained(clean)
        made = steadied(planted, guide if guided else None)
        assert off(made, clean) > off(planted, clean) + 3
        assert step_error(made) < 0.6 * step_error(planted)

    @pytest.mark.slow
    @pytest.mark.parametrize("guided", [True, False])
    def test_wobble(self, guided, tmp_path):
        clean = panned(25)
        planted, held_to = wobbled(clean), stored(clean, tmp_path / "guide") if guided else None
        made = {mode: steadied(planted, held_to, mode, 8) for mode in ("accurate", "balanced")}
        assert off(made["accurate"][4:-4], clean[4:-4]) > off(planted[4:-4], clean[4:-4]) + 2
        left, planted_too = (step_error(f[4:-4]) - step_error(clean[4:-4]) for f in (made["accurate"], planted))
        assert left < 0.5 * planted_too
        # The mean of what wobbles is blurred; brought into place first, it is not.
        assert off(made["accurate"], clean) > off(made["balanced"], clean) + 1
        assert sharpness(made["accurate"]) > 0.9 * sharpness(planted)

    @pytest.mark.slow
    def test_by_patches(self, clean, guide):
        planted = noise(clean[:6])
        short = stored(clean[:6], guide.path.parent / "short")
        made = steadied(planted, short, "balanced", 3, PatchLook(0))
        assert off(made, clean[:6]) > off(planted, clean[:6]) + 4
        assert torch.equal(torch.cat(made), torch.cat(steadied(planted, short, "balanced", 3, PatchLook(0))))


class TestWhatIsSteadyStays:
    @pytest.mark.slow
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("guided", [True, False])
    def test_a_clean_clip(self, clean, guide, guided, mode):
        made = steadied(clean, guide if guided else None, mode)
        assert off(made, clean) > 38
        assert sharpness(made) > 0.9 * sharpness(clean)

    def test_a_still_one_and_what_lies_beside_it(self):
        still = [texture((50, 70), 3)[None]] * 7
        assert off(steadied(still), still) > 50

    def test_nothing_comes_through_a_cut(self):
        first, second = panned(7, seed=1), panned(7, seed=30)
        both = gain([*first, *second])
        made = steadied(both)
        alone = [*steadied(both[:7]), *steadied(both[7:])]
        assert torch.allclose(torch.cat(made), torch.cat(alone), atol=1e-5)

    def test_a_white_frame_harms_nobody(self, clean):
        flashed = [torch.ones_like(f) if i == 6 else f for i, f in enumerate(clean)]
        made = steadied(flashed)
        others = [i for i in range(COUNT) if i != 6]
        assert off([made[i] for i in others], [clean[i] for i in others]) > 38


class Told:
    """A `Matcher` of frames that are stretched and shifted in turn, which know their numbers."""

    @staticmethod
    def way(frame, other):
        x = torch.arange(160.0)
        scale, shift = zip(*((1.2 ** ((i + 1) // 2), 3.0 * (i // 2)) for i in (frame, other)), strict=True)
        end = 80 + (x - 80 - shift[0]) / scale[0] * scale[1] + shift[1]
        return F.pad((end - x).expand(1, 20, 160)[..., None], (0, 1))

    def match(self, targets, sources, start=None):
        numbers = [(100 * looks[:, 0, 0, 0]).round().int().tolist() for looks in (targets, sources)]
        return torch.cat([self.way(i, j) for i, j in zip(*numbers, strict=True)])


class TestMaps:
    def test_they_go_where_the_picture_goes(self):
        frames = panned(9)
        known = Correspondence(FlowMatch(dense_inverse_search()), 4)
        known.add(0, [known.matcher.look(frame, None) for frame in frames])
        near = known.neighbours(4, [1, 3, 6, 8])
        inner = near.maps[:, 65:90, 20:120]
        wanted = torch.tensor([SPEED_PX * (4 - j) for j in near.frames])
        assert torch.allclose(inner[..., 0].median(2).values.median(1).values, wanted.float(), atol=0.1)
        assert inner[..., 1].abs().mean() < 0.1
        assert near.trust[:, :, 65:90, 20:120].mean() > 0.9

    @pytest.mark.slow
    def test_searches_grow_with_the_logarithm_of_the_radius(self):
        frames = panned(20)
        counts = {}
        for radius in (4, 16):
            known = Correspondence(FlowMatch(dense_inverse_search()), radius)
            known.add(0, [known.matcher.look(frame, None) for frame in frames])
            counts[radius] = known.searches
        assert counts[4] == 2 * (19 + 18 + 16)
        assert counts[16] == counts[4] + 2 * (12 + 4)

    def test_composed_maps_lead_to_the_end(self):
        first, second = torch.full((1, 8, 9, 2), 1.0), torch.zeros(1, 8, 9, 2)
        second[..., 0] = torch.arange(9.0)
        assert torch.allclose(compose(first, second)[0, 3, 2], torch.tensor([4.0, 1.0]))

    def test_there_and_back_ends_at_the_start_however_things_move(self):
        known = Correspondence(Told(), 4)
        known.add(0, [torch.full((1, 1, 20, 160), i / 100) for i in range(8)])
        near = known.neighbours(2, [0, 1, 3, 5, 6])  # 5 is found by way of 4
        wanted = torch.cat([Told.way(2, j) for j in near.frames])
        assert torch.allclose(near.maps[:, :, 65:95], wanted[:, :, 65:95], atol=0.1)
        assert near.return_px2[..., 65:95].max() < 0.1

    def test_what_cannot_be_followed_moves_like_what_is_around(self):
        maps, trust = torch.full((1, 80, 100, 2), 3.0), torch.ones(1, 1, 80, 100)
        maps[:, 20:60, 30:70], trust[..., 20:60, 30:70] = 12 * torch.randn(1, 40, 40, 2), 0.1
        maps[:, :, :8] = -5.0
        found = bridged(maps, trust)
        assert (found[:, 20:60, 30:70] - 3).abs().max() < 0.3
        assert torch.equal(found[:, :, :8], maps[:, :, :8])

    def test_a_flat_road_under_flickering_texture_is_found(self):
        frames = panned()
        for frame in frames:
            frame[:, :, 64:] = 0.5
        planted = flecked(frames)
        made, before, wanted = ([f[:, :, 72:, 20:-20] for f in some] for some in (steadied(planted), planted, frames))
        assert off(made, wanted) > off(before, wanted) + 4


class TestWobble:
    def near(self, places):
        """A frame between others, by where its pixels are in each: frame -> a field [2, h, w] in pixels."""
        maps = torch.stack([place.permute(1, 2, 0) for place in places.values()])
        sure = torch.zeros(len(places), 1, *maps.shape[1:3])
        return Neighbours(list(places), maps, sure, sure)

    def test_is_how_far_parts_are_off_their_way(self):
        field = smooth_field(2.0)
        assert wobble_px(self.near({4: field, 6: field}), 5) == pytest.approx(2.0 * (2 / 3) ** 0.5, rel=0.2)
        assert wobble_px(self.near({1: -field, 2: -2 * field}), 0) < 0.01  # straight on, from the first frame

    def test_what_speeds_up_or_shakes_as_one_does_not(self):
        faster = {5 + k: 0.1 * k**2 * smooth_field(1.0) for k in (-1, 1)}
        shaken = {k: torch.full((2, 60, 90), 5.0) for k in (4, 6)}
        assert wobble_px(self.near(faster), 5) < NO_WOBBLE_PX
        assert wobble_px(self.near(shaken), 5) < 0.01


def smooth_field(deviation_px):
    field = F.interpolate(torch.randn(1, 2, 6, 9, generator=torch.Generator().manual_seed(0)), (60, 90), mode="bicubic")
    return (deviation_px * field / field.std())[0]


class TestCores:
    @pytest.mark.slow
    @pytest.mark.parametrize("guided", [True, False])
    def test_frames_are_the_same_however_many_compute(self, clean, guide, guided):
        cores, planted = torch.get_num_threads(), gain(clean)
        made = []
        try:
            for count in (1, 3):
                torch.set_num_threads(count)
                made.append(steadied(planted, guide if guided else None, "accurate"))
        finally:
            torch.set_num_threads(cores)
        assert off(*made) > 45  # rounding may lead a search elsewhere


class TestStreaming:
    @pytest.mark.slow
    @pytest.mark.parametrize("mode", MODES)
    def test_few_frames_are_held_however_long_the_clip(self, mode):
        picture, taken, most = texture((40, 60), 2)[None], 0, 0

        def frames():
            nonlocal taken
            for _ in range(60):
                taken += 1
                yield picture

        for given, _ in enumerate(deflickered(frames(), None, None, 3, mode), 1):
            most = max(most, taken - given)
        assert given == taken == 60
        assert most <= 4 * 3 + 28  # the window twice, and what is read ahead and computed at a time

    @pytest.mark.slow
    def test_fast_takes_fewer_remaps(self, clean):
        class Counted(FlowMatch):
            remaps = 0

            def remap(self, pictures, maps):
                Counted.remaps += 1
                return super().remap(pictures, maps)

        counts = {}
        for mode in ("balanced", "fast"):
            Counted.remaps = 0
            steadied(panned(31, (48, 72)), None, mode, 15, Counted(dense_inverse_search()))
            counts[mode] = Counted.remaps
        assert counts["fast"] < counts["balanced"] / 1.7

    @pytest.mark.parametrize("size", [(97, 61), (64, 100)])
    def test_any_shape_and_two_frames(self, size):
        frames = panned(2, size)
        assert [frame.shape for frame in steadied(frames)] == [(1, 3, *size)] * 2


class TestAsAVideo:
    def test_the_window_goes_by_the_flicker(self, clean, tmp_path):
        steady, flickering = stored(clean, tmp_path / "a"), stored(gain(clean), tmp_path / "b")
        assert fitting_radius(steady, None) < 4 < fitting_radius(flickering, None)

    @pytest.mark.slow
    def test_it_goes_by_the_places_that_flicker_most_and_by_wobble(self, tmp_path):
        frames = panned(25)
        steady, noisy, moved = (
            stored(some, tmp_path / name)
            for name, some in (("clean", frames), ("noise", noise(frames)), ("wobble", wobbled(frames)))
        )
        assert fitting_radius(steady, None) < fitting_radius(noisy, None)
        assert flicker(steady, None).wobble_px < 0.3 < 0.8 < flicker(moved, None).wobble_px
        assert fitting_radius(moved, None) >= 8
        assert flicker(moved, steady).wobble_px == 0  # the source's motion does not wobble

    @pytest.mark.slow
    def test_every_frame_once_and_steadier(self, clean, guide, tmp_path):
        planted = gain(clean)
        video, told = stored(planted, tmp_path / "video"), []
        made = list(deflicker(video, guide, progress=lambda share, words: told.append(share)))
        assert len(made) == COUNT
        assert told[-1] == 1
        assert told == sorted(told)
        assert off(made, clean) > off(planted, clean) + 4

    def test_drift_goes_too(self, clean, guide, tmp_path):
        drifted = [(f * (1 - 0.03 * i)).clamp(0, 1) for i, f in enumerate(clean)]
        video = stored(drifted, tmp_path / "video")
        options = DeflickerOptions(mode="fast", color_correction=True)
        assert off(list(deflicker(video, guide, options)), clean) > off(drifted, clean) + 6

    def test_cancel(self, guide):
        def stop(share, words):
            raise Cancelled

        with pytest.raises(Cancelled):
            list(deflicker(guide, None, DeflickerOptions(window="2"), progress=stop))


class TestBadInput:
    @pytest.mark.parametrize(
        ("count", "size", "fps", "said"),
        [(5, SIZE, 12, "has 5 frames and the video 13"), (13, (96, 96), 12, "96x96, which does not fit")],
    )
    def test_a_guide_of_another_length_or_shape(self, guide, tmp_path, count, size, fps, said):
        other = stored(panned(count, size), tmp_path / "other")
        with pytest.raises(InputError, match=said):
            deflicker(guide, other)

    def test_a_guide_of_another_rate(self, clean, tmp_path):
        from stablevideo import write_video

        for name, fps in (("a.mp4", 12), ("b.mp4", 25)):
            write_video(iter(clean), tmp_path / name, fps)
        with pytest.raises(InputError, match="25 frames a second and the video 12"):
            deflicker(read_video(tmp_path / "a.mp4"), read_video(tmp_path / "b.mp4"))

    def test_one_frame(self, guide):
        with pytest.raises(InputError, match="at least 2"):
            deflicker(guide.part(0, 1))

    def test_a_black_clip(self, tmp_path):
        with pytest.raises(InputError, match="nothing but one colour"):
            deflicker(stored([torch.zeros(1, 3, 40, 60)] * 4, tmp_path / "black"))

    def test_a_window_wider_than_the_clip(self, guide):
        with pytest.raises(InputError, match="at most 12, or auto"):
            deflicker(guide, None, DeflickerOptions(window="13"))

    @pytest.mark.parametrize("window", ["0", "65", "wide", "-1", "2.5", "nan"])
    def test_a_window_that_is_none(self, window):
        with pytest.raises(InputError, match="auto or a whole number from 1 to 64"):
            replace(DeflickerOptions(), window=window)

    def test_frames_that_hold_no_numbers(self, clean):
        with pytest.raises(InputError, match="frame 2 holds values that are no numbers"):
            steadied([*clean[:2], clean[2] * float("nan"), *clean[3:]])
