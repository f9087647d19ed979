"""The page's address says what was asked for last: who opens it later, or gets it sent, finds the form filled so."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from ..errors import InputError
from .edit_layout import OPTIONS, EditLayout
from .edit_tab import words_of
from .events import PRIVATE, Changes
from .messages import with_messages
from .models import about, offered_model
from .workshop import Workshop

SCRIPT = Path(__file__).with_name("link.js")
MOST_LETTERS = 1000  # of one value; browsers and servers cut addresses off at some thousands


def form(layout: EditLayout) -> dict[str, Component]:
    """What an address may hold, by the names it has there."""
    named: dict[str, Component] = {"clip": layout.clip.clip, "model": layout.model}
    for layer, part in layout.layers.items():
        named |= {layer: part.prompt} | {f"{layer}.{name}": widget for name, widget in part.options.items()}
    return named


def bind_address(layout: EditLayout) -> None:
    """Let the address follow what is asked for, where it differs from what the page begins with."""
    named = form(layout)
    begins = {name: widget.value for name, widget in named.items()}
    script = SCRIPT.read_text(encoding="utf-8").replace("BEGINS", json.dumps(begins))
    asked = [layout.run.click]
    for part in layout.layers.values():
        asked += [part.run.click, part.prompt.submit]
    for event in asked:
        event(None, list(named.values()), None, js=script, **PRIVATE)


def filler(workshop: Workshop, layout: EditLayout) -> Callable[..., Changes]:
    """The handler that fills the form as the address says. Its outputs are `filled(layout)`."""
    named = form(layout)

    @with_messages
    def fill(request: gr.Request) -> Changes:
        values = read_link({name: text for name, text in request.query_params.items() if name in named})
        changes: Changes = {layout.keyframe_numbers: gr.skip()}
        if "clip" in values:
            workshop.shelf(workshop.visits.of(request)).folder(values["clip"])  # raises for what is none
        if "model" in values:
            offered_model(workshop.settings, values["model"])
            changes |= words_of(workshop, layout, values["model"])
            changes[layout.about] = about(workshop.settings.ckpt, values["model"])
        return changes | {named[name]: value for name, value in values.items()}

    return fill


def filled(layout: EditLayout) -> list[Component]:
    """What filling the form changes."""
    return [*form(layout).values(), layout.about, *(part.chips for part in layout.layers.values())]


def read_link(given: Mapping[str, str]) -> dict[str, Any]:
    """An address's texts as values. Raises InputError, as options do, for those that they do not take."""
    values: dict[str, Any] = {}
    for name, text in given.items():
        if len(text) > MOST_LETTERS:
            raise InputError(f"this page's address has {len(text)} letters for {name}; {MOST_LETTERS} is the most.")
        layer, _, field = name.partition(".")
        values[name] = _value(OPTIONS[layer], field, text) if field else text  # type: ignore[index]
    return values


def _value(options: type, field: str, text: str) -> Any:
    kind = next(item.type for item in fields(options) if item.name == field)
    try:
        value = text == "true" if kind is bool else kind(float(text)) if kind is int else kind(text)  # type: ignore
    except ValueError:
        raise InputError(f"this page's address has {text!r} for {field}, which is no number.") from None
    return getattr(options(**{field: value}), field)
