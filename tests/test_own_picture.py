"""A picture of one's own in an atlas."""

import pytest
import torch

from stablevideo import InputError, lay_picture
from tests.clips import make_clip, psnr, smooth_picture


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path, (64, 48), atlas_size=(160, 120))


@pytest.mark.parametrize("layer", ["foreground", "background"])
def test_a_whole_picture_takes_the_atlas_place_and_is_seen_in_the_frames(clip, layer):
    picture = smooth_picture((160, 120), 9)
    edit = lay_picture(clip, layer, picture)
    assert torch.allclose(edit.atlas, picture)
    assert edit.changed.min() == 1
    assert edit.settings["layer"] == layer
    before, after = (next(clip.render(frames=[2], **{layer: atlas})) for atlas in (None, edit.atlas))
    shown = clip.alpha([2]) if layer == "foreground" else 1 - clip.alpha([2])
    assert ((after - before).abs() * shown).sum() > 0.05 * shown.sum() * 3
    assert ((after - before).abs() * (shown == 0)).max() <= 1 / 255


def test_transparency_lets_the_atlas_through(clip):
    picture = torch.zeros(4, 160, 120)
    picture[0] = 1
    picture[3, :80] = 1
    picture[3, 80:120] = 0.5
    edit = lay_picture(clip, "background", picture)
    atlas, red = clip.background.atlas, torch.tensor([1.0, 0, 0])[:, None, None]
    assert torch.allclose(edit.atlas[:, :80], red.expand(3, 80, 120))
    assert torch.allclose(edit.atlas[:, 80:120], (atlas[:, 80:120] + red) / 2)
    assert torch.equal(edit.atlas[:, 120:], atlas[:, 120:])
    assert torch.equal(edit.changed, picture[3:])


def test_a_scaled_copy_of_the_atlas_fits(clip):
    from stablevideo.video.pictures import resample

    small = resample(clip.foreground.atlas, (81, 61))  # as a page that shows it smaller would save it
    assert psnr(lay_picture(clip, "foreground", small).atlas, clip.foreground.atlas) > 35


def test_colours_under_full_transparency_do_not_bleed_when_scaled(clip):
    picture = torch.ones(4, 80, 60)
    picture[:3, :, 30:] = 0  # black, but not to be seen
    picture[3, :, 30:] = 0
    edit = lay_picture(clip, "foreground", picture)
    lightest = torch.maximum(clip.foreground.atlas, torch.tensor(0.0))
    assert (edit.atlas >= lightest - 0.02).all()  # white laid over the atlas darkens it nowhere


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (torch.zeros(3, 120, 160), "must have its aspect, 120x160, got 160x120"),
        (torch.zeros(1, 160, 120), "needs 3 channels, or 4 with alpha"),
        (torch.full((3, 160, 120), 255.0), "between 0 and 1, got 255 to 255"),
        (torch.full((3, 160, 120), torch.nan), "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(clip, picture, said):
    with pytest.raises(InputError, match=said):
        lay_picture(clip, "foreground", picture)
