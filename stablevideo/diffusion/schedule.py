"""DDIM (Song et al. 2021) that begins where the noise is and takes exactly the number of steps asked."""

import torch
from diffusers import DDIMScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from ..errors import InputError

# Under ten steps the original's rule begins half-way down the noise, or past its end.
LOWEST_BEGINNING = 901


def even_timesteps(steps: int, offset: int = 1, count: int = 1000) -> Tensor:
    """The original's timesteps [steps], falling: from its highest one evenly down to `offset`.

    Where `steps` divides `count` they are the original's own. Where not, the original takes a few steps more than
    asked, each count // steps apart; here the same span is covered in as many as asked.
    """
    gap = count // steps
    highest = min(gap * ((count - 1) // gap) + offset, count - 1)
    return torch.linspace(max(highest, LOWEST_BEGINNING), offset, steps).round().long()


MOST, NEARLY_ALL = 4.0, 0.995  # standard deviations that clean latents reach, but for a few of them
LEFT_OPEN = 0.002  # variance of clean latents that a picture's hint and words leave open


class EvenDDIM(DDIMScheduler):
    """diffusers' DDIM with `even_timesteps` for "leading" spacing, and each step leading exactly to the next one.

    diffusers' own begins at 958 of 1000 where 30 steps are asked, and steps by 1000 // steps whatever the spacing.
    """

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Prepare for that many steps."""
        super().set_timesteps(num_inference_steps, device)
        count = self.config.num_train_timesteps
        if self.config.timestep_spacing == "leading":
            self.timesteps = even_timesteps(num_inference_steps, self.config.steps_offset, count).to(device)
        elif self.config.timestep_spacing == "trailing":
            # diffusers counts down in floats, and of some numbers, 61 say, makes one step more.
            ends = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64) * count / num_inference_steps
            self.timesteps = (ends.round().long() - 1).to(device)

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor,
        sample: Tensor,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """One step down the noise: the next sample, and the clean one that is foreseen; equation 12 of the paper."""
        alpha = self.alphas_cumprod[timestep]
        following = self.timesteps[self.timesteps < timestep]
        alpha_next = self.alphas_cumprod[following[0]] if len(following) else self.final_alpha_cumprod
        clean, noise = self._split(model_output, sample, alpha.sqrt(), (1 - alpha).sqrt())
        fresh = eta * ((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next)).sqrt()
        # Where all noise is fresh, what is left of the old is 0, and by rounding may come out below.
        kept = (1 - alpha_next - fresh**2).clamp(min=0).sqrt()
        result = alpha_next.sqrt() * clean + kept * noise
        if eta > 0:
            result += fresh * randn_tensor(
                sample.shape, generator=generator, device=sample.device, dtype=model_output.dtype
            )
        return result, clean

    def foreseen(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> Tensor:
        """The clean latents that a sample would come to, by what the network says of it."""
        alpha = self.alphas_cumprod[timestep]
        return self._split(model_output, sample, alpha.sqrt(), (1 - alpha).sqrt())[0]

    def redirected(self, model_output: Tensor, timestep: Tensor, change: Tensor) -> Tensor:
        """What the network would have said, had it foreseen clean latents that are `change` more.

        With x = s x0 + d e kept, x0 + change asks for e - s / d change, and for v - change / d as v = s e - d x0. Where
        nothing changes, it is the same to the last bit.
        """
        if self.config.prediction_type == "sample":
            return model_output + change
        alpha = self.alphas_cumprod[timestep]
        signal, deviation = alpha.sqrt(), (1 - alpha).sqrt()
        return model_output - change * (signal if self.config.prediction_type == "epsilon" else 1) / deviation

    def _split(self, output: Tensor, sample: Tensor, signal: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """The clean latents and the noise that a sample is made of, by what the network says."""
        kind = self.config.prediction_type
        if kind == "epsilon":
            return (sample - deviation * output) / signal, output
        if kind == "v_prediction":
            return signal * sample - deviation * output, signal * output + deviation * sample
        if kind == "sample":
            return output, (sample - signal * output) / deviation
        raise InputError(f"the model predicts {kind!r}; only 'epsilon', 'v_prediction' and 'sample' are known.")


class WienerDDIM(EvenDDIM):
    """`EvenDDIM` whose network is shown the best linear guess of what hint and words leave open, and no noise beyond.

    For x = sqrt(a) x0 + sqrt(1 - a) e, and clean latents of variance v about what is known without x, that is
    sqrt(a) v / (a v + 1 - a) x (Wiener 1949). Where a hint all but says what comes out, v is small: the network is
    shown next to nothing until the end, and noise that is not shown cannot leak into what it paints.
    """

    def _split(self, output: Tensor, sample: Tensor, signal: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """As it is, but within reach: strong guidance foresees latents that no picture has, and loses its colours.

        Each picture of which more than a few latents lie beyond MOST is drawn back as a whole (dynamic thresholding,
        Saharia et al. 2022).
        """
        beyond = output.float().abs().flatten(1).quantile(NEARLY_ALL, 1)
        share = (MOST / beyond.clamp(min=MOST)).to(output).reshape(-1, 1, 1, 1)
        return super()._split(output * share, sample, signal, deviation)

    def scale_model_input(self, sample: Tensor, timestep: Tensor | None = None) -> Tensor:
        """Samples [n, c, h, w] at one timestep, or at one each [n], as the network takes them."""
        if timestep is None:
            raise InputError("the noise of a sample is not known without its timestep; give it.")
        alpha = self.alphas_cumprod.to(sample)[timestep].reshape(-1, 1, 1, 1)
        return sample * (alpha.sqrt() * LEFT_OPEN / (alpha * LEFT_OPEN + 1 - alpha))


def sd15_scheduler() -> EvenDDIM:
    """Stable Diffusion 1.5's noise, as the original samples it."""
    return EvenDDIM(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
