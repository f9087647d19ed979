"""What is done to strokes so that they have a style's colours, and detail as strong as the style's."""

import pytest
import torch
import torch.nn.functional as F

from stablevideo.metrics import LUMA
from stablevideo.style.detail import SCALES, gains, joined, raised, split, strengths
from stablevideo.style.finish import Finish, Look, in_colours_of, shown
from tests.clips import smooth_picture


def noise(size, seed=0):
    return 0.4 + 0.2 * torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(64, 48), (37, 51), (5, 16), (1, 1)])
def test_what_is_taken_apart_fits_together_again(size):
    picture = noise(size)[None]
    details, coarse = split(picture)
    assert len(details) == SCALES
    assert torch.allclose(joined(details, coarse), picture, atol=1e-6)


def test_stripes_are_strong_at_the_scale_of_their_width():
    for octave in range(SCALES - 1):
        stripes = (torch.arange(128) // 2**octave % 2).float().expand(1, 3, 128, 128)
        assert strengths(stripes)[0, 0].argmax() == octave


def soft(picture):
    """As a network paints it that is afraid of edges."""
    return 0.5 * picture + 0.5 * F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)


def test_soft_detail_is_raised_to_what_it_was():
    crisp = smooth_picture((96, 96), 3) + noise((96, 96), 1) - 0.5
    wanted, own = strengths(crisp[None]), strengths(soft(crisp)[None])
    assert (own[..., 0] < 0.6 * wanted[..., 0]).all()
    by = gains(own, wanted, (0.5, 3.0))
    assert by.shape == (1, 3, SCALES)
    assert by.amin() >= 0.5
    assert by.amax() <= 3
    assert torch.allclose(strengths(raised(soft(crisp)[None], by)), wanted, rtol=0.12)
    assert torch.allclose(raised(crisp[None], torch.ones(1, 3, SCALES)), crisp[None], atol=1e-6)


def test_what_has_no_say_is_not_looked_at():
    picture, counts = torch.full((3, 64, 64), 0.5), torch.zeros(1, 64, 64)
    picture[:, :, 32:] = noise((64, 32), 4)
    counts[:, :, :16] = 1
    assert strengths(picture[None], counts[None]).amax() < 1e-6 < strengths(picture[None]).amin()


def test_finished_strokes_have_the_colours_and_the_detail_of_the_style():
    scene = 0.5 * smooth_picture((96, 128), 1) + 0.5 * noise((96, 128), 6)
    style = 0.7 * scene.flip(2).roll(1, 0) + 0.1
    look = Look.of(style)
    made = Finish.of(soft(scene), look).on(soft(scene))
    assert torch.allclose(made.mean((1, 2)), style.mean((1, 2)), atol=0.02)
    assert torch.allclose(strengths(made[None])[0], look.detail, rtol=0.15)


def test_looks_and_finishes_are_mixed_by_their_share():
    first, second = Look.of(noise((64, 64), 1)), Look.of(0.5 * noise((64, 64), 2))
    middle = first.mixed(second, 0.25)
    assert len(middle.palette) == len(first.palette)
    assert torch.allclose(middle.detail, 0.75 * first.detail + 0.25 * second.detail)
    strokes = smooth_picture((64, 64), 5)
    a, b = Finish.of(strokes, first), Finish.of(strokes, second)
    half = a.mixed(b, 0.5).on(strokes)
    # Within [0, 1] a finish is linear in its grade for given gains.
    assert (half.mean() - (a.on(strokes).mean() + b.on(strokes).mean()) / 2).abs() < 0.01


def test_a_pictures_own_colours_come_with_the_strokes_light():
    painted, picture = noise((48, 48), 2), smooth_picture((48, 48), 2) * 0.5 + 0.2
    made = in_colours_of(painted, picture)
    assert (made - picture).mean().abs() < 0.03
    assert torch.allclose(strengths(made[None])[..., 0].mean(), strengths(painted[None])[..., 0].mean(), rtol=0.3)


def test_a_photo_keeps_its_detail_and_its_colours_do_not_become_grainy():
    scene = 0.5 * smooth_picture((96, 128), 1) + 0.5 * noise((96, 128), 6)
    for style in (smooth_picture((80, 80), 2), 0.4 * noise((80, 80), 3) + smooth_picture((80, 80), 2)):
        gains = Finish.of(scene, Look.of(style), mode="photo").gains
        assert gains.amin() >= 1
        assert gains.amax() <= 1.5
        assert (gains == gains[:1]).all()
    assert Finish.of(scene, Look.of(smooth_picture((80, 80), 2))).gains.amin() < 1


def test_what_is_too_bright_keeps_its_hue():
    orange = torch.tensor([1.4, 0.9, 0.2])[:, None, None].expand(-1, 2, 2)
    made = shown(orange)[:, 0, 0]
    assert made.max() <= 1
    assert (made * torch.tensor(LUMA)).sum() == pytest.approx(0.9697, abs=1e-3)
    assert (made[0] - made[1]) / (made[1] - made[2]) == pytest.approx(0.5 / 0.7, abs=1e-3)
    within = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(shown(within), within, atol=1e-6)
    assert shown(torch.full((3, 2, 2), 1.2)).eq(1).all()
    assert shown(torch.full((3, 2, 2), -0.2)).eq(0).all()
