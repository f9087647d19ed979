"""Nearest-neighbour fields against a search that looks everywhere, and pictures seen through them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import psnr, smooth_picture

from stablevideo.deflicker.patch_match import PatchMatch
from stablevideo.errors import InputError

SIZES = [(40, 58), (58, 40)]
WEIGHTS = {3: (1.0,), 6: (10.0, 1.0)}


def textured(size, seed):
    """Shapes of many sizes, the finer the fainter, as natural pictures have them: [3, h, w]."""
    generator = torch.Generator().manual_seed(seed)

    def octave(px):
        noise = torch.rand(1, 3, size[0] // px + 2, size[1] // px + 2, generator=generator)
        return F.interpolate(noise, size, mode="bicubic", align_corners=False)[0]

    colours = 0.5 * octave(16) + 0.3 * octave(6) + 0.15 * octave(3) + 0.05 * octave(1)
    return (0.3 * colours + 0.7 * colours.mean(0, keepdim=True)).clamp(0, 1)


def turned(size, seed, channels=3):
    """A picture and the same larger and shifted, as frames [1, channels, h, w] of a moving camera are."""
    height, width = size
    whole = torch.cat([textured((2 * height, 2 * width), seed + i) for i in range(channels // 3)])[None]
    target = whole[..., 8 : 8 + height, 6 : 6 + width]
    source = F.interpolate(whole[..., 5 : 5 + height * 19 // 20, 8 : 8 + width * 19 // 20], size, mode="bilinear")
    return target, source


def moved(size, shift, seed=0):
    """A picture and itself moved by whole pixels (x, y), both [1, 3, h, w] out of a larger one."""
    (height, width), (x, y) = size, shift
    whole = textured((height + abs(y), width + abs(x)), seed)
    top, left = max(0, y), max(0, x)
    target = whole[:, top : top + height, left : left + width]
    source = whole[:, top - y : top - y + height, left - x : left - x + width]
    return target[None], source[None]


def exact_patches(pictures, size):
    """Every patch of [1, C, h, w] as NumPy sees it: [rows, columns, C, size, size], weighted."""
    weights = np.repeat(np.sqrt(WEIGHTS[pictures.shape[1]]), 3)[:, None, None]
    windows = np.lib.stride_tricks.sliding_window_view(pictures[0].double().numpy() * weights, (size, size), (1, 2))
    return windows.transpose(1, 2, 0, 3, 4)


def exact_errors(target, source, field, size=5):
    """The sums of squared differences of the patches that a field [1, h, w, 2] joins, of every second one each way."""
    a, b = exact_patches(target, size), exact_patches(source, size)
    errors = []
    for y in range(0, a.shape[0], 2):
        for x in range(0, a.shape[1], 2):
            dx, dy = field[0, y + size // 2, x + size // 2].int().tolist()
            errors.append(np.square(a[y, x] - b[y + dy, x + dx]).sum())
    return np.array(errors)


def best_errors(target, source, size=5):
    """The least that any patch of the source gives."""
    a, b = exact_patches(target, size), exact_patches(source, size).reshape(-1, target.shape[1] * size**2)
    return np.array([[np.square(b - patch.ravel()).sum(1).min() for patch in row[::2]] for row in a[::2]])


def at_random(field, seed=0):
    """A field that looks anywhere inside the source, wherever patches of 5 pixels fit."""
    height, width = field.shape[1:3]
    draw = torch.rand(field.shape, generator=torch.Generator().manual_seed(seed))
    place = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")[::-1], -1)
    room = torch.tensor([width - 5, height - 5])
    return (draw * room).round() + 2 - place


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [3, 6])
def test_errors_are_nearly_the_least_there_are(size, channels):
    found, best, anywhere = [], [], []
    for seed in (1, 11):
        target, source = turned(size, seed, channels)
        field = PatchMatch().match(target, source)
        found.append(exact_errors(target, source, field))
        best.append(best_errors(target, source))
        anywhere.append(exact_errors(target, source, at_random(field)))
    assert np.min(best) > 0
    assert np.mean(found) < 1.25 * np.mean(best)
    assert np.mean(found) < 0.05 * np.mean(anywhere)


@pytest.mark.parametrize(("size", "shift"), [((60, 90), (9, -5)), ((90, 60), (-7, 12)), ((96, 64), (0, 21))])
def test_a_shift_is_found(size, shift):
    target, source = moved(size, shift)
    field = PatchMatch().match(target, source)
    margin = max(map(abs, shift)) + 2
    inner = field[0, margin:-margin, margin:-margin]
    assert (inner == torch.tensor(shift)).all(-1).float().mean() > 0.95


def test_coarse_levels_lead_the_finer_ones():
    # Drawing by one pixel gets nowhere near by itself.
    target, source = moved((150, 210), (44, -27))
    inner = PatchMatch(radii_px=(1,), rounds=2).match(target, source)[0, 46:-46, 46:-46]
    assert (inner == torch.tensor([44, -27])).all(-1).float().mean() > 0.95


@pytest.mark.parametrize("size", SIZES)
def test_a_field_looks_inside(size):
    target, source = turned(size, 3)
    height, width = size
    for start in (None, torch.full((1, *size, 2), 500.0), torch.full((1, *size, 2), -500.0)):
        field = PatchMatch().match(target, source, start)
        assert field.shape == (1, *size, 2)
        assert field.dtype == torch.float32
        x, y = field[0].unbind(-1)
        x, y = x + torch.arange(width), y + torch.arange(height)[:, None]
        assert (x.min(), y.min()) >= (0, 0)
        assert x.max() <= width - 1
        assert y.max() <= height - 1


def test_a_seed_gives_one_result_whatever_is_beside_it():
    pairs = [turned((40, 58), seed) for seed in (5, 6, 7)]
    targets, sources = (torch.cat(side) for side in zip(*pairs, strict=True))
    fields = PatchMatch(seed=4).match(targets, sources)
    torch.manual_seed(99)
    assert torch.equal(fields, PatchMatch(seed=4).match(targets, sources))
    assert torch.equal(fields, torch.cat([PatchMatch(seed=4).match(*pair) for pair in pairs]))
    assert not torch.equal(fields, PatchMatch(seed=5).match(targets, sources))


@pytest.mark.parametrize("size", SIZES)
def test_remap_by_a_constant_shifts_the_picture(size):
    height, width = size
    pictures = torch.stack([smooth_picture(size, 1), textured(size, 2)])
    through = torch.tensor([4.0, -3.0]).expand(2, *size, 2)
    seen = PatchMatch().remap(pictures, through)
    # Where every patch that covers a pixel looks inside; the others are moved.
    torch.testing.assert_close(seen[..., 7:, : width - 8], pictures[..., 4 : height - 3, 4 : width - 4])
    torch.testing.assert_close(PatchMatch().remap(pictures, torch.zeros(2, *size, 2)), pictures)


def test_remap_is_the_mean_of_what_covering_patches_show():
    size = (11, 14)
    picture = textured(size, 3)[None]
    field = at_random(torch.zeros(1, *size, 2), 8)
    sums, counts = torch.zeros(3, *size), torch.zeros(size)
    for y in range(2, size[0] - 2):
        for x in range(2, size[1] - 2):
            dx, dy = field[0, y, x].int().tolist()
            seen = picture[0, :, y + dy - 2 : y + dy + 3, x + dx - 2 : x + dx + 3]
            sums[:, y - 2 : y + 3, x - 2 : x + 3] += seen
            counts[y - 2 : y + 3, x - 2 : x + 3] += 1
    torch.testing.assert_close(PatchMatch().remap(picture, field)[0], sums / counts)


def test_remap_looks_between_pixels():
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(44.0), indexing="ij")
    ramp = torch.stack([x, y, x + 2 * y])[None] / 100
    through = torch.tensor([2.25, -1.5]).expand(1, 30, 44, 2)
    expected = torch.stack([x + 2.25, y - 1.5, x + 2.25 + 2 * (y - 1.5)])[None] / 100
    torch.testing.assert_close(PatchMatch().remap(ramp, through)[..., 6:-6, 7:-7], expected[..., 6:-6, 7:-7])


def test_a_frame_is_seen_in_its_neighbour():
    target, source = turned((96, 140), 2)
    seen = PatchMatch().remap(source, PatchMatch().match(target, source))
    assert psnr(seen, target) > psnr(source, target) + 10


def test_the_guide_outweighs_the_look():
    guide, look = moved((60, 90), (6, 4)), moved((60, 90), (-5, 3), seed=7)
    target, source = (torch.cat(pair, dim=1) for pair in zip(guide, look, strict=True))

    def share(weight, shift):
        inner = PatchMatch(guide_weight=weight).match(target, source)[0, 10:-10, 10:-10]
        return ((inner - torch.tensor(shift)).abs() <= 1).all(-1).float().mean()

    # Not all: a bend of the guide costs little where the look gains much.
    assert share(10.0, (6, 4)) > 0.7 > 0.05 > share(10.0, (-5, 3))
    assert share(0.1, (-5, 3)) > 0.7 > 0.05 > share(0.1, (6, 4))


def test_a_start_is_kept_that_the_search_would_not_find():
    # A thing as small as a patch that flies far over a repeated pattern: smaller pictures do not show it.
    y, x = torch.meshgrid(torch.arange(140), torch.arange(240), indexing="ij")
    ground = (0.5 + 0.2 * torch.sin(x * 2.1) * torch.sin(y * 1.7)).expand(3, -1, -1)
    thing = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(0))
    target, source = ground.clone()[None], ground.clone()[None]
    target[0, :, 20:25, 15:20], source[0, :, 115:120, 210:215] = thing, thing
    start = torch.tensor([195.0, 95.0]).expand(1, 140, 240, 2)
    assert PatchMatch().match(target, source)[0, 22, 17].tolist() != [195, 95]
    field = PatchMatch().match(target, source, start)
    assert field[0, 22, 17].tolist() == [195, 95]
    assert (field[0, 40:] == 0).all(-1).float().mean() > 0.5  # elsewhere it is only one candidate


@pytest.mark.parametrize("size", [(10, 23), (5, 40), (7, 7)])
def test_frames_smaller_than_the_largest_patch(size):
    picture = textured(size, 4)[None]
    field = PatchMatch().match(picture, picture)
    assert exact_errors(picture, picture, field).mean() < 0.01
    torch.testing.assert_close(PatchMatch().remap(picture, torch.zeros_like(field)), picture)


def frames(*shape):
    return torch.full(shape, 0.5)


def broken(*shape):
    values = frames(*shape)
    values.view(-1)[7] = torch.nan
    return values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.match(frames(1, 4, 20, 30), frames(1, 4, 20, 30)), "4 channels; give 3 .* or 6"),
        (lambda m: m.match(frames(1, 3, 20, 30), frames(1, 3, 20, 31)), r"20, 31\].*20, 30\]; give both the same"),
        (lambda m: m.match(frames(3, 20, 30), frames(3, 20, 30)), r"\[3, 20, 30\]; give float \[n, C, H, W\]"),
        (lambda m: m.match(frames(1, 3, 20, 30).byte(), frames(1, 3, 20, 30)), "uint8 .* give float"),
        (lambda m: m.match(frames(1, 3, 20, 30), broken(1, 3, 20, 30)), "sources hold values that are no numbers"),
        (lambda m: m.match(frames(1, 3, 4, 30), frames(1, 3, 4, 30)), "30 x 4 pixels are smaller than a patch of 5"),
        (lambda m: m.match(frames(1, 3, 20, 30), frames(1, 3, 20, 30), frames(1, 20, 31, 2)), "start is of shape"),
        (lambda m: m.match(frames(1, 3, 20, 30), frames(1, 3, 20, 30), broken(1, 20, 30, 2)), "start hold"),
        (lambda m: m.remap(frames(1, 3, 20, 30), frames(1, 30, 20, 2)), r"maps is of shape .* give .*\[1, 20, 30, 2\]"),
        (lambda m: PatchMatch(patch_px=(5, 7)), r"patch_px is \(5, 7\); give odd sides that fall"),
        (lambda m: PatchMatch(patch_px=(8, 4)), "odd sides"),
        (lambda m: PatchMatch(guide_weight=0.0), "guide_weight is 0.0; give a number above 0"),
        (lambda m: PatchMatch(rounds=0), "rounds is 0"),
    ],
)
def test_what_cannot_be_matched_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(PatchMatch())


@pytest.mark.requires_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("channels", [3, 6])
def test_a_gpu_finds_as_good_ones(channels):
    pairs = [turned((60, 90), seed, channels) for seed in (1, 2)]
    targets, sources = (torch.cat(side) for side in zip(*pairs, strict=True))
    matcher = PatchMatch()
    fields = matcher.match(targets.cuda(), sources.cuda())
    assert torch.equal(fields, matcher.match(targets.cuda(), sources.cuda()))
    assert torch.equal(fields[1:], matcher.match(targets[1:].cuda(), sources[1:].cuda()))
    for (target, source), field in zip(pairs, fields.cpu()[:, None], strict=True):
        on_cpu = exact_errors(target, source, matcher.match(target, source)).mean()
        assert exact_errors(target, source, field).mean() == pytest.approx(on_cpu, rel=0.05)
    seen = matcher.remap(sources.cuda(), fields + 0.25)
    torch.testing.assert_close(seen.cpu(), matcher.remap(sources, fields.cpu() + 0.25))
