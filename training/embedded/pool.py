"""Samples in stock: processes beside the training make new ones while the networks learn from those there are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor

from stablevideo.diffusion.grain import grain
from stablevideo.options import HintKind

from .cosine import LATENT_PX, to_latents
from .data import Sample, make_sample
from .library import Library

TokenIds = Callable[[list[str]], Tensor]
FIRST = 16  # refills before the first draw
CHANGED, EMPTY = 4.0, 0.7  # weight of a changed place, beside 1, and of one where nothing is


class Batch(NamedTuple):
    """Latents [n, c, h, w], hints with grain [n, 13, H, W] in [0, 1], ids [n, 77], each place's weight [n, 1, h, w]."""

    latents: Tensor
    hints: Tensor
    ids: Tensor
    weights: Tensor


class Kept(NamedTuple):
    """A sample in stock: latents [c, h, w], hint [3, H, W] uint8, ids [77], weights [1, h, w], where grain begins."""

    latents: Tensor
    hint: Tensor
    ids: Tensor
    weights: Tensor
    place: tuple[int, int]


class Pool:
    """The most recent samples: each is drawn a few times before it goes.

    Samples have `size` pixels; `fresh` new ones join at each draw; seeds count up from `first_seed`.
    """

    def __init__(
        self,
        size: int,
        capacity: int,
        fresh: int,
        first_seed: int,
        hint: HintKind,
        packages: Path | None,
        vae: AutoencoderTiny,
        token_ids: TokenIds,
        makers: ProcessPoolExecutor,
    ) -> None:
        self.size, self.capacity, self.fresh, self.seed = size, capacity, fresh, first_seed
        self.hint, self.packages = hint, packages
        self.vae, self.token_ids, self.makers = vae, token_ids, makers
        self.stock: list[Kept] = []
        self.coming: list[Future[list[Sample]]] = [self.order() for _ in range(FIRST)]

    def order(self) -> Future[list[Sample]]:
        """Have new samples made."""
        first, self.seed = self.seed, self.seed + self.fresh
        return self.makers.submit(make_samples, first, self.fresh, self.size, self.packages, self.hint)

    def refill(self, samples: list[Sample]) -> None:
        """Take in new samples and forget the oldest."""
        device = next(self.vae.parameters()).device
        sources, targets = (pictures.to(device) for pictures in to_tensors(samples))
        with torch.no_grad():
            latents = to_latents(self.vae, targets).half()
        weights = place_weights(sources, targets).half()
        hints = [torch.from_numpy(sample.hint).permute(2, 0, 1) for sample in samples]
        ids = self.token_ids([sample.caption for sample in samples])
        places = [sample.place for sample in samples]
        self.stock += [Kept(*each) for each in zip(latents, hints, ids, weights, places, strict=True)]
        self.stock = self.stock[-self.capacity :]

    def draw(self, count: int, rng: np.random.Generator) -> Batch:
        """A batch of samples in stock."""
        while self.coming:
            self.refill(self.coming.pop(0).result())
        self.coming.append(self.order())
        chosen = [self.stock[i] for i in rng.integers(len(self.stock), size=count)]
        latents, hints, ids, weights = (
            torch.stack(parts) for parts in zip(*(each[:4] for each in chosen), strict=True)
        )
        grains = torch.stack([grain((self.size, self.size), each.place) for each in chosen])
        return Batch(latents.float(), torch.cat([hints.float().div(255), grains], 1), ids, weights.float())


def to_tensors(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    """Sources and targets of samples, [n, 3, H, W] in [0, 1] both."""
    sources, targets = (
        torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)
        for pictures in ([each.source for each in samples], [each.target for each in samples])
    )
    return sources, targets


def place_weights(sources: Tensor, targets: Tensor) -> Tensor:
    """How much each latent's place counts, [n, 1, h, w], from pictures [n, 3, H, W] in [0, 1].

    More where the caption changes something: else the network would do well by giving back what it is shown.
    """
    changed = (4 * (targets - sources).abs().mean(1, keepdim=True)).clamp(max=1)
    nothing = (sources + targets).sum(1, keepdim=True) == 0
    return F.avg_pool2d(torch.where(nothing, EMPTY, 1 + CHANGED * changed), LATENT_PX)


@cache
def library(packages: Path | None) -> Library:
    """This process's library."""
    return Library(packages)


def make_samples(first_seed: int, count: int, size: int, packages: Path | None, hint: HintKind) -> list[Sample]:
    """The samples of these seeds; runs in another process."""
    return [make_sample(seed, size, library(packages), hint) for seed in range(first_seed, first_seed + count)]


def start_makers(count: int) -> ProcessPoolExecutor:
    """So many processes that make samples, with one thread each."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,))
