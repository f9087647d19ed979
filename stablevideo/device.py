"""Where computations run: the device, chosen once, its memory, and the cores."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from .errors import InputError


def best_device() -> torch.device:
    """`cuda` where there is a GPU, else `mps`, else `cpu`."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def resolve(device: torch.device | str | None) -> torch.device:
    """The device asked for; None is the best there is. Raises InputError for one that is not there."""
    if device is None:
        return best_device()
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(
            f"there is no device {str(device)!r} here; choose cuda, mps or cpu, or leave it out."
        ) from None
    return chosen


def free_memory() -> None:
    """Give back what a failed or finished job held, on the device and beside it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        # The C library keeps what threads freed for those threads, a few hundred MB of atlases.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


@contextmanager
def one_thread_a_core() -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A pool of as many workers as PyTorch has threads, each computing in one; and how many they are.

    PyTorch's own number of threads is that of the process: it is put back at the end, after errors too.
    """
    cores = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool, cores
    finally:
        torch.set_num_threads(cores)
