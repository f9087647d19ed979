"""What people share (models and clips, read only) and what belongs to one of them (the session)."""

import contextlib
import functools
import inspect
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from ..clips import clip_folder, load_clip
from ..device import free_memory
from ..diffusion.editor import Editor, load_editor
from ..edit.painting import Edit
from ..errors import InputError
from ..layers.layered_video import LayeredVideo
from ..progress import Cancelled, Progress, quiet
from .project import Project

LOGGER = logging.getLogger(__name__)

CLIPS_KEPT = 3
PROJECTS_KEPT = 2  # uploaded videos with their footage, which is large


@dataclass(frozen=True)
class Session:
    """One person's work: which clip, and what was edited so far."""

    clip: str
    foreground: Edit | None = None
    background: Edit | None = None


@dataclass(frozen=True)
class Settings:
    """Where things lie and what runs them; fixed when the page starts."""

    data: Path = Path("data")
    ckpt: Path = Path("ckpt")
    log: Path = Path("log")
    model: str | None = None
    device: str | None = None
    offload: bool = False
    safety_checker: bool = True


@dataclass
class Workshop:
    """Loaded models and clips, kept for everybody; and the footage of the last few uploads, each for its session."""

    settings: Settings
    _clips: OrderedDict[str, LayeredVideo] = field(default_factory=OrderedDict)
    _editor: Editor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stops: dict[str, threading.Event] = field(default_factory=dict)
    _projects: OrderedDict[str, Project] = field(default_factory=OrderedDict)

    def clip(self, name: str, progress: Progress = quiet) -> LayeredVideo:
        """A clip by name; the few last used ones stay loaded."""
        folder = clip_folder(self.settings.data, name)
        with self._lock:
            if name in self._clips:
                self._clips.move_to_end(name)
                return self._clips[name]
        clip = load_clip(folder, self.settings.device, progress=progress)
        with self._lock:
            self._clips[name] = clip
            while len(self._clips) > CLIPS_KEPT:
                self._clips.popitem(last=False)
        return clip

    def editor(self, name: str) -> Editor:
        """The model of that name; one at a time is kept in memory."""
        if self._editor is None or self._editor.name != name:
            self._editor = None
            free_memory()
            s = self.settings
            self._editor = load_editor(name, s.ckpt, s.device, s.offload, s.safety_checker)
        return self._editor

    def reporter(self, request: gr.Request | None, progress: gr.Progress) -> Progress:
        """A progress callback that shows each step and ends the job when its session asks for that."""
        return self.stoppable(request, lambda fraction, text: progress(fraction, desc=text))

    def stoppable(self, request: gr.Request | None, report: Progress) -> Progress:
        """A progress callback that ends the job when its session asks for that, and else reports."""
        stop = self._stops.setdefault(_session_of(request), threading.Event())
        stop.clear()

        def step(fraction: float, text: str) -> None:
            if stop.is_set():
                raise Cancelled
            report(fraction, text)

        return step

    def keep_project(self, request: gr.Request, project: Project | None) -> None:
        """Hold a session's video, or none any more; the longest unused one makes room."""
        with self._lock:
            self._projects.pop(_session_of(request), None)
            if project is not None:
                self._projects[_session_of(request)] = project
            while len(self._projects) > PROJECTS_KEPT:
                self._projects.popitem(last=False)

    def project(self, request: gr.Request) -> Project:
        """The session's video. Raises InputError where there is none, or it had to make room."""
        with self._lock:
            if _session_of(request) not in self._projects:
                raise InputError("your video is not held here any more; press 'Look' again, or upload it again.")
            self._projects.move_to_end(_session_of(request))
            return self._projects[_session_of(request)]

    def cancel(self, request: gr.Request) -> None:
        """Stop what the session is running; it ends at its next step."""
        self._stops.setdefault(_session_of(request), threading.Event()).set()

    def forget(self, request: gr.Request) -> None:
        """A page was closed: end its job and let its video go."""
        self.keep_project(request, None)
        stop = self._stops.pop(_session_of(request), None)
        if stop:
            stop.set()


def _session_of(request: gr.Request | None) -> str:
    return (request.session_hash if request else None) or ""


def with_messages(handler: Callable) -> Callable:
    """The edge of the page: what a person can mend becomes a message, anything else a log entry and a message."""

    @functools.wraps(handler)
    def run(*values: Any) -> Any:
        with _messages():
            return handler(*values)

    @functools.wraps(handler)
    def run_in_steps(*values: Any) -> Iterator[Any]:
        with _messages():
            yield from handler(*values)

    return run_in_steps if inspect.isgeneratorfunction(handler) else run


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    try:
        yield
    except Cancelled:
        raise gr.Error("Cancelled; nothing was changed.", title="Cancelled", print_exception=False) from None
    except (InputError, FileNotFoundError) as error:
        raise gr.Error(sentence(error), print_exception=False) from None
    except (torch.OutOfMemoryError, MemoryError):
        free_memory()
        raise gr.Error("Out of memory. Lower the resolution, or start with --offload.", print_exception=False) from None
    except OSError as error:
        LOGGER.exception("the page")
        reason = error.strerror or str(error)
        raise gr.Error(f"The result cannot be written: {reason}.", print_exception=False) from None


def sentence(error: Exception) -> str:
    """What an error says, beginning with a capital."""
    text = str(error)
    return text[:1].upper() + text[1:]
