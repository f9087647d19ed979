"""Downloads from the Hugging Face Hub into `ckpt/`."""

import logging
from pathlib import Path

from .errors import InputError

LOGGER = logging.getLogger(__name__)


def local_folder(repository: str, ckpt: Path) -> Path:
    """Where a Hub repository's files lie in `ckpt/`."""
    return ckpt / repository.split("/")[1]


def hub_folder(repository: str, ckpt: Path, patterns: tuple[str, ...]) -> Path:
    """A Hub repository's files in `ckpt/`, downloaded with progress and resume where they are not there."""
    folder = local_folder(repository, ckpt)
    if (folder / ".complete").is_file() or (folder / "config.json").is_file():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    LOGGER.info("downloading %s into %s", repository, folder)
    try:
        snapshot_download(repository, local_dir=folder, allow_patterns=list(patterns))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, RuntimeError) as error:
        LOGGER.debug("the Hub: %s", error)
        raise InputError(
            f"the weights {repository} are not in {folder} and the Hub cannot be reached; "
            "connect to the network, put the files there, or choose the embedded model."
        ) from None
    (folder / ".complete").touch()
    return folder
