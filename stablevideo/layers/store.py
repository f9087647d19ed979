"""Layers on disk: `layers.safetensors`, `layers.json` and `clip.mp4` in one folder, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError
from ..files import whole_folder
from ..video.pictures import to_uint8
from ..video.read import read_video
from ..video.write import write_video
from .coords import LAYER_NAMES
from .layer import Layer
from .layered_video import LayeredVideo
from .matte import Matte
from .warp import LatticeWarp

VERSION = 1
CHUNK = 8  # frames written at a time
QUALITY = 12  # x264's crf for the clip's own copy


def save_layers(clip: LayeredVideo, folder: Path, facts: dict | None = None) -> None:
    """Write a clip's layers into a new folder; `facts` (a report, say) join `layers.json`.

    Raises InputError where the folder is already there; after any error nothing is left of it.
    """
    with whole_folder(folder) as partial:
        save_file(_tensors(clip), partial / "layers.safetensors")
        record = {
            "version": VERSION,
            "size": list(clip.size),
            "strides": {name: clip.layer(name).warp.stride for name in LAYER_NAMES},
            "footprints": {name: clip.layer(name).footprint_texels for name in LAYER_NAMES},
            **(facts or {}),
        }
        (partial / "layers.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        starts = range(0, clip.frame_count, CHUNK)
        frames = (clip.source(range(i, min(i + CHUNK, clip.frame_count))) for i in starts)
        sound = clip.video.path if clip.video.has_audio else None
        write_video(frames, partial / "clip.mp4", clip.video.fps, sound, QUALITY)


def _tensors(clip: LayeredVideo) -> dict[str, Tensor]:
    tensors = {"packed": clip.matte.packed, "offsets": clip.matte.offsets, "boxes": clip.matte.boxes}
    for name in LAYER_NAMES:
        layer = clip.layer(name)
        tensors[f"{name}.atlas"] = to_uint8(layer.atlas)
        tensors[f"{name}.coverage"] = to_uint8(layer.coverage)
        tensors[f"{name}.nodes"] = layer.warp.nodes_of(range(clip.frame_count))
        if layer.light is not None:
            tensors[f"{name}.light"] = layer.light.half()
    return {key: tensor.cpu().contiguous() for key, tensor in tensors.items()}


def load_layers(folder: Path, device: torch.device) -> LayeredVideo:
    """Read back what `save_layers` wrote. Raises InputError where a file is missing, damaged or of another version."""
    try:
        record = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
        with safe_open(folder / "layers.safetensors", framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if record["version"] != VERSION:
            raise InputError(f"{folder} was written as version {record['version']}; decompose the clip again.")
        size = tuple(record["size"])
        matte = Matte(tensors["packed"], tensors["offsets"], tensors["boxes"], size)
        layers = {}
        for name in LAYER_NAMES:
            atlas, coverage = (tensors[f"{name}.{part}"].to(device).float() / 255 for part in ("atlas", "coverage"))
            warp = LatticeWarp(tensors[f"{name}.nodes"].to(device), record["strides"][name], size)
            light = tensors.get(f"{name}.light")
            footprint = record.get("footprints", {}).get(name, 0.0)  # older clips were fitted at points
            light = None if light is None else light.to(device).float()
            layers[name] = Layer(name, atlas, coverage, warp, light, footprint)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} holds no whole layers ({error}); decompose the clip again.") from None
    video = read_video(folder / "clip.mp4")
    if video.frame_count != len(matte.offsets) - 1:
        raise InputError(f"{folder / 'clip.mp4'} has {video.frame_count} frames, the layers {len(matte.offsets) - 1}.")
    return LayeredVideo(folder.name, video, layers["foreground"], layers["background"], matte)
