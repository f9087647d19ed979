"""What the page's handlers work with: models and clips, loaded once for everybody, and each visitor's own things."""

import shutil
import tempfile
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from ..clips import ATLAS_RESOLUTION, load_clip
from ..device import free_memory
from ..edit.choice import choose_keyframes
from ..layers.layered_video import LayeredVideo
from ..progress import Progress, quiet, within
from ..results import new_folder
from .atlas_pictures import preview
from .canvas.component import served
from .canvas.values import open_scene
from .events import Tab, arrival
from .models import offered_model
from .settings import Settings
from .shelf import Shelf
from .visits import Visit, Visits

if TYPE_CHECKING:
    from ..diffusion.picture_editor import PictureEditor

CLIPS_LOADED = 3
FETCHED_S = 300  # a browser has fetched by then what it was told of


@dataclass(frozen=True)
class Opened:
    """A clip that is loaded; what the live viewer is told of it, and its source as a video, lie in a folder."""

    clip: LayeredVideo
    folder: Path
    scene: dict[str, Any]
    source: str
    keyframes: list[int]  # that suit it


class Workshop:
    """Loaded models and clips, and the visits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.visits = Visits()
        self._clips: OrderedDict[tuple[Path, int], LayeredVideo] = OrderedDict()
        self._opened: dict[tuple[Path, int], Opened] = {}  # of some of them
        self._left: deque[tuple[float, Path]] = deque()  # files of clips that are not loaded any more, and since when
        self._editor: PictureEditor | None = None
        self._lock = threading.Lock()
        self._imports = threading.Thread(target=_import_editor, name="imports", daemon=True)

    def shelf(self, visit: Visit) -> Shelf:
        """The clips of a visit."""
        return Shelf(self.settings, visit)

    def clip(self, folder: Path, atlas_resolution: int = ATLAS_RESOLUTION, progress: Progress = quiet) -> LayeredVideo:
        """A clip, loaded; the few last used ones stay so. Its folder must come from the visit's shelf."""
        key = folder, atlas_resolution
        with self._lock:
            if key in self._clips:
                self._clips.move_to_end(key)
                return self._clips[key]
        clip = load_clip(folder, self.settings.device, atlas_resolution, progress)
        with self._lock:
            self._clips[key] = clip
            while len(self._clips) > CLIPS_LOADED:
                self._forget(next(iter(self._clips)))
        return clip

    def open(self, folder: Path, atlas_resolution: int = ATLAS_RESOLUTION, progress: Progress = quiet) -> Opened:
        """A clip, loaded, with what the live viewer needs of it."""
        clip, key = self.clip(folder, atlas_resolution, within(progress, 0, 0.7)), (folder, atlas_resolution)
        with self._lock:
            if key in self._opened and self._opened[key].clip is clip:
                return self._opened[key]
        progress(0.7, "preparing the picture")
        files = Path(tempfile.mkdtemp(prefix="clip-", dir=self.visits.root))
        scene, source = open_scene(clip, files), preview(clip, files)
        scene |= {"sound": served(source) if clip.video.has_audio else None, "video": served(source)}
        opened = Opened(clip, files, scene, source, choose_keyframes(clip))
        # Gradio would copy all of it for each visitor, and give one of them half of what it copies for another.
        gr.set_static_paths([files])
        with self._lock:
            if self._imports.ident is None:
                self._imports.start()
            if self._clips.get(key) is clip:  # else it was forgotten meanwhile, and its files go with the page
                self._opened[key] = opened
            while self._left and time.monotonic() - self._left[0][0] > FETCHED_S:
                shutil.rmtree(self._left.popleft()[1], ignore_errors=True)
        return opened

    def unload(self, folder: Path) -> None:
        """Forget a clip that was deleted: another may take its name."""
        with self._lock:
            for key in [key for key in self._clips if key[0] == folder]:
                self._forget(key)

    def _forget(self, key: tuple[Path, int]) -> None:
        del self._clips[key]
        if key in self._opened:
            self._left.append((time.monotonic(), self._opened.pop(key).folder))

    def opened(self, visit: Visit) -> Opened:
        """The clip that a visitor works on. Raises InputError where none is loaded."""
        work = visit.loaded()
        return self.open(work.folder, work.atlas_resolution)

    def work_clip(self, visit: Visit) -> LayeredVideo:
        """The layers alone of what `opened` gives."""
        work = visit.loaded()
        return self.clip(work.folder, work.atlas_resolution)

    def editor(self, name: str) -> "PictureEditor":
        """The model of that name; one at a time is in memory. Raises InputError where it is not offered."""
        from ..diffusion.load import load_editor
        from .borrowed_gpu import borrowed

        offered_model(self.settings, name)
        if self._editor is None or self._editor.name != name:
            self._editor = None
            free_memory()
            s = self.settings
            lent = s.lent_gpu and name != "embedded"  # which is done before a GPU would come
            editor = load_editor(name, s.ckpt, "cuda" if lent else s.device, s.offload, s.safety_checker)
            self._editor = borrowed(editor) if lent else editor
        return self._editor

    def log(self, served: Path) -> Path:
        """Where a run that is served from a folder goes: it is kept, or goes with the visit."""
        return self.settings.log if self.settings.keeps else served / "log"

    def keep(self, folder: Path) -> None:
        """Copy what was made to where results are kept, on a page that keeps them."""
        if self.settings.keeps:
            shutil.copytree(folder, new_folder(self.settings.log))

    def begin(self, request: gr.Request, tab: Tab, show: gr.Progress) -> tuple[Visit, Progress]:
        """Begin a job of a tab: the visit it belongs to, and what it reports to."""

        def report(fraction: float, text: str) -> None:
            show(fraction, desc=text)

        return self.visits.of(request), self.stoppable(request, tab, report)

    def stoppable(self, request: gr.Request, tab: Tab, report: Progress) -> Progress:
        """A progress callback that ends the job when its visitor cancels, and else reports.

        Raises Cancelled at once for a job that was cancelled while it waited for its turn.
        """
        visit, asked = self.visits.of(request), arrival(request)

        def step(fraction: float, text: str) -> None:
            visit.go_on(tab, asked)
            report(fraction, text)

        visit.go_on(tab, asked)
        return step


def _import_editor() -> None:
    """Import, while the first clip is looked at, what takes seconds: the page is there without it."""
    from ..diffusion import load  # noqa: F401
