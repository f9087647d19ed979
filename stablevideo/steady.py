"""A clip steadied and measured, whole: the repaired video, the comparison, the figures, the frames that leap most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from .color.calibrate import calibrate
from .files import whole_file
from .measure import measure
from .options import ColorCorrectionOptions
from .progress import Progress, quiet, within
from .results import versions
from .steadiness import Measures, Steadiness
from .video.read import Video, read_video
from .video.side_by_side import side_by_side
from .video.write import write_video

# Where in a job's time its parts end: the repaired video, the comparison, and the first of two measurings.
REPAIRED, COMPARED, BEFORE = 0.12, 0.2, 0.6


@dataclass(frozen=True)
class Repaired:
    """The files of a repaired video: itself, and the one before it beside it."""

    video: Path
    comparison: Path


@dataclass(frozen=True)
class Leap:
    """A frame whose colours leap away from the frame's before it.

    Attributes
    ----------
    steps
        By the clip's name among the measures, the CIEDE2000 of that step; None where no motion could be trusted.
    picture
        uint8 [3, H, W]: before and after the repair; or the frame and its source's; or the one before it and the frame.
    """

    frame: int
    steps: dict[str, float | None]
    picture: Tensor


@dataclass(frozen=True)
class Findings:
    """What was measured: by name, "before" and "after" a repair or the "clip"; where its frames leap; the JSON file."""

    measures: dict[str, Measures]
    leaps: list[Leap]
    file: Path

    @property
    def columns(self) -> dict[str, Steadiness]:
        """The steadiness of each, and of their source where there is one."""
        columns = {name: found.video for name, found in self.measures.items()}
        sources = [found.source for found in self.measures.values() if found.source]
        return columns | ({"source": sources[0]} if sources else {})


def steady(
    video: Video,
    reference: Video | None,
    folder: Path,
    options: ColorCorrectionOptions | None = None,
    progress: Progress = quiet,
    watch: Callable[[Repaired], None] | None = None,
) -> Findings:
    """Take a clip's colour drift out, and measure it before and after.

    Parameters
    ----------
    reference
        As `calibrate` has it; a video is measured beside them as their source.
    folder
        Gets steady.mp4 with the clip's sound, comparison.mp4 (before on the left, after on the right) and steady.json,
        each when it is whole.
    watch
        Gets the repaired video before it is measured: measuring takes several times as long.

    Raises as `calibrate` does.
    """
    options = options or ColorCorrectionOptions()
    made = Repaired(folder / "steady.mp4", folder / "comparison.mp4")
    frames = calibrate(video, reference, None, options, within(progress, 0, REPAIRED, "correcting: "))
    sound = video.path if video.has_audio else None
    write_video(frames, made.video, video.fps, sound)
    after, source = read_video(made.video), _moving(reference)
    compared = side_by_side(video, after)
    told = within(progress, REPAIRED, COMPARED, "comparing: ")
    write_video(_counted(compared, video.frame_count, told), made.comparison, video.fps, sound)
    if watch:
        watch(made)
    measures = {
        "before": measure(video, source, progress=within(progress, COMPARED, BEFORE, "measuring before: ")),
        "after": measure(after, source, progress=within(progress, BEFORE, 1, "measuring after: ")),
    }
    facts = {"video": video.path.name, "reference": reference.path.name if reference else None}
    return _found(measures, video, after, folder / "steady.json", facts | {"options": asdict(options)})


def examine(video: Video, source: Video | None, folder: Path, progress: Progress = quiet) -> Findings:
    """Measure a clip, beside its source where that is given, as it is; `folder` gets measures.json.

    Raises as `measure` does. A source of one frame is a look to be had, not what the clip was made from: it has no say.
    """
    source = _moving(source)
    measures = {"clip": measure(video, source, progress=within(progress, 0, 1, "measuring: "))}
    facts = {"video": video.path.name, "source": source.path.name if source else None}
    return _found(measures, video, source, folder / "measures.json", facts)


def _found(measures: dict[str, Measures], video: Video, other: Video | None, file: Path, facts: dict) -> Findings:
    """Write the figures, and look up the frames of the first clip that leap most, beside the other's."""
    record = {**facts, "measures": {name: asdict(found) for name, found in measures.items()}, "versions": versions()}
    with whole_file(file) as partial:
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
    first = next(iter(measures.values())).video
    leaps = []
    for frame in first.worst_frames():
        steps = {name: found.video.curves["colour_step"][frame - 1] for name, found in measures.items()}
        pair = (
            side_by_side(video, other, [frame], [frame]) if other else side_by_side(video, video, [frame - 1], [frame])
        )
        leaps.append(Leap(frame, steps, next(pair)[0]))
    return Findings(measures, leaps, file)


def _moving(reference: Video | None) -> Video | None:
    """What a clip can be measured beside: a picture is none."""
    return reference if reference and reference.frame_count > 1 else None


def _counted(frames: Iterator[Tensor], total: int, progress: Progress) -> Iterator[Tensor]:
    for i, frame in enumerate(frames):
        yield frame
        progress((i + 1) / total, f"frame {i + 1} of {total}")
