"""Prompt and hint -> picture, by Stable Diffusion with a ControlNet through diffusers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import MultiControlNetModel
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from ..errors import InputError
from ..options import DiffusionOptions, HintKind
from ..progress import Progress, quiet
from .embedding import move_grain
from .hints import Hint, HintMaker, HintMakers, HintsMaker, common_size
from .lora import FOLDER as LORA_FOLDER
from .lora import Loras
from .memory import memory
from .schedule import WienerDDIM
from .settle import full_prompt
from .spec import ModelSpec, check_kinds
from .steps import AfterStep, Known, Watch, check_steps, encode, latent_mask
from .weights import ControlNetPipeline, load_controlnet


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
        Those loaded by now, one for each kind of hint; `controlnet` loads the others that the model has.
    makers
        What makes its hints.
    ckpt
        Where further ControlNets are looked for.
    device
        Where it paints.
    offload
        Whether each module waits on the CPU for its turn.
    loras
        The LoRA files that it has loaded.
    """

    spec: ModelSpec
    pipeline: ControlNetPipeline
    controlnets: dict[HintKind, Any]
    makers: HintMakers
    ckpt: Path
    device: torch.device
    offload: bool = False
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
        return self.pipeline.unet.dtype

    @property
    def kinds(self) -> tuple[HintKind, ...]:
        """The hints that it can follow; the first is the usual one."""
        return tuple(dict.fromkeys([*self.controlnets, *self.spec.kinds]))

    def controlnet(self, kind: HintKind) -> Any:
        """The ControlNet of that hint, loaded when first asked for. Raises InputError where it cannot be had."""
        self.check_hint(kind)
        if kind not in self.controlnets:
            loaded = load_controlnet(self.spec, self.ckpt, kind, self.dtype)
            self.controlnets[kind] = loaded if self.offload else loaded.to(self.device)
        return self.controlnets[kind]

    def hint_for(self, wanted: HintKind) -> HintKind:
        """The hint wanted, where the model has a ControlNet for it, else the first that it has."""
        return wanted if wanted in self.kinds else self.kinds[0]

    def strengths(self, options: DiffusionOptions, usual: HintKind) -> dict[HintKind, float]:
        """Hint -> how strictly it is followed: as asked for, else the usual one alone, or the first that there is.

        Raises InputError for one that the model does not follow.
        """
        asked = options.strengths()
        check_kinds(self.name, asked, self.kinds)
        return asked or {self.hint_for(usual): 1.0}

    def hint_maker(self, kind: HintKind, options: DiffusionOptions) -> HintMaker:
        """What makes the hints of that kind. Raises InputError where its network cannot be had."""
        return self.makers.of(kind, options)

    def hints_maker(self, strengths: Mapping[HintKind, float], options: DiffusionOptions) -> HintsMaker:
        """What makes all hints of a picture. Whatever has to be loaded for them, is loaded now.

        Raises InputError where one of their networks or ControlNets cannot be had.
        """
        makers = {kind: self.hint_maker(kind, options) for kind in strengths}
        for kind in strengths:
            self.controlnet(kind)

        def make(picture: Tensor, size: tuple[int, int]) -> list[Hint]:
            return [Hint(kind, makers[kind](picture, size), strength) for kind, strength in strengths.items()]

        return make

    def check(self, prompt: str, options: DiffusionOptions) -> None:
        """Raise InputError for what `paint` would refuse, before any work is done."""
        check_steps(self.spec, prompt, options)
        self.loras.check(options.loras())

    def check_hint(self, kind: str) -> None:
        """Raise InputError for a kind of hint that the model has no ControlNet for."""
        check_kinds(self.name, [kind], self.kinds)

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
        """Paint one picture.

        Where `start` is `seen`, each denoising step above `strength` puts the noised start back, so that the picture
        there begins at that noise level (SDEdit, Meng et al. 2022); the rest begins at pure noise and grows to match.

        Parameters
        ----------
        prompt
            What to paint; the options' added prompt is put behind it.
        hints
            One, or several that are followed at once; of one size, which is the result's.
        options
            Their `hint_scale` multiplies all strengths; their `hints` have no say here.
        generator
            On the CPU, so that the same seed gives the same noise whatever the device.
        start, seen
            [3, h, w] in [0, 1] and [1, h, w] in [0, 1]: a picture to start from, and where it is known.
        strength
            1 paints anew, 0 keeps what is seen.
        watch
            Shown between steps, roughly, what the picture is by then.

        Returns
        -------
        [3, h, w] in [0, 1], float32, on the CPU.

        Raises
        ------
        InputError
            No hints, or ones that do not fit the model or each other; the device ran out of memory, or the safety
            checker held the picture back.
        """
        self.check(prompt, options)
        hints = [hints] if isinstance(hints, Hint) else list(hints)
        pipeline, size = self.pipeline, common_size(hints)
        shown, scales = [each.picture[None] for each in hints], [each.strength * options.hint_scale for each in hints]
        several = len(hints) > 1
        with self.following([each.kind for each in hints], options), torch.inference_mode(), memory(pipeline, size):
            latents = self.noise(size, generator)
            known = None
            if start is not None and seen is not None and strength < 1:
                known = self._known(start, seen, latents, 1 - strength, options.steps)
                pipeline.scheduler.set_timesteps(options.steps, device=latents.device)
                latents = known.put_back(pipeline.scheduler, latents, 0)
            result = pipeline(
                prompt=full_prompt(prompt, options),
                negative_prompt=options.negative_prompt,
                image=shown if several else shown[0],
                num_inference_steps=options.steps,
                guidance_scale=options.guidance,
                controlnet_conditioning_scale=scales if several else scales[0],
                eta=options.eta,
                generator=generator,
                latents=latents,
                output_type="pt",
                callback_on_step_end=AfterStep(progress, options.steps, known, watch),
            )
        if any(getattr(result, "nsfw_content_detected", None) or ()):
            raise InputError("the safety checker held the picture back; change the prompt or the seed.")
        # A copy made outside inference mode, so that networks can be trained on it.
        return result.images[0].float().cpu()

    def _follow(self, controlnet: Any) -> None:
        """Put a ControlNet into the pipeline, under its offload hooks where it has any."""
        if self.pipeline.controlnet is not controlnet:
            self.pipeline.controlnet = controlnet
            self.pipeline.maybe_free_model_hooks()

    @contextmanager
    def following(self, kinds: Sequence[HintKind], options: DiffusionOptions) -> Iterator[None]:
        """Within, the pipeline's ControlNet follows hints of these kinds, one or several at once, whose pull adds up.

        The options' LoRAs are laid on. Afterwards it is the first kind's alone, and without any LoRA. `memory` belongs
        within: it takes all that followed off the device.
        """
        followed = [self.controlnet(kind) for kind in kinds]
        for controlnet in followed:
            move_grain(controlnet, options.seed)
        self._follow(followed[0])
        try:
            if len(followed) > 1:
                self._follow(MultiControlNetModel(followed))
            with self.loras.laid_on(options.loras()):
                yield
        finally:
            self._follow(followed[0])

    def noise(self, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Latents of pure noise [1, c, h / 8, w / 8] for a picture of `size`, on the device."""
        pipeline, factor = self.pipeline, self.pipeline.vae_scale_factor
        if size[0] % factor or size[1] % factor:
            raise InputError(f"a picture's sides must be divisible by {factor}, got {size[1]}x{size[0]}.")
        shape = (1, pipeline.unet.config.in_channels, size[0] // factor, size[1] // factor)
        noise = randn_tensor(shape, generator=generator, device=self.device, dtype=self.dtype)
        return noise * pipeline.scheduler.init_noise_sigma

    def _known(self, start: Tensor, seen: Tensor, noise: Tensor, kept: float, steps: int) -> Known:
        """A picture to start from, as latents, which is put back during that share of the steps."""
        vae = self.pipeline.vae
        clean = encode(vae, start.to(self.device, vae.dtype))
        self.pipeline.maybe_free_model_hooks()
        mask = latent_mask(seen.to(self.device), (noise.shape[2], noise.shape[3]))
        looks_away = isinstance(self.pipeline.scheduler, WienerDDIM)
        return Known(clean, noise, mask, round(kept * steps), kept if looks_away else 0.0)
