"""The edge of the page: errors become sentences."""

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import torch

from ..device import free_memory
from ..errors import InputError
from ..progress import Cancelled

LOGGER = logging.getLogger(__name__)


def with_messages(handler: Callable) -> Callable:
    """Make what a person can mend a message, and anything else a log entry and a message."""

    @functools.wraps(handler)
    def run(*values: Any) -> Any:
        with _messages():
            return handler(*values)

    @functools.wraps(handler)
    def run_in_steps(*values: Any) -> Iterator[Any]:
        with _messages():
            yield from handler(*values)

    return run_in_steps if inspect.isgeneratorfunction(handler) else run


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    try:
        yield
    except Cancelled:
        raise gr.Error("Cancelled; nothing was changed.", title="Cancelled", print_exception=False) from None
    except (InputError, FileNotFoundError) as error:
        raise gr.Error(sentence(error), print_exception=False) from None
    except (torch.OutOfMemoryError, MemoryError):
        free_memory()
        raise gr.Error("Out of memory. Lower the resolution, or start with --offload.", print_exception=False) from None
    except OSError as error:
        LOGGER.exception("the page")
        reason = error.strerror or str(error)
        raise gr.Error(f"The result cannot be written: {reason}.", print_exception=False) from None


def sentence(error: Exception | str) -> str:
    """What an error or a warning says, beginning with a capital."""
    text = str(error)
    return text[:1].upper() + text[1:]
