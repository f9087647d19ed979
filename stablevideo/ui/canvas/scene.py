"""What the browser draws a clip from: lattices, light and matte in one file, each atlas as a picture.

The browser does what `LayeredVideo.render` does, pixel by pixel: cubic between the nodes, the atlas bilinear, lit, and
foreground over background by alpha. What is served is small: uv in 16 bits on a lattice, alpha in 8.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...layers.coords import LAYER_NAMES, LayerName
from ...layers.layer import Layer
from ...layers.layered_video import LayeredVideo
from ...video.pictures import bounding_box, to_uint8, write_picture

MOST_NODE_BYTES = 24_000_000  # of each layer; longer and larger clips are drawn from coarser lattices
MOST_MATTE_BYTES = 100_000_000  # of all frames; larger clips' mattes are drawn from smaller pictures
LIGHT_STEPS = 8192  # to 1: factors up to 8 fit into 16 bits, and 1 is exact
LEVEL = 1  # of deflate: files are served to the machine next to it more often than around the world


def write_scene(clip: LayeredVideo, path: Path) -> dict[str, Any]:
    """Write a clip's lattices, light and matte into a file; return where each lies in it and what it means.

    The file is deflated (zlib); the parts are little-endian. Places are [first byte, bytes].
    """
    parts: list[np.ndarray] = []
    layers = {name: _layer(clip.layer(name), parts) for name in LAYER_NAMES}
    matte = _matte(clip)
    alpha = {"at": _add(parts, matte), "size": list(matte.shape[1:])}
    path.write_bytes(zlib.compress(b"".join(part.tobytes() for part in parts), LEVEL))
    return {
        "size": list(clip.size),
        "frames": clip.frame_count,
        "fps": clip.video.fps,
        "layers": layers,
        "alpha": alpha,
    }


def write_atlas(clip: LayeredVideo, name: LayerName, folder: Path) -> Path:
    """Write a layer's own atlas as frames of the clip's own size see it, as PNG; return where it lies."""
    path = folder / f"{name}-original.png"
    write_picture(path, _seen(clip, name, clip.layer(name).atlas), quick=True)
    return path


def write_change(clip: LayeredVideo, name: LayerName, atlas: Tensor, path: Path) -> tuple[Path | None, tuple[int, int]]:
    """Write the rectangle in which an atlas [3, Ha, Wa] differs from the layer's own, as frames see both, as PNG.

    Returns where it lies, and its upper left corner (x, y); None where nothing differs.
    """
    now, own = _seen(clip, name, atlas), _seen(clip, name, clip.layer(name).atlas)
    box = bounding_box((now != own).any(0))
    if box is None:
        return None, (0, 0)
    write_picture(path, now[:, *box], quick=True)
    return path, (box[1].start, box[0].start)


def _seen(clip: LayeredVideo, name: LayerName, atlas: Tensor) -> Tensor:
    """An atlas as frames of the clip's own size see it, uint8 [3, h, w]."""
    return to_uint8(clip.layer(name).for_frames(atlas.to(clip.device), clip.size).cpu())


def _layer(layer: Layer, parts: list[np.ndarray]) -> Mapping[str, Any]:
    """Add a layer's lattice and light to the parts."""
    warp = layer.warp
    frames, rows, columns = warp.nodes.shape[:3]
    coarser = 1
    while frames * -(-rows // coarser) * -(-columns // coarser) * 4 > MOST_NODE_BYTES:
        coarser += 1
    warp = (warp.resampled(coarser * warp.stride) if coarser > 1 else warp).packed()
    assert warp.low is not None  # it is packed
    assert warp.step is not None
    described = {
        "nodes": _add(parts, warp.nodes.cpu().numpy()),
        "shape": list(warp.nodes.shape[1:3]),
        "stride": warp.stride,
        "low": warp.low.tolist(),
        "step": warp.step.tolist(),
        "atlas": list(layer.size),
    }
    if layer.light is None:
        return described
    light = (layer.light.permute(0, 2, 3, 1).cpu() * LIGHT_STEPS).round().clamp(0, 65535).numpy().astype("<u2")
    with_fourth = np.concatenate([light, np.zeros_like(light[..., :1])], -1)  # graphics cards want four
    return described | {"light": _add(parts, with_fourth), "lightShape": list(light.shape[1:3])}


def _matte(clip: LayeredVideo) -> np.ndarray:
    """Alpha of every frame, uint8 [T, h, w], at the clip's own size where that is not too much."""
    height, width = clip.size
    scale = min(1.0, (MOST_MATTE_BYTES / (clip.frame_count * height * width)) ** 0.5)
    size = (max(1, int(height * scale)), max(1, int(width * scale)))
    pictures = [clip.matte.alpha([frame], size)[0, 0] for frame in range(clip.frame_count)]
    return torch.stack([(alpha * 255).round().to(torch.uint8) for alpha in pictures]).numpy()


def _add(parts: list[np.ndarray], part: np.ndarray) -> list[int]:
    """Append a part; where it will lie, from a multiple of four on: [first byte, bytes]."""
    first = sum(each.nbytes for each in parts)
    parts.append(np.ascontiguousarray(part))
    parts.append(np.zeros(-part.nbytes % 4, np.uint8))
    return [first, part.nbytes]
