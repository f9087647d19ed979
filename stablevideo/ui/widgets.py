"""Options dataclasses -> widgets, and a handler's inputs -> options."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from typing import Any

import gradio as gr

from ..options import choices

Widget = gr.Radio | gr.Dropdown | gr.Checkbox | gr.Textbox | gr.Number | gr.Slider
MOST_SLID = 10000  # a slider over more is too fine for a hand


def option_widgets(
    options: type, only: tuple[str, ...] | None = None, without: tuple[str, ...] = ()
) -> dict[str, Widget]:
    """One widget for each field of an options dataclass, with its default, range and help."""
    items = {item.name: item for item in fields(options)}
    names = tuple(items) if only is None else only
    return {name: _widget(items[name]) for name in names if name not in without}


def options_panel(options: type, first: tuple[str, ...], defaults: dict[str, Any]) -> dict[str, Widget]:
    """The widgets of an options dataclass: a few in sight, the rest folded away; `defaults` in place of its own."""
    with gr.Row():
        widgets = option_widgets(options, only=first)
    with gr.Accordion("advanced", open=False):
        widgets |= option_widgets(options, without=first)
    begin_at(widgets, defaults)
    return widgets


def begin_at(widgets: dict[str, Widget], values: dict[str, Any]) -> None:
    """Let widgets that are laid out begin at other values, by the names of their fields."""
    for name, value in values.items():
        if name in widgets:
            widgets[name].value = value


def _widget(item: Field) -> Widget:
    label, meta = item.name.replace("_", " "), item.metadata
    default: Any = item.default
    if choices(item):
        return gr.Radio(list(choices(item)), value=default, label=label, info=meta["help"])
    if item.type is bool:
        return gr.Checkbox(default, label=label, info=meta["help"])
    if meta["offered"]:
        return gr.Dropdown(
            list(meta["offered"]), value=default, label=label, info=meta["help"], allow_custom_value=True
        )
    if item.type is str:
        return gr.Textbox(default, label=label, info=meta["help"], lines=1)
    if meta["high"] > MOST_SLID:
        return gr.Number(default, label=label, info=meta["help"], precision=0 if item.type is int else None)
    return gr.Slider(meta["low"], meta["high"], default, step=meta["step"], label=label, info=meta["help"])


def with_options(options: type, widgets: dict[str, Any]) -> Callable[[Callable], Callable]:
    """Let a handler take one options object in place of the widgets' values, which come after its own inputs.

    The handler keeps a signature with every field's name, so that the page's API names its parameters.
    """
    names = list(widgets)

    def decorate(handler: Callable) -> Callable:
        signature = inspect.signature(handler)
        own = [p for p in signature.parameters.values() if p.name != "options"]
        inputs = [p for p in own if p.default is inspect.Parameter.empty and not _is_special(p)]
        special = [p for p in own if p not in inputs]

        def called(*values: Any) -> Any:
            given = dict(zip([p.name for p in inputs], values, strict=False))
            rest = values[len(inputs) :]
            chosen = options(**{name: _cast(options, name, v) for name, v in zip(names, rest, strict=False)})
            extra = dict(zip([p.name for p in special], rest[len(names) :], strict=False))
            return handler(**given, **extra, options=chosen)

        def run_in_steps(*values: Any) -> Iterator[Any]:
            yield from called(*values)

        # Request and progress come last: Gradio fills them in by position.
        fields_ = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        run = run_in_steps if inspect.isgeneratorfunction(handler) else called
        decorated: Any = functools.wraps(handler)(run)
        decorated.__signature__ = signature.replace(parameters=[*inputs, *fields_, *special])
        return decorated

    return decorate


def _is_special(parameter: inspect.Parameter) -> bool:
    return parameter.annotation is gr.Request


def _cast(options: type, name: str, value: Any) -> Any:
    """Sliders send whole numbers as floats; give an int field its int."""
    kind = next(item.type for item in fields(options) if item.name == name)
    if kind is int and isinstance(value, float) and value == int(value):
        return int(value)
    if kind is float and isinstance(value, int):
        return float(value)
    return value
