"""How long jobs report and how they are stopped: one callback for both."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Chunk = TypeVar("Chunk", bound=Sized)

# Called with the fraction done in [0, 1] and what is being done. It may raise Cancelled, which ends the job.
Progress = Callable[[float, str], None]


class Cancelled(Exception):
    """Raised by a progress callback to stop a long job; whatever was half done is thrown away."""


def quiet(fraction: float, text: str) -> None:
    """The progress callback of those who do not want to know."""


def within(report: Progress, begin: float, end: float, before: str = "") -> Progress:
    """A callback for a part of a job that takes the fractions from `begin` to `end`."""

    def step(fraction: float, text: str) -> None:
        report(begin + (end - begin) * fraction, before + text)

    return step


def counted(chunks: Iterable[Chunk], total: int, report: Progress) -> Iterator[Chunk]:
    """The same chunks of frames; after each it is reported how many of so many frames are done."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        report(done / total, f"frame {done} of {total}")
