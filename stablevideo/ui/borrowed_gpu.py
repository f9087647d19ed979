"""A GPU that is lent for one picture at a time, as a Hugging Face Space on ZeroGPU has it.

There the page's own process has no GPU. A function that is decorated by the package `spaces` runs in a process forked
from it, which has one; what goes in and comes out is pickled, and the time is asked for beforehand. So clips and layers
stay on the CPU, and nothing but the painting of a picture is sent across. It goes as bytes: queues between processes
would share a tensor's memory, and the process that had it may be gone by the time the other looks.
"""

import gc
import pickle
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..diffusion.editor import Editor
from ..diffusion.hints import Hint, HintMakers, HintsMaker
from ..diffusion.picture_editor import PictureEditor
from ..diffusion.spec import ModelSpec
from ..diffusion.steps import Watch
from ..errors import InputError
from ..options import DiffusionOptions, HintKind
from ..progress import Cancelled, Progress, quiet
from .live import watched

START_S, STEP_S, MOST_S = 15, 1.0, 120  # begun, a step on a megapixel, and the longest that is asked for


@dataclass(frozen=True)
class _News:
    """What the borrowed process says: how far it is and what the picture is by then; last, the picture or an error."""

    fraction: float = 0.0
    doing: str = ""
    looks: int = 0  # how many there were by now
    look: Tensor | None = None
    picture: Tensor | None = None
    drawn: Tensor | None = None  # the generator's state at the end
    error: InputError | Cancelled | None = None


# For how many seconds, and the pickled arguments -> pickled news.
Painted = Callable[[int, bytes], Generator[bytes, None, None]]
Lend = Callable[[Painted, Callable[[int, bytes], int]], Painted]


class BorrowedGpu:
    """An editor, asked as any other, that paints each picture on a GPU lent for it.

    Parameters
    ----------
    editor
        The model, loaded in the page's process, to which the lender lets it seem that it lies on CUDA.
    lend
        What makes a generator run where the GPU is: `spaces.GPU` with a function that says for how many seconds.
    """

    def __init__(self, editor: PictureEditor, lend: Lend) -> None:
        self.editor = editor
        self._painted = lend(_painted_by(editor), lambda seconds, _: seconds)

    @property
    def spec(self) -> ModelSpec:
        """Which model it is."""
        return self.editor.spec

    @property
    def name(self) -> str:
        """The model's name in settings and on the page."""
        return self.editor.name

    @property
    def device(self) -> torch.device:
        """Where it paints."""
        return self.editor.device

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        return self.editor.dtype

    def strengths(self, options: DiffusionOptions, usual: HintKind) -> dict[HintKind, float]:
        """As the editor's."""
        return self.editor.strengths(options, usual)

    def hints_maker(self, strengths: Mapping[HintKind, float], options: DiffusionOptions) -> HintsMaker:
        """As the editor's; it works on the CPU."""
        return self.editor.hints_maker(strengths, options)

    def check(self, prompt: str, options: DiffusionOptions) -> None:
        """As the editor's."""
        self.editor.check(prompt, options)

    def paint(
        self,
        prompt: str,
        hints: Hint | Sequence[Hint],
        options: DiffusionOptions,
        generator: torch.Generator,
        start: Tensor | None = None,
        seen: Tensor | None = None,
        strength: float = 1.0,
        progress: Progress = quiet,
        watch: Watch | None = None,
    ) -> Tensor:
        """As the editor's, bit by bit; raises InputError too where the lender ended it."""
        self.check(prompt, options)
        hints = [hints] if isinstance(hints, Hint) else list(hints)
        shown = [replace(hint, picture=hint.picture.cpu()) for hint in hints]
        known = [None if each is None else each.cpu() for each in (start, seen)]
        given = prompt, shown, options, generator.get_state(), *known, strength, watch is not None
        looks = 0
        gc.collect()  # what is garbage here is not to be freed there, see below
        # Left early, by a callback that raises, the borrowed process ends its work.
        with closing(self._painted(seconds(shown, options), pickle.dumps(given))) as news:
            for pickled in news:
                each: _News = pickle.loads(pickled)
                if each.error is not None:
                    raise each.error
                progress(each.fraction, each.doing)
                if watch is not None and each.look is not None and each.looks > looks:
                    looks = each.looks
                    watch(each.look)
                if each.picture is not None and each.drawn is not None:
                    generator.set_state(each.drawn)
                    return each.picture
        raise InputError("the GPU was taken back before the picture was done; try again, with fewer steps.")


def borrowed(editor: PictureEditor) -> BorrowedGpu:
    """The editor on the GPUs that a Hugging Face Space is lent."""
    import spaces

    if isinstance(editor, Editor):
        editor = replace(editor, makers=HintMakers(editor.ckpt, torch.device("cpu")))
    return BorrowedGpu(editor, lambda painted, duration: spaces.GPU(duration=duration)(painted))


def seconds(hints: Sequence[Hint], options: DiffusionOptions) -> int:
    """For how long a GPU is asked to paint one picture: cautiously, for what takes longer is cut off."""
    megapixels = hints[0].picture[0].numel() / 1e6
    return round(min(MOST_S, START_S + STEP_S * options.steps * max(0.25, megapixels)))


def _painted_by(editor: PictureEditor) -> Painted:
    """What runs in the borrowed process. Errors that a person should read come out as news: others lose their words."""

    def painted(seconds: int, given: bytes) -> Generator[bytes, None, None]:
        # Threads do not come through a fork. A video decoder freed here would wait for its own forever.
        gc.freeze()
        prompt, hints, options, drawn, start, seen, strength, looked_at = pickle.loads(given)
        state, generator = _News(), torch.Generator()
        generator.set_state(drawn)

        def job(tell: Callable[[_News], None]) -> None:
            def progress(fraction: float, doing: str) -> None:
                nonlocal state
                state = replace(state, fraction=fraction, doing=doing)
                tell(state)

            def watch(look: Tensor) -> None:
                nonlocal state
                state = replace(state, looks=state.looks + 1, look=look)
                tell(state)

            watched_by = watch if looked_at else None
            picture = editor.paint(prompt, hints, options, generator, start, seen, strength, progress, watched_by)
            tell(replace(state, picture=picture, drawn=generator.get_state()))

        try:
            yield from (pickle.dumps(news) for news in watched(job) if news is not None)
        except (InputError, Cancelled) as error:
            yield pickle.dumps(_News(error=error))

    return painted
