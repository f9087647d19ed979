"""Which clips a data folder holds, and how one is loaded, whichever kind it is."""

import re
from pathlib import Path

import torch
import torch.nn.functional as F

from . import files
from .device import resolve
from .errors import InputError
from .layers.coords import LAYER_NAMES, LayerName, Window
from .layers.layer import Layer
from .layers.layered_video import LayeredVideo
from .layers.matte import Matte
from .layers.store import load_layers
from .layers.warp import LatticeWarp
from .nla.bake import ATLAS_SPACING_PX, NODE_STEPS, BakedLayer, bake
from .nla.networks import NLAConfig, load_networks
from .progress import Progress, quiet
from .video.read import Video, read_video

ATLAS_RESOLUTION = 2000  # texels over a layer's whole canvas, as in the original
CACHE_VERSION = b"baked layers 2"  # change when bake.py gives other results
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


def list_clips(data: Path) -> list[str]:
    """Names of the clips in a data folder, sorted."""
    if not data.is_dir():
        return []
    found = [path.parent.name for kind in ("config.json", "layers.json") for path in data.glob(f"*/{kind}")]
    return sorted({name for name in found if NAME.fullmatch(name)})


def check_name(name: str) -> None:
    """Raise InputError for what is no clip name."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no clip name; use letters, digits, '-', '_' and '.', without slashes.")


def clip_folder(data: Path, name: str) -> Path:
    """The folder of a clip. Raises InputError for a name that is none, or leads out of the data folder."""
    check_name(name)
    folder = data / name
    if name not in list_clips(data):
        known = ", ".join(list_clips(data)) or "none"
        raise InputError(f"there is no clip {name!r} in {data}; the clips there are: {known}.")
    return folder


def new_clip_folder(data: Path, name: str) -> Path:
    """Where a new clip of that name goes. Raises InputError for a name that is none, or is taken."""
    check_name(name)
    if (data / name).exists():
        raise InputError(f"there is a clip {name!r} in {data} already; choose another name.")
    return data / name


def load_clip(
    folder: Path | str,
    device: torch.device | str | None = None,
    atlas_resolution: int = ATLAS_RESOLUTION,
    progress: Progress = quiet,
    atlas_spacing_px: float = ATLAS_SPACING_PX,
) -> LayeredVideo:
    """Load `data/NAME` as two layers and a matte; the second time from a cache.

    Parameters
    ----------
    folder
        A clip as StableVideo, Text2LIVE and layered-neural-atlases lay it out, or one decomposed here.
    device
        Where atlases and warps go; the best there is by default.
    atlas_resolution
        Texels over a network layer's whole canvas; an atlas picture is the part of it that the clip sees.
    progress
        Called with the fraction done and a text; may raise Cancelled.

    atlas_spacing_px
        Of the frame's pixels, between samples of a network's atlas. Finer comes closer to what the networks hold, and
        takes as many times longer as there are more samples.

    Raises
    ------
    InputError
        Something is missing or wrong; the message names it.
    """
    folder, device = Path(folder), resolve(device)
    if (folder / "layers.json").is_file():
        return load_layers(folder, device)
    config = NLAConfig.from_file(folder / "config.json")
    video = _source_video(folder, config)
    matte, baked = _cached_bake(folder, atlas_spacing_px, progress)
    layers = {name: _layer(name, baked[name], config.size, atlas_resolution, device) for name in LAYER_NAMES}
    return LayeredVideo(folder.name, video, layers["foreground"], layers["background"], matte)


def _source_video(folder: Path, config: NLAConfig) -> Video:
    pictures = folder / folder.name
    if not pictures.is_dir():
        raise InputError(f"{pictures} is missing; it must hold the clip's frames as pictures.")
    video = read_video(pictures, limit=config.maximum_number_of_frames)
    if video.frame_count < config.maximum_number_of_frames:
        raise InputError(
            f"{pictures} holds {video.frame_count} frames, but config.json says "
            f"{config.maximum_number_of_frames}; add the missing frames."
        )
    return video


def _cached_bake(
    folder: Path, atlas_spacing_px: float, progress: Progress
) -> tuple[Matte, dict[LayerName, BakedLayer]]:
    checkpoint = folder / "checkpoint"
    content = checkpoint.read_bytes() if checkpoint.is_file() else b""
    spacing = f"{atlas_spacing_px:g}".encode()
    key = files.content_key(CACHE_VERSION, spacing, (folder / "config.json").read_bytes(), content)
    found = files.fetch(key)
    if found is not None:
        tensors, facts = found
        matte = Matte(tensors["packed"], tensors["offsets"], tensors["boxes"], tuple(facts["size"]))
        layers = {
            name: BakedLayer(
                **{part: tensors[f"{name}.{part}"] for part in ("nodes", "picture", "coverage")},
                stride=facts[name]["stride"],
                window=Window(*facts[name]["window"]),
            )
            for name in LAYER_NAMES
        }
        return matte, layers
    matte, layers = bake(load_networks(folder), progress, atlas_spacing_px)
    tensors = {"packed": matte.packed, "offsets": matte.offsets, "boxes": matte.boxes}
    facts = {"size": matte.size}
    for name, layer in layers.items():
        for part in ("nodes", "picture", "coverage"):
            tensors[f"{name}.{part}"] = getattr(layer, part)
        window = layer.window
        sides = [window.left, window.top, window.width, window.height, window.resolution]
        facts[name] = {"stride": layer.stride, "window": sides}
    files.store(key, tensors, facts)
    return matte, layers


def _layer(
    name: LayerName,
    baked: BakedLayer,
    size: tuple[int, int],
    atlas_resolution: int,
    device: torch.device,
) -> Layer:
    """Bring a baked layer to the atlas resolution asked and its lattice from the canvas to uv."""
    scale = atlas_resolution / baked.window.resolution
    atlas_size = [max(1, round(baked.window.height * scale)), max(1, round(baked.window.width * scale))]
    picture = baked.picture[None].to(device).float() / 255
    atlas = F.interpolate(picture, atlas_size, mode="bicubic", align_corners=False)[0].clamp(0, 1)
    coverage = F.interpolate(baked.coverage[None].to(device).float() / 255, atlas_size, mode="nearest")[0]
    nodes = baked.window.canvas_to_uv(baked.nodes.float() / NODE_STEPS)
    warp = LatticeWarp(nodes, baked.stride, size).packed()
    return Layer(name, atlas, coverage, warp.to(device))
