"""Weights kept in float32 while the networks compute in bfloat16, and their running average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


def working_type(device: str) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else float32."""
    fast = device != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32


class MasterWeights:
    """float32 copies of parameters: what the optimizer moves, since steps vanish in bfloat16's eight bits.

    `average` follows them slowly and is what is exported.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters: list[Tensor] = [*parameters]
        self.masters: list[Tensor] = [nn.Parameter(parameter.detach().float().clone()) for parameter in parameters]
        self.average = [master.detach().clone() for master in self.masters]

    def take_gradients(self) -> None:
        """Move the parameters' gradients to the masters, as the mean over all processes that train together."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).float()
        if dist.is_initialized():
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
        for master, part in zip(self.masters, flat.split([m.numel() for m in self.masters]), strict=True):
            master.grad = part.view_as(master)
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the masters to the parameters that compute."""
        torch._foreach_copy_(self.parameters, self.masters)

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Move the average towards the masters; slower as training goes on."""
        weight = 1 - min(0.9985, (1 + step) / (12 + step))
        torch._foreach_lerp_(self.average, self.masters, weight)

    @contextmanager
    def averaged(self, nets: list[nn.Module]) -> Iterator[None]:
        """Within, the networks hold the average, in float32."""
        types = [next(net.parameters()).dtype for net in nets]
        for net in nets:
            net.float()
        self._fill(self.average)
        try:
            yield
        finally:
            self._fill(self.masters)
            for net, dtype in zip(nets, types, strict=True):
                net.to(dtype)

    @torch.no_grad()
    def _fill(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def state(self) -> dict[str, list[Tensor]]:
        """What a checkpoint keeps."""
        return {"masters": [master.detach() for master in self.masters], "average": self.average}

    @torch.no_grad()
    def restore(self, state: dict[str, list[Tensor]]) -> None:
        """Read back `state`."""
        for own, kept in ((self.masters, state["masters"]), (self.average, state["average"])):
            for value, saved in zip(own, kept, strict=True):
                value.copy_(saved)
        self.publish()
