"""The style pictures that come with the package, all of them drawn by code."""

from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"


def style_pictures() -> dict[str, Path]:
    """Name -> file, in the order in which they are offered."""
    files = sorted(FOLDER.glob("*.jpg"))
    return {path.stem.partition("-")[2].replace("-", " "): path for path in files}
