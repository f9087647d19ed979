"""One file from the web, whole or not at all, known by its checksum."""

import hashlib
import os
import urllib.request
from http.client import HTTPException
from pathlib import Path

from .errors import InputError
from .files import whole_file
from .hub import told

PIECE_BYTES, PATIENCE_S = 1 << 18, 15


def download(url: str, path: Path, sha256: str, instead: str) -> None:
    """Fetch a file to `path`; says how far it is to whoever `hub.telling` names.

    Parameters
    ----------
    sha256
        Of the file, or how that begins.
    instead
        What a person can do without it.

    Raises
    ------
    InputError
        It cannot be fetched, or is another file; nothing is left of it.
    Cancelled
        Said by the callback of `hub.telling`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
            raise OSError("HF_HUB_OFFLINE is set")
        with whole_file(path) as partial:
            digest = _fetch(url, partial)
            if not digest.startswith(sha256):
                raise OSError(f"what came has the checksum {digest[:12]} in place of {sha256[:12]}")
    except (OSError, HTTPException) as error:
        raise InputError(
            f"{path.name} is not in {path.parent} and cannot be downloaded from {url} ({error}); {instead}."
        ) from None


def _fetch(url: str, path: Path) -> str:
    """Write what lies at an address -> its SHA-256."""
    found = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as source, path.open("wb") as file:
        total, done = int(source.headers.get("Content-Length") or 0), 0
        while piece := source.read(PIECE_BYTES):
            file.write(piece)
            found.update(piece)
            done += len(piece)
            if total:
                told()(min(1.0, done / total), f"downloading {path.name.split('.')[0]}: {done / 1e6:.1f} MB")
    return found.hexdigest()
