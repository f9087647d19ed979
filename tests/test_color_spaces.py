"""Lab and CIEDE2000, against published values and another library's."""

import numpy as np
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from stablevideo.color.spaces import delta_e, denormalize_colorspace, lab_to_rgb, normalize_colorspace, rgb_to_lab

# Sharma, Wu and Dalal 2005, table 1: two colours and their difference.
PUBLISHED = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def colours(count, seed=0):
    return torch.rand(3, count, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ciede2000_of_the_published_pairs():
    rows = [[float(number) for number in row.split()] for row in PUBLISHED.strip().splitlines()]
    table = torch.tensor(rows, dtype=torch.float64)
    first, second = table[:, :3].T[:, None], table[:, 3:6].T[:, None]
    assert (delta_e(first, second)[0] - table[:, 6]).abs().max() < 1e-4
    assert (delta_e(second, first)[0] - table[:, 6]).abs().max() < 1e-4


def test_ciede2000_as_another_library_has_it():
    first, second = rgb_to_lab(colours(50)), rgb_to_lab(colours(50, 1))
    theirs = deltaE_ciede2000(first.numpy(), second.numpy(), channel_axis=0)
    assert np.allclose(delta_e(first, second), theirs, atol=1e-6)


def test_lab_as_another_library_has_it_and_back():
    rgb = torch.cat([colours(40), torch.zeros(3, 1, 7), torch.ones(3, 1, 7), 0.02 * colours(9, 2)], 1)
    lab = rgb_to_lab(rgb)
    assert np.allclose(lab, rgb2lab(rgb.numpy(), channel_axis=0), atol=0.02)
    assert torch.allclose(lab_to_rgb(lab), rgb, atol=1e-9)
    assert lab[:, -10].abs().max() < 100.001


def test_normalised_lab_lies_within_one_and_comes_back():
    rgb = torch.cartesian_prod(*[torch.linspace(0, 1, 9, dtype=torch.float64)] * 3).T[:, None]
    normalised = normalize_colorspace(rgb)
    assert normalised[0].min() >= 0
    assert normalised.abs().max() <= 1.0001
    assert torch.allclose(denormalize_colorspace(normalised), rgb, atol=1e-9)


def test_gradients_are_finite_in_the_dark_and_for_equal_greys():
    rgb = torch.zeros(3, 2, 2, requires_grad=True)
    rgb_to_lab(rgb).square().sum().backward()
    assert rgb.grad.isfinite().all()
