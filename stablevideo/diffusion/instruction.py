"""A picture and an instruction -> the picture changed so, by Qwen-Image-Edit (Wu et al. 2025) through diffusers.

Such a model sees the source itself, so there is no ControlNet and one kind of hint: the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer, Qwen2VLProcessor

from ..checkpoint import AGAIN, load_module, load_settings
from ..errors import InputError
from ..options import DiffusionOptions, HintKind
from ..progress import Progress, quiet
from ..video.pictures import resample, to_uint8
from .hints import Hint, HintsMaker, common_size
from .lora import FOLDER as LORA_FOLDER
from .lora import Loras
from .memory import memory
from .settle import full_prompt
from .spec import ModelSpec, check_kinds, read_json
from .steps import AfterStep, Known, Watch, check_steps, latent_mask
from .weights import base_folder

PIPELINES = {each.__name__: each for each in (QwenImageEditPipeline, QwenImageEditPlusPipeline)}
PATCH = 2  # latents to a side, that the network takes as one token


@dataclass
class InstructionEditor:
    """A loaded model that takes instructions, ready to paint.

    Attributes
    ----------
    spec
        Which model it is; `spec.defaults` are the option values that suit it.
    pipeline
        diffusers' pipeline over its modules.
    ckpt
        Where LoRA files are looked for.
    device
        Where it paints.
    loras
        The LoRA files that it has loaded.
    """

    spec: ModelSpec
    pipeline: QwenImageEditPipeline | QwenImageEditPlusPipeline
    ckpt: Path
    device: torch.device
    loras: Loras = field(init=False)

    def __post_init__(self) -> None:
        self.loras = Loras(self.pipeline, self.ckpt / LORA_FOLDER)

    @property
    def name(self) -> str:
        """The model's name in settings and on the page."""
        return self.spec.name

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        return self.pipeline.transformer.dtype

    def strengths(self, options: DiffusionOptions, usual: HintKind) -> dict[HintKind, float]:
        """The picture alone, whatever hint is usual elsewhere. Raises InputError for another that is asked for."""
        asked = options.strengths()
        check_kinds(self.name, asked, self.spec.kinds)
        return asked or {"picture": 1.0}

    def hints_maker(self, strengths: Mapping[HintKind, float], options: DiffusionOptions) -> HintsMaker:
        """What makes the hint of a picture: the picture itself, which it begins from."""

        def make(picture: Tensor, size: tuple[int, int]) -> list[Hint]:
            return [Hint(kind, resample(picture, size)) for kind in strengths]

        return make

    def check(self, prompt: str, options: DiffusionOptions) -> None:
        """Raise InputError for what `paint` would refuse, before any work is done."""
        check_steps(self.spec, prompt, options)
        self.loras.check(options.loras())

    def paint(
        self,
        prompt: str,
        hints: Hint | Sequence[Hint],
        options: DiffusionOptions,
        generator: torch.Generator,
        start: Tensor | None = None,
        seen: Tensor | None = None,
        strength: float = 1.0,
        progress: Progress = quiet,
        watch: Watch | None = None,
    ) -> Tensor:
        """Change one picture; as `Editor.paint`, with these differences.

        The one hint is the picture to change. `options.guidance` is true guidance, towards the instruction and away
        from the negative prompt; `hint_scale` and `eta` have no say. A start is put back along the flow's straight line
        to the noise (Lipman et al. 2022).
        """
        self.check(prompt, options)
        hints = [hints] if isinstance(hints, Hint) else list(hints)
        check_kinds(self.name, [each.kind for each in hints], self.spec.kinds)
        size, pipeline = common_size(hints), self.pipeline
        with self.loras.laid_on(options.loras()), torch.inference_mode(), memory(pipeline, size):
            latents = self._noise(size, generator)
            known = None
            if start is not None and seen is not None and strength < 1:
                known = self._known(start, seen, latents, round((1 - strength) * options.steps))
            result = pipeline(
                image=Image.fromarray(to_uint8(hints[0].picture).cpu().permute(1, 2, 0).numpy()),
                prompt=full_prompt(prompt, options),
                negative_prompt=options.negative_prompt or " ",
                true_cfg_scale=options.guidance,
                height=size[0],
                width=size[1],
                num_inference_steps=options.steps,
                generator=generator,
                latents=latents,
                output_type="pt",
                callback_on_step_end=AfterStep(progress, options.steps, known, watch, partial(_decoded, size=size)),
            )
        return result.images[0].float().cpu()

    def _grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many tokens there are from top to bottom and from left to right."""
        side = self.pipeline.vae_scale_factor * PATCH
        if size[0] % side or size[1] % side:
            raise InputError(f"a picture's sides must be divisible by {side}, got {size[1]}x{size[0]}.")
        return size[0] // side, size[1] // side

    def _noise(self, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Tokens of pure noise [1, n, 4 c] for a picture of `size`, on the device."""
        rows, columns = self._grid(size)
        shape = (1, self.pipeline.latent_channels, rows * PATCH, columns * PATCH)
        return pack(randn_tensor(shape, generator=generator, device=self.device, dtype=self.dtype))

    def _known(self, start: Tensor, seen: Tensor, noise: Tensor, steps: int) -> Known:
        """A picture to start from, as tokens, which is put back during so many steps."""
        vae = self.pipeline.vae
        mean, deviation = _moments(vae, noise.device)
        pixels = start.to(self.device, vae.dtype)[None, :, None] * 2 - 1
        latents = (vae.encode(pixels).latent_dist.mode()[:, :, 0] - mean) / deviation
        self.pipeline.maybe_free_model_hooks()
        mask = latent_mask(seen.to(self.device), self._grid((start.shape[1], start.shape[2])))
        return Known(pack(latents).to(noise), noise, mask.flatten(2).transpose(1, 2), steps)


