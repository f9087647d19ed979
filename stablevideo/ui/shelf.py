"""Which clips a visitor may load, where the ones they make go, and how much room these may take."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..clips import NAME, check_name, clip_folder, list_clips, new_clip_folder
from ..errors import InputError
from .settings import Settings
from .visits import Visit

CLIPS_A_VISIT = 8
BYTES_A_VISIT = 4 * 2**30
BYTES_IN_ALL = 32 * 2**30  # of everything that visitors make
BYTES_FREE = 2**30  # left on the disk


@dataclass(frozen=True)
class Shelf:
    """The clips of one visit: those in the data folder, and its own."""

    settings: Settings
    visit: Visit

    @property
    def own(self) -> Path:
        """The folder with the clips that nobody else sees."""
        return self.visit.folder / "clips"

    def choices(self) -> list[tuple[str, str]]:
        """Labels and names of the clips that may be loaded, the visitor's own first."""
        own = list_clips(self.own)
        shared = [name for name in list_clips(self.settings.data) if name not in own]
        return [(f"{name} (yours)", name) for name in own] + [(name, name) for name in shared]

    def folder(self, name: str) -> Path:
        """The folder of a clip. Raises InputError for one that may not be loaded, as for one that is not there."""
        check_name(name)
        names = [known for _, known in self.choices()]
        if name not in names:
            raise InputError(f"there is no clip {name!r}; the clips are: {', '.join(names) or 'none'}.")
        return clip_folder(self.own if name in list_clips(self.own) else self.settings.data, name)

    def free_name(self, stem: str) -> str:
        """A clip name made from a file's, that no clip has yet."""
        plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else " " for sign in stem)
        plain = "-".join(plain.split()).strip("-.")[:90] or "clip"
        name, number = plain, 2
        while (self.settings.data / name).exists() or (self.own / name).exists():
            name, number = f"{plain}-{number}", number + 1
        return name

    def new_folder(self, name: str) -> Path:
        """Where a new clip of that name goes.

        Raises InputError for a name that is none or is taken, and where the visit has made as much as it may.
        """
        check_name(name)
        if name in [known for _, known in self.choices()]:
            raise InputError(f"there is a clip {name!r} already; choose another name.")
        self.check_room(0)
        made = [folder for folder in self.visit.made if folder.exists()]
        if not self.settings.one_person and len(made) >= CLIPS_A_VISIT:
            raise InputError(f"you have {len(made)} clips, and {CLIPS_A_VISIT} is the most; delete one first.")
        return new_clip_folder(self.settings.data if self.settings.keeps else self.own, name)

    def check_room(self, more_bytes: int) -> None:
        """Raise InputError where so much more finds no room in the visit's share, in all visits', or on the disk."""
        self.visit.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.visit.folder).free < more_bytes + BYTES_FREE:
            raise InputError("the disk is full; free some room on it, or choose fewer frames or a smaller size.")
        if self.settings.one_person:
            return
        outside = [folder for folder in self.visit.made if self.visit.folder not in folder.parents]
        if bytes_below(self.visit.folder, *outside) + more_bytes > BYTES_A_VISIT:
            raise InputError(
                f"your videos and clips would take more than {BYTES_A_VISIT / 2**30:g} GiB; delete a clip, or choose "
                "fewer frames or a smaller size."
            )
        kept = [layers.parent for layers in self.settings.data.glob("*/layers.json") if self.settings.keep_clips]
        if bytes_below(self.visit.folder.parent, *kept) + more_bytes > BYTES_IN_ALL:
            raise InputError("all visitors together use the room there is; nothing of yours is lost, try again later.")

    def may_delete(self, name: str) -> bool:
        """Whether a clip is the visitor's to delete: what they made; on a person's own page all that was decomposed."""
        if not NAME.fullmatch(name):
            return False
        shared = self.settings.data / name
        mine = shared in self.visit.made or self.settings.one_person
        return name in list_clips(self.own) or (mine and (shared / "layers.json").is_file())

    def delete(self, name: str) -> Path:
        """Remove a clip for good; where it was. Raises InputError for one that is not the visitor's."""
        folder = self.folder(name)
        if not self.may_delete(name):
            raise InputError(f"the clip {name!r} is not yours to delete.")
        if self.visit.work and self.visit.work.folder == folder:
            self.visit.work = None
        shutil.rmtree(folder)
        return folder


def bytes_below(*folders: Path) -> int:
    """Bytes of all files in some folders; those that go meanwhile count nothing."""
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.lstat().st_size if not path.is_dir() else 0
            except FileNotFoundError:
                continue
    return total
