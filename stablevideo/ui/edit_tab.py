"""The tab that edits a clip: by words, by colours, by pictures of one's own; and what is kept of it."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from ..edit.again import edit_again, read_settings
from ..edit.background import edit_background
from ..edit.keyframes import edit_foreground
from ..edit.own_picture import lay_picture
from ..edit.painting import Edit
from ..edit.recolour import recolour
from ..errors import InputError
from ..hub import telling
from ..layers.coords import LAYER_NAMES, LayerName
from ..options import RecolourOptions
from ..progress import within
from .atlas_pictures import keyframe_pictures
from .chips import plainest, with_word
from .clip_part import bind_clips
from .edit_layout import OPTIONS, EditLayout, known_words, lay_out_edit_tab
from .events import AT_ONCE, EDIT_QUEUE, PRIVATE, Changes
from .keep_part import bind_keep
from .live import watched
from .made_part import bind_earlier, taken
from .messages import with_messages
from .models import bind_model, offered
from .stage import begin_edit, bind_stage, preview
from .videos_part import bind_videos
from .widgets import with_options
from .workshop import Workshop

PATTERNS = "patterns"  # a kind of words


def build_edit_tab(workshop: Workshop) -> EditLayout:
    """Lay out the tab and bind its handlers."""
    layout = lay_out_edit_tab(workshop.settings)
    bind_clips(workshop, layout)
    bind_stage(workshop, layout)
    _bind_model(workshop, layout)
    for layer in LAYER_NAMES:
        _bind_own_picture(workshop, layout, layer)
        _bind_chips(workshop, layout, layer)
    _bind_words(workshop, layout)
    _bind_again(workshop, layout)
    _bind_recolour(workshop, layout)
    bind_keep(workshop, layout)
    bind_earlier(workshop, layout)
    bind_videos(workshop, layout)

    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "edit")

    layout.cancel.click(with_messages(cancel), None, None, **(AT_ONCE | {"api_name": "cancel", "queue": False}))
    return layout


def _bind_words(workshop: Workshop, layout: EditLayout) -> None:
    """Words for one layer each by its own button, and for both, one after the other, by the tab's."""
    handlers = {layer: _word_handler(workshop, layout, layer) for layer in LAYER_NAMES}
    inputs = {layer: [part.prompt, layout.model, *part.options.values()] for layer, part in layout.layers.items()}
    canvas, *others = layout.of_an_edit
    outputs = [canvas, layout.keyframes, *others]
    prompts = [part.prompt for part in layout.layers.values()]
    for layer, handler in handlers.items():
        layout.layers[layer].run.click(handler, inputs[layer], outputs, **(EDIT_QUEUE | {"api_name": f"edit_{layer}"}))
    front, back = (_where_asked(handlers[layer]) for layer in LAYER_NAMES)
    # Progress shows on the words that are at work: the clip plays on.
    on_front, on_back = (EDIT_QUEUE | {"api_visibility": "private", "show_progress_on": words} for words in prompts)
    for begin in (layout.run.click, *(words.submit for words in prompts)):
        asked = begin(_anything_asked, prompts, None, **PRIVATE)
        asked.success(front, inputs["foreground"], outputs, **on_front).success(
            back, inputs["background"], outputs, **on_back
        )


def _word_handler(workshop: Workshop, layout: EditLayout, layer: LayerName) -> Callable[..., Iterator[Changes]]:
    """The handler that edits a layer by words, and shows it while it is painted."""

    @with_messages
    @with_options(OPTIONS[layer], layout.layers[layer].options)
    def run(
        prompt: str,
        model: str,
        options: Any,  # of the layer: OPTIONS[layer]
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Changes]:
        visit, opened, report = begin_edit(workshop, request, progress)
        ask: Callable[..., Edit] = edit_foreground if layer == "foreground" else edit_background
        made: list[Edit] = []

        def job(tell: Callable[[Tensor], None]) -> None:
            report(0, "loading the model")
            with telling(report):
                made.append(ask(opened.clip, prompt, workshop.editor(model), options, report, tell))

        for atlas in watched(job):
            if atlas is not None:
                yield {layout.clip.canvas: preview(visit, opened, layer, atlas)}
        changes = taken(layout, visit, opened, layer, made[0])
        yield changes | {layout.keyframes: keyframe_pictures(made[0])} if layer == "foreground" else changes

    return run


@with_messages
def _anything_asked(foreground: str, background: str) -> None:
    if not (foreground.strip() or background.strip()):
        raise InputError("say first what should become of the thing in front, or of what is behind it.")


