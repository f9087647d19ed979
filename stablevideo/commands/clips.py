"""Commands that make clips: a video into layers, layers into a checkpoint for other tools."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from ..clips import clip_folder, load_clip, new_clip_folder
from ..decompose.session import DecomposeSession
from ..device import resolve
from ..errors import InputError
from ..nla.export import export_nla
from ..nla.files import NLATraining
from ..nla.train import train_nla
from ..options import DecomposeOptions
from ..parse import parse_box
from ..progress import within
from ..video.read import read_video
from .flags import Ckpt, Data, Device, Json, Name, VideoFile, parse_size, with_flags
from .terminal import end_line, show


class Method(StrEnum):
    """How a clip is decomposed."""

    lattice = "lattice"
    nla = "nla"


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
