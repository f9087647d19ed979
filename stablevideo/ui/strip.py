"""A row of small pictures with words, to click."""

from pathlib import Path
from typing import Any

import gradio as gr

from .canvas.component import served

PICTURE_PX = 240
TEMPLATE = '<div class="sv-strip" role="group" aria-label="{title}" data-title="{title}" hidden></div>'
STYLE = """
.sv-strip { display: flex; gap: 8px; overflow-x: auto; padding: 2px }
.sv-strip[hidden] { display: none }
.sv-strip::before { content: attr(data-title); flex: 0 0 5.5em; align-self: center; font-size: 13px; line-height: 1.3;
  color: var(--body-text-color) }
.sv-earlier { flex: 0 0 116px; display: flex; flex-direction: column; gap: 2px; padding: 3px; cursor: pointer;
  font-size: 12px; line-height: 1.3; text-align: left; color: var(--body-text-color); border-radius: 6px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary) }
.sv-earlier img { width: 100%; border-radius: 4px }
.sv-earlier:hover, .sv-earlier:focus-visible { border-color: var(--color-accent) }
"""


def picture_strip(title: str, **keywords: Any) -> gr.HTML:
    """Pictures in a row behind a title of ours; the event "take" says the number of the one clicked.

    Its value is what `strip` gives.
    """
    return gr.HTML(
        html_template=TEMPLATE.format(title=title),
        css_template=STYLE,
        js_on_load=Path(__file__).with_name("strip.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        **keywords,
    )


def strip_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) at which a picture of that size stands in a row."""
    return max(1, round(size[0] * PICTURE_PX / size[1])), PICTURE_PX


def strip(items: list[tuple[Path, str]]) -> list[dict[str, Any]]:
    """Pictures, and the words below each."""
    return [{"file": served(path), "words": words} for path, words in items]
