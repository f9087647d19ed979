"""The command line: `python -m stablevideo edit NAME --foreground TEXT ...`."""

import json
import logging
import shutil
import sys
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from .clip_measures import load_clip_scorer
from .clips import clip_folder, load_clip, new_clip_folder
from .color.calibrate import calibrate as calibrated
from .decompose.session import DecomposeSession
from .device import resolve
from .diffusion.spec import find_model
from .edit.background import edit_background
from .edit.keyframes import edit_foreground
from .edit.own_picture import lay_picture
from .edit.painting import Edit
from .edit.recolour import recolour as recoloured
from .errors import InputError
from .files import whole_file
from .flags import Ckpt, Data, Device, Json, Log, Mask, Name, Output, Size, VideoFile, parse_size, picked, with_flags
from .layers.coords import LayerName
from .layers.layered_video import LayeredVideo
from .measure import measure as measure_video
from .nla.export import export_nla
from .nla.files import NLATraining
from .nla.train import train_nla
from .options import (
    BackgroundOptions,
    ColorCorrectionOptions,
    DecomposeOptions,
    ForegroundOptions,
    RecolourOptions,
    RenderOptions,
)
from .parse import parse_box
from .progress import within
from .results import save_run
from .steadiness import table
from .terminal import end_line, show
from .video.pictures import read_picture
from .video.read import read_video
from .video.write import write_video

command = typer.Typer(add_completion=False, no_args_is_help=True, help="Edit a video with words, without flicker.")


class Method(StrEnum):
    """How a clip is decomposed."""

    lattice = "lattice"
    nla = "nla"


@command.callback()
def _commands() -> None:
    """Edit a video with words, without flicker."""


@command.command()
@with_flags(ForegroundOptions, BackgroundOptions, RenderOptions)
def edit(
    name: Name,
    *,
    foreground: Annotated[str | None, typer.Option(help="what the foreground should be")] = None,
    background: Annotated[str | None, typer.Option(help="what the background should be")] = None,
    model: Annotated[str | None, typer.Option(help="which model paints; see the README")] = None,
    offload: Annotated[bool, typer.Option("--offload", help="save GPU memory, a little slower")] = False,
    safety_checker: Annotated[bool, typer.Option(help="hold back flagged pictures")] = True,
    output: Output = None,
    data: Data,
    ckpt: Ckpt,
    log: Log,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Edit a clip's foreground, background or both with words, and render it."""
    if not foreground and not background:
        raise InputError("nothing to do; write --foreground TEXT, --background TEXT or both.")
    # What is wrong with the options shows before anything is loaded.
    render_options = RenderOptions(**picked(RenderOptions, given))
    defaults = find_model(model, ckpt).defaults
    back = BackgroundOptions(**{**defaults, **picked(BackgroundOptions, given)})
    front = ForegroundOptions(**{**defaults, **picked(ForegroundOptions, given)})
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.2, "loading the clip: "))
    from .diffusion.editor import load_editor  # takes seconds

    editor = load_editor(model, ckpt, device, offload, safety_checker)
    edits: dict[LayerName, Edit] = {}
    if background:
        part = within(show, 0.2, 0.45, "background: ")
        edits["background"] = edit_background(clip, background, editor, back, part)
    if foreground:
        part = within(show, 0.45, 0.85, "foreground: ")
        edits["foreground"] = edit_foreground(clip, foreground, editor, front, part)
    folder = save_run(
        clip,
        log,
        {"edits": [edit.settings for edit in edits.values()]},
        foreground=edits["foreground"].atlas if foreground else None,
        background=edits["background"].atlas if background else None,
        keyframes=edits["foreground"].keyframes if foreground else (),
        options=render_options,
        progress=within(show, 0.85, 1, "rendering "),
    )
    _finish(folder, clip, output, as_json, {layer: edit.settings for layer, edit in edits.items()})


