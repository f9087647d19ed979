"""The words that a model knows, to click instead of to type."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

Words = Mapping[str, Mapping[str, Sequence[str]]]  # kinds, in each the looks, of each its phrases, the plainest first
TEMPLATE = '<div class="sv-chips" role="group" aria-label="words that the model knows"></div>'
STYLE = """
.sv-chips { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
.sv-kind { font-size: 12px; color: var(--body-text-color); margin: 0 2px 0 6px; }
.sv-chip { border: 1px solid var(--border-color-primary); border-radius: 999px; padding: 1px 8px; font-size: 12.5px;
  min-height: 24px; background: var(--background-fill-primary); color: var(--body-text-color); cursor: pointer; }
.sv-chip:hover, .sv-chip:focus-visible { border-color: var(--color-accent); }
"""


def word_chips(words: Words, **keywords: Any) -> gr.HTML:
    """Buttons of words, by their kind; the event "pick" says which was clicked. Its value is what `plainest` gives."""
    return gr.HTML(
        plainest(words),
        html_template=TEMPLATE,
        css_template=STYLE,
        js_on_load=(Path(__file__).parent / "chips.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        **keywords,
    )


def plainest(words: Words) -> Any:
    """The plainest phrase of each look, by kind."""
    return {kind: [phrases[0] for phrases in looks.values()] for kind, looks in words.items()}


def with_word(prompt: str, word: str, looks: Mapping[str, Sequence[str]]) -> str:
    """The prompt with a word of a kind in place of others of that kind; without it, where it was there already."""
    phrases = sorted((phrase for known in looks.values() for phrase in known), key=len, reverse=True)
    there = re.findall(rf"\b{re.escape(word)}\b", prompt, re.IGNORECASE)
    for phrase in phrases:
        prompt = re.sub(rf"\b{re.escape(phrase)}\b", " ", prompt, flags=re.IGNORECASE)
    rest = " ".join(prompt.replace(" ,", ",").split()).strip(" ,")
    return rest if there else f"{word} {rest}".strip()
