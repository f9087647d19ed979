"""What a model holds on the device: little while it waits, nothing that is not needed when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..device import free_memory
from ..errors import InputError


@contextmanager
def memory(pipeline: Any, size: tuple[int, int]) -> Iterator[None]:
    """What a pipeline held on the device is given back at the end; that it was too little is said in a sentence."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"the device ran out of memory at {size[1]}x{size[0]}; lower the resolution, or start with --offload."
        ) from None
    finally:
        pipeline.maybe_free_model_hooks()
        free_memory()


def offload_modules(pipeline: Any, device: torch.device) -> None:
    """Keep every module on the CPU until its turn, the safety checker too, which diffusers would leave on the device.

    The ControlNet that waits for its hint lies on the CPU; the one in the pipeline is under its hooks.
    """
    pipeline._exclude_from_cpu_offload = []
    pipeline.enable_model_cpu_offload(device=device)
