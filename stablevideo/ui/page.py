"""The page: one tab a subject, over what people share and what belongs to one of them."""

from typing import TypedDict

import gradio as gr
from gradio.components import Component
from starlette.middleware import Middleware

from .clip_part import clip_loader
from .edit_layout import STYLE as EDIT_STYLE
from .edit_layout import EditLayout
from .edit_tab import build_edit_tab
from .events import LOAD_QUEUE, PRIVATE, STEADY_QUEUE, Arrivals, Changes
from .link import bind_address, filled, filler
from .programs import offer_as_tools, offer_calls
from .settings import MOST_UPLOAD_MB, Settings
from .steady_jobs import measurer
from .steady_layout import STYLE as STEADY_STYLE
from .steady_layout import SteadyLayout
from .steady_tab import build_steady_tab, uploader
from .style_layout import STYLE as STYLES_STYLE
from .style_layout import StyleLayout
from .style_tab import build_style_tab
from .videos_part import show_result
from .workshop import Workshop
from .your_video_layout import FitStep
from .your_video_tab import build_your_video_tab

SWEEP_S, SERVED_S = 3600, 24 * 3600  # Gradio's own copies of what it serves are looked through, and are kept
MOST_WAITING = 32
INTRODUCTION = """# StableVideo
Say what should change, or paint on the video while it plays. It changes in every frame, without flicker."""


class LaunchOptions(TypedDict):
    """What `launch` needs besides an address."""

    max_file_size: str
    run_history: bool
    show_error: bool
    theme: gr.themes.Base
    css: str
    app_kwargs: dict


def build_app(settings: Settings | None = None) -> gr.Blocks:
    """The whole page, not yet launched."""
    workshop = Workshop(settings or Settings())
    with gr.Blocks(
        title="StableVideo", fill_width=True, delete_cache=(SWEEP_S, SERVED_S), analytics_enabled=False
    ) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Tabs() as tabs:
            with gr.Tab("Edit", id="edit"):
                edit = build_edit_tab(workshop)
            with gr.Tab("Your video", id="video"):
                fit = build_your_video_tab(workshop)
            with gr.Tab("Steady", id="steady"):
                steady = build_steady_tab(workshop)
            with gr.Tab("Style", id="style"):
                style = build_style_tab(workshop)
        _bind_clips(page, workshop, tabs, edit, fit, style)
        _bind_steady(workshop, tabs, edit.result.steady, edit.result.video, edit.clip.source, steady)
        _bind_steady(workshop, tabs, style.steady, style.result, style.source, steady)
        offer_calls(workshop)
        page.unload(workshop.visits.close)
    offer_as_tools(page)
    return page.queue(max_size=MOST_WAITING)


def _bind_clips(
    page: gr.Blocks, workshop: Workshop, tabs: gr.Tabs, edit: EditLayout, fit: FitStep, style: StyleLayout
) -> None:
    """Keep the lists of clips up to date, and lead from a clip just made to editing it."""
    clip, lists = edit.clip.clip, [edit.clip.clip, style.clip]

    def refresh(request: gr.Request) -> list[gr.Dropdown]:
        choices = workshop.shelf(workshop.visits.of(request)).choices()
        return [gr.Dropdown(choices) for _ in lists]

    def open_made(made: str, request: gr.Request) -> Changes:
        choices = workshop.shelf(workshop.visits.of(request)).choices()
        return {tabs: gr.Tabs(selected="edit"), clip: gr.Dropdown(choices, value=made)}

    load = clip_loader(workshop, edit)
    inputs, shown = [clip, edit.clip.atlas_resolution], LOAD_QUEUE | {"api_visibility": "private"}
    page.load(refresh, None, lists, **PRIVATE)
    hidden, welcome = shown | {"show_progress": "hidden"}, clip_loader(workshop, edit, welcome=True)
    opens = page.load(filler(workshop, edit), None, filled(edit), **PRIVATE)
    opens.then(welcome, inputs, edit.of_a_clip, **hidden)
    bind_address(edit)
    fit.made.change(refresh, None, lists, **PRIVATE)
    opened = fit.edit.click(open_made, [fit.made], [tabs, clip], **PRIVATE).then(load, inputs, edit.of_a_clip, **shown)
    show_result(opened, edit, False)


def _bind_steady(
    workshop: Workshop, tabs: gr.Tabs, button: gr.Button, video: gr.Video, source: Component, steady: SteadyLayout
) -> None:
    """Lead from a video just made to its measures, beside those of the video that it was made from."""
    inputs, look = steady.inputs, uploader(workshop, steady)

    def open_made(video: str | None, source: str | None, request: gr.Request) -> Changes:
        files: Changes = {tabs: gr.Tabs(selected="steady"), inputs.video: video, inputs.source: source}
        return files | look(video, source, request)

    video.change(lambda video: gr.Button(visible=bool(video)), [video], [button], **PRIVATE)
    button.click(open_made, [video, source], [tabs, *inputs.files, *steady.of_a_clip], **PRIVATE).success(
        measurer(workshop, steady),
        inputs.files,
        steady.results.outputs,
        **(STEADY_QUEUE | {"api_visibility": "private", "show_progress": "hidden"}),
    )


def legible() -> gr.themes.Base:
    """Gradio's soft theme, its colours dark enough to be read on light ground (WCAG 2 AA: 4.5 to 1)."""
    return gr.themes.Soft().set(
        block_title_text_color="*primary_700",
        block_label_text_color="*primary_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )


def launch_options() -> LaunchOptions:
    """What `launch` needs for a page that serves nothing but what it made, and takes no giant uploads."""
    return {
        "max_file_size": f"{MOST_UPLOAD_MB}mb",
        "run_history": False,
        "show_error": True,
        "theme": legible(),
        "css": EDIT_STYLE + STEADY_STYLE + STYLES_STYLE,
        "app_kwargs": {"middleware": [Middleware(Arrivals)]},
    }
