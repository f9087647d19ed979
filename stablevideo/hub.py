"""Downloads from the Hugging Face Hub into `ckpt/`: resumed where they broke off, never asked for what is whole."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from .errors import InputError
from .progress import Cancelled, Progress, quiet

LOGGER = logging.getLogger(__name__)

MARKER = ".complete"  # written last: the size of every file, by its path within the folder
CLIENT_FOLDER = ".cache/huggingface"  # where the Hub's client notes what it has and what is half done

_TOLD: ContextVar[Progress] = ContextVar("told", default=quiet)


@contextmanager
def telling(progress: Progress) -> Iterator[None]:
    """Within, on this thread, downloads say how far they are; a callback that raises Cancelled ends them.

    What came so far stays. So whoever loads a model deep within a job need not hand the callback down.
    """
    before = _TOLD.set(progress)
    try:
        yield
    finally:
        _TOLD.reset(before)


def told() -> Progress:
    """Whom downloads on this thread say how far they are."""
    return _TOLD.get()


def local_folder(repository: str, ckpt: Path) -> Path:
    """Where a Hub repository's files lie in `ckpt/`."""
    return ckpt / repository.split("/")[1]


def is_whole(folder: Path, needed: tuple[str, ...]) -> bool:
    """Whether a folder can be used without asking the Hub.

    Every needed pattern must find a file: one folder may be downloaded in parts, for different uses. Where it was
    downloaded here, every file must still have its size.
    """
    sizes = _noted(folder)
    whole = not _changed(folder, sizes) if sizes else not (folder / CLIENT_FOLDER).exists()
    return whole and _has(folder, needed)


def hub_folder(
    repository: str,
    ckpt: Path,
    patterns: tuple[str, ...],
    needed: tuple[str, ...] | None = None,
    instead: str = "choose the embedded model",
) -> Path:
    """A Hub repository's files in `ckpt/`, downloaded where they are not whole.

    Parameters
    ----------
    patterns
        Which files are downloaded.
    needed
        Patterns that must each find a file for a folder to be of use; by default what is downloaded.
    instead
        What a person can do without the files.

    Raises
    ------
    InputError
        Files are missing and the download failed. What came so far stays, and the next call goes on from there.
    Cancelled
        Said by the callback of `telling`.
    """
    folder, needed = local_folder(repository, ckpt), needed or patterns
    if is_whole(folder, needed):
        return folder
    LOGGER.info("downloading %s into %s", repository, folder)
    reason = _download(repository, folder, patterns)
    if reason is None and _has(folder, needed):
        _mark(folder)
    elif _has(folder, needed) and not any(folder.glob(f"{CLIENT_FOLDER}/**/*.incomplete")):
        LOGGER.warning("%s is used as it is, since the Hub cannot be asked: %s", folder, reason)
    else:
        raise InputError(
            f"the weights {repository} are not all in {folder} and the Hub cannot be reached or lacks them"
            f" ({reason or 'files are missing'}); connect to the network and try again, which fetches only what is"
            f" missing, put the files there, or {instead}."
        )
    return folder


def _download(repository: str, folder: Path, patterns: tuple[str, ...]) -> str | None:
    """Let the Hub's client fetch or finish the files -> None, or in a few words why it could not."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        # Asked first, since without a network the client takes any folder that is there for the whole.
        revision = HfApi().model_info(repository).sha
        for path in _changed(folder, _noted(folder)):
            # The client takes a file that was cut off a moment ago for the one it brought.
            path.unlink(missing_ok=True)
        snapshot_download(
            repository,
            revision=revision,
            local_dir=folder,
            allow_patterns=list(patterns),
            tqdm_class=None if _TOLD.get() is quiet else _bar(repository, _TOLD.get()),  # else its own bars are drawn
        )
    except Cancelled:
        raise
    except Exception as error:
        # The client raises its own errors, the system's, and those of whatever HTTP library it uses.
        LOGGER.debug("the Hub: %s", error)
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None


def _bar(repository: str, progress: Progress) -> Any:
    """A bar of the Hub's client that is not drawn, and tells the callback what it counts in bytes."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *values: Any, **keywords: Any) -> None:
            super().__init__(*values, **{**keywords, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if self.unit == "B" and self.total:
                done, total = (f"{count / 1e6:,.0f}" for count in (self.n, self.total))
                progress(min(1.0, self.n / self.total), f"downloading {repository}: {done} of {total} MB")
            return drawn

    return Bar


def _has(folder: Path, needed: tuple[str, ...]) -> bool:
    return all(any(folder.glob(pattern)) for pattern in needed)


def _noted(folder: Path) -> dict[str, int]:
    """The size of every file of a folder that was downloaded here; nothing for any other."""
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _changed(folder: Path, sizes: dict[str, int]) -> list[Path]:
    paths = {folder / name: size for name, size in sizes.items()}
    return [path for path, size in paths.items() if not path.is_file() or path.stat().st_size != size]


def _mark(folder: Path) -> None:
    """Note what is there, and clear away what broken-off downloads left: the client begins such files anew."""
    for leftover in folder.glob(f"{CLIENT_FOLDER}/**/*.incomplete"):
        leftover.unlink()
    files = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.relative_to(folder).parts]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files if path.name != MARKER}
    (folder / MARKER).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
