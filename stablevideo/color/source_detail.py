"""A repainted picture with the fine detail of what it was painted from: its own colours and shapes stay."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from .recolour import into_gamut
from .spaces import rgb_to_lab

FINE = 1 / 40  # of the short side: the Gaussian's sigma, which tells detail from shapes; 13 pixels of 512
INNER = (0.05, 0.95)  # quantiles of lightness between which its spread is taken, whatever few pixels do
STEADY = 10.0  # of L*, added to both spreads, so that two flat pictures compare as alike
# How much weaker or stronger detail may become: on a flat repaint of a varied picture, half of it comes back.
WEAKEST, STRONGEST = 0.5, 2.0
MOST_SAMPLES = 100_000  # that quantiles are taken of


def keep_detail(painted: Tensor, source: Tensor, amount: float, weight: Tensor | None = None) -> Tensor:
    """Put the source's fine detail in the place of a painted picture's.

    Detail is what a Gaussian takes out of lightness (L*), so that hue and, where sRGB shows it, chroma stay the painted
    picture's, and so does lightness at large. It is brought to the painted picture's contrast by one factor: the ratio
    of how far the histograms of what the Gaussian leaves spread. Histograms of detail itself have no say: where a model
    paints a blur, matching them would take the source's detail away again.

    Parameters
    ----------
    painted, source
        [3, h, w] in [0, 1], on one device.
    amount
        0 gives `painted` itself, 1 leaves none of its own detail.
    weight
        [1, h, w] in [0, 1]: how much each pixel has a say, and gets; all of it by default. What lies beyond does not
        shine in.

    Returns
    -------
    [3, h, w] in [0, 1].
    """
    if not amount:
        return painted
    lab, own = rgb_to_lab(painted.float()), rgb_to_lab(source.float())[0]
    counts = torch.ones_like(own) if weight is None else weight[0].float()
    shapes, own_shapes = _smooth(lab[0], counts), _smooth(own, counts)
    gain = ((_spread(shapes, counts) + STEADY) / (_spread(own_shapes, counts) + STEADY)).clamp(WEAKEST, STRONGEST)
    light = torch.lerp(lab[0], shapes + gain * (own - own_shapes), amount)
    detailed = into_gamut(torch.stack([light.clamp(0, 100), lab[1], lab[2]]))
    return torch.lerp(painted, detailed.to(painted), counts.to(painted))


def _smooth(light: Tensor, counts: Tensor) -> Tensor:
    """Lightness [h, w] under a Gaussian over the pixels that count."""
    return _blurred(light * counts) / _blurred(counts).clamp(min=1e-6)


def _blurred(values: Tensor) -> Tensor:
    sigma = FINE * min(values.shape)
    found = cv2.GaussianBlur(values.cpu().numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(found).to(values)


def _spread(light: Tensor, counts: Tensor) -> Tensor:
    """Between two quantiles of the lightness of the pixels that count."""
    known = light[counts > 0.5]
    if not known.numel():
        return light.new_zeros(())
    low, high = torch.quantile(known[:: 1 + known.numel() // MOST_SAMPLES], light.new_tensor(INNER))
    return high - low
