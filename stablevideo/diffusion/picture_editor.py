"""What an edit asks of a model, whichever it is: `Editor`, `InstructionEditor`, or one of them on a borrowed GPU."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..options import DiffusionOptions, HintKind
from ..progress import Progress, quiet
from .hints import Hint, HintsMaker
from .spec import ModelSpec
from .steps import Watch


class PictureEditor(Protocol):
    """A loaded model that paints pictures by words and hints."""

    @property
    def spec(self) -> ModelSpec:
        """Which model it is; `spec.defaults` are the option values that suit it."""

    @property
    def name(self) -> str:
        """The model's name in settings and on the page."""

    @property
    def device(self) -> torch.device:
        """Where it paints."""

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""

    def strengths(self, options: DiffusionOptions, usual: HintKind) -> dict[HintKind, float]:
        """Hint -> how strictly it is followed. Raises InputError for one that the model does not follow."""

    def hints_maker(self, strengths: Mapping[HintKind, float], options: DiffusionOptions) -> HintsMaker:
        """What makes all hints of a picture. Raises InputError where what it needs cannot be had."""

    def check(self, prompt: str, options: DiffusionOptions) -> None:
        """Raise InputError for what `paint` would refuse, before any work is done."""

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
        """Paint one picture [3, h, w] in [0, 1], as `Editor.paint` says."""
