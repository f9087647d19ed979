"""When each frame of a file is shown: its packets' times, and a constant rate that keeps step with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from .container import VideoError

_USUAL_RATES = [Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1))]
_USUAL_RATES += [Fraction(60000, 1001), Fraction(60)]


def read_index(container: Any, stream: Any, path: Path) -> tuple[list[int], dict[int, int], int]:
    """Walk through the packets: display times in order, key frame -> time to seek to, last one's duration."""
    counted = container.format.name == "avi"
    stamps: dict[int, int] = {}
    keys: dict[int, int] = {}
    end, found = 0.0, 0
    for packet in container.demux():
        time = packet.dts if counted or packet.pts is None else packet.pts
        if packet.stream.index == stream.index and time is not None:
            found += 1
        if time is None or not packet.size or packet.is_discard:
            continue
        end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index == stream.index:
            stamps[time] = packet.duration or 0
            if packet.is_keyframe:
                keys[time] = min(time, time if packet.dts is None else packet.dts)
    first = min(keys, default=np.inf)  # what comes before it cannot be decoded
    stamps = {time: stamps[time] for time in sorted(stamps) if time >= first}
    if not stamps:
        raise VideoError(f"{path} has a video stream but no frames; record or convert it again")
    promised = (container.duration or 0) / av.time_base + max(0, (container.start_time or 0) / av.time_base)
    if counted and stream.average_rate:  # its duration is made up from the size of the file
        promised, end = (float(count / stream.average_rate) for count in (stream.frames, found))
    if promised - end > max(0.5, 0.05 * promised):
        raise VideoError(
            f"{path} is cut short: it announces {promised:.1f} s and holds {end:.1f} s; copy it again, whole"
        )
    times = list(stamps)
    return times, dict(sorted(keys.items())), stamps[times[-1]]


def constant_rate(
    stamps: list[int], unit: float, last: int, rates: list[Fraction], fps: Fraction | None
) -> tuple[Fraction, list[int]]:
    """Choose a constant rate and which stored frame (an index into `stamps`) each frame shows."""
    times = (np.array(stamps) - stamps[0]) * unit
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 1 / float(rates[0])
    usual = Fraction(1 / gap).limit_denominator(1001)
    usual = min(Fraction(60), next((r for r in _USUAL_RATES if abs(gap * r - 1) < 4e-4), usual))
    count = np.arange(len(times))
    steady = next((r for r in [*rates, usual] if np.abs(times * float(r) - count).max() <= 0.5), None)
    if steady is not None:
        if fps is None or fps == steady:
            return steady, count.tolist()
        times, end = count / float(steady), len(times) / float(steady)
    else:
        end = times[-1] + (last * unit or gap)
    rate = fps or Fraction(usual)
    asked = np.arange(max(1, round(end * float(rate)))) / float(rate)
    rounding = min(unit, 0.25 / float(rate))
    return rate, (np.searchsorted(times, asked + rounding, side="right") - 1).tolist()
