"""Commands that change a clip's layers, and render it."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from ..clips import clip_folder, load_clip
from ..diffusion.spec import find_model
from ..edit.again import edit_again, read_settings
from ..edit.own_picture import lay_picture
from ..edit.painting import Edit
from ..edit.recolour import recolour as recoloured
from ..edit.words import edit_with_words
from ..errors import InputError
from ..files import whole_file, whole_folder
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..options import BackgroundOptions, ForegroundOptions, RecolourOptions, RenderOptions
from ..progress import within
from ..results import result_of, save_edits
from ..video.pictures import read_picture
from .flags import (
    Ckpt,
    Data,
    Device,
    Json,
    Log,
    Model,
    Name,
    Offload,
    Output,
    SafetyChecker,
    Size,
    parse_size,
    picked,
    with_flags,
)
from .terminal import end_line, show


@with_flags(ForegroundOptions, BackgroundOptions, RenderOptions)
def edit(
    name: Name,
    *,
    foreground: Annotated[str | None, typer.Option(help="what the foreground should be")] = None,
    background: Annotated[str | None, typer.Option(help="what the background should be")] = None,
    model: Model = None,
    offload: Offload = False,
    safety_checker: SafetyChecker = True,
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
    options = render_options(given, output)
    spec = find_model(model, ckpt)
    back = BackgroundOptions(**{**spec.defaults, **picked(BackgroundOptions, given)})
    front = ForegroundOptions(**{**spec.defaults, **picked(ForegroundOptions, given)})
    spec.check_hints(front)
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.2, "loading the clip: "))
    from ..diffusion.load import load_editor  # takes seconds

    editor = load_editor(model, ckpt, device, offload, safety_checker)
    words: dict[LayerName, str | None] = {"foreground": foreground, "background": background}
    edits = edit_with_words(clip, words, editor, front, back, within(show, 0.2, 0.85))
    folder = save_edits(clip, log, edits, options, within(show, 0.85, 1, "rendering "))
    finish(folder, clip, output, as_json, {layer: edit.settings for layer, edit in edits.items()})


@with_flags(RenderOptions)
def again(
    name: Name,
    settings: Annotated[Path, typer.Argument(help="settings.json of an earlier run")],
    *,
    offload: Offload = False,
    safety_checker: SafetyChecker = True,
    size: Size = None,
    output: Output = None,
    data: Data,
    ckpt: Ckpt,
    log: Log,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Do an earlier run's edits again: words, strokes and colours, with the models and the seeds that made them."""
    options = render_options(given, output, size)
    wanted = read_settings(settings)
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.2, "loading the clip: "))
    from ..diffusion.load import load_editor  # takes seconds
    from ..diffusion.picture_editor import PictureEditor

    def load(model: str) -> PictureEditor:
        return load_editor(model, ckpt, device, offload, safety_checker)

    edits: dict[LayerName, Edit] = {}
    for number, each in enumerate(wanted):
        begin, end = (0.2 + 0.65 * count / len(wanted) for count in (number, number + 1))
        edits[each["layer"]] = edit_again(clip, each, load, within(show, begin, end, f"{each['layer']}: "))
    folder = save_edits(clip, log, edits, options, within(show, 0.85, 1, "rendering "))
    finish(folder, clip, output, as_json, {layer: edit.settings for layer, edit in edits.items()})


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
    options = render_options(given, output, size)
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.5, "loading the clip: "))
    given_atlases: dict[LayerName, Path | None] = {"foreground": foreground_atlas, "background": background_atlas}
    edits = {layer: lay_picture(clip, layer, read_picture(path, True)) for layer, path in given_atlases.items() if path}
    folder = save_edits(clip, log, edits, options, within(show, 0.5, 1, "rendering "))
    finish(folder, clip, output, as_json, {})


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
    options = render_options(given, output, size)
    clip = load_clip(clip_folder(data, name), device, progress=within(show, 0, 0.5, "loading the clip: "))
    edit = recoloured(clip, layer, colours)
    folder = save_edits(clip, log, {layer: edit}, options, within(show, 0.5, 1, "rendering "))
    finish(folder, clip, output, as_json, {layer: edit.settings})


def render_options(given: dict[str, Any], output: Path | None, size: str | None = None) -> RenderOptions:
    """What the flags say of the result. Raises InputError for an output whose name says another form than asked for."""
    options = RenderOptions(**picked(RenderOptions, given) | parse_size(size))
    form = options.form
    if output is None or form == "mp4":
        return options
    if form == "png" and (output.suffix or output.exists()):
        raise InputError(f"pictures go into a folder that is not there yet, got {output}.")
    if form != "png" and output.suffix != f".{form}":
        raise InputError(f"the result is a {form} and its name must end in .{form}, got {output.name}.")
    return options


def finish(folder: Path, clip: LayeredVideo, output: Path | None, as_json: bool, facts: dict) -> None:
    """Copy the video of a run to where it is wanted, and say what came of it."""
    video = result_of(folder)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        if video.is_dir():
            with whole_folder(output) as partial:
                shutil.copytree(video, partial, dirs_exist_ok=True)
        else:
            with whole_file(output) as partial:
                shutil.copyfile(video, partial)
    end_line()
    if as_json:
        print(json.dumps({"video": str(output or video), "folder": str(folder), "clip": clip.name, **facts}))
    else:
        print(output or video)
