"""Frames of a video painted side by side, so that they agree: DiffSynth's way (Duan et al. 2023, arXiv 2308.03463).

1. All frames begin at the same noise.
2. Frames of a window look at each other; what overlapping windows say of a frame is averaged.
3. At some steps the pictures that the frames would come to are smoothed along time, and painting goes on from those;
   the last time, it is the pictures that they came to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..errors import InputError
from ..options import HintKind, RestyleOptions
from ..progress import Progress, quiet, within
from .colour_attention import colour_attention
from .editor import Editor
from .memory import memory
from .picture_editor import PictureEditor
from .schedule import EvenDDIM, WienerDDIM
from .smoothing import Smooth, smoothing
from .told import Told, tell
from .windows import shares, smoothing_steps, windows


@dataclass(frozen=True)
class FrameHints:
    """One kind of hint for all frames.

    Attributes
    ----------
    kind
        What the hints show.
    hints
        uint8 [T, c, h, w] on the CPU, c being 3, or 1 where it is grey; sides divisible by 8.
    strength
        How strictly they are followed.
    """

    kind: HintKind
    hints: Tensor
    strength: float = 1.0


def with_controlnets(editor: PictureEditor) -> Editor:
    """The same editor. Raises InputError for one that changes single pictures."""
    editor.spec.check_video()
    if not isinstance(editor, Editor):
        raise InputError(f"{editor.name} paints single pictures here; restyle a video on a page of your own.")
    return editor


def check_frames(editor: Editor, prompt: str, kinds: Sequence[str], options: RestyleOptions) -> None:
    """Raise InputError for what `paint_frames` would refuse of these, before any work is done."""
    editor.check(prompt, options)
    if not isinstance(editor.pipeline.scheduler, EvenDDIM):
        raise InputError(
            f"{editor.name} draws fresh noise at each step, and frames would differ; choose another model."
        )
    if not kinds:
        raise InputError("there is no hint for the frames to follow; give at least one kind.")
    for kind in kinds:
        editor.check_hint(kind)


@torch.no_grad()
def paint_frames(
    editor: Editor,
    prompt: str,
    hints: Sequence[FrameHints],
    options: RestyleOptions,
    generator: torch.Generator,
    chroma: Tensor | None = None,
    smooth: Smooth | None = None,
    progress: Progress = quiet,
) -> Tensor:
    """Paint frames side by side, by DDIM.

    On the device lies one window at a time; latents and hints of all frames lie on the CPU.

    Parameters
    ----------
    hints
        One or several kinds, which are followed at once; of as many frames and of one size, which is the result's.
    options
        Their `hint_scale` multiplies all strengths; their `deflicker` and `sharpen` have no say here.
    generator
        On the CPU. A frame that looks at no other is what `Editor.paint` makes of its hint with it.
    chroma
        [T, 2, h / 8, w / 8] of the source's frames as `ColourAttention` takes it, needed under a `colour_bias`.
    smooth
        Steadies the pictures that frames would come to, at `smoothing_steps`; those that they come to are the caller's
        to smooth.

    Returns
    -------
    Latents [T, c, h / 8, w / 8], float32, on the CPU, for `decoded`.

    Raises
    ------
    InputError
        What the editor would refuse; hints that do not fit it or each other; a model whose steps are no DDIM.
    ValueError
        What `smooth` gives is not a frame for a frame.
    """
    check_frames(editor, prompt, [each.kind for each in hints], options)
    count, size = _check_hints(hints)
    if options.colour_bias and chroma is None:
        raise InputError("a colour_bias needs the chroma of the source's frames.")
    scheduler = cast(EvenDDIM, editor.pipeline.scheduler)
    if chroma is None:
        chroma = torch.zeros(count, 2, *(side // editor.pipeline.vae_scale_factor for side in size))
    with editor.following([each.kind for each in hints], options), memory(editor.pipeline, size):
        latents = _beginning(editor, count, size, options.shared_noise, generator)
        brush = _Brush(editor, tell(editor, prompt, options, size), hints, chroma, options)
        scheduler.set_timesteps(options.steps, device="cpu")
        smoothed = smoothing_steps(options.steps) if smooth else frozenset()
        held = None  # what smoothing changed, and a network that hardly looks at its samples does not see in them
        for step, timestep in enumerate(scheduler.timesteps):
            said = brush.predictions(latents, timestep, step, progress)
            if smooth and step in smoothed:
                clean = scheduler.foreseen(said, timestep, latents)
                done, told = (step + 1) / options.steps, f"step {step + 1} of {options.steps}, smoothing "
                change = smoothing(editor, clean, smooth, within(progress, done, done, told))
                said = scheduler.redirected(said, timestep, change)
                held = change if isinstance(scheduler, WienerDDIM) else None
            elif held is not None:
                said = scheduler.redirected(said, timestep, held)
            latents = _stepped(scheduler, said, timestep, latents, options, generator)
    return latents


@dataclass(frozen=True)
class _Brush:
    """What every frame is painted with at every step."""

    editor: Editor
    told: Told
    hints: Sequence[FrameHints]
    chroma: Tensor
    options: RestyleOptions

    def predictions(self, latents: Tensor, timestep: Tensor, step: int, progress: Progress) -> Tensor:
        """What the network says of all frames [T, c, h, w], averaged over the windows that a frame is in."""
        options, count = self.options, len(latents)
        # Frames that do not look at each other need no second window: it would say the same again.
        spans = windows(count, options.window, overlap=options.attention > 0)
        said = torch.zeros_like(latents)
        for i, (span, share) in enumerate(zip(spans, shares(count, spans), strict=True)):
            said[span] += share[:, None, None, None] * self._prediction(latents, timestep, span)
            done = (step + (i + 1) / len(spans)) / options.steps
            progress(done, f"step {step + 1} of {options.steps}, frames {span.start} to {span.stop - 1}")
        return said

    def _prediction(self, latents: Tensor, timestep: Tensor, span: slice) -> Tensor:
        """What it says of one window's frames, under guidance, as float32 on the CPU."""
        pipeline, options, halves = self.editor.pipeline, self.options, self.told.halves
        sample = pipeline.scheduler.scale_model_input(latents[span], timestep)
        sample = sample.to(self.editor.device, self.editor.dtype).repeat(halves, 1, 1, 1)
        words = self.told.of(span.stop - span.start)
        shown = [self._hint(each, span).repeat(halves, 1, 1, 1) for each in self.hints]
        scales = [each.strength * options.hint_scale for each in self.hints]
        several = len(self.hints) > 1
        with colour_attention(pipeline.unet, self.chroma[span], options.attention, options.colour_bias):
            down, middle = pipeline.controlnet(
                sample,
                timestep,
                **words,
                controlnet_cond=shown if several else shown[0],
                conditioning_scale=scales if several else scales[0],
                return_dict=False,
            )
            said = pipeline.unet(
                sample,
                timestep,
                **words,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
                return_dict=False,
            )[0]
        if halves == 2:
            without, with_words = said.chunk(2)
            said = without + options.guidance * (with_words - without)
        return said.float().cpu()

    def _hint(self, each: FrameHints, span: slice) -> Tensor:
        """[n, 3, h, w] in [0, 1] on the device."""
        hint = each.hints[span].to(self.editor.device).to(self.editor.dtype) / 255
        return hint.expand(-1, 3, -1, -1)


