"""What was trained, as files that are loaded: one for the embedded network, the authors' two for the published one."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from stablevideo.files import whole_file
from stablevideo.style.load import PublishedFiles
from stablevideo.style.vgg import decoder_layers

from .train import Run


def export_light(run: Run, path: Path) -> None:
    """The embedded network's averaged weights, in half precision."""
    state = run.trained.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        save_file({name: value.half().contiguous() for name, value in state.items()}, partial)


def export_published(run: Run, folder: Path) -> None:
    """The averaged transfer and decoder, named and numbered as the authors' files in a folder such as `ckpt/ccpl`."""
    files, network = PublishedFiles.of(run.options.mode, folder), run.trained
    decoder = nn.Sequential(*decoder_layers())
    used = list(decoder)[-len(list(network.decoder.children())) :]  # in photo mode all but the first ten
    nn.Sequential(*used).load_state_dict(network.decoder.state_dict())
    files.transfer.parent.mkdir(parents=True, exist_ok=True)
    for path, part in ((files.transfer, network.transfers[0]), (files.decoder, decoder)):
        with whole_file(path) as partial:
            torch.save(part.state_dict(), partial)
