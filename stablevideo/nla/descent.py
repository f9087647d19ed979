"""Gradient descent for small networks on a few cores: an optimiser, and a loop that ends by the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from ..device import one_thread_a_core
from ..progress import Progress

BATCH = 16384  # pixels
BASIS_STEPS = 10  # between two renewals of the optimiser's bases

LossOf = Callable[[float, int], Tensor]  # of a stage, given the share of it that is done and the pixels to draw


class Soap:
    """Adam in the eigenbasis of Shampoo's two covariances (Vyas et al. 2024).

    Small networks that regress a smooth function are ill conditioned, which is what a basis in which the gradient's
    directions are independent mends: it takes several times fewer steps than Adam, each little dearer.
    """

    def __init__(
        self, parts: Sequence[tuple[Sequence[Tensor], float]], betas: tuple[float, float] = (0.95, 0.95)
    ) -> None:
        """Parts are parameters and their learning rate."""
        self.weights = [weights for parameters, _ in parts for weights in parameters]
        self.rates = [rate for parameters, rate in parts for _ in parameters]
        self.betas = betas
        self.state: list[dict] = [{} for _ in self.weights]

    def step(self, gradients: Sequence[Tensor], share: float, pool: ThreadPoolExecutor) -> None:
        """One step at a share of the learning rates, the weights each a task of the pool."""
        for _ in pool.map(partial(self._move, share), range(len(self.weights)), gradients):
            pass

    @torch.no_grad()
    def _move(self, share: float, index: int, gradient: Tensor) -> None:
        weights = self.weights[index]
        weights.sub_(self._direction(self.state[index], gradient), alpha=self.rates[index] * share)

    def _direction(self, state: dict, gradient: Tensor) -> Tensor:
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
            if gradient.ndim == 2:
                state["covariances"] = [gradient @ gradient.T, gradient.T @ gradient]
                state["bases"] = [torch.linalg.qr(c)[0] for c in state["covariances"]]
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - self.betas[0])
        turned, turned_mean = (self._turned(state, part) for part in (gradient, mean))
        state["square"].lerp_(turned.square(), 1 - self.betas[1])
        first, second = (1 - beta ** state["step"] for beta in self.betas)
        direction = (turned_mean / first) / ((state["square"] / second).sqrt() + 1e-8)
        if gradient.ndim < 2:
            return direction
        rows, columns = state["bases"]
        direction = rows @ direction @ columns.T
        for covariance, part in zip(state["covariances"], (gradient, gradient.T), strict=True):
            covariance.lerp_(part @ part.T, 1 - self.betas[1])
        if state["step"] % BASIS_STEPS == 0:
            self._renew(state)
        return direction

    @staticmethod
    def _turned(state: dict, gradient: Tensor) -> Tensor:
        return state["bases"][0].T @ gradient @ state["bases"][1] if "bases" in state else gradient

    @staticmethod
    def _renew(state: dict) -> None:
        """One step of orthogonal iteration towards the eigenvectors, largest first."""
        for axis, (covariance, basis) in enumerate(zip(state["covariances"], state["bases"], strict=True)):
            image = covariance @ basis
            order = (basis * image).sum(0).argsort(descending=True)
            state["square"] = state["square"].index_select(axis, order)
            state["bases"][axis] = torch.linalg.qr(image[:, order])[0]


def descend(loss_of: LossOf, optimizer: Soap, seconds: float, report: Progress, what: str) -> int:
    """Step until the time is over, the learning rate rising at first and falling to nothing -> steps made.

    Each core draws and works on a part of the batch by itself, and then on some of the weights: on a shared machine
    that is many times faster than to split every small matrix product, whose parts then wait for each other.
    """
    began, steps, mean = time.monotonic(), 0, 0.0

    with one_thread_a_core() as (pool, cores):

        def gradients(done: float) -> tuple[float, Sequence[Tensor]]:
            loss = loss_of(done, BATCH // cores) / cores
            return loss.item(), torch.autograd.grad(loss, optimizer.weights)

        while (done := (time.monotonic() - began) / seconds) < 1:
            losses, parts = zip(*pool.map(gradients, [done] * cores), strict=True)
            share = min(1, (steps + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * done))
            optimizer.step([sum(part) for part in zip(*parts, strict=True)], share, pool)
            steps += 1
            mean += (sum(losses) - mean) / min(steps, 50)
            report(done, f"{what}: step {steps}, root mean square error {mean**0.5:.3g}")
    return steps
