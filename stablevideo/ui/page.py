"""The page: one tab a subject, over what people share and what belongs to a session."""

import gradio as gr

from .edit_tab import build_edit_tab
from .session import Settings, Workshop

SESSION_S = 3600
INTRODUCTION = """# StableVideo
Edit a video with words; the edit does not flicker. Load a clip, say what its foreground and its background
should be, render."""


def build_app(settings: Settings | None = None) -> gr.Blocks:
    """The whole page, not yet launched."""
    workshop = Workshop(settings or Settings())
    with gr.Blocks(title="StableVideo", delete_cache=(SESSION_S, 24 * SESSION_S), analytics_enabled=False) as page:
        gr.Markdown(INTRODUCTION)
        session = gr.State(None, time_to_live=SESSION_S)
        with gr.Tabs(), gr.Tab("Edit a clip"):
            build_edit_tab(workshop, session)
        page.unload(workshop.forget)
    return page.queue(max_size=32)


def launch_options() -> dict:
    """What `launch` needs for a page that serves nothing but what it made, and takes no giant uploads."""
    return {"max_file_size": "200mb", "run_history": False, "show_error": True, "theme": gr.themes.Soft()}
