"""The whole job in one call, for programs and assistants, which keep no page open; MCP's tools are these alone.

Through MCP all callers look like one visitor to the page. What is asked in one call, and answered by it, needs none.
"""

from typing import Any

import gradio as gr
from gradio.events import api

from ..edit.words import edit_with_words
from ..errors import InputError
from ..hub import telling
from ..layers.coords import LayerName
from ..options import BackgroundOptions, ForegroundOptions, RenderOptions
from ..progress import quiet, within
from ..results import result_of, save_edits
from .canvas.component import served
from .events import AT_ONCE, EDIT_QUEUE
from .messages import with_messages
from .models import first_model, offered_model
from .workshop import Workshop

TOOLS = ("edit_clip", "list_clips")


def offer_calls(workshop: Workshop) -> None:
    """Add the calls to the page that is being built."""
    settings = workshop.settings

    # Gradio reads the types, and the docstrings from "Args:" on, for the descriptions that callers see.
    @with_messages
    def edit_clip(
        clip: str,
        request: gr.Request,
        foreground: str = "",
        background: str = "",
        model: str = "",
        seed: int = 1,
    ) -> dict:
        """Edit a video clip with words, in every frame and without flicker; the answer is the edited video.

        Args:
            clip: the name of a clip that list_clips gives.
            foreground: what the thing in front should become, such as "a red car"; it stays as it is where empty.
            background: what should be behind it, such as "autumn landscape"; it stays as it is where empty.
            model: the name of a model; the one that the page begins with where empty.
            seed: the same seed makes the same video; another makes another.
        """
        if not (foreground.strip() or background.strip()):
            raise InputError("say what should become of the foreground, or of the background.")
        visit, report = workshop.visits.of(request), workshop.stoppable(request, "edit", quiet)
        name = model or first_model(settings)
        defaults: dict[str, Any] = offered_model(settings, name).defaults | {"seed": seed}
        front, back = ForegroundOptions(**defaults), BackgroundOptions(**defaults)
        loaded = workshop.clip(workshop.shelf(visit).folder(clip), progress=within(report, 0, 0.1))
        words: dict[LayerName, str | None] = {"foreground": foreground, "background": background}
        with telling(report):
            edits = edit_with_words(loaded, words, workshop.editor(name), front, back, within(report, 0.1, 0.8))
        folder = visit.fresh_folder("call")
        made = save_edits(loaded, workshop.log(folder), edits, RenderOptions(), within(report, 0.8, 1))
        video = served(result_of(made))
        assert video is not None
        return video

    @with_messages
    def list_clips(request: gr.Request) -> list[str]:
        """The names of the clips that edit_clip can edit."""
        return [name for _, name in workshop.shelf(workshop.visits.of(request)).choices()]

    api(edit_clip, api_name="edit_clip", **EDIT_QUEUE)
    api(list_clips, api_name="list_clips", **AT_ONCE)


def offer_as_tools(page: gr.Blocks) -> None:
    """Leave the page's other endpoints out of its MCP tools: they work on what an earlier call of the visit loaded."""
    for event in page.fns.values():
        if event.api_visibility == "public" and event.api_name not in TOOLS:
            # Gradio lists what is of the type "tool", or of none.
            event.fn._mcp_type = "of the page"  # type: ignore[union-attr]
