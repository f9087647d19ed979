"""The tab in which a person's own video becomes a clip: upload, mark the object, find it, decompose."""

import gradio as gr

from .events import AT_ONCE, UNDOCUMENTED, EventOptions
from .fit_step import bind_decompose
from .mark_step import bind_find, bind_marking
from .messages import with_messages
from .upload_step import bind_look, bind_options, bind_upload
from .workshop import Workshop
from .your_video_layout import FitStep, lay_out_fit, lay_out_marking, lay_out_upload


def build_your_video_tab(workshop: Workshop) -> FitStep:
    """Lay out the tab and bind its handlers, but for the button that leads on to the edit tab."""
    upload = gr.State(None)
    first, second, third = lay_out_upload(), lay_out_marking(), lay_out_fit()
    uploaded = bind_upload(workshop, upload, first, second, third)
    bind_options(upload, first)
    looked = bind_look(workshop, upload, first, second, third, uploaded)
    bind_marking(workshop, second)
    bind_find(workshop, second, third, looked)
    bind_decompose(workshop, third)

    @with_messages
    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "video")
        gr.Info("What runs will end at its next step, and what waits will not run.", title="Cancel")

    bound: EventOptions = UNDOCUMENTED | AT_ONCE | {"queue": False}
    first.cancel.click(cancel, None, None, **(bound | {"api_name": "cancel_video"}))
    for button in (second.cancel, third.cancel):
        button.click(cancel, None, None, **(bound | {"api_visibility": "private"}))
    return third
