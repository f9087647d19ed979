"""What the page's handlers work with: models and clips, loaded once for everybody, and each visitor's own things."""

import shutil
import threading
from collections import OrderedDict
from pathlib import Path

import gradio as gr

from ..clips import ATLAS_RESOLUTION, load_clip
from ..device import free_memory
from ..diffusion.editor import Editor, load_editor
from ..layers.layered_video import LayeredVideo
from ..progress import Progress, quiet
from ..results import new_folder
from .events import Tab, arrival
from .settings import Settings
from .shelf import Shelf
from .visits import Visit, Visits

CLIPS_LOADED = 3


class Workshop:
    """Loaded models and clips, and the visits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.visits = Visits()
        self._clips: OrderedDict[tuple[Path, int], LayeredVideo] = OrderedDict()
        self._editor: Editor | None = None
        self._lock = threading.Lock()

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
                self._clips.popitem(last=False)
        return clip

    def unload(self, folder: Path) -> None:
        """Forget a clip that was deleted: another may take its name."""
        with self._lock:
            for key in [key for key in self._clips if key[0] == folder]:
                del self._clips[key]

    def work_clip(self, visit: Visit) -> LayeredVideo:
        """The clip that a visitor works on. Raises InputError where none is loaded."""
        work = visit.loaded()
        return self.clip(work.folder, work.atlas_resolution)

    def editor(self, name: str) -> Editor:
        """The model of that name; one at a time is kept in memory."""
        if self._editor is None or self._editor.name != name:
            self._editor = None
            free_memory()
            s = self.settings
            self._editor = load_editor(name, s.ckpt, s.device, s.offload, s.safety_checker)
        return self._editor

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
