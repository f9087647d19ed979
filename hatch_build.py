"""Dependencies for the wheel's metadata, read from the requirements files: they are declared once."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

EXTRAS = ("dev", "training")


def requirements(file: Path) -> list[str]:
    """The lines of a requirements file that name a package; comments and included files left out."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


class Requirements(MetadataHookInterface):
    """Hands requirements.txt on as the dependencies, requirements-EXTRA.txt as each extra."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both fields of `metadata`, the [project] table."""
        root = Path(self.root)
        metadata["dependencies"] = requirements(root / "requirements.txt")
        metadata["optional-dependencies"] = {name: requirements(root / f"requirements-{name}.txt") for name in EXTRAS}
