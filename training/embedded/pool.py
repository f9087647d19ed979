"""Samples in stock: a process beside the training makes new ones while the networks learn from those there are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from .data import Sample, make_sample
from .model import to_latents

TokenIds = Callable[[list[str]], Tensor]
FIRST = 16  # refills before the first draw


class Pool:
    """The most recent samples as latents, hints and token ids: each is drawn a few times before it goes.

    Samples have `size` pixels; `fresh` new ones join at each draw; seeds count up from `first_seed`.
    """

    def __init__(
        self,
        size: int,
        capacity: int,
        fresh: int,
        first_seed: int,
        vae: AutoencoderTiny,
        token_ids: TokenIds,
        maker: ProcessPoolExecutor,
    ) -> None:
        self.size, self.capacity, self.fresh, self.seed = size, capacity, fresh, first_seed
        self.vae, self.token_ids, self.maker = vae, token_ids, maker
        self.stock: list[tuple[Tensor, Tensor, Tensor]] = []
        self.coming: list[Future[list[Sample]]] = [self.order() for _ in range(FIRST)]

    def order(self) -> Future[list[Sample]]:
        """Have new samples made."""
        first, self.seed = self.seed, self.seed + self.fresh
        return self.maker.submit(make_samples, first, self.fresh, self.size)

    def refill(self, samples: list[Sample]) -> None:
        """Take in new samples and forget the oldest."""
        targets = torch.from_numpy(np.stack([sample.target for sample in samples])).permute(0, 3, 1, 2)
        with torch.no_grad():
            latents = to_latents(self.vae, targets.to(next(self.vae.parameters()).device)).half()
        ids = self.token_ids([sample.caption for sample in samples])
        hints = [torch.from_numpy(sample.hint) for sample in samples]
        self.stock = (self.stock + list(zip(latents, hints, ids, strict=True)))[-self.capacity :]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [n, 8, h, w], hints [n, 3, H, W] in {0, 1}, ids [n, 77]."""
        while self.coming:
            self.refill(self.coming.pop(0).result())
        self.coming.append(self.order())
        chosen = [self.stock[i] for i in rng.integers(len(self.stock), size=count)]
        latents, hints, ids = (torch.stack(parts) for parts in zip(*chosen, strict=True))
        return latents.float(), hints.float().div(255)[:, None].expand(-1, 3, -1, -1), ids


def make_samples(first_seed: int, count: int, size: int) -> list[Sample]:
    """The samples of these seeds; runs in the other process."""
    return [make_sample(seed, size) for seed in range(first_seed, first_seed + count)]


def start_maker() -> ProcessPoolExecutor:
    """The process that makes samples, with one thread."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,))
