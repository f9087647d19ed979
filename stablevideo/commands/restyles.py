"""The command that paints whole videos anew: one, or several with several prompts, by one model that is loaded once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..deflicker.restyle import check_restyle
from ..deflicker.restyle import restyle as restyled
from ..diffusion.spec import find_model
from ..errors import InputError
from ..options import RestyleOptions
from ..progress import Progress, within
from ..video.read import Video, read_video
from ..video.write import SUFFIXES
from .flags import Ckpt, Device, Json, Model, Offload, SafetyChecker, with_flags
from .outputs import check_video_name, file_names, write_beside
from .terminal import end_line, show

if TYPE_CHECKING:
    from ..diffusion.picture_editor import PictureEditor

LOADED = 0.02  # of the time, when the model is there


@dataclass(frozen=True)
class Job:
    """One video to paint by one prompt, and where it goes."""

    video: Video
    prompt: str
    output: Path


@with_flags(RestyleOptions)
def restyle(
    videos: Annotated[list[Path], typer.Argument(help="a video file or a folder of pictures; or several")],
    *,
    prompt: Annotated[str | None, typer.Option(help="what the whole picture should be")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="a text file with one prompt a line, in place of --prompt; lines that begin with # are skipped"
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the video to write; for several, the folder they go into")
    ],
    model: Model = None,
    offload: Offload = False,
    safety_checker: SafetyChecker = True,
    ckpt: Ckpt,
    device: Device = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Paint the whole frames of a video anew by words, without flicker; every video by every prompt."""
    # What is wrong with any of them shows before anything is painted.
    spec = find_model(model, ckpt)
    options = RestyleOptions(**{**spec.defaults, **given})
    spec.check_video()
    spec.check_hints(options)
    jobs = _jobs(videos, _prompts(prompt, prompts), output)
    from ..diffusion.load import load_editor  # takes seconds

    show(0, "loading the model")
    editor = load_editor(model, ckpt, device, offload, safety_checker)
    for job in jobs:
        check_restyle(job.prompt, editor, options)
    made, failed = _painted(jobs, editor, options, within(show, LOADED, 1))
    end_line()
    if as_json:
        print(json.dumps(made[0] if made and _is_one(output) else {"videos": made}))
    else:
        print("\n".join(facts["video"] for facts in made))
    if failed:
        raise InputError(f"{len(failed)} of {len(jobs)} videos could not be made: {'; '.join(failed)}")


def _painted(
    jobs: list[Job], editor: "PictureEditor", options: RestyleOptions, progress: Progress
) -> tuple[list[dict[str, Any]], list[str]]:
    """Do the jobs, one after the other: what was made, and in words what was not. The only one's error is raised."""
    made, failed = [], []
    for i, job in enumerate(jobs):
        before = f"{i + 1} of {len(jobs)}: " if len(jobs) > 1 else ""
        told = within(progress, i / len(jobs), (i + 1) / len(jobs), before)
        try:
            result = restyled(job.video, job.prompt, editor, options, told)
            facts = write_beside(result.frames, job.output, job.video)
        except InputError as error:
            if len(jobs) == 1:
                raise
            failed.append(f"{job.output.name}: {error}")
            continue
        made.append(facts | {"settings": result.settings})
    return made, failed


def _jobs(paths: list[Path], prompts: list[str], output: Path) -> list[Job]:
    """Each video with each prompt. Raises InputError for a video that cannot be read, or an output that is no place."""
    videos = [read_video(path) for path in paths]
    pairs = [(video, prompt) for video in videos for prompt in prompts]
    if len(pairs) == 1:
        check_video_name(output)
        return [Job(*pairs[0], output)]
    if _is_one(output) or output.is_file():
        raise InputError(
            f"{len(videos)} videos by {len(prompts)} prompts give {len(pairs)} files; -o must name the folder they go "
            f"into, got {output.name}."
        )
    names = file_names(paths, prompts)
    return [Job(*pair, output / name) for pair, name in zip(pairs, names, strict=True)]


def _is_one(output: Path) -> bool:
    return output.suffix.lower() in SUFFIXES


def _prompts(prompt: str | None, file: Path | None) -> list[str]:
    """The prompt, or those of a file, each once. Raises InputError for both, or none."""
    if (prompt is None) == (file is None):
        raise InputError("write --prompt TEXT or --prompts FILE, one of them.")
    if file is None:
        if not (prompt or "").strip():
            raise InputError("the prompt is empty; write what should be seen.")
        return [prompt or ""]
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise InputError(f"there is no file {file}.") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise InputError(f"{file} is no text file (UTF-8) with one prompt a line.") from None
    found = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not found:
        raise InputError(f"{file} holds no prompt; write one a line.")
    return found
