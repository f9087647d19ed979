"""What a video is measured at: on clips whose flicker, drift and changes are planted."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch

from stablevideo import read_video
from stablevideo.errors import InputError
from stablevideo.measure import measure
from stablevideo.steadiness import table
from stablevideo.video.pictures import write_picture
from tests.clips import smooth_picture

SIZE, COUNT = (72, 112), 9


def clip(folder, change=lambda frame, i: frame, count=COUNT, size=SIZE):
    """A picture that pans two pixels a frame, as PNGs; `change` alters frames [3, H, W]."""
    folder.mkdir()
    wide = smooth_picture((size[0], size[1] + 2 * count), 5)
    detail = torch.rand(wide.shape, generator=torch.Generator().manual_seed(2))
    wide = 0.2 + 0.5 * wide + 0.1 * torch.from_numpy(cv2.blur(detail.permute(1, 2, 0).numpy(), (3, 3))).permute(2, 0, 1)
    for i in range(count):
        frame = change(wide[:, :, 2 * i : 2 * i + size[1]].clone(), i)
        write_picture(folder / f"{i:03d}.png", frame.clamp(0, 1))
    return read_video(folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("clean") / "clip")


def test_a_steady_clip_is_steady_though_it_moves(clean):
    found = measure(clean).video
    assert found.trusted > 0.85
    assert found.warp_error < 2e-4
    assert found.warp_ssim > 0.97
    assert found.colour_step < 0.8
    assert found.change > 0.005
    assert len(found.curves["colour_step"]) == COUNT - 1
    assert len(found.curves["drift"]) == COUNT


def test_flicker_shows_where_it_is_and_by_how_much(clean, tmp_path):
    video = clip(tmp_path / "flicker", lambda frame, i: frame * (0.8 if i == 5 else 1))
    found = measure(video, clean)
    assert found.video.worst_frames()[:2] in ([5, 6], [6, 5])
    assert found.video.warp_error > 5 * found.source.warp_error
    assert found.flicker > 1.2
    assert found.flicker_99 > 1.2
    assert found.video.colour_step > 1.5 * found.source.colour_step
    alone = measure(video).video
    assert alone.mean_colour_step > 4 * found.source.mean_colour_step


def test_nothing_done_is_as_good_as_the_source(clean):
    found = measure(clean, clean)
    assert found.flicker == found.flicker_99 == 1
    assert found.psnr == 100
    assert found.ssim == pytest.approx(1)
    assert found.video.warp_error == found.source.warp_error
    assert max(found.off_source) == 0


def test_drift_is_the_slope_of_what_was_planted(clean, tmp_path):
    video = clip(tmp_path / "drift", lambda frame, i: frame * (1 - 0.02 * i))
    found = measure(video, clean)
    assert found.off_source[0] < 0.05
    assert found.off_source == sorted(found.off_source)
    assert found.off_source[-1] > 3
    assert found.video.drift == pytest.approx(100 * found.video.curves["drift"][-1] / (COUNT - 1), rel=0.15)
    assert found.video.drift_range > found.source.drift_range + 1
    assert found.video.mean_colour_step < 2


def test_what_was_to_be_kept_is_judged_by_itself(clean, tmp_path):
    def painted(frame, i):
        frame[:, 20:40, 30:60] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
        return frame

    masks = clip(tmp_path / "masks", lambda frame, i: painted(frame * 0, i).amax(0, keepdim=True).expand(3, -1, -1))
    video = clip(tmp_path / "painted", painted)
    found = measure(video, clean, masks)
    assert found.kept_psnr == 100
    assert found.kept_ssim > 0.99
    assert found.psnr < 30
    assert max(found.off_source) < 1e-6
    fading = clip(
        tmp_path / "fading", lambda frame, i: painted(frame, i) * (1 - 0.1 * i * (frame * 0 + painted(frame * 0, i)))
    )
    assert measure(fading, None, masks).video.drift_range < 0.6 * measure(fading).video.drift_range
    one = tmp_path / "one"
    one.mkdir()
    (one / "0.png").write_bytes((tmp_path / "masks" / "000.png").read_bytes())
    assert measure(video, clean, read_video(one)).kept_psnr == 100
    everything = clip(tmp_path / "everything", lambda frame, i: frame * 0 + (i != 3))
    assert measure(video, clean, everything).kept_psnr < 40  # of the one frame where anything was to be kept
    (one / "0.png").write_bytes((tmp_path / "everything" / "000.png").read_bytes())
    assert measure(video, clean, read_video(one)).kept_psnr is None


def test_what_does_not_fit_is_a_sentence(clean, tmp_path):
    short, tall = clip(tmp_path / "short", count=4), clip(tmp_path / "tall", size=(112, 72))
    with pytest.raises(InputError, match="the source has 4 frames and the video 9"):
        measure(clean, short)
    with pytest.raises(InputError, match="4 masks for 9 frames"):
        measure(clean, None, short)
    with pytest.raises(InputError, match="the source is 72x112, which does not fit a video of 112x72"):
        measure(clean, tall)
    with pytest.raises(InputError, match="at least 2 are needed"):
        measure(clip(tmp_path / "single", count=1))


def test_where_no_flow_can_be_trusted_nothing_is_made_up(tmp_path):
    noise = torch.Generator().manual_seed(1)
    found = measure(clip(tmp_path / "noise", lambda frame, i: torch.rand(frame.shape, generator=noise)))
    assert found.video.trusted < 0.3
    still = clip(tmp_path / "still", lambda frame, i: frame * 0 + 0.5)
    assert measure(still, still).flicker is None
    assert "NaN" not in json.dumps(asdict(measure(still, still)), allow_nan=False)


def test_a_source_of_another_scale_is_brought_to_the_videos_size(clean, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    for i, frame in enumerate(clean.frames(range(COUNT)).permute(0, 2, 3, 1).numpy()):
        large = cv2.resize(frame, (SIZE[1] * 2, SIZE[0] * 2), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{i}.png"), np.ascontiguousarray(large[..., ::-1]))
    assert measure(clean, read_video(folder)).psnr > 45


def test_the_command_prints_a_table_or_one_object(clean, run_command):
    words = run_command("measure", clean.path, "--source", clean.path)
    assert words.returncode == 0, words.stderr
    assert "frames that leap most" in words.stdout
    assert words.stdout.rstrip() == table(measure(clean, clean))
    told = json.loads(run_command("measure", clean.path, "--json").stdout.splitlines()[-1])
    assert told["frames"] == COUNT
    assert len(told["video"]["curves"]["warp_error"]) == COUNT - 1
    assert run_command("measure", clean.path / "none").returncode == 2
