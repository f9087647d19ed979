"""Style networks out of their files: the embedded one, or the one that the authors of CCPL published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..checkpoint import AGAIN, load_strictly, read_checkpoint
from ..device import resolve
from ..errors import InputError
from ..layers.coords import LayerName
from ..options import StyleOptions
from ..places import default_folder
from .network import Mode, StyleNetwork, full_network, light_network
from .paint import Painter, read_style
from .vgg import FROM_RELU3, VGGEncoder, vgg_layers

StyleModel = Literal["embedded", "ccpl"]
FOLDERS: dict[Mode, str] = {"artistic": "art", "photo": "photo-realistic"}  # as the authors call them
WIDEST: dict[int, Mode] = {512: "artistic", 256: "photo"}  # channels that a published transfer takes


@dataclass(frozen=True)
class PublishedFiles:
    """The authors' three files for a mode, in the folder `ckpt/ccpl/`."""

    vgg: Path
    transfer: Path
    decoder: Path

    @classmethod
    def of(cls, mode: Mode, folder: Path) -> PublishedFiles:
        """Where they lie."""
        place = folder / FOLDERS[mode]
        named = (place / f"{part}_iter_160000.pth.tar" for part in ("sct", "decoder"))
        return cls(folder / "vgg_normalised.pth", *named)


def load_style_network(
    mode: Mode = "artistic",
    model: StyleModel = "embedded",
    ckpt: Path | None = None,
    device: torch.device | str | None = None,
) -> StyleNetwork:
    """A network ready to paint with.

    Raises InputError where a file is missing, damaged, or another mode's.
    """
    ckpt = ckpt or default_folder("ckpt")
    if model == "ccpl":
        network = load_published(mode, ckpt / "ccpl")
    else:
        network = load_light(mode, ckpt / "embedded-style" / f"{mode}.safetensors")
    network = network.eval().requires_grad_(False)
    return network.to(resolve(device)).to(memory_format=torch.channels_last)


def load_painter(
    styles: Sequence[Path],
    options: StyleOptions | None = None,
    ckpt: Path | None = None,
    device: torch.device | str | None = None,
) -> Painter:
    """A painter with the style of one picture in hand, or that of two mixed.

    Raises InputError for pictures and files that are none, see `read_style` and `load_style_network`.
    """
    options = options or StyleOptions()
    pictures = [read_style(path) for path in styles]
    network = load_style_network(options.mode, options.model, ckpt, device)
    return Painter(network, pictures, options.share, options.mode, {"pictures": [path.name for path in styles]})


def load_painters(
    looks: Mapping[LayerName, Sequence[Path]],
    options: StyleOptions | None = None,
    ckpt: Path | None = None,
    device: torch.device | str | None = None,
) -> dict[LayerName, Painter]:
    """A painter for each layer that gets a look; the same pictures, one painter. Raises as `load_painter`."""
    distinct = {tuple(found) for found in looks.values() if found}
    painters = {found: load_painter(found, options, ckpt, device) for found in distinct}
    return {layer: painters[tuple(found)] for layer, found in looks.items() if found}


def load_light(mode: Mode, path: Path) -> StyleNetwork:
    """The embedded network from a file of half-precision weights."""
    if not path.is_file():
        raise InputError(f"{path} is not there; it comes with the product: {AGAIN}.")
    try:
        state = {name: values.float() for name, values in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no safetensors file ({error}); {AGAIN}.") from None
    network = light_network()
    load_strictly(network, state, path, f"the embedded style network for {mode} mode")
    return network


def load_published(mode: Mode, folder: Path) -> StyleNetwork:
    """The published network from the authors' files.

    Which mode files are for is told by the transfer's alone: the decoder's has the same 29 modules in both.
    """
    files = PublishedFiles.of(mode, folder)
    transfer = _state(files.transfer)
    taken = _channels_taken(transfer, files.transfer)
    if WIDEST.get(taken) != mode:
        meant = f"it is for {WIDEST[taken]} mode" if taken in WIDEST else "512 are artistic, 256 photo"
        raise InputError(
            f"{files.transfer} takes features of {taken} channels, not those of {mode} mode: {meant}. "
            f"Put the transfer from the authors' folder {FOLDERS[mode]!r} there."
        )
    network = full_network(mode)
    network.encoder = load_vgg(files.vgg, levels=4 if mode == "artistic" else 3)
    load_strictly(network.transfers[0], transfer, files.transfer, f"the transfer of CCPL for {mode} mode")
    decoder = _state(files.decoder)
    if mode == "photo":
        decoder = _from_module(decoder, FROM_RELU3)
    load_strictly(network.decoder, decoder, files.decoder, f"the decoder of CCPL for {mode} mode")
    return network


def load_vgg(path: Path, levels: int) -> VGGEncoder:
    """`vgg_normalised.pth`, all of whose 53 modules must be there, as far as a level from 1 to 4."""
    layers = vgg_layers()
    load_strictly(nn.Sequential(*layers), _state(path), path, "the normalised VGG-19")
    return VGGEncoder(levels, layers)


def _state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(
            f"{path} is not there; put the files that CCPL's authors publish into {path.parent}, or choose the "
            "embedded model."
        )
    return read_checkpoint(path)


def _from_module(state: dict[str, Tensor], first: int) -> dict[str, Tensor]:
    """The weights of a sequence's modules from one on, which gets the number 0."""
    found = {}
    for name, values in state.items():
        number, _, part = name.partition(".")
        if not number.isdigit() or int(number) >= first:
            found[f"{int(number) - first}.{part}" if number.isdigit() else name] = values
    return found


def _channels_taken(state: dict[str, Tensor], path: Path) -> int:
    first: Any = state.get("cnet.0.weight")
    if first is None or first.ndim != 4:
        raise InputError(f"{path} is no transfer of CCPL: it has no convolution cnet.0; {AGAIN}.")
    return first.shape[1]
