"""Which frames are painted together, with what weight each window speaks, and at which steps frames are smoothed."""

import torch
from torch import Tensor

# The shares of the steps after which frames are smoothed: at 4, 9 and 14 of 20. DiffSynth (Duan et al. 2023) does so at
# the last as well; to smooth the pictures themselves instead, after it, leaves 13 % less warp error (0.45 for 0.52).
SMOOTHED = (0.25, 0.5, 0.75)


def windows(count: int, length: int, overlap: bool = True) -> list[slice]:
    """Windows over `count` frames, each of `length` or of all where there are fewer, the last one ending at the end.

    With `overlap` each begins half a window after the one before; without, where that one ends.
    """
    length = min(length, count)
    stride = max(1, length // 2) if overlap else length
    starts = [*range(0, count - length, stride), count - length]
    return [slice(start, start + length) for start in starts]


def triangle(length: int) -> Tensor:
    """The weights [length] of a window's frames: rising to its middle and falling, positive at both ends."""
    places = torch.arange(length)
    return torch.minimum(places + 1, length - places).float()


def shares(count: int, spans: list[slice]) -> list[Tensor]:
    """For each window, what its frames' predictions count [length]; those of one frame sum to 1."""
    total = torch.zeros(count)
    for span in spans:
        total[span] += triangle(span.stop - span.start)
    return [triangle(span.stop - span.start) / total[span] for span in spans]


def smoothing_steps(steps: int) -> frozenset[int]:
    """At which of the steps, counted from 0, frames are smoothed; never at the last."""
    return frozenset(round(steps * part) - 1 for part in SMOOTHED) - {-1, steps - 1}
