"""What belongs to one visitor: work, files, cancels; kept while the page is used, and removed with it."""

import atexit
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import gradio as gr

from ..device import free_memory
from ..edit.history import History, Step, apply
from ..edit.painting import Edit
from ..errors import InputError
from ..layers.coords import LayerName
from ..layers.layered_video import LayeredVideo
from ..progress import Cancelled
from .canvas.values import Written
from .events import TABS, Tab, arrival
from .project import Project

CLOSED_S = 3600  # a visit is kept as long after its page was closed: lines break, and machines sleep
IDLE_S = 12 * 3600  # and as long while its page is open and nothing is done there
SWEEP_S = 60
ROOT_PREFIX = "stablevideo-page-"


@dataclass(frozen=True)
class Work:
    """A clip as it was loaded, and what was done to it so far.

    Attributes
    ----------
    history
        All steps, which `foreground` and `background` are the outcome of.
    """

    folder: Path
    atlas_resolution: int
    history: History = field(default_factory=History)
    foreground: Edit | None = None
    background: Edit | None = None

    @property
    def edits(self) -> dict[LayerName, Edit | None]:
        """Both layers' edits."""
        return {"foreground": self.foreground, "background": self.background}

    def after(self, history: History, clip: LayeredVideo) -> "Work":
        """The work with another history."""
        changed = {step.layer for step in {*self.history.done} ^ {*history.done}}
        edits = self.edits | {layer: history.edit_of(clip, layer) for layer in changed}
        return self.holding(history, edits)

    def holding(self, history: History, edits: dict[LayerName, Edit | None]) -> "Work":
        """The work with this history and its outcome."""
        return replace(self, history=history, foreground=edits["foreground"], background=edits["background"])


@dataclass(frozen=True, eq=False)
class Earlier:
    """An edit that was made before, of a clip's layer, with a picture and words to know it by."""

    clip: str
    layer: LayerName
    edit: Edit
    picture: Path
    words: str


@dataclass(eq=False)
class Made:
    """A video that was made of a clip's edits: its files, the video or its zip first, all in one folder of its own.

    `picture` and `words` are what it is known by; `said` and `table` what was measured of it, if it can be.
    """

    clip: str
    files: list[Path]
    picture: Path
    words: str
    measured: bool
    said: str = ""
    table: str = ""


@dataclass(eq=False)
class Visit:
    """One visitor's own things; `folder` holds all files, and goes with the visit."""

    folder: Path
    work: Work | None = None
    project: Project | None = None
    videos: list[Made] = field(default_factory=list)  # the latest last
    shown: Made | None = None  # one of them
    made: list[Path] = field(default_factory=list)  # clips, wherever they are kept
    earlier: list[Earlier] = field(default_factory=list)  # the latest last
    written: Written = field(default_factory=dict)  # for the live viewer
    closed: bool = False
    used_s: float = field(default_factory=time.monotonic)
    cancelled: dict[Tab, int] = field(default_factory=dict)  # the last cancel's number of arrival
    lock: threading.RLock = field(default_factory=threading.RLock)  # strokes come while an edit runs

    def fresh_folder(self, kind: str) -> Path:
        """An empty folder for files of a kind; the kind's earlier ones are removed."""
        for earlier in self.folder.glob(f"{kind}-*"):
            shutil.rmtree(earlier, ignore_errors=True)
        return self.further_folder(kind)

    def further_folder(self, kind: str) -> Path:
        """An empty folder for files of a kind, beside its earlier ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.folder))

    def loaded(self) -> Work:
        """The work on the clip that is loaded. Raises InputError where none is."""
        if self.work is None:
            raise InputError("no clip is loaded yet; choose one and press 'Load clip' first.")
        return self.work

    def take(self, step: Step, clip: LayeredVideo) -> None:
        """Take a step into the work. Raises InputError where the clip that it was made for is not loaded any more."""
        with self.lock:
            work = self.loaded()
            if work.folder.name != clip.name:
                raise InputError(f"this belongs to the clip {clip.name}, and {work.folder.name} is loaded by now.")
            edit = apply(clip, work.edits[step.layer], step)
            self.work = work.holding(work.history.then(step, clip), work.edits | {step.layer: edit})

    def turn_back(self, clip: LayeredVideo) -> None:
        """Undo the last step."""
        with self.lock:
            work = self.loaded()
            self.work = work.after(work.history.undo(), clip)

    def go_forth(self, clip: LayeredVideo) -> None:
        """Do the step again that was undone last."""
        with self.lock:
            work = self.loaded()
            self.work = work.after(work.history.redo(), clip)

    def uploaded(self) -> Project:
        """The video that was looked at. Raises InputError where there is none."""
        if self.project is None:
            raise InputError("there is no video here yet, or you were away too long; upload it.")
        return self.project

    def go_on(self, tab: Tab, asked: int) -> None:
        """Called by a tab's job at each of its steps. Raises Cancelled if that was cancelled since it was asked for."""
        self.used_s = time.monotonic()
        if self.cancelled.get(tab, 0) > asked:
            raise Cancelled


class Visits:
    """All visits, by the name that the browser gives its session, below one temporary folder."""

    def __init__(self) -> None:
        _remove_abandoned()
        self.root = Path(tempfile.mkdtemp(prefix=ROOT_PREFIX))
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        threading.Thread(target=self._sweep_for_ever, name="visits", daemon=True).start()

    def of(self, request: gr.Request) -> Visit:
        """The visit a request belongs to; a new one at first. Raises InputError for a request of no session."""
        if not request.session_hash:
            raise InputError("this call belongs to no session; make it through the queue, as gradio_client does.")
        with self._lock:
            visit = self._visits.get(request.session_hash)
            if visit is None:
                # Its name is ours, not the browser's: that could be a path, or somebody else's.
                visit = Visit(Path(tempfile.mkdtemp(prefix="visit-", dir=self.root)))
                self._visits[request.session_hash] = visit
            visit.used_s, visit.closed = time.monotonic(), False
            return visit

    def cancel(self, request: gr.Request, *tabs: Tab) -> None:
        """End the jobs of these tabs that were asked for before now, those still waiting too."""
        visit, now = self.of(request), arrival(request)
        visit.cancelled |= {tab: max(now, visit.cancelled.get(tab, 0)) for tab in tabs}

    def close(self, request: gr.Request) -> None:
        """A page was closed, or its line broke: its jobs end now, its work is kept for a while."""
        if request.session_hash in self._visits:
            self.cancel(request, *TABS)
            self.of(request).closed = True

    def sweep(self) -> None:
        """End the visits that nobody comes back to."""
        now = time.monotonic()
        with self._lock:
            ended = [
                self._visits.pop(name)
                for name, visit in list(self._visits.items())
                if now - visit.used_s > (CLOSED_S if visit.closed else IDLE_S)
            ]
        folders = [visit.folder for visit in ended]
        del ended
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if folders:
            free_memory()

    def _sweep_for_ever(self) -> None:
        while self.root.is_dir():
            self.root.touch()  # a root that is not touched any more is abandoned
            self.sweep()
            time.sleep(SWEEP_S)


def _remove_abandoned() -> None:
    """Remove what pages left behind that were ended by force."""
    for root in Path(tempfile.gettempdir()).glob(f"{ROOT_PREFIX}*"):
        if time.time() - root.stat().st_mtime > CLOSED_S:
            shutil.rmtree(root, ignore_errors=True)
