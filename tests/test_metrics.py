import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stablevideo.metrics import luma, motion_difference, psnr, ssim
from tests.clips import smooth_picture


@pytest.fixture(scope="module")
def pair():
    first = smooth_picture((60, 90), 0)
    noise = torch.rand(first.shape, generator=torch.Generator().manual_seed(0))
    return first, (first + 0.1 * (noise - 0.5)).clamp(0, 1)


def test_psnr_and_ssim_are_those_of_scikit_image(pair):
    first, second = pair
    error = (first - second).square().mean().item()
    assert psnr(error) == pytest.approx(peak_signal_noise_ratio(first.numpy(), second.numpy(), data_range=1), abs=1e-3)
    greys = [luma(picture[None]) for picture in pair]
    _, theirs = structural_similarity(
        *(grey[0].numpy() for grey in greys),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(*greys).item() == pytest.approx(theirs.mean(), abs=2e-3)
    assert ssim(greys[0], greys[0]).item() == pytest.approx(1)
    assert psnr(0) == 100


def test_motion_difference_is_nothing_along_the_motion(pair):
    frame = pair[0].permute(1, 2, 0).numpy()
    after = np.roll(frame, 3, axis=1)
    flow = np.zeros((*frame.shape[:2], 2), np.float32)
    flow[..., 0] = 3
    valid = np.zeros(frame.shape[:2], bool)
    valid[:, 5:-5] = True
    assert motion_difference(frame, after, flow, valid) < 1e-6
    assert motion_difference(frame, after, 0 * flow, valid) > 0.01
    assert np.isnan(motion_difference(frame, after, flow, valid & False))
