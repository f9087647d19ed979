"""Frames painted together look at their neighbours too, and most at what has the colour of where they look from.

Self-attention over several frames keeps their look the same (Wu et al. 2023, Tune-A-Video, there over the first and the
former frame). Here the frames are those of a window, and the logits are biased by how like two places are in chroma.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

from ..errors import InputError

SELF_ATTENTION = "attn1.processor"  # how diffusers' names of those processors end; cross-attention is attn2


class ColourAttention:
    """Self-attention of each frame over the frames at most `radius` away; one serves all layers of a UNet.

    softmax(q k / sqrt(d) - strength * ((a - a')^2 + (b - b')^2)), with a and b of the query's pixel and a', b' of the
    key's. The window ends where the frames end. Frames are worked on one after the other: of F x n x (window n) logits,
    n tokens a frame, only one frame's are held at once.

    Parameters
    ----------
    chroma
        [F, 2, H, W]: a and b in normalised Lab, `normalize_colorspace(frames)[:, 1:]`, of what is painted. H and W are
        the picture's, or of any resolution on the way down to the latents, each step halving both sides.
    radius
        How many frames to each side: 0 is each frame by itself.
    strength
        At least 0. 0 is plain cross-frame attention; 100 takes a factor of e from a weight at a distance of 0.1.

    Raises
    ------
    InputError
        A value outside these.
    """

    def __init__(self, chroma: Tensor, radius: int, strength: float) -> None:
        if chroma.ndim != 4 or chroma.shape[1] != 2 or not len(chroma):
            raise InputError(f"chroma must be [frames, 2, height, width], got {list(chroma.shape)}.")
        if radius < 0:
            raise InputError(f"the radius of the window must be at least 0 frames, got {radius}.")
        if not 0 <= strength < math.inf:
            raise InputError(f"the strength of the chroma's bias must be at least 0 and finite, got {strength}.")
        self.chroma, self.radius, self.strength = chroma.float(), radius, strength
        self._pooled: dict[int, Tensor] = {}

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Tokens [F, n, c], or [2 F, n, c] under guidance, to the same shape; what diffusers calls in each layer.

        Raises InputError for another batch, a mask, what is no self-attention, or a resolution that the chroma lacks.
        """
        if encoder_hidden_states is not None or attention_mask is not None:
            raise InputError("colour attention is self-attention over all pixels, got words or a mask to attend under.")
        count, (batch, tokens, _) = len(self.chroma), hidden_states.shape
        # Guidance paints every frame twice: all without the words, then all with them. Either half is a batch entry of
        # its own in what follows, so that neither sees the other.
        if batch not in (count, 2 * count):
            raise InputError(f"a batch of {count} frames, or twice as many under guidance, is expected; got {batch}.")
        query, key, value = (
            layer(hidden_states).view(batch // count, count, tokens, attn.heads, -1).transpose(2, 3)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        chroma = self._at(tokens, hidden_states.device)
        painted = torch.stack([self._frame(i, query, key, value, chroma) for i in range(count)], 1)
        for layer in attn.to_out:  # the projection, then dropout
            painted = layer(painted)
        return painted.view_as(hidden_states)

    def _frame(self, index: int, query: Tensor, key: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
        """One frame's share, [halves, n, heads * d], of [halves, F, heads, n, d] and chroma [F, n, 2]."""
        window = slice(max(0, index - self.radius), index + self.radius + 1)
        keys, values = (part[:, window].transpose(1, 2).flatten(2, 3) for part in (key, value))
        bias = None
        if self.strength:
            # Differences are taken before they are squared: by matrix products, like colours would not be 0 apart.
            apart = torch.cdist(
                chroma[index], chroma[window].flatten(0, 1), compute_mode="donot_use_mm_for_euclid_dist"
            )
            bias = (-self.strength * apart.square()).to(query.dtype)
        mixed = F.scaled_dot_product_attention(query[:, index], keys, values, attn_mask=bias)
        return mixed.transpose(1, 2).flatten(2)

    def _at(self, tokens: int, device: torch.device) -> Tensor:
        """The chroma [F, n, 2] at a resolution of so many tokens, pooled the first time it is asked for."""
        if tokens not in self._pooled:
            size = size_of(tokens, (self.chroma.shape[2], self.chroma.shape[3]))
            pooled = F.adaptive_avg_pool2d(self.chroma, size).flatten(2).transpose(1, 2)
            self._pooled[tokens] = pooled.to(device)
        return self._pooled[tokens]


def size_of(tokens: int, largest: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of so many tokens, on the way down from the largest; sides are halved, odd ones rounded up.

    Raises InputError where there is no such size.
    """
    height, width = largest
    while height * width > tokens:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != tokens:
        raise InputError(f"{tokens} tokens are no halving of {largest[1]}x{largest[0]}; give chroma of the same shape.")
    return height, width


@contextmanager
def colour_attention(unet: UNet2DConditionModel, chroma: Tensor, radius: int, strength: float) -> Iterator[None]:
    """Within, the UNet's self-attention is `ColourAttention`; afterwards, its processors are what they were.

    Cross-attention is left as it is. A radius of 0 and a strength of 0 leave all of diffusers' own attention in place.

    Raises
    ------
    InputError
        A value out of range, or a UNet without self-attention.
    """
    attention, former = ColourAttention(chroma, radius, strength), unet.attn_processors
    if not any(name.endswith(SELF_ATTENTION) for name in former):
        raise InputError("the UNet has no self-attention through which frames could look at each other.")
    try:
        if radius or strength:
            own = {name: attention if name.endswith(SELF_ATTENTION) else old for name, old in former.items()}
            unet.set_attn_processor(own)
        yield
    finally:
        unet.set_attn_processor(former)
