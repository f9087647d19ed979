"""How the page's events are bound: in which queue they wait, who may see them, and in which order they came."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, TypedDict, get_args

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from starlette.types import ASGIApp, Receive, Scope, Send

Tab = Literal["edit", "video", "steady", "style"]
TABS: tuple[Tab, ...] = get_args(Tab)


class EventOptions(TypedDict, total=False):
    """What an event is bound with, besides its handler, inputs and outputs."""

    api_name: str
    api_visibility: Literal["public", "private", "undocumented"]
    queue: bool
    concurrency_limit: int | Literal["default"] | None
    concurrency_id: str
    show_progress: Literal["full", "minimal", "hidden"]
    show_progress_on: Component | Sequence[Component] | None
    trigger_mode: Literal["once", "multiple", "always_last"] | None


# One at a time each, over all visitors (clips: two at a time): edits share the model and its device, a fit takes every
# core for minutes, looking at a video or finding its object takes every core for seconds, steadying or measuring takes
# one for a minute, and so does painting a video in a style. None waits for another queue's jobs.
LOAD_QUEUE: EventOptions = {"concurrency_id": "load", "concurrency_limit": 2}
EDIT_QUEUE: EventOptions = {"concurrency_id": "edit", "concurrency_limit": 1}
LOOK_QUEUE: EventOptions = {"concurrency_id": "look", "concurrency_limit": 1}
FIT_QUEUE: EventOptions = {"concurrency_id": "fit", "concurrency_limit": 1}
STEADY_QUEUE: EventOptions = {"concurrency_id": "steady", "concurrency_limit": 1}
STYLE_QUEUE: EventOptions = {"concurrency_id": "style", "concurrency_limit": 1}
AT_ONCE: EventOptions = {"concurrency_limit": None}

PRIVATE: EventOptions = AT_ONCE | {"api_visibility": "private", "show_progress": "hidden"}
NEWEST: EventOptions = PRIVATE | {"trigger_mode": "always_last"}
# For clients that know of it, but not among the documented endpoints: boxes and strokes need the page.
UNDOCUMENTED: EventOptions = {"api_visibility": "undocumented"}

# What a handler gives back: the new value of some of its outputs; the others stay as they are.
Changes = dict[Block, Any]

ARRIVAL = "stablevideo.arrival"
_ARRIVALS = itertools.count(1)


class Arrivals:
    """Numbers the requests in the order in which they come, before they wait in a queue."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its number."""
        scope[ARRIVAL] = next(_ARRIVALS)
        await self.app(scope, receive, send)


def arrival(request: gr.Request) -> int:
    """When a request came, as its number; now, for one that did not pass by `Arrivals`."""
    scope = getattr(getattr(request, "request", None), "scope", {})
    return scope.get(ARRIVAL) or next(_ARRIVALS)
