"""How a command shows how far it is: one line of a terminal."""

import sys


def end_line() -> None:
    """Leave the line on which progress was shown."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


def show(fraction: float, text: str) -> None:
    """Progress on one line of a terminal; nothing where standard error is a file."""
    if sys.stderr.isatty():
        print(f"\r{fraction:4.0%}  {text:<60.60}", end="", file=sys.stderr, flush=True)
