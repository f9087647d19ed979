"""What is fixed when the page starts: where things lie, what runs them, and who visits."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..device import best_device
from ..errors import InputError
from ..places import default_folder

MOST_UPLOAD_MB = 200  # of one file
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """The page's settings.

    Attributes
    ----------
    data, ckpt, log
        Clips that everybody sees, weights, and results that are kept.
    model
        Chosen at first; by default Stable Diffusion 1.5 if its weights are there, else the embedded one.
    one_person
        The page is one person's own: what is made there is kept, without limits. Else what a visitor makes is seen by
        nobody else, and removed with the visit.
    keep_clips
        Keep what visitors make all the same, where all of them see it.
    lent_gpu
        There is a GPU for one picture at a time, while all else runs on `device`.
    """

    data: Path = field(default_factory=lambda: default_folder("data"))
    ckpt: Path = field(default_factory=lambda: default_folder("ckpt"))
    log: Path = field(default_factory=lambda: default_folder("log"))
    model: str | None = None
    device: torch.device = field(default_factory=best_device)
    offload: bool = False
    safety_checker: bool = True
    one_person: bool = False
    keep_clips: bool = False
    lent_gpu: bool = False

    @property
    def keeps(self) -> bool:
        """Whether clips and results outlive the visit they were made in."""
        return self.one_person or self.keep_clips

    @property
    def rule(self) -> str:
        """What becomes of a person's clips, in words."""
        if self.one_person:
            return f"This page is yours alone: the clips that you make are kept in its folder `{self.data.name}`."
        if self.keep_clips:
            return "**The clips that you make here are kept, and every visitor sees them.**"
        return "Your clips are seen by you alone, and removed with all else that you made after you leave the page."


def for_one_person(host: str | None, share: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a page that is started so can be reached from this machine only."""
    listens_on = host or environment.get("GRADIO_SERVER_NAME") or LOOPBACK[0]
    return listens_on in LOOPBACK and not share and not environment.get("SPACE_ID")


def gpu_is_lent(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether GPUs are lent where the page runs: on a Hugging Face Space with ZeroGPU."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


def read_logins(path: Path) -> list[tuple[str, str]]:
    """Names and passwords from a file with `NAME:PASSWORD` in each line; empty lines and those with `#` say nothing.

    Raises InputError where the file is not there, is readable for everybody, or has a line that is neither.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path} with names and passwords.")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InputError(f"others can read the passwords in {path}; run `chmod 600 {path}` first.")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition(":") for line in lines if line and not line.startswith("#")]
    if not pairs or not all(name and password for name, _, password in pairs):
        raise InputError(f"{path} must hold NAME:PASSWORD in each line.")
    return [(name, password) for name, _, password in pairs]