def _check_hints(hints: Sequence[FrameHints]) -> tuple[int, tuple[int, int]]:
    """How many frames there are, and their (height, width)."""
    for each in hints:
        if each.hints.ndim != 4 or not len(each.hints) or each.hints.dtype != torch.uint8:
            raise InputError(f"hints must be uint8 [frames, channels, height, width], got {list(each.hints.shape)}.")
    shapes = {(len(each.hints), *each.hints.shape[2:]) for each in hints}
    if len(shapes) > 1:
        raise InputError(f"hints of one clip must be of as many frames and one size, got {sorted(shapes)}.")
    count, height, width = shapes.pop()
    return count, (height, width)


def _beginning(editor: Editor, count: int, size: tuple[int, int], shared: bool, generator: torch.Generator) -> Tensor:
    """Pure noise for all frames [T, c, h / 8, w / 8], float32 on the CPU: one drawn for all, or for each its own."""
    drawn = torch.cat([editor.noise(size, generator) for _ in range(1 if shared else count)])
    return drawn.float().cpu().repeat(count if shared else 1, 1, 1, 1)


def _stepped(
    scheduler: EvenDDIM,
    said: Tensor,
    timestep: Tensor,
    latents: Tensor,
    options: RestyleOptions,
    generator: torch.Generator,
) -> Tensor:
    """All frames one step further down the noise; what is fresh in it is the same for all where they share it."""
    drawn, following = generator.get_state(), torch.empty_like(latents)
    for i in range(len(latents)):
        if options.shared_noise:
            generator.set_state(drawn)
        one = slice(i, i + 1)
        following[one] = scheduler.step(said[one], timestep, latents[one], options.eta, generator)[0]
    return following