@command.command()
@with_flags(DecomposeOptions)
def decompose(
    video: VideoFile,
    *,
    name: Annotated[str, typer.Option(help="what to call the clip")],
    masks: Annotated[Path | None, typer.Option(help="the object, white on black: a folder or a video")] = None,
    box: Annotated[
        str | None, typer.Option(help="LEFT,TOP,RIGHT,BOTTOM around the object, in the video's pixels")
    ] = None,
    box_frame: Annotated[int, typer.Option(help="the frame, of those used, that the box is drawn in")] = 0,
    size: Annotated[str | None, typer.Option(help="WxH to work at; the clip's by default, up to 768")] = None,
    method: Annotated[
        Method, typer.Option(help="lattice takes about a minute; nla trains the published networks, for hours")
    ] = Method.lattice,
    iterations: Annotated[int, typer.Option(help="of the published training", min=1)] = 400_000,
    data: Data,
    ckpt: Ckpt,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Split a video into foreground and background layers, as a new clip in --data.

    Without --masks and --box, the object is what moves against the background. Stopped half-way, the same command
    goes on from where it was.
    """
    chosen = resolve(device)
    begun = method is Method.nla and (data / name / "checkpoint").is_file()
    folder = clip_folder(data, name) if begun else new_clip_folder(data, name)
    if masks and box:
        raise InputError("give --masks or --box, not both.")
    options = DecomposeOptions(**{**given, **parse_size(size)})
    session = DecomposeSession.begin(read_video(video), options, within(show, 0, 0.1), ckpt, chosen)
    finding = within(show, 0.1, 0.2)
    if box:
        session.mark_box(box_frame, session.box_of(parse_box(box)))
        session.find_marked(finding)
    elif masks:
        session.read_masks(masks)
    else:
        session.find_moving(finding)
    if method is Method.nla:
        pictures, found = session.footage.pictures.to(chosen), torch.from_numpy(session.masks).to(chosen)
        train_nla(pictures, found, session.footage.flow, folder, NLATraining(iters_num=iterations), progress=show)
        print(json.dumps({"clip": name, "folder": str(folder)}) if as_json else folder)
        return
    report = session.decompose(folder, within(show, 0.2, 1))
    end_line()
    height, width = session.footage.size
    facts = {"clip": name, "folder": str(folder), "frames": session.frame_count, "size": [width, height]}
    said = f"{folder}: {report.psnr} dB. {report.verdict}"
    print(json.dumps(facts | {"report": asdict(report)}) if as_json else said)


@command.command()
def export(
    name: Name,
    *,
    nla: Annotated[Path, typer.Option(help="the folder to write the clip into")],
    minutes: Annotated[float, typer.Option(help="how long to fit the networks", min=0.01)] = 18,
    data: Data,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Write a decomposed clip as a layered-neural-atlas checkpoint that other tools load."""
    new_clip_folder(nla, name)
    folder = clip_folder(data, name)
    clip = load_clip(folder, device, progress=within(show, 0, 0.02, "loading the clip: "))
    facts = asdict(export_nla(clip, nla, name, minutes, progress=within(show, 0.02, 1), device=device))
    end_line()
    lost = facts["lattice_psnr"] - facts["networks_psnr"]
    said = f"{nla / name}: {facts['networks_psnr']:.1f} dB, {lost:.1f} dB less than the clip's own layers."
    print(json.dumps({"clip": name, "folder": str(nla / name), **facts}) if as_json else said)


@command.command()
@with_flags(RenderOptions)
def render(
    name: Name,
    *,
    foreground_atlas: Annotated[
        Path | None, typer.Option(help="a picture over or in place of the foreground atlas")
    ] = None,
    background_atlas: Annotated[
        Path | None, typer.Option(help="a picture over or in place of the background atlas")
    ] = None,
    size: Size = None,
    output: Output = None,
    data: Data,
    log: Log,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Map atlases, edited by hand or the clip's own, back to a video.

    A picture with transparency lies over the clip's own atlas, one without takes its place.
    """
    options = RenderOptions(**{**given, **parse_size(size)})
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.5, "loading the clip: "))
    given_atlases: dict[LayerName, Path | None] = {"foreground": foreground_atlas, "background": background_atlas}
    edits = {layer: lay_picture(clip, layer, read_picture(path, True)) for layer, path in given_atlases.items() if path}
    folder = save_run(
        clip,
        log,
        {"edits": [edit.settings for edit in edits.values()]},
        foreground=edits["foreground"].atlas if "foreground" in edits else None,
        background=edits["background"].atlas if "background" in edits else None,
        options=options,
        progress=within(show, 0.5, 1, "rendering "),
    )
    _finish(folder, clip, output, as_json, {})


@command.command()
@with_flags(RecolourOptions, RenderOptions)
def recolour(
    name: Name,
    *,
    layer: Annotated[LayerName, typer.Option(help="which layer gets other colours")] = "foreground",
    size: Size = None,
    output: Output = None,
    data: Data,
    log: Log,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Give one layer of a clip other colours, and render it; shapes and texture stay."""
    colours = RecolourOptions(**picked(RecolourOptions, given))
    options = RenderOptions(**{**picked(RenderOptions, given), **parse_size(size)})
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.5, "loading the clip: "))
    edit = recoloured(clip, layer, colours)
    folder = save_run(
        clip,
        log,
        {"edits": [edit.settings]},
        foreground=edit.atlas if layer == "foreground" else None,
        background=edit.atlas if layer == "background" else None,
        options=options,
        progress=within(show, 0.5, 1, "rendering "),
    )
    _finish(folder, clip, output, as_json, {layer: edit.settings})


@command.command()
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
    found = measure_video(opened, from_source, changed, progress=within(show, 0, 0.5 if scorer else 1))
    if scorer and prompt is not None:
        told = within(show, 0.5, 1)
        own = scorer.scores(opened, prompt, source_prompt, told)
        theirs = scorer.scores(from_source, prompt, source_prompt, told) if from_source else None
        found = replace(found, clip_scores=own, source_clip_scores=theirs)
    end_line()
    print(json.dumps({"file": str(video), **asdict(found)}) if as_json else table(found))


@command.command()
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
    output: Annotated[Path, typer.Option("-o", "--output", help="the video to write")],
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Take colour drift out of a video.

    Each frame gets the look of its source's; without a source, that of the first frame, along the motion.
    """
    opened, changed = read_video(video), None if mask is None else read_video(mask)
    numbers = reference is not None and not reference.replace(",", "").replace(" ", "").strip("0123456789")
    options = ColorCorrectionOptions(**(given | ({"references": reference} if numbers else {})))
    held_to = read_video(Path(reference)) if reference and not numbers else None
    frames = calibrated(opened, held_to, changed, options, show)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_video(frames, output, opened.fps, video if opened.has_audio else None)
    end_line()
    print(json.dumps({"video": str(output), "frames": opened.frame_count}) if as_json else output)


def _finish(folder: Path, clip: LayeredVideo, output: Path | None, as_json: bool, facts: dict) -> None:
    video = folder / "video.mp4"
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output) as partial:
            shutil.copyfile(video, partial)
    end_line()
    if as_json:
        print(json.dumps({"video": str(output or video), "folder": str(folder), "clip": clip.name, **facts}))
    else:
        print(output or video)


def main() -> None:
    """Run a command; a wrong input is one sentence on standard error and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        command()
    except (InputError, FileNotFoundError) as error:
        print(f"stablevideo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"stablevideo: the result cannot be written: {error.strerror or error}.", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
