"""What the page says about a model."""

import json
from pathlib import Path


def about(ckpt: Path, name: str) -> str:
    """For the embedded model: what it is and the words it knows; nothing for others."""
    card = ckpt / name / "model.json"
    if not card.is_file():
        return ""
    facts = json.loads(card.read_text(encoding="utf-8"))
    words = "; ".join(f"**{kind}**: {', '.join(names)}" for kind, names in facts.get("vocabulary", {}).items())
    return f"{facts.get('description', '')} It knows {words}."
