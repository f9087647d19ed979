"""How a ControlNet takes in its hint: beside it grain where it is made for that, and once for all steps."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .grain import grain, place_of


class HintEmbedding:
    """The first layers of a ControlNet, which look at the hint alone: [n, 3, h, w] to its features.

    They say the same at every step, so that is kept as long as the hint is. While a network learns, nothing is.

    Attributes
    ----------
    place
        Where in their sheet the grains begin.
    """

    def __init__(self, controlnet: Any) -> None:
        self.embed = controlnet.controlnet_cond_embedding.forward
        self.channels = controlnet.config.conditioning_channels
        self.place = (0, 0)
        self.kept = WeakTensorKeyDictionary()

    def __call__(self, hint: Tensor) -> Tensor:
        """The features of a hint."""
        if torch.is_grad_enabled():
            return self.embed(self.shown(hint))
        if hint not in self.kept:
            self.kept[hint] = self.embed(self.shown(hint))
        return self.kept[hint]

    def shown(self, hint: Tensor) -> Tensor:
        """The hint, with grain where the network takes it and the hint does not bring its own."""
        if hint.shape[1] == self.channels:
            return hint
        around = grain((hint.shape[2], hint.shape[3]), self.place).to(hint)
        return torch.cat([hint, around.expand(len(hint), -1, -1, -1)], 1)


def embed_once(controlnet: Any) -> Any:
    """A ControlNet, which from now on takes in its hints so."""
    controlnet.controlnet_cond_embedding.forward = HintEmbedding(controlnet)
    return controlnet


def move_grain(controlnet: Any, seed: int) -> None:
    """Let a ControlNet's grain begin where a seed says: what is drawn by grain and not by noise has its seeds, too."""
    embedding, place = controlnet.controlnet_cond_embedding.forward, place_of(seed)
    if isinstance(embedding, HintEmbedding) and embedding.place != place:
        embedding.place = place
        embedding.kept.clear()
