"""The command that carries edited keyframes through a clip."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from ..clips import clip_folder, load_clip
from ..deflicker.interpolate import interpolate as interpolated
from ..edit.whole_frames import keyframe_frames, saved_keyframes
from ..errors import InputError
from ..options import InterpolateOptions
from ..progress import within
from ..video.container import PICTURE_SUFFIXES
from ..video.pictures import read_picture, to_uint8
from ..video.read import Video, read_video
from ..video.write import write_video
from .flags import Ckpt, Data, Device, Json, with_flags
from .terminal import end_line, show


@with_flags(InterpolateOptions)
def interpolate(
    video: Annotated[str, typer.Argument(help="the source: a video file or a folder of pictures; with --run, a clip")],
    *,
    keyframes: Annotated[
        Path | None, typer.Option(help="a folder of edited frames, named by their numbers: 00020.png, frame_20.jpg")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="or the folder of a run that edited a clip's foreground")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="the video to write")],
    data: Data,
    ckpt: Ckpt,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Edit a whole video by some of its frames: those between follow the source's motion."""
    if (keyframes is None) == (run is None):
        raise InputError("write --keyframes FOLDER with edited frames, or --run FOLDER of an edit; one of both.")
    options = InterpolateOptions(**given)
    if run is not None:
        clip = load_clip(clip_folder(data, video), device, progress=within(show, 0, 0.2, "loading the clip: "))
        opened, edited = clip.video.part(0, clip.frame_count), keyframe_frames(clip, saved_keyframes(clip, run))
    elif keyframes is not None:
        opened = read_video(Path(video))
        edited = numbered_pictures(keyframes)
    frames = interpolated(opened, edited, options, device, ckpt, within(show, 0.2 if run else 0, 1))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_video(frames, output, opened.fps, _sound(opened))
    end_line()
    facts = {"video": str(output), "frames": opened.frame_count, "keyframes": sorted(edited)}
    print(json.dumps(facts) if as_json else output)


def numbered_pictures(folder: Path) -> dict[int, Tensor]:
    """The pictures of a folder by the last number in their names, uint8 [3, h, w].

    Raises InputError for a picture without a number, or two with the same.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give one with edited frames, named by their numbers.")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(f"{path.name} has no frame's number in its name; call it such as 00020.png.")
        other = found.setdefault(int(digits[-1]), path)
        if other != path:
            raise InputError(f"{other.name} and {path.name} are both of frame {int(digits[-1])}; remove one.")
    return {number: to_uint8(read_picture(path)) for number, path in sorted(found.items())}


def _sound(video: Video) -> Path | None:
    return video.path if video.has_audio else None
