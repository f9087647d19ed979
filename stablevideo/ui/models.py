"""Choosing a model: what the page says about it, and what it brings along."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ..diffusion.published import SD15
from ..diffusion.spec import ModelSpec, default_model, find_models, read_card
from ..errors import InputError
from ..options import DiffusionOptions
from .events import AT_ONCE, Changes
from .messages import with_messages
from .settings import Settings
from .widgets import Widget

MOST_NAMES, FEW_NAMES = 40, 12  # of one kind of words, and how many are shown where there are more
OF_A_MODEL = (
    "resolution",
    "steps",
    "guidance",
    "hints",
    "hint_scale",
    "added_prompt",
    "negative_prompt",
    "keep_detail",
)


def about(ckpt: Path, name: str) -> str:
    """For the embedded model: what it is and the words it knows; nothing for others."""
    facts = read_card(ckpt / name)
    if not facts:
        return ""
    words = "; ".join(f"**{kind}**: {some(list(names))}" for kind, names in vocabulary(ckpt, name).items())
    return f"{facts.get('description', '')} It knows {words}."


def vocabulary(ckpt: Path, name: str) -> dict[str, dict[str, list[str]]]:
    """The words that a model knows: by their kind, looks with their phrases; none where any words will do."""
    return read_card(ckpt / name).get("vocabulary", {})


def offered(settings: Settings) -> dict[str, ModelSpec]:
    """The models that can be chosen: all, but where others can reach the page: no stranger starts a download there."""
    known, first = find_models(settings.ckpt), first_model(settings)
    return {name: spec for name, spec in known.items() if settings.one_person or spec.is_here or name == first}


def offered_model(settings: Settings, name: str) -> ModelSpec:
    """One of them. Raises InputError for any other."""
    models = offered(settings)
    if name not in models:
        raise InputError(f"there is no model {name!r} on this page; choose one of {', '.join(models)}.")
    return models[name]


def models_table(settings: Settings) -> str:
    """Every model that can be chosen: what it can do, its licence and size, and whether it is here, as Markdown."""
    rows = ["| model | what it can do | licence | size | where it is |", "|---|---|---|---|---|"]
    for name, spec in offered(settings).items():
        where = "here" if spec.is_here else "downloaded when it is first used"
        if name != "embedded" and settings.device.type == "cpu" and not settings.lent_gpu:
            where += "; minutes an edit without a GPU" if spec.base is SD15 else "; needs a GPU"
        rows.append(f"| {name} | {_can(settings, spec)} | {spec.licence} | {_size(spec)} | {where} |")
    return "\n".join(rows)


def _can(settings: Settings, spec: ModelSpec) -> str:
    if spec.base.instructed:
        return "instructions, such as 'paint the car red'; not for whole videos"
    words = "other colours, materials, weather, styles" if vocabulary(settings.ckpt, spec.name) else "any words"
    return f"{words}; follows {', '.join(spec.kinds)}"


def _size(spec: ModelSpec) -> str:
    if spec.form != "folder":
        return f"{spec.base.size_gb} GB"
    size = sum(path.stat().st_size for path in spec.folder.rglob("*") if path.is_file())
    return f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.0f} MB"


def some(names: list[str]) -> str:
    """Names in a row; of very many, a few and how many more there are."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    shown = names[:: len(names) // FEW_NAMES + 1]
    return f"{', '.join(shown)} and {len(names) - len(shown)} more"


def first_model(settings: Settings) -> str:
    """The model that is chosen at first."""
    return settings.model or default_model(settings.ckpt)


def model_defaults(settings: Settings) -> dict[str, Any]:
    """The option values that suit the first model better than the general ones."""
    spec = find_models(settings.ckpt).get(first_model(settings))
    return spec.defaults if spec else {}


def lay_out_model(settings: Settings, elem_id: str) -> tuple[gr.Dropdown, gr.Markdown]:
    """The list of models, and beside it what the page says about the one chosen."""
    choices = [(spec.title, known) for known, spec in offered(settings).items()]
    name = first_model(settings)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=360):
            model = gr.Dropdown(choices, value=name, label="model", elem_id=elem_id)
        with gr.Column(scale=5, min_width=300):
            words = gr.Markdown(about(settings.ckpt, name))
    return model, words


def bind_model(
    settings: Settings,
    model: gr.Dropdown,
    words: gr.Markdown,
    panels: Sequence[tuple[type[DiffusionOptions], dict[str, Widget]]],
) -> None:
    """Another model brings its description, and its own values of the options that depend on it."""
    fields = [(options, name, widgets[name]) for options, widgets in panels for name in OF_A_MODEL]

    @with_messages
    def choose(name: str) -> Changes:
        spec = offered_model(settings, name)
        changes: Changes = {words: about(settings.ckpt, name)}
        for options, field, widget in fields:
            changes[widget] = spec.defaults.get(field, getattr(options, field))
        return changes

    outputs = [words, *(widget for _, _, widget in fields)]
    # Not where the page's address chose it: that may say which options too.
    model.input(choose, [model], outputs, **(AT_ONCE | {"api_visibility": "private"}))
