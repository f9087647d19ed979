"""The page: one tab a subject, over what people share and what belongs to a session."""

import gradio as gr

from ..clips import list_clips
from .edit_tab import GPU, LIGHT, EditTab, build_edit_tab
from .session import Settings, Workshop
from .your_video_layout import FitStep
from .your_video_tab import build_your_video_tab

SESSION_S = 3600
INTRODUCTION = """# StableVideo
Edit a video with words; the edit does not flicker. Load a clip, or make one of your own video; say what its
foreground and its background should be; render."""


def build_app(settings: Settings | None = None) -> gr.Blocks:
    """The whole page, not yet launched."""
    workshop = Workshop(settings or Settings())
    with gr.Blocks(title="StableVideo", delete_cache=(SESSION_S, 24 * SESSION_S), analytics_enabled=False) as page:
        gr.Markdown(INTRODUCTION)
        session = gr.State(None, time_to_live=SESSION_S)
        with gr.Tabs() as tabs:
            with gr.Tab("Edit a clip", id="edit"):
                edit = build_edit_tab(workshop, session)
            with gr.Tab("Your video", id="video"):
                fit = build_your_video_tab(workshop, SESSION_S)
        _bind_clips(page, workshop, tabs, edit, fit)
        page.unload(workshop.forget)
    return page.queue(max_size=32)


def _bind_clips(page: gr.Blocks, workshop: Workshop, tabs: gr.Tabs, edit: EditTab, fit: FitStep) -> None:
    """Keep the list of clips up to date, and lead from a clip just made to editing it."""
    data = workshop.settings.data

    def refresh() -> gr.Dropdown:
        return gr.Dropdown(list_clips(data))

    def open_made(made: str) -> list[gr.Tabs | gr.Dropdown]:
        return [gr.Tabs(selected="edit"), gr.Dropdown(list_clips(data), value=made)]

    page.load(refresh, None, [edit.clip], api_visibility="private", **LIGHT)
    fit.edit.click(open_made, [fit.made], [tabs, edit.clip], api_visibility="private", **LIGHT).then(
        edit.load, [edit.clip], edit.outputs, api_visibility="private", **GPU
    )


def launch_options() -> dict:
    """What `launch` needs for a page that serves nothing but what it made, and takes no giant uploads."""
    return {"max_file_size": "200mb", "run_history": False, "show_error": True, "theme": gr.themes.Soft()}
