"""The command that carries a picture's look over: to a video, to a picture, or to the layers of a clip."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..clips import clip_folder, list_clips, load_clip
from ..edit.style import stylize_layers
from ..errors import InputError
from ..files import whole_file
from ..layers.coords import LayerName
from ..options import RenderOptions, StyleOptions
from ..progress import within
from ..results import save_edits
from ..style.load import load_painter, load_painters
from ..style.video import stylize as stylized
from ..video.container import PICTURE_SUFFIXES
from ..video.pictures import read_picture, write_picture
from ..video.read import read_video
from .edits import finish, render_options
from .flags import Ckpt, Data, Device, Json, Log, Size, picked, with_flags
from .outputs import check_video_name, write_beside
from .terminal import end_line, show

Picture = Annotated[Path | None, typer.Option(help="a picture for this layer of a clip, in place of --style")]


@with_flags(StyleOptions, RenderOptions)
def stylize(
    what: Annotated[str, typer.Argument(help="a video file, a folder of pictures, a picture, or a clip in --data")],
    *,
    style: Annotated[list[Path] | None, typer.Option(help="the picture to look like; twice to mix two")] = None,
    foreground: Picture = None,
    background: Picture = None,
    size: Size = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="what to write: a video, of a picture a .png")
    ] = None,
    data: Data,
    ckpt: Ckpt,
    log: Log,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Give a video, a picture or a clip's layers the look of a picture: its colours and its brush strokes.

    On a clip's layers the strokes lie on the things themselves, the same in every frame.
    """
    options = StyleOptions(**picked(StyleOptions, given))
    if what not in list_clips(data):
        if foreground or background:
            raise InputError(f"{what} has no layers: --foreground and --background are for clips in {data}.")
        facts = _whole(Path(what), style or [], output, options, ckpt, device)
        end_line()
        print(json.dumps(facts) if as_json else output)
        return
    looks: dict[LayerName, list[Path]] = {
        "background": [background] if background else style or [],
        "foreground": [foreground] if foreground else style or [],
    }
    if not any(looks.values()):
        raise InputError("nothing to do; give --style PICTURE, or --foreground or --background with a picture.")
    rendering = render_options(given, output, size)
    painters = load_painters(looks, options, ckpt, device)
    clip = load_clip(clip_folder(data, what), device, progress=within(show, 0, 0.3, "loading the clip: "))
    edits = stylize_layers(clip, painters, options, within(show, 0.3, 0.6))
    folder = save_edits(clip, log, edits, rendering, within(show, 0.6, 1, "rendering "))
    finish(folder, clip, output, as_json, {layer: edit.settings for layer, edit in edits.items()})


def _whole(
    path: Path, styles: list[Path], output: Path | None, options: StyleOptions, ckpt: Path, device: str | None
) -> dict[str, Any]:
    """A video or a picture in a style, written; what a command says of it."""
    if not styles:
        raise InputError("nothing to do; give --style PICTURE.")
    if output is None:
        raise InputError("say where the result goes: -o FILE.")
    if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
        if output.suffix.lower() != ".png":
            raise InputError(f"a picture is written as .png; got the name {output.name}.")
        painter, picture = load_painter(styles, options, ckpt, device), read_picture(path)
        painted = painter.paint(painter.see(picture), options.strengths()[0][1], options.keep_colours)
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output) as partial:
            write_picture(partial, painted)
        return {"picture": str(output), **painter.settings}
    check_video_name(output)
    video, painter = read_video(path), load_painter(styles, options, ckpt, device)
    return write_beside(stylized(video, painter, options, show), output, video) | painter.settings
