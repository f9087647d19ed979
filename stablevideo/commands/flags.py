"""The command's flags: those that commands share, and those of an options dataclass."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, cast

import typer

from ..errors import InputError
from ..options import choices
from ..places import default_folder


def _folder(kind: Literal["ckpt", "data", "log"], help: str) -> Any:
    return typer.Option(help=help, default_factory=functools.partial(default_folder, kind), show_default=f"{kind}/")


Name = Annotated[str, typer.Argument(help="the clip: a folder in --data")]
VideoFile = Annotated[Path, typer.Argument(help="a video file, or a folder of pictures")]
Mask = Annotated[Path | None, typer.Option(help="white where it was changed on purpose: a video or a folder")]
Data = Annotated[Path, _folder("data", "the folder with the clips")]
Ckpt = Annotated[Path, _folder("ckpt", "the folder with the weights")]
Log = Annotated[Path, _folder("log", "the folder for results")]
Device = Annotated[str | None, typer.Option(help="cuda, mps or cpu; the best there is by default")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on standard output, last")]
Size = Annotated[str | None, typer.Option(help="WxH of the result; the clip's by default")]
VideoOutput = Annotated[Path, typer.Option("-o", "--output", help="the video to write")]
Offload = Annotated[bool, typer.Option("--offload", help="save GPU memory, a little slower")]
SafetyChecker = Annotated[bool, typer.Option(help="hold back flagged pictures")]
Model = Annotated[str | None, typer.Option(help="which model paints; see the README")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="also copy the video here")]


def with_flags(*option_classes: type) -> Callable[[Callable], Callable]:
    """Give a command one flag for each field of the options dataclasses, in its argument `given`.

    Flags left out are left out of `given` too, so that a model's own defaults can hold.
    """
    items = {item.name: item for options in option_classes for item in fields(options)}

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in items}
            function(given={k: v for k, v in given.items() if v is not None}, **arguments)

        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.name != "given"]
        for name, item in items.items():
            kind: Any = str if choices(item) else item.type
            meta = item.metadata
            limits = f" ({meta['low']:g} to {meta['high']:g})" if meta["low"] is not None else ""
            text = f"{meta['help']}{limits}; default: {item.default}"
            note = Annotated[Optional[kind], typer.Option(help=text)]  # noqa: UP045 (kind is no name)
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=note))
        cast(Any, run).__signature__ = signature.replace(parameters=parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def parse_size(text: str | None) -> dict[str, int]:
    """'768x432' -> width and height; nothing for None."""
    if not text:
        return {}
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"--size must look like 768x432, got {text!r}.")
    return {"width": int(width), "height": int(height)}


def picked(options_class: type, given: dict[str, Any]) -> dict[str, Any]:
    """Those of the flags given that are fields of an options dataclass."""
    names = {item.name for item in fields(options_class)}
    return {name: value for name, value in given.items() if name in names}
