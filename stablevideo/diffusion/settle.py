"""What is settled before a model paints, and what is recorded of it."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..options import DiffusionOptions, HintKind

if TYPE_CHECKING:
    from .picture_editor import PictureEditor

Options = TypeVar("Options", bound=DiffusionOptions)

GRID_PX = 64  # a picture's sides are multiples of this: eight latents, three halvings in the UNet


def paint_size(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size to paint at: short side near `resolution`, both sides multiples of 64, aspect about kept."""
    scale = resolution / min(size)
    height, width = (max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in size)
    return height, width


def with_seed(options: Options) -> Options:
    """Draw the seed now if it is left open, so that what is recorded is what was used."""
    return options if options.seed >= 0 else replace(options, seed=secrets.randbelow(2**31))


def full_prompt(prompt: str, options: DiffusionOptions) -> str:
    """The words asked for, with the options' added ones behind them."""
    return ", ".join(part for part in (prompt.strip(), options.added_prompt) if part)


def settings_of(
    prompt: str, editor: "PictureEditor", strengths: Mapping[HintKind, float], options: DiffusionOptions
) -> dict[str, Any]:
    """All that is needed to paint it again, and what it was painted on.

    `hints` are those that were followed, so that auto means the same to a model that has learned others since.
    """
    return {
        "prompt": prompt,
        "model": editor.name,
        "device": editor.device.type,
        "dtype": str(editor.dtype).removeprefix("torch."),
        **vars(options),
        "hints": ", ".join(f"{kind} {strength:g}" for kind, strength in strengths.items()),
    }
