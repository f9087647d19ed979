"""Motion where none could be followed, from the motion around."""

from __future__ import annotations

import torch
from torch import Tensor

from .filters import coarse, enlarged

SQUARES_PX = (4, 2, 2, 2)  # times that of the one before, over which means are taken
LEAST_TRUST = 0.3  # what has less is not followed
KNOWN = 0.25  # of a square, from which on nobody else is asked


def bridged(maps: Tensor, trust: Tensor) -> Tensor:
    """Maps [n, h, w, 2], taken from around where their trust [n, 1, h, w] in [0, 1] is low.

    Means of what is trusted, over the smallest squares in which enough is: pull and push (Gortler et al. 1996). A flat
    road under flickering texture thus moves as its edges do; what is hidden does too, and is found out as it does not
    come back.
    """
    trust = trust * (trust > LEAST_TRUST)
    found = maps.permute(0, 3, 1, 2)
    total, known = found * trust, trust
    levels = []
    for factor in SQUARES_PX:
        total, known = coarse(total, factor), coarse(known, factor)
        levels.append((total, known))
    around = levels[-1][0] / (levels[-1][1] + 1e-4)
    for total, known in levels[-2::-1]:
        around = torch.lerp(enlarged(around, total), total / (known + 1e-4), (known / KNOWN).clamp(max=1))
    return torch.lerp(enlarged(around, found), found, trust).permute(0, 2, 3, 1)
