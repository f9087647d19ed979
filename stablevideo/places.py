"""Where weights, clips and results lie unless somebody says otherwise: never in whatever folder one happens to be."""

import os
import shutil
from pathlib import Path
from typing import Literal

from .files import whole_folder

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent
BUILT_IN = PACKAGE / "built_in"  # what an installed package brings along, laid out as a home is


def home() -> Path:
    """`$STABLEVIDEO_HOME`, else the checkout this file lies in, else `stablevideo` in the user's data folder."""
    chosen = os.environ.get("STABLEVIDEO_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if (CHECKOUT / "ckpt" / "README.md").is_file():
        return CHECKOUT
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "stablevideo"


def default_folder(kind: Literal["ckpt", "data", "log"]) -> Path:
    """The home's folder of weights, clips or results; made on first use, with what the package brings along."""
    folder = home() / kind
    folder.mkdir(parents=True, exist_ok=True)
    for brought in (BUILT_IN / kind).glob("*/"):
        if not (folder / brought.name).exists():
            with whole_folder(folder / brought.name) as partial:
                shutil.copytree(brought, partial, dirs_exist_ok=True)
    return folder
