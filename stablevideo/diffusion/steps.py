"""What happens between denoising steps: progress, a rough look at the picture, and a known one that is put back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from ..errors import InputError
from ..options import DiffusionOptions
from ..progress import Progress
from .spec import ModelSpec

# A latent counts as seen where this much of its pixels is.
NEARLY_ALL = 0.8
# About the RGB, from -1 to 1, of each of Stable Diffusion's four latent channels, as a least-squares fit finds it: its
# decoder would take longer than the step.
ROUGH_RGB = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))

Watch = Callable[[Tensor], None]  # takes a picture [3, h, w] in [0, 1], of any size


@dataclass(frozen=True)
class Known:
    """A picture that is known in part, as latents, to be put back at the noise level of each of the first steps.

    Attributes
    ----------
    clean, noise
        [1, c, h / 8, w / 8] both, or tokens [1, n, c]: the picture encoded, and the noise that painting starts from.
    mask
        bool [1, 1, h / 8, w / 8], or [1, n, 1]: where it is known.
    steps
        So many steps start from it; after them it may change.
    kept
        How much of it is held at each later step, 0 to 1: 0 but for a network that hardly looks at its samples.
    """

    clean: Tensor
    noise: Tensor
    mask: Tensor
    steps: int
    kept: float = 0.0

    def put_back(self, scheduler: Any, latents: Tensor, index: int) -> Tensor:
        """Latents with what is known in its place, at the noise of the step with that index."""
        if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
            noised = torch.lerp(self.clean, self.noise, float(scheduler.sigmas[index]))
        else:
            noised = scheduler.add_noise(self.clean, self.noise, scheduler.timesteps[index][None])
        return torch.where(self.mask, noised, latents)

    def hold(self, scheduler: Any, latents: Tensor, index: int) -> Tensor:
        """Latents in which what is known is held; index is of the step to come, or one beyond the last."""
        at_end = index == len(scheduler.timesteps)
        known = torch.where(self.mask, self.clean, latents) if at_end else self.put_back(scheduler, latents, index)
        return latents.lerp(known, self.kept)


def check_steps(spec: ModelSpec, prompt: str, options: DiffusionOptions) -> None:
    """Raise InputError where there are no words, or more steps than the model takes."""
    if not prompt.strip():
        raise InputError("the prompt is empty; write what should be seen.")
    if options.steps > spec.most_steps:
        raise InputError(f"{spec.name} takes at most {spec.most_steps} steps, got {options.steps}; give fewer.")


def encode(vae: Any, picture: Tensor) -> Tensor:
    """A picture [3, h, w] in [0, 1] -> latents [1, c, h / 8, w / 8]."""
    encoded = vae.encode(picture[None] * 2 - 1)
    latents = encoded.latent_dist.mode() if isinstance(vae, AutoencoderKL) else encoded.latents
    return latents * vae.config.scaling_factor


def rough_picture(vae: Any, latents: Tensor) -> Tensor:
    """What latents [1, c, h, w] show, quickly and about: [3, h', w'] in [0, 1], on the CPU."""
    if isinstance(vae, AutoencoderKL):
        picture = torch.einsum("chw,cr->rhw", latents[0].float(), latents.new_tensor(ROUGH_RGB, dtype=torch.float32))
    else:
        picture = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample[0].float()
    return ((picture + 1) / 2).clamp(0, 1).cpu()


def latent_mask(seen: Tensor, size: tuple[int, int]) -> Tensor:
    """Where pixels are seen [1, h, w] in [0, 1] -> where latents of `size` are: bool [1, 1, *size]."""
    return F.interpolate(seen[None].float(), size, mode="area") > NEARLY_ALL


@dataclass(frozen=True)
class AfterStep:
    """What diffusers calls after each step: reports it, shows it to who watches, and prepares the next one."""

    report: Progress
    steps: int
    known: Known | None = None
    watch: Watch | None = None
    rough: Callable[[Any, Tensor], Tensor] = rough_picture  # the VAE and latents -> what is shown

    def __call__(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Report the step, and put back what is known where the next one starts from it."""
        self.report((index + 1) / self.steps, f"step {index + 1} of {self.steps}")
        following = index + 1
        if self.watch is not None and following < self.steps:
            self.watch(self.rough(pipeline.vae, tensors["latents"]))
        if self.known is not None:
            scheduler, latents = pipeline.scheduler, tensors["latents"]
            if following <= self.known.steps and following < len(scheduler.timesteps):
                tensors["latents"] = self.known.put_back(scheduler, latents, following)
            elif self.known.kept:
                tensors["latents"] = self.known.hold(scheduler, latents, following)
        return tensors
