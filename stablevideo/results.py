"""One folder a run: the video, the atlases, the keyframes and the settings, whole or not at all."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from torch import Tensor

from .edit.cutout import edit_alone, foreground_alone
from .edit.keyframe import Keyframe
from .edit.painting import Edit
from .errors import InputError
from .files import whole_folder
from .layers.coords import LayerName
from .layers.layered_video import LayeredVideo
from .options import RenderOptions
from .progress import Progress, counted, quiet
from .version import __version__
from .video.alpha import write_alpha_video, write_pictures
from .video.pictures import write_picture
from .video.write import write_video


def save_run(
    clip: LayeredVideo,
    log: Path,
    settings: dict,
    foreground: Tensor | None = None,
    background: Tensor | None = None,
    keyframes: Sequence[Keyframe] = (),
    changed: Mapping[LayerName, Tensor] | None = None,
    options: RenderOptions | None = None,
    progress: Progress = quiet,
) -> Path:
    """Render a clip with edited atlases into a new folder of `log`, with all that is needed to run it again.

    Parameters
    ----------
    foreground, background
        Edited atlases [3, Ha, Wa] in [0, 1]; None for the clip's own.
    changed
        How much of each texel of an edited layer is edit, [1, Ha, Wa]; for a result of the edit alone.

    Returns
    -------
    The folder `YYYYmmdd-HHMMSS-xxxx`. It appears only when it is whole: after an error (a full disk) or a
    cancel nothing is left.

    Raises InputError where the edit alone is asked for and there is none.
    """
    options = options or RenderOptions()
    size = options.size(clip.size)
    if options.part == "edit" and not changed:
        raise InputError("nothing is edited yet, so there is no edit to be had alone.")
    run = new_folder(log)
    with whole_folder(run) as folder:
        edited: dict[LayerName, Tensor | None] = {"foreground": foreground, "background": background}
        atlases = {layer: atlas for layer, atlas in edited.items() if atlas is not None}
        _write_atlases(folder, atlases, keyframes)
        record = {"clip": clip.name, "size": [size[1], size[0]], "render": vars(options), **settings}
        record |= {"device": str(clip.device), "versions": versions()}
        (folder / "settings.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        _write_result(clip, folder, atlases, changed or {}, options, progress)
    return run


def save_edits(
    clip: LayeredVideo,
    log: Path,
    edits: Mapping[LayerName, Edit],
    options: RenderOptions | None = None,
    progress: Progress = quiet,
) -> Path:
    """`save_run` of a clip with edits of its layers; where there is none, a layer is the clip's own."""
    front, back = edits.get("foreground"), edits.get("background")
    return save_run(
        clip,
        log,
        {"edits": [edit.settings for edit in edits.values()]},
        foreground=front.atlas if front else None,
        background=back.atlas if back else None,
        keyframes=front.keyframes if front else (),
        changed={layer: edit.changed for layer, edit in edits.items()},
        options=options,
        progress=progress,
    )


def result_of(run: Path) -> Path:
    """The video in a run's folder, whatever its form; for pictures, the folder with them."""
    return next(path for path in (*(run / f"video.{form}" for form in ("mp4", "mov", "webm")), run / "frames")
                if path.exists())  # fmt: skip


def _write_atlases(folder: Path, atlases: Mapping[LayerName, Tensor], keyframes: Sequence[Keyframe]) -> None:
    """Write the edited atlases, and what each keyframe was, was painted by, and became."""
    for layer, atlas in atlases.items():
        write_picture(folder / f"{layer}.png", atlas)
    for keyframe in keyframes:
        (folder / "keyframes").mkdir(exist_ok=True)
        for part in ("before", "hint", "after"):
            write_picture(folder / "keyframes" / f"{keyframe.frame:05d}-{part}.png", getattr(keyframe, part))


def _write_result(
    clip: LayeredVideo,
    folder: Path,
    atlases: Mapping[LayerName, Tensor],
    changed: Mapping[LayerName, Tensor],
    options: RenderOptions,
    progress: Progress,
) -> None:
    """Write what the options ask for, in the form that they ask for."""
    size, fps = options.size(clip.size), clip.video.fps
    if options.part == "foreground":
        frames = foreground_alone(clip, atlases.get("foreground"), size)
    elif options.part == "edit":
        frames = edit_alone(clip, atlases, changed, size)
    else:
        frames = clip.render(atlases.get("foreground"), atlases.get("background"), size, shading=options.shading)
    frames = counted(frames, clip.frame_count, progress)
    if options.form == "png":
        write_pictures(frames, folder / "frames")
    elif options.form == "mp4":
        sound = clip.video.path if clip.video.has_audio else None
        write_video(frames, folder / "video.mp4", fps, audio=sound)
    else:
        write_alpha_video(frames, folder / f"video.{options.form}", fps)


def new_folder(log: Path) -> Path:
    """A name of a run that is not taken: the time, and something of its own."""
    return log / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def versions() -> dict[str, str]:
    """What a result depends on besides its settings."""
    packages = ("torch", "diffusers", "transformers", "opencv-python")
    return {"stablevideo": __version__, **{name: metadata.version(name) for name in packages}}
