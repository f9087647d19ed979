"""Files that are whole or not there, and a cache of tensors under the hash of what they were computed from."""

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import InputError

LOGGER = logging.getLogger(__name__)
PARTIAL = ".partial"  # how a file or folder that is not whole yet ends
CACHE_BYTES = 4_000_000_000


def cache_folder() -> Path:
    """`$STABLEVIDEO_CACHE`, else `stablevideo` in the user's cache folder."""
    chosen = os.environ.get("STABLEVIDEO_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stablevideo"


def content_key(*parts: bytes) -> str:
    """A name for what is computed from `parts`: the same bytes, the same name."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def store(key: str, tensors: dict[str, Tensor], facts: dict) -> None:
    """Keep tensors and a JSON object of facts under a key. A cache that cannot be written is only logged.

    What was not asked for longest is removed where the cache outgrows CACHE_BYTES.
    """
    folder = cache_folder()
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = {"facts": json.dumps(facts), "checksum": _checksum(tensors.items(), json.dumps(facts))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            partial = Path(temporary) / "partial"
            save_file(tensors, partial, metadata)
            partial.replace(folder / f"{key}.safetensors")
        prune(folder, CACHE_BYTES, keep=f"{key}.safetensors")
    except (OSError, SafetensorError) as error:
        LOGGER.warning("the cache in %s cannot be written: %s", folder, error)


def prune(folder: Path, most_bytes: int, keep: str = "") -> None:
    """Remove the entries of a cache that were used longest ago, until what is left takes at most so many bytes."""
    entries = [(path, path.stat()) for path in folder.glob("*.safetensors") if path.name != keep]
    left = sum(facts.st_size for _, facts in entries)
    for path, facts in sorted(entries, key=lambda entry: entry[1].st_mtime):
        if left <= most_bytes:
            return
        path.unlink(missing_ok=True)
        left -= facts.st_size


def fetch(key: str) -> tuple[dict[str, Tensor], dict] | None:
    """What was stored under a key, or None; a damaged or altered entry is removed and counts as None."""
    path = cache_folder() / f"{key}.safetensors"
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        facts = json.loads(metadata["facts"])
        if metadata["checksum"] == _checksum(tensors.items(), metadata["facts"]):
            path.touch()  # used now
            return tensors, facts
        reason = "its checksum does not fit"
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        reason = str(error)
    LOGGER.warning("the cache entry %s is not used: %s", path, reason)
    path.unlink(missing_ok=True)
    return None


def forget(key: str) -> None:
    """Remove what was stored under a key, if anything."""
    (cache_folder() / f"{key}.safetensors").unlink(missing_ok=True)


def _checksum(tensors: Iterable[tuple[str, Tensor]], facts: str) -> str:
    parts = [facts.encode()]
    for name, tensor in sorted(tensors):
        parts += [f"{name} {tensor.dtype} {list(tensor.shape)}".encode()]
        parts += [tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()]
    return content_key(*parts)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file beside `path` to write, and put it in its place at the end; after any error nothing is left of it."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside `folder` to write into, and rename it to that at the end.

    Raises InputError where the folder is already there; after any error nothing is left of it.
    """
    if folder.exists():
        raise InputError(f"{folder} is already there; choose another name.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{PARTIAL}")
    partial.mkdir()
    try:
        yield partial
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