def pack(latents: Tensor) -> Tensor:
    """Latents [1, c, 2 h, 2 w] -> tokens [1, h w, 4 c], one for each patch of 2 x 2."""
    patches = latents.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))  # [1, c, h, 2, w, 2]
    return patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpack(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens [1, h w, 4 c] of a grid (h, w) -> latents [1, c, 2 h, 2 w]."""
    patches = tokens.unflatten(1, grid).unflatten(3, (-1, PATCH, PATCH))  # [1, h, w, c, 2, 2]
    return patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _moments(vae: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of its latents, [1, c, 1, 1] both."""
    mean, deviation = (torch.tensor(each, device=device) for each in (vae.config.latents_mean, vae.config.latents_std))
    return mean[None, :, None, None], deviation[None, :, None, None]


def _decoded(vae: Any, tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """What tokens show by now: [3, h, w] in [0, 1], on the CPU."""
    side = 2 ** len(vae.temperal_downsample) * PATCH
    mean, deviation = _moments(vae, tokens.device)
    latents = unpack(tokens, (size[0] // side, size[1] // side)) * deviation + mean
    picture = vae.decode(latents[:, :, None].to(vae.dtype)).sample[0, :, 0]
    return ((picture.float() + 1) / 2).clamp(0, 1).cpu()


def load_pipeline(spec: ModelSpec, ckpt: Path, dtype: torch.dtype) -> QwenImageEditPipeline | QwenImageEditPlusPipeline:
    """Load a model's modules strictly, on the CPU.

    Raises
    ------
    InputError
        Weights are missing and the Hub cannot be reached, or a file does not hold what its name says.
    """
    folder = base_folder(spec, ckpt)
    index = folder / "model_index.json"
    name = str(read_json(index).get("_class_name"))
    if name not in PIPELINES:
        raise InputError(f"{index} names none of {', '.join(PIPELINES)} ({name}); {AGAIN}.")
    return PIPELINES[name](
        scheduler=load_settings(FlowMatchEulerDiscreteScheduler, folder / "scheduler"),
        vae=load_module(AutoencoderKLQwenImage, folder / "vae", dtype),
        text_encoder=load_module(Qwen2_5_VLForConditionalGeneration, folder / "text_encoder", dtype),
        tokenizer=load_settings(Qwen2Tokenizer, folder / "tokenizer"),
        processor=load_settings(Qwen2VLProcessor, folder / "processor"),
        transformer=load_module(QwenImageTransformer2DModel, folder / "transformer", dtype),
    )
