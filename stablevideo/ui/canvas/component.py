"""The live viewer as a Gradio component: a constant template, and a value that says where the layers are served."""

from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent
SCRIPTS = ("graphics.js", "shaders.js", "layers.js", "viewer.js", "brush.js", "main.js")  # each needs those before it


def layer_canvas(**keywords: Any) -> gr.HTML:
    """Draws a clip from its layers, and takes strokes: events "stroke", "undo", "redo", "refresh", and "keyframe".

    Its value is what `values.with_edits` gives. No text of a user's ever goes into the template, in which Gradio would
    run what looks like a script: what is shown of the value, our own script writes as plain text.
    """
    return gr.HTML(
        html_template=(HERE / "canvas.html").read_text(encoding="utf-8"),
        css_template=(HERE / "canvas.css").read_text(encoding="utf-8"),
        js_on_load="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        apply_default_css=False,
        **keywords,
    )


def served(path: Path | str | None) -> dict[str, Any] | None:
    """A file that the page may fetch."""
    return None if path is None else {"path": str(path), "meta": {"_type": "gradio.FileData"}}
