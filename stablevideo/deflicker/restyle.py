"""Words -> the whole frames of a video painted anew, side by side, without flicker."""

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color.calibrate import calibrate
from ..color.source_detail import keep_detail
from ..color.spaces import normalize_colorspace
from ..diffusion.settle import paint_size, settings_of, with_seed
from ..options import HintKind, RestyleOptions
from ..progress import Progress, counted, quiet, within
from ..video.pictures import resample, to_uint8
from ..video.read import Video, read_video
from ..video.write import write_video
from .steady_motion import deflickered

if TYPE_CHECKING:
    from ..diffusion.editor import Editor
    from ..diffusion.frames import FrameHints
    from ..diffusion.picture_editor import PictureEditor

# Frames, each [1, 3, h, w] in [0, 1], and the video whose motion they have -> as many, steadier.
Smoother = Callable[[Iterator[Tensor], Video], Iterator[Tensor]]

AUTO: dict[HintKind, float] = {"depth": 0.5, "canny": 0.5}  # as DiffSynth has it, where a model follows both
HINTED, PAINTED = 0.05, 0.85  # of the time, about, when hints and painting end; then frames are steadied
BLUR = (0.25, 0.5, 0.25)  # sharpening adds what this takes away
ALIKE_CRF = 4  # of painted frames that wait for their colours to be compared


@dataclass(frozen=True)
class Restyled:
    """A video painted anew.

    Attributes
    ----------
    frames
        Each [1, 3, H, W] in [0, 1], float32, of the video's own size, one after the other, once.
    settings
        What is needed to run it again: video, prompt, model, options with the hints and the seed that were used, what
        it ran on.
    """

    frames: Iterator[Tensor]
    settings: dict[str, Any]


def restyle(
    video: Video,
    prompt: str,
    editor: "PictureEditor",
    options: RestyleOptions | None = None,
    progress: Progress = quiet,
    smoother: Smoother | None = None,
) -> Restyled:
    """Paint all frames of a video anew by words, so that they agree. A video of one frame is painted as a picture.

    Parameters
    ----------
    smoother
        What steadies frames under `options.deflicker`; by default `deflickered`, on the editor's device.

    Raises
    ------
    InputError
        An empty prompt, too many steps, hints that the model does not follow, weights that are missing, a model that
        draws fresh noise at each step: at once. With a frame, where the safety checker holds it back.
    Cancelled
        The progress callback says so; nothing is left behind.
    """
    # diffusers takes seconds to import, and whoever has an editor has it already.
    from ..diffusion.frames import paint_frames, with_controlnets
    from ..diffusion.smoothing import decoded

    editor = with_controlnets(editor)
    options = with_seed(options or RestyleOptions(**editor.spec.defaults))
    strengths = check_restyle(prompt, editor, options)
    size = paint_size(video.size, options.resolution)
    hints, chroma = _looked_at(video, editor, options, strengths, size, within(progress, 0, HINTED))
    smooth = None
    if options.deflicker and video.frame_count > 1:
        smoother = smoother or functools.partial(deflickered, device=editor.device)
        smooth = functools.partial(_smoothed, smoother, video)
    generator = torch.Generator().manual_seed(options.seed)
    told = within(progress, HINTED, PAINTED)
    latents = paint_frames(editor, prompt, hints, options, generator, chroma, smooth, told)
    painted = decoded(editor, latents)
    steadied = smooth(painted) if smooth else painted
    finished: Iterator[Tensor] = (_finished(frame, options.sharpen, video.size) for frame in steadied)
    if kept := editor.spec.kept_detail(prompt, options):
        finished = _with_detail(finished, video, kept)
    frames = counted(finished, video.frame_count, within(progress, PAINTED, 1, "steadying "))
    if options.color_correction and video.frame_count > 1:
        frames = _held_to_first(frames, video)
    return Restyled(frames, {"video": video.path.name, **settings_of(prompt, editor, strengths, options)})


def check_restyle(prompt: str, editor: "PictureEditor", options: RestyleOptions) -> dict[HintKind, float]:
    """Raise InputError for what `restyle` would refuse of these, whatever the video; else which hints are followed."""
    from ..diffusion.frames import check_frames, with_controlnets

    editor = with_controlnets(editor)
    strengths = editor.strengths(options, "depth")
    if not options.strengths() and AUTO.keys() <= set(editor.kinds):
        strengths = AUTO
    check_frames(editor, prompt, tuple(strengths), options)
    return strengths


def _smoothed(smoother: Smoother, video: Video, frames: Iterator[Tensor]) -> Iterator[Tensor]:
    return smoother(frames, video)


def _looked_at(
    video: Video,
    editor: "Editor",
    options: RestyleOptions,
    strengths: dict[HintKind, float],
    size: tuple[int, int],
    progress: Progress,
) -> tuple[list["FrameHints"], Tensor | None]:
    """The hints of all frames, uint8, and where colour has a say, their chroma at the latents' size."""
    from ..diffusion.frames import FrameHints
    from ..diffusion.hints import COLOURED

    make = editor.hints_maker(strengths, options)
    hints = {
        kind: torch.empty(video.frame_count, 3 if kind in COLOURED else 1, *size, dtype=torch.uint8)
        for kind in strengths
    }
    factor = editor.pipeline.vae_scale_factor
    small = size[0] // factor, size[1] // factor
    chroma = torch.empty(video.frame_count, 2, *small) if options.colour_bias else None
    for i, chunk in enumerate(video.chunks(1)):
        picture = chunk[0].float() / 255
        for hint in make(picture, size):
            hints[hint.kind][i] = to_uint8(hint.picture[: hints[hint.kind].shape[1]])
        if chroma is not None:
            chroma[i] = F.adaptive_avg_pool2d(normalize_colorspace(picture)[1:], small)
        progress((i + 1) / video.frame_count, f"hints of frame {i + 1} of {video.frame_count}")
    return [FrameHints(kind, hints[kind], strength) for kind, strength in strengths.items()], chroma


def _with_detail(frames: Iterator[Tensor], video: Video, amount: float) -> Iterator[Tensor]:
    """Frames [1, 3, H, W] in [0, 1] with the video's own detail."""
    for frame, own in zip(frames, video.chunks(1), strict=True):
        yield keep_detail(frame[0], own[0].float() / 255, amount)[None]


def _held_to_first(frames: Iterator[Tensor], video: Video) -> Iterator[Tensor]:
    """Frames [1, 3, H, W] in [0, 1] without their colour drift; all of them are compared, so they wait in a file."""
    with tempfile.TemporaryDirectory() as folder:
        painted = Path(folder) / "painted.mp4"
        write_video(frames, painted, video.fps, crf=ALIKE_CRF)
        for frame in calibrate(read_video(painted)):
            yield frame[..., : video.height, : video.width].float() / 255  # a file's sides are even


def _finished(frame: Tensor, amount: float, size: tuple[int, int]) -> Tensor:
    """A painted frame [1, 3, h, w] in [0, 1], sharpened by an unsharp mask, at the video's size (height, width)."""
    if amount:
        kernel = torch.tensor(BLUR)
        kernel = (kernel[:, None] * kernel).expand(3, 1, 3, 3)
        blurred = F.conv2d(F.pad(frame, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
        frame = (frame + amount * (frame - blurred)).clamp(0, 1)
    return resample(frame[0], size)[None]
