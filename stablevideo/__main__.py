"""The command line: `python -m stablevideo edit NAME --foreground TEXT ...`."""

import logging
import sys

import typer

from .commands.clips import decompose, export
from .commands.edits import again, edit, recolour, render
from .commands.interpolate import interpolate
from .commands.restyles import restyle
from .commands.styles import stylize
from .commands.terminal import show
from .commands.videos import calibrate, deflicker, measure
from .errors import InputError
from .hub import telling

command = typer.Typer(add_completion=False, no_args_is_help=True, help="Edit a video with words, without flicker.")
for function in (
    edit,
    again,
    decompose,
    export,
    render,
    recolour,
    measure,
    calibrate,
    deflicker,
    interpolate,
    restyle,
    stylize,
):
    command.command()(function)


def main() -> None:
    """Run a command; a wrong input is one sentence on standard error and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        with telling(show):
            command()
    except (InputError, FileNotFoundError) as error:
        print(f"stablevideo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"stablevideo: the result cannot be written: {error.strerror or error}.", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
