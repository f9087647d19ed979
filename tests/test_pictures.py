"""Resizing photographs."""

import cv2
import numpy as np
import pytest
import torch

from stablevideo.video.pictures import read_picture, resample, to_uint8
from tests.clips import smooth_picture


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shrinking_averages(channels):
    picture = torch.rand(channels, 48, 36, generator=torch.Generator().manual_seed(0))
    means = picture.reshape(channels, 24, 2, 18, 2).mean((2, 4))
    assert torch.allclose(resample(picture, (24, 18)), means, atol=1e-6)


def test_growing_is_what_opencv_gives_from_bytes():
    picture = to_uint8(smooth_picture((40, 60), 1))
    reference = cv2.resize(picture.permute(1, 2, 0).numpy(), (210, 140), interpolation=cv2.INTER_LANCZOS4)
    grown = to_uint8(resample(picture / 255, (140, 210))).permute(1, 2, 0).numpy()
    assert abs(grown.astype(int) - reference).max() <= 1


def test_an_edge_does_not_ring_out_of_range():
    picture = torch.zeros(3, 20, 20)
    picture[:, :, 10:] = 1
    grown = resample(picture, (64, 64))
    assert (grown.min(), grown.max()) == (0, 1)
    assert resample(picture, (20, 20)) is picture


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_pictures_of_every_depth_are_read(tmp_path, kind, white):
    pixels = np.zeros((6, 4, 3), kind)
    pixels[2:, :, 2] = white  # red, as OpenCV orders it
    cv2.imwrite(str(tmp_path / "picture.tiff"), pixels)
    picture = read_picture(tmp_path / "picture.tiff", alpha=True)
    assert picture.shape == (3, 6, 4)
    assert torch.equal(picture[0, :, 0], torch.tensor([0.0, 0, 1, 1, 1, 1]))
    assert not picture[1:].any()