def _where_asked(handler: Callable[..., Iterator[Changes]]) -> Callable[..., Iterator[Any]]:
    """The same handler, which leaves a layer as it is where its prompt is empty."""

    @functools.wraps(handler)
    def run(prompt: str, *values: Any) -> Iterator[Any]:
        if prompt.strip():
            yield from handler(prompt, *values)
        else:
            yield gr.skip()

    return run


def _bind_chips(workshop: Workshop, layout: EditLayout, layer: LayerName) -> None:
    """A word that is clicked joins the prompt in place of others of its kind."""
    part = layout.layers[layer]

    @with_messages
    def pick(prompt: str, model: str, event: gr.EventData) -> str:
        picked: dict[str, Any] = event._data or {}
        ckpt = workshop.settings.ckpt
        known = known_words(ckpt, model, layer) if model in offered(workshop.settings) else {}
        kind, word = str(picked.get("kind")), str(picked.get("word"))
        if word not in plainest(known).get(kind, ()):
            raise InputError("this is no word that the model knows.")
        # One look at a time, but a pattern goes with any.
        others = {kind} if kind == PATTERNS else known.keys() - {PATTERNS}
        return with_word(prompt, word, {look: words for of in others for look, words in known[of].items()})

    part.chips.pick(pick, [part.prompt, layout.model], [part.prompt], **PRIVATE)


def _bind_model(workshop: Workshop, layout: EditLayout) -> None:
    """Another model brings other words."""
    panels = [(OPTIONS[layer], part.options) for layer, part in layout.layers.items()]
    bind_model(workshop.settings, layout.model, layout.about, panels)
    chips = [part.chips for part in layout.layers.values()]
    layout.model.input(lambda model: words_of(workshop, layout, model), [layout.model], chips, **PRIVATE)


def words_of(workshop: Workshop, layout: EditLayout, model: str) -> Changes:
    """The words that a model knows, to click; none for one that is none."""
    ckpt = workshop.settings.ckpt
    known = model if model in offered(workshop.settings) else ""
    return {part.chips: plainest(known_words(ckpt, known, layer)) for layer, part in layout.layers.items()}


def _bind_own_picture(workshop: Workshop, layout: EditLayout, layer: LayerName) -> None:
    """A picture from elsewhere over a layer, or in its place."""
    part = layout.layers[layer]

    @with_messages
    def lay(
        picture: np.ndarray | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, opened, report = begin_edit(workshop, request, progress)
        if picture is None:
            raise InputError("there is no picture yet; upload one first.")
        report(0.5, "laying the picture")
        edit = lay_picture(opened.clip, layer, torch.from_numpy(picture).permute(2, 0, 1).float() / 255)
        return taken(layout, visit, opened, layer, edit)

    part.lay.click(lay, [part.picture], layout.of_an_edit, **(EDIT_QUEUE | {"api_name": f"{layer}_picture"}))


def _bind_again(workshop: Workshop, layout: EditLayout) -> None:
    """An earlier run's edits, from the settings that came with its video."""
    part = layout.again

    @with_messages
    def run(
        settings: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, opened, report = begin_edit(workshop, request, progress)
        if not settings:
            raise InputError("there are no settings yet; upload the settings.json of an earlier video first.")
        wanted = read_settings(Path(settings))
        changes: Changes = {layout.clip.canvas: gr.skip()}
        for number, each in enumerate(wanted):
            part_of = within(report, number / len(wanted), (number + 1) / len(wanted), f"{each['layer']}: ")
            with telling(part_of):
                edit = edit_again(opened.clip, each, workshop.editor, part_of)
            changes |= taken(layout, visit, opened, each["layer"], edit)
        return changes

    part.run.click(run, [part.settings], layout.of_an_edit, **(EDIT_QUEUE | {"api_name": "again"}))


def _bind_recolour(workshop: Workshop, layout: EditLayout) -> None:
    """Other colours for what a layer shows by now."""
    part = layout.recolour

    @with_messages
    @with_options(RecolourOptions, part.options)
    def run(
        layer: LayerName,
        options: RecolourOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, opened, report = begin_edit(workshop, request, progress)
        report(0.5, "recolouring")
        edit = recolour(opened.clip, layer, options, visit.loaded().edits[layer])
        return taken(layout, visit, opened, layer, edit)

    inputs = [part.layer, *part.options.values()]
    part.run.click(run, inputs, layout.of_an_edit, **(EDIT_QUEUE | {"api_name": "recolour"}))
