"""Prompt and hint -> picture, by Stable Diffusion with a ControlNet through diffusers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionControlNetPipeline
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from ..device import best_device, free_memory
from ..errors import InputError
from ..options import DiffusionOptions
from ..progress import Progress, quiet
from .spec import HintKind, ModelSpec, default_model, find_models
from .weights import build_pipeline, load_parts


@dataclass
class Editor:
    """A loaded model, ready to paint.

    Attributes
    ----------
    spec
        Which model it is; `spec.defaults` are the option values that suit it.
    pipeline
        diffusers' pipeline over its modules; the ControlNet in it is the one of the last hint used.
    controlnets
        One for each kind of hint that the model can follow.
    ckpt
        Where depth models are looked for.
    """

    spec: ModelSpec
    pipeline: StableDiffusionControlNetPipeline
    controlnets: dict[HintKind, Any]
    ckpt: Path
    device: torch.device

    @property
    def name(self) -> str:
        """The model's name in settings and on the page."""
        return self.spec.name

    def hint_for(self, wanted: HintKind) -> HintKind:
        """The hint wanted, where the model has a ControlNet for it, else the one it has."""
        return wanted if wanted in self.controlnets else next(iter(self.controlnets))

    def paint(
        self,
        prompt: str,
        hint: Tensor,
        kind: HintKind,
        options: DiffusionOptions,
        generator: torch.Generator,
        start: Tensor | None = None,
        seen: Tensor | None = None,
        strength: float = 1.0,
        progress: Progress = quiet,
    ) -> Tensor:
        """Paint one picture.

        Where `start` is `seen`, each denoising step above `strength` puts the noised start back, so that the
        picture there begins at that noise level (SDEdit, Meng et al. 2022); the rest begins at pure noise and
        grows to match.

        Parameters
        ----------
        prompt
            What to paint; the options' added prompt is put behind it.
        hint
            [3, h, w] in [0, 1], sides divisible by 8: also the size of the result.
        kind
            What the hint shows.
        generator
            On the CPU, so that the same seed gives the same noise whatever the device.
        start, seen
            [3, h, w] in [0, 1] and [1, h, w] in [0, 1]: a picture to start from, and where it is known.
        strength
            1 paints anew, 0 keeps what is seen.

        Returns
        -------
        [3, h, w] in [0, 1], float32, on the CPU.

        Raises
        ------
        InputError
            The device ran out of memory, or the safety checker held the picture back.
        """
        if not prompt.strip():
            raise InputError("the prompt is empty; write what should be seen.")
        pipeline = self.pipeline
        pipeline.controlnet = self.controlnets[kind]
        step = _StepCallback(progress, options.steps)
        try:
            with torch.inference_mode():
                latents = self._noise(hint.shape[1:], generator)
                if start is not None and strength < 1:
                    first = round((1 - strength) * options.steps)
                    step = replace(step, **self._keep(start, seen, latents, first))
                    latents = step.put_back(pipeline, latents, options)
                result = pipeline(
                    prompt=", ".join(part for part in (prompt.strip(), options.added_prompt) if part),
                    negative_prompt=options.negative_prompt,
                    image=hint[None],
                    num_inference_steps=options.steps,
                    guidance_scale=options.guidance,
                    controlnet_conditioning_scale=options.hint_scale,
                    eta=options.eta,
                    generator=generator,
                    latents=latents,
                    output_type="pt",
                    callback_on_step_end=step,
                )
        except torch.OutOfMemoryError:
            raise InputError(
                f"the device ran out of memory at {hint.shape[2]}x{hint.shape[1]}; "
                "lower the resolution, or start with model offload."
            ) from None
        finally:
            free_memory()
        if result.nsfw_content_detected and result.nsfw_content_detected[0]:
            raise InputError("the safety checker held the picture back; change the prompt or the seed.")
        # A copy made outside inference mode, so that networks can be trained on it.
        return result.images[0].float().cpu()

    def _noise(self, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Latents of pure noise [1, c, h / 8, w / 8] for a picture of `size`."""
        pipeline, factor = self.pipeline, self.pipeline.vae_scale_factor
        if size[0] % factor or size[1] % factor:
            raise InputError(f"a picture's sides must be divisible by {factor}, got {size[1]}x{size[0]}.")
        shape = (1, pipeline.unet.config.in_channels, size[0] // factor, size[1] // factor)
        noise = randn_tensor(shape, generator=generator, device=self.device, dtype=pipeline.unet.dtype)
        return noise * pipeline.scheduler.init_noise_sigma

    def _keep(self, start: Tensor, seen: Tensor, noise: Tensor, first: int) -> dict[str, Any]:
        """What the step callback needs to put a known picture back: its latents, its noise, its mask."""
        vae = self.pipeline.vae
        picture = (start[None] * 2 - 1).to(self.device, vae.dtype)
        encoded = vae.encode(picture)
        encoded = encoded.latent_dist.mode() if isinstance(vae, AutoencoderKL) else encoded.latents
        # A latent counts as seen where nearly all of its pixels are.
        mask = F.interpolate(seen[None].to(self.device).float(), noise.shape[2:], mode="area") > 0.8
        clean = encoded * vae.config.scaling_factor
        return {"clean": clean, "noise": noise, "mask": mask, "first": first}


@dataclass(frozen=True)
class _StepCallback:
    """Reports each denoising step, and puts a known picture back at the noise level of the next one."""

    report: Progress
    steps: int
    clean: Tensor | None = None
    noise: Tensor | None = None
    mask: Tensor | None = None
    first: int = 0

    def __call__(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        self.report((index + 1) / self.steps, f"step {index + 1} of {self.steps}")
        following = pipeline.scheduler.timesteps[index + 1 :]
        if self.clean is not None and index < self.first and len(following):
            noised = self._noised(pipeline, following[0])
            tensors["latents"] = torch.where(self.mask, noised, tensors["latents"])
        return tensors

    def put_back(self, pipeline: Any, latents: Tensor, options: DiffusionOptions) -> Tensor:
        """The latents that the first step starts from."""
        pipeline.scheduler.set_timesteps(options.steps, device=latents.device)
        noised = self._noised(pipeline, pipeline.scheduler.timesteps[0])
        return torch.where(self.mask, noised, latents)

    def _noised(self, pipeline: Any, timestep: Tensor) -> Tensor:
        return pipeline.scheduler.add_noise(self.clean, self.noise, timestep[None])


def load_editor(
    name: str | None = None,
    ckpt: Path | str = "ckpt",
    device: torch.device | str | None = None,
    offload: bool = False,
    safety_checker: bool = True,
) -> Editor:
    """Load a model by name; by default Stable Diffusion 1.5 if its weights lie in `ckpt`, else the embedded.

    Parameters
    ----------
    device
        `cuda`, `mps` or `cpu`; the best there is by default. float16 on CUDA, else float32.
    offload
        Keep each module on the CPU until its turn: less memory on the device, a little slower.
    safety_checker
        Hold back pictures that Stable Diffusion's checker flags, where its weights lie with the model.

    Raises
    ------
    InputError
        Unknown name, or weights that are missing or do not fit.
    """
    ckpt = Path(ckpt)
    models = find_models(ckpt)
    name = name or default_model(ckpt)
    if name not in models:
        raise InputError(f"there is no model {name!r}; choose one of {', '.join(models)}.")
    device = torch.device(device) if device else best_device()
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    parts = load_parts(models[name], ckpt, dtype)
    pipeline = build_pipeline(models[name], ckpt, parts, safety_checker)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()
    if offload and device.type == "cuda":
        pipeline.enable_model_cpu_offload(device=device)
        for controlnet in parts.controlnets.values():
            controlnet.to(device)
    else:
        pipeline.to(device)
        for controlnet in parts.controlnets.values():
            controlnet.to(device)
    return Editor(models[name], pipeline, parts.controlnets, ckpt, device)
