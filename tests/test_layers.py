import numpy as np
import pytest
import torch
from scipy.interpolate import griddata

from stablevideo import InputError
from stablevideo.layers import coords
from stablevideo.layers.layer import pixel_mean
from stablevideo.layers.matte import Matte
from tests.clips import disc_alpha, make_clip, psnr, smooth_picture


@pytest.fixture(scope="module", params=[(64, 48), (40, 72)], ids=["portrait", "landscape"])
def clip(request, tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip"), request.param)


def frames_of(chunks):
    return torch.cat(list(chunks))


def test_unedited_layers_give_the_clip_back(clip):
    assert psnr(frames_of(clip.render()), clip.source(range(clip.frame_count))) > 45


@pytest.mark.parametrize("size", [(96, 160), (33, 20)])
def test_any_size_may_be_asked(clip, size):
    """Rendering small is the same as rendering and then shrinking, also under a change of aspect."""
    frames = frames_of(clip.render(size=size, frames=[0, 3]))
    assert frames.shape == (2, 3, *size)
    whole = torch.nn.functional.interpolate(
        frames_of(clip.render(size=(size[0] * 3, size[1] * 3), frames=[0, 3])), size, mode="area"
    )
    assert psnr(frames, whole) > 26


def test_frames_come_in_the_order_asked(clip):
    order = [5, 0, 2, 2, 1]
    assert torch.equal(frames_of(clip.render(frames=order)), frames_of(clip.render())[order])


def test_an_edit_shows_in_its_layer_only(clip):
    red = torch.zeros_like(clip.foreground.atlas)
    red[0] = 1
    edited, plain, alpha = (frames_of(x) for x in (clip.render(foreground=red), clip.render(), [clip.alpha(range(6))]))
    assert torch.equal(edited * (alpha == 0), plain * (alpha == 0))
    assert edited[:, 0][alpha[:, 0] == 1].min() > 0.99
    assert edited[:, 1:].amax(1)[alpha[:, 0] == 1].max() < 0.01


def test_render_leaves_its_inputs_alone(clip):
    atlas = clip.foreground.atlas.clone()
    edited = torch.rand_like(atlas)
    kept = edited.clone()
    frames_of(clip.render(foreground=edited, shading=True))
    assert torch.equal(clip.foreground.atlas, atlas)
    assert torch.equal(edited, kept)


def test_an_atlas_of_another_size_is_refused(clip):
    wrong = torch.zeros(3, 10, 11)
    with pytest.raises(InputError, match="must be 120x160 with 3 channels, got 11x10"):
        next(clip.render(foreground=wrong))


def test_shading_brings_shadows_back(tmp_path):
    """A clip whose frames are darker on the right than its atlases know: an edit gets the shadow only if asked."""
    import cv2

    clip = make_clip(tmp_path, (48, 64))
    for path in sorted((tmp_path / "made").iterdir()):
        picture = cv2.imread(str(path))
        picture[:, 40:] = picture[:, 40:] * 0.6
        cv2.imwrite(str(path), picture)
    white = torch.full_like(clip.background.atlas, 0.8)
    flat = next(clip.render(background=white, frames=[0]))[0, :, :8]
    shaded = next(clip.render(background=white, frames=[0], shading=True))[0, :, :8]
    assert (flat[:, :, 55:].mean() / flat[:, :, 5:25].mean()).item() == pytest.approx(1, abs=0.01)
    assert (shaded[:, :, 55:].mean() / shaded[:, :, 5:25].mean()).item() == pytest.approx(0.6, abs=0.08)


@pytest.mark.parametrize("name", ["foreground", "background"])
def test_lift_agrees_with_linear_interpolation(clip, name):
    picture = smooth_picture(clip.size, 3)
    colours, coverage = clip.lift(name, 2, picture)
    layer = clip.layer(name)
    points = coords.uv_to_texel(layer.uv([2], clip.size)[0], layer.size).view(-1, 2).numpy()
    height, width = layer.size
    y, x = np.mgrid[:height, :width]
    reference = griddata(points, picture.flatten(1).T.numpy(), (x, y), method="linear")
    both = torch.from_numpy(~np.isnan(reference[..., 0])) & (coverage[0] > 0)
    assert both.sum() > 1000
    assert psnr(colours.permute(1, 2, 0)[both], torch.from_numpy(reference)[both]) > 40


def test_lift_covers_without_holes_and_only_what_is_the_layers(clip):
    _, coverage = clip.lift("foreground", 2, smooth_picture(clip.size, 3))
    solid = coverage[0] > 0.99
    rows = solid.any(1).nonzero()[:, 0]
    for row in rows:
        columns = solid[row].nonzero()[:, 0]
        assert len(columns) == columns[-1] - columns[0] + 1  # a disc has no gap in any row
    # The disc's area, in texels.
    layer = clip.foreground
    texels_per_px = 0.6**2 * layer.size[0] * layer.size[1] / (clip.size[0] * clip.size[1])
    assert coverage.sum().item() == pytest.approx(clip.alpha([2]).sum().item() * texels_per_px, rel=0.1)
    _, behind = clip.lift("background", 2, smooth_picture(clip.size, 3))
    assert behind.min() == 0
    assert behind.max() > 0.99


def test_what_is_lifted_renders_as_it_was(clip):
    """Frame -> atlas -> frame, the picture finer than the frame."""
    picture = smooth_picture([side * 2 for side in clip.size], 4)
    colours, coverage = clip.lift("foreground", 1, picture)
    atlas = torch.lerp(clip.foreground.atlas, colours, (coverage > 0).float())
    back = next(clip.render(foreground=atlas, frames=[1]))[0]
    small = torch.nn.functional.interpolate(picture[None], clip.size, mode="area")[0]
    inside = (clip.alpha([1])[0] == 1).expand(3, -1, -1)
    assert psnr(back[inside], small[inside]) > 32


def test_lift_of_a_region_is_part_of_the_whole(clip):
    picture = smooth_picture(clip.size, 5)
    region = (8, 6, 34, 40)
    whole, _ = clip.lift("foreground", 3, picture)
    part, coverage = clip.lift("foreground", 3, picture[:, 8:34, 6:40], region)
    inside = (coverage > 0).expand(3, -1, -1)
    assert psnr(part[inside], whole[inside]) > 40


def test_matte_packs_small_and_true():
    alphas = [disc_alpha((100, 70), i, 5) for i in range(5)] + [torch.zeros(100, 70)]
    matte = Matte.pack(alphas)
    assert (matte.alpha(range(6), (100, 70))[:, 0] - torch.stack(alphas)).abs().max() < 0.003
    assert len(matte.packed) < 6 * 2500
    assert matte.region([5], (100, 70)) is None
    top, left, bottom, right = matte.region([0, 4], (200, 140))
    outside = matte.alpha([0, 4], (200, 140)).clone()
    outside[:, :, top:bottom, left:right] = 0
    assert outside.max() == 0


@pytest.mark.slow
def test_real_clip_renders_as_well_as_its_checkpoint_allows(bear):
    frames = [0, 25, 49]
    assert psnr(frames_of(bear.render(frames=frames)), bear.source(frames)) > 23


def test_a_frame_that_is_not_there_is_one_sentence(tmp_path):
    clip = make_clip(tmp_path)
    for frame in (-1, clip.frame_count):
        with pytest.raises(InputError, match=f"there is no frame {frame}; made has frames 0 to 5"):
            next(clip.render(frames=[0, frame]))


def test_a_packed_warp_is_the_same_to_a_fiftieth_of_a_texel(tmp_path):
    warp = make_clip(tmp_path).foreground.warp
    packed = warp.packed()
    assert packed.nodes.dtype == torch.int16
    assert packed.nodes.numel() == warp.nodes.numel()
    off = (packed.uv([0, 3], (64, 48)) - warp.uv([0, 3], (64, 48))).abs().max() / 2 * 2000
    assert off < 0.04
    assert packed.texels_per_pixel((160, 120)) == pytest.approx(warp.texels_per_pixel((160, 120)), rel=1e-3)


def test_chunks_of_a_render_hold_so_many_pixels_and_not_frames(tmp_path):
    clip = make_clip(tmp_path)
    assert len(next(clip.render())) == clip.frame_count  # small frames go together
    assert len(next(clip.render(size=(1600, 1200)))) == 1


@pytest.mark.parametrize("box", [(slice(3, 20), slice(0, 30)), (slice(None), slice(None)), (slice(0), slice(0))])
def test_a_change_is_seen_alike_wherever_it_lies(clip, box):
    """Only what changed is averaged; the rest is not even looked at, and that makes no difference."""
    layer, size = clip.background, (clip.size[0] // 2, clip.size[1] // 2)
    picture = layer.atlas.clone()
    picture[:, *box] = 1 - picture[:, *box]
    side = layer.texels_a_pixel(size)
    reach = int(side / 2 + 0.5)
    changed = ((picture - layer.atlas).abs().amax(0, keepdim=True) > 0.5 / 255).float()
    changed = torch.nn.functional.max_pool2d(changed, 2 * reach + 1, 1, reach)
    assert side > 1
    assert torch.equal(layer.as_seen(picture, size), torch.where(changed > 0, pixel_mean(picture, side), picture))
