"""A clip treated and measured, whole: the new video, the comparison, the figures, the frames that leap most."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from .files import whole_file
from .measure import measure
from .progress import Progress, counted, quiet, within
from .results import versions
from .steadiness import Measures, Steadiness
from .treatments import Treatment, moving
from .video.read import Video, read_video
from .video.side_by_side import side_by_side
from .video.write import write_video

COMPARING = 0.1  # of the time that is left once the new video is there; the rest goes into measuring


@dataclass(frozen=True)
class Repaired:
    """The files of a treated video: itself, and the one before it beside it."""

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
        uint8 [3, H, W]: before and after a repair; or the frame and its source's; or the one before it and the frame.
    """

    frame: int
    steps: dict[str, float | None]
    picture: Tensor


@dataclass(frozen=True)
class Findings:
    """What was measured, by name; where frames leap; the JSON file.

    The names are "before" and "after" a repair, "restyled" where nothing was to be repaired, or the "clip" as it is.
    """

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
    treatment: Treatment,
    folder: Path,
    progress: Progress = quiet,
    watch: Callable[[Repaired], None] | None = None,
) -> Findings:
    """Treat a clip, and measure what comes of it: beside the clip before, or beside its source.

    Parameters
    ----------
    folder
        Gets NAME.mp4 with the clip's sound, NAME being the treatment's, comparison.mp4 (before on the left, after on
        the right) and NAME.json, each when it is whole.
    watch
        Gets the new video before it is measured.

    Raises as the treatment does.
    """
    done = treatment.share
    made = Repaired(folder / f"{treatment.name}.mp4", folder / "comparison.mp4")
    new = treatment.begin(within(progress, 0, done))
    sound = video.path if video.has_audio else None
    write_video(new.frames, made.video, video.fps, sound)
    after, compared = read_video(made.video), done + COMPARING * (1 - done)
    told = within(progress, done, compared, "comparing: ")
    write_video(counted(side_by_side(video, after), video.frame_count, told), made.comparison, video.fps, sound)
    if watch:
        watch(made)
    clips = {"before": video, "after": after} if treatment.repairs else {treatment.name: after}
    measures = _measured(clips, treatment.source, within(progress, compared, 1))
    facts = {"video": video.path.name, **new.record}
    beside = (video, after) if treatment.repairs else (after, treatment.source)
    return _found(measures, *beside, folder / f"{treatment.name}.json", facts)


def examine(video: Video, source: Video | None, folder: Path, progress: Progress = quiet) -> Findings:
    """Measure a clip, beside its source where that is given, as it is; `folder` gets measures.json.

    Raises as `measure` does. A source of one frame is a look to be had, not what the clip was made from: it has no say.
    """
    source = moving(source)
    measures = _measured({"clip": video}, source, progress)
    facts = {"video": video.path.name, "source": source.path.name if source else None}
    return _found(measures, video, source, folder / "measures.json", facts)


def _measured(clips: dict[str, Video], source: Video | None, progress: Progress) -> dict[str, Measures]:
    measures: dict[str, Measures] = {}
    for i, (name, clip) in enumerate(clips.items()):
        told = within(progress, i / len(clips), (i + 1) / len(clips), f"measuring {name}: ")
        measures[name] = measure(clip, source, progress=told)
    return measures


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
