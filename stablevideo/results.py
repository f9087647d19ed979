"""One folder a run: the video, the atlases, the keyframes and the settings, whole or not at all."""

import json
import secrets
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from torch import Tensor

from .edit.keyframe import Keyframe
from .files import whole_folder
from .layers.layered_video import LayeredVideo
from .options import RenderOptions
from .progress import Progress, counted, quiet
from .version import __version__
from .video.pictures import write_picture
from .video.write import write_video


def save_run(
    clip: LayeredVideo,
    log: Path,
    settings: dict,
    foreground: Tensor | None = None,
    background: Tensor | None = None,
    keyframes: Sequence[Keyframe] = (),
    options: RenderOptions | None = None,
    progress: Progress = quiet,
) -> Path:
    """Render a clip with edited atlases into a new folder of `log`, with all that is needed to run it again.

    Parameters
    ----------
    foreground, background
        Edited atlases [3, Ha, Wa] in [0, 1]; None for the clip's own.

    Returns
    -------
    The folder `YYYYmmdd-HHMMSS-xxxx`. It appears only when it is whole: after an error (a full disk) or a
    cancel nothing is left.
    """
    options = options or RenderOptions()
    size = options.size(clip.size)
    run = new_folder(log)
    with whole_folder(run) as folder:
        edited = {"foreground": foreground, "background": background}
        for name, atlas in edited.items():
            if atlas is not None:
                write_picture(folder / f"{name}.png", atlas)
        for keyframe in keyframes:
            (folder / "keyframes").mkdir(exist_ok=True)
            for part in ("before", "hint", "after"):
                name = f"{keyframe.frame:05d}-{part}.png"
                write_picture(folder / "keyframes" / name, getattr(keyframe, part))
        record = {"clip": clip.name, "size": [size[1], size[0]], "render": vars(options), **settings}
        record |= {"device": str(clip.device), "versions": versions()}
        (folder / "settings.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        frames = clip.render(foreground, background, size, shading=options.shading)
        write_video(
            counted(frames, clip.frame_count, progress),
            folder / "video.mp4",
            clip.video.fps,
            audio=clip.video.path if clip.video.has_audio else None,
        )
    return run


def new_folder(log: Path) -> Path:
    """A name of a run that is not taken: the time, and something of its own."""
    return log / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def versions() -> dict[str, str]:
    """What a result depends on besides its settings."""
    packages = ("torch", "diffusers", "transformers", "opencv-python")
    return {"stablevideo": __version__, **{name: metadata.version(name) for name in packages}}
