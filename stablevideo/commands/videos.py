"""Commands for any video: how steady it is, and making it so."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..clip_measures import load_clip_scorer
from ..color.calibrate import calibrate as calibrated
from ..deflicker import deflicker as deflickered
from ..errors import InputError
from ..measure import measure as measured
from ..options import ColorCorrectionOptions, DeflickerOptions
from ..progress import within
from ..steadiness import table
from ..video.read import read_video
from .flags import Ckpt, Device, Json, Mask, VideoFile, VideoOutput, with_flags
from .outputs import check_video_name, write_beside
from .terminal import end_line, show


def measure(
    video: VideoFile,
    *,
    source: Annotated[Path | None, typer.Option(help="what it was made from: a video or a folder")] = None,
    mask: Mask = None,
    prompt: Annotated[str | None, typer.Option(help="what it should show, as CLIP sees it")] = None,
    source_prompt: Annotated[str | None, typer.Option(help="what the source shows; gives the frame accuracy")] = None,
    ckpt: Ckpt,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Say how steady a video is, beside its source, and with --prompt how well it shows what the words say."""
    if source_prompt is not None and prompt is None:
        raise InputError("--source-prompt says what the source shows; write --prompt TEXT too.")
    opened = read_video(video)
    from_source, changed = (None if path is None else read_video(path) for path in (source, mask))
    scorer = None if prompt is None else load_clip_scorer(ckpt, device)  # what is missing shows before any work
    found = measured(opened, from_source, changed, progress=within(show, 0, 0.5 if scorer else 1))
    if scorer and prompt is not None:
        told = within(show, 0.5, 1)
        own = scorer.scores(opened, prompt, source_prompt, told)
        theirs = scorer.scores(from_source, prompt, source_prompt, told) if from_source else None
        found = replace(found, clip_scores=own, source_clip_scores=theirs)
    end_line()
    print(json.dumps({"file": str(video), **asdict(found)}) if as_json else table(found))


@with_flags(ColorCorrectionOptions)
def calibrate(
    video: VideoFile,
    *,
    reference: Annotated[
        str | None,
        typer.Option(
            help="what it was made from, a video or a folder of as many frames; or a picture to look like; or numbers "
            "of its own frames that are right, such as 0,40,90"
        ),
    ] = None,
    mask: Mask = None,
    output: VideoOutput,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Take colour drift out of a video.

    Each frame gets the look of its source's; without a source, that of the first frame, along the motion.
    """
    check_video_name(output)
    opened, changed = read_video(video), None if mask is None else read_video(mask)
    numbers = reference is not None and not reference.replace(",", "").replace(" ", "").strip("0123456789")
    options = ColorCorrectionOptions(**(given | ({"references": reference} if numbers else {})))
    held_to = read_video(Path(reference)) if reference and not numbers else None
    frames = calibrated(opened, held_to, changed, options, show)
    facts = write_beside(frames, output, opened)
    end_line()
    print(json.dumps(facts) if as_json else output)


@with_flags(DeflickerOptions)
def deflicker(
    video: VideoFile,
    *,
    guide: Annotated[
        Path | None,
        typer.Option(help="what it was made from, a video or a folder of as many frames: its motion is right"),
    ] = None,
    output: VideoOutput,
    ckpt: Ckpt,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Take flicker out of a video: what flickers becomes what neighbouring frames agree on; what is steady stays."""
    check_video_name(output)
    opened, held_to = read_video(video), None if guide is None else read_video(guide)
    frames = deflickered(opened, held_to, DeflickerOptions(**given), device, ckpt, show)
    facts = write_beside(frames, output, opened)
    end_line()
    print(json.dumps(facts) if as_json else output)
