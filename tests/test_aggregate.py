import torch

from stablevideo.edit.aggregation import aggregate_by_network
from stablevideo.edit.keyframe import Keyframe, reconstruction_error
from stablevideo.edit.merge import Lift, merge
from tests.clips import make_clip, psnr, smooth_picture


def test_merge_keeps_the_atlas_where_nothing_reaches():
    atlas, colours, coverage = torch.rand(3, 20, 30), torch.zeros(3, 20, 30), torch.zeros(1, 20, 30)
    coverage[:, :10] = 1
    merged, amount = merge(atlas, [Lift.pack(colours + 0.5, coverage)])
    assert torch.equal(merged[:, 10:], atlas[:, 10:])
    assert torch.allclose(merged[:, :10], torch.tensor(0.5), atol=1 / 255)
    assert torch.equal(amount > 0, coverage > 0)


def test_merge_takes_missing_texels_for_missing_not_for_black():
    atlas = torch.full((3, 8, 8), 0.3)
    seen, unseen = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    black = torch.zeros(3, 8, 8)
    merged, _ = merge(atlas, [Lift.pack(black + 0.9, seen), Lift.pack(black, unseen), Lift.pack(black, unseen)])
    assert torch.allclose(merged, torch.tensor(0.9), atol=1 / 255)


def test_merge_fades_an_outlier():
    atlas, one = torch.zeros(3, 8, 8), torch.ones(1, 8, 8)
    merged, _ = merge(atlas, [Lift.pack(atlas + value, one) for value in (0.5, 0.52, 0.48, 1.0)])
    assert (merged - 0.5).abs().max() < 0.03  # the plain mean is off by 0.125


def edited_keyframes(clip, pictures):
    keyframes, lifts = [], []
    for frame, picture in pictures.items():
        lifts.append(Lift.pack(*clip.lift("foreground", frame, picture)))
        region, alpha = (0, 0, *clip.size), clip.alpha([frame])[0]
        keyframes.append(Keyframe.pack(frame, region, picture, picture, picture, alpha))
    return keyframes, lifts


def test_network_really_trains_and_lowers_the_error(tmp_path):
    """Keyframes that disagree, with finer detail than the merge can keep."""
    clip = make_clip(tmp_path, (64, 48))
    fine = torch.rand(2, 3, *clip.size, generator=torch.Generator().manual_seed(0))
    pictures = {0: fine[0], 5: fine[0] * 0.5 + 0.3, 2: smooth_picture(clip.size, 8)}
    keyframes, lifts = edited_keyframes(clip, pictures)
    layer = clip.foreground
    merged, weight = merge(layer.atlas, lifts)
    with torch.inference_mode():  # as within a handler that switched gradients off
        better = aggregate_by_network(layer, clip.size, merged, weight, keyframes, steps=60)
    before, after = (reconstruction_error(layer, clip.size, atlas, keyframes) for atlas in (merged, better))
    assert after < 0.97 * before
    assert torch.equal(better * (weight == 0), merged * (weight == 0))


def test_network_is_not_used_where_it_does_not_help(tmp_path):
    clip = make_clip(tmp_path, (64, 48))
    keyframes, lifts = edited_keyframes(clip, {2: smooth_picture(clip.size, 8)})
    layer = clip.foreground
    merged, weight = merge(layer.atlas, lifts)
    same = aggregate_by_network(layer, clip.size, merged, weight, keyframes, steps=0)
    assert torch.equal(same, merged)


def test_merged_keyframe_renders_as_it_was_painted(tmp_path):
    clip = make_clip(tmp_path, (64, 48))
    picture = smooth_picture(clip.size, 8)
    _, lifts = edited_keyframes(clip, {2: picture})
    atlas, _ = merge(clip.foreground.atlas, lifts)
    back = next(clip.render(foreground=atlas, frames=[2]))[0]
    inside = (clip.alpha([2])[0] == 1).expand(3, -1, -1)
    assert psnr(back[inside], picture[inside]) > 30
