"""What the networks are told while they paint: the words, and Stable Diffusion XL the picture's size too."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..options import DiffusionOptions
from .editor import Editor
from .settle import full_prompt


@dataclass(frozen=True)
class Told:
    """For one picture.

    Attributes
    ----------
    words
        [1, n, c], or [2, n, c] under guidance: the unwanted words, and behind them the prompt.
    added
        What XL is told beside them, of as many rows: `text_embeds` and `time_ids`; nothing else is.
    """

    words: Tensor
    added: dict[str, Tensor] = field(default_factory=dict)

    @property
    def halves(self) -> int:
        """How often every sample is looked at: 2 under guidance."""
        return len(self.words)

    def of(self, pictures: int) -> dict[str, Any]:
        """Keywords of UNet and ControlNet for so many pictures at once: first all without the words, then all with."""
        added = {name: value.repeat_interleave(pictures, 0) for name, value in self.added.items()}
        return {
            "encoder_hidden_states": self.words.repeat_interleave(pictures, 0),
            "added_cond_kwargs": added or None,
        }


def tell(editor: Editor, prompt: str, options: DiffusionOptions, size: tuple[int, int]) -> Told:
    """The prompt, with the options' words, for pictures of that (height, width)."""
    pipeline, guided = editor.pipeline, options.guidance > 1
    said, unsaid, *pooled = pipeline.encode_prompt(
        full_prompt(prompt, options),
        device=editor.device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
        negative_prompt=options.negative_prompt,
    )
    words = torch.cat([unsaid, said]) if guided else said
    if not pooled:
        return Told(words)
    text = torch.cat(pooled[::-1]) if guided else pooled[0]
    # Podell et al. 2023, 2.2: the size it had, where it was cropped, the size it is to have.
    sizes = torch.tensor([[*size, 0, 0, *size]], device=text.device, dtype=text.dtype)
    return Told(words, {"text_embeds": text, "time_ids": sizes.repeat(len(text), 1)})
