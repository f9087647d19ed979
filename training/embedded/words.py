"""The second stage of training: the text encoder learns to tell the looks apart, from captions alone.

Pictures teach words slowly, since a loss on pixels first finds what most captions share. A minute of naming looks from
captions gives every word its own place, which the UNet then only has to read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextModel

from .captions import KINDS, sample_caption

log = logging.getLogger(__name__)
LOOKS = tuple(look for table in KINDS.values() for look in table)


def teach_words(encoder: CLIPTextModel, token_ids: Callable[[list[str]], Tensor], steps: int, seed: int) -> float:
    """Train the encoder to name each caption's looks; token_ids makes ids [n, 77]. Returns the last loss."""
    encoder.requires_grad_(True)
    rng = np.random.default_rng(seed)
    device = next(encoder.parameters()).device
    head = nn.Linear(encoder.config.hidden_size, len(LOOKS)).to(device)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-3, weight_decay=0.01)
    mean = 1.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 30) * (1 - 0.9 * step / steps)
        captions, named = zip(*(sample_caption(rng, ("object", "place")[i % 2]) for i in range(48)), strict=True)
        labels = torch.tensor([[float(look in looks) for look in LOOKS] for looks in named], device=device)
        ids = token_ids(list(captions)).to(device)
        # The mean over all places, padding too: cross-attention begins by looking everywhere alike.
        logits = head(encoder(ids).last_hidden_state.mean(1))
        loss = F.binary_cross_entropy_with_logits(logits, labels) * len(LOOKS)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        mean = 0.95 * mean + 0.05 * loss.item()
        if (step + 1) % 50 == 0:
            log.info("words step %d loss %.4f", step + 1, mean)
    return mean
