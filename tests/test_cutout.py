"""A part of a result by itself, with transparency, and the files that keep it."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import torch

from stablevideo import InputError, RenderOptions
from stablevideo.edit.cutout import edit_alone, foreground_alone
from stablevideo.edit.strokes import paint_stroke, parse_stroke
from stablevideo.results import result_of, save_run
from stablevideo.video.alpha import write_alpha_video, write_pictures
from stablevideo.video.container import VideoError
from tests.clips import make_clip, smooth_picture

STROKE = {"layer": "background", "tool": "brush", "points": [[0.2, 0.5], [0.8, 0.5]], "radius": 12,
          "colour": [1, 0, 0], "softness": 0, "opacity": 1}  # fmt: skip


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip")


def over(front, behind):
    return front[:, :3] * front[:, 3:] + behind * (1 - front[:, 3:])


def test_the_foreground_over_the_background_is_the_clip(clip):
    alone = torch.cat(list(foreground_alone(clip)))
    assert alone.shape == (6, 4, 64, 48)
    behind = torch.cat([clip.background.sample(clip.background.atlas, [i], clip.size) for i in range(6)])
    assert (over(alone, behind) - torch.cat(list(clip.render()))).abs().max() < 1e-5


def test_the_edit_over_the_clip_is_the_result(clip):
    edit = paint_stroke(clip, None, parse_stroke(STROKE))
    alone = torch.cat(list(edit_alone(clip, {"background": edit.atlas}, {"background": edit.changed})))
    result = torch.cat(list(clip.render(background=edit.atlas)))
    assert (over(alone, torch.cat(list(clip.render()))) - result).abs().mean() < 0.002
    untouched = alone[:, 3:] == 0
    assert 0.5 < untouched.float().mean() < 0.95
    front = clip.alpha(range(6)) == 1
    assert alone[:, 3:][front].max() == 0  # what is in front hides the edit behind


def test_the_edit_alone_needs_an_edit(clip, tmp_path):
    with pytest.raises(InputError, match="nothing is edited yet"):
        save_run(clip, tmp_path / "log", {}, options=RenderOptions(part="edit", form="mov"))
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(("part", "form"), [("all", "mov"), ("foreground", "mp4"), ("edit", "mp4")])
def test_forms_that_cannot_hold_it_are_refused(part, form):
    with pytest.raises(InputError, match="does not suit"):
        RenderOptions(part=part, form=form)


def decoded(path, decoder):
    """Frames [n, h, w, 4] uint8 of a video, its transparency too."""
    with av.open(str(path)) as container:
        context = av.CodecContext.create(decoder, "r")
        stream = container.streams.video[0]
        context.extradata = stream.codec_context.extradata
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
        return np.stack([frame.to_ndarray(format="rgba") for frame in frames]), stream.average_rate


# VP9 keeps a colour for every four pixels, and these have much colour in few of them.
@pytest.mark.parametrize(("suffix", "decoder", "most"), [(".mov", "prores", 0.01), (".webm", "libvpx-vp9", 0.04)])
def test_videos_keep_colour_and_transparency(tmp_path, suffix, decoder, most):
    size = (65, 48)
    colours = torch.stack([smooth_picture(size, seed) for seed in range(5)])
    alpha = torch.stack([smooth_picture(size, 9 + seed)[:1] for seed in range(5)])
    alpha[:, :, :20] = 0
    path = tmp_path / f"x{suffix}"
    write_alpha_video([torch.cat([colours, alpha], 1)[:3], torch.cat([colours, alpha], 1)[3:]], path, Fraction(24))
    pixels, rate = decoded(path, decoder)
    assert rate == 24
    assert pixels.shape == (5, 66, 48, 4)  # an even number of rows
    back = torch.from_numpy(pixels[:, :65]).permute(0, 3, 1, 2) / 255
    assert (back[:, 3:] - alpha).abs().mean() < 0.01
    seen = alpha > 0.3
    assert (back[:, :3] - colours)[seen.expand(-1, 3, -1, -1)].abs().mean() < most
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_nothing_is_left_after_wrong_frames(tmp_path):
    with pytest.raises(VideoError, match=r"\.mov or \.webm"):
        write_alpha_video([torch.zeros(1, 4, 8, 8)], tmp_path / "x.mp4", 24)
    with pytest.raises(VideoError, match=r"must be \[n, 4, H, W\]"):
        write_alpha_video([torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8)], tmp_path / "x.mov", 24)
    with pytest.raises(VideoError, match="no frames"):
        write_alpha_video([], tmp_path / "x.mov", 24)
    assert not list(tmp_path.iterdir())


def test_pictures_are_the_frames_bit_for_bit(tmp_path):
    frames = torch.randint(0, 256, (3, 4, 9, 7), generator=torch.Generator().manual_seed(0)) / 255
    write_pictures([frames[:2], frames[2:]], tmp_path / "frames")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["00000.png", "00001.png", "00002.png"]
    picture = cv2.imread(str(tmp_path / "frames" / names[2]), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    assert np.array_equal(picture, (frames[2] * 255).round().byte().permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("options", "name"), [({"part": "foreground", "form": "webm"}, "video.webm"),
                                               ({"form": "png"}, "frames"), ({}, "video.mp4")])  # fmt: skip
def test_a_run_holds_what_was_asked_for(clip, tmp_path, options, name):
    run = save_run(clip, tmp_path / "log", {}, options=RenderOptions(**options))
    assert result_of(run) == run / name
