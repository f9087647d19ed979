"""Networks -> layers: evaluate the networks of layered neural atlases only where and as finely as needed.

The mappings are smooth, so a lattice refined where interpolation misses replaces a network call per pixel;
the matte is constant almost everywhere, so only its edges are evaluated pixel by pixel; an atlas network
holds no more detail than the frames it was trained on, so it is sampled a little finer than their pixels,
where some frame looks at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import one_thread_a_core
from ..errors import InputError
from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName, Window
from ..layers.fill import fill_missing
from ..layers.matte import Matte, shares
from ..layers.warp import LatticeWarp
from ..progress import Progress, quiet, within
from ..video.pictures import to_uint8
from .networks import NLANetworks

CALL_POINTS = 2048  # points a network call on one core: its activations stay in the processor's cache
FRAMES_AT_ONCE = 10
UV_STRIDES = (8, 4, 2)
UV_TOLERANCE_PX = 0.12  # refine where a level was off by more; the next level is then several times better
MATTE_TOLERANCE = 0.02
NODE_STEPS = 32767  # of the canvas, between its middle and its side
SEEN_SHARE = 0.1  # a layer matters at a pixel from this share on
ATLAS_SPACING_PX = 0.75  # of the frame's pixels, between samples of the atlas networks


@dataclass(frozen=True)
class BakedLayer:
    """What is kept of one layer: its lattice on the canvas and its picture at the sampled resolution."""

    nodes: Tensor  # int16 [T, rows, columns, 2] on the canvas, in steps of 1 / NODE_STEPS
    stride: int
    picture: Tensor  # uint8 [3, h, w]
    coverage: Tensor  # uint8 [1, h, w], 0 or 255
    window: Window  # of the picture on the canvas


@torch.no_grad()
def bake(
    networks: NLANetworks, progress: Progress = quiet, atlas_spacing_px: float = ATLAS_SPACING_PX
) -> tuple[Matte, dict[LayerName, BakedLayer]]:
    """Evaluate a clip's networks -> its matte and both layers.

    uv lies within 0.25 px of the exact network (in the frame's scale) wherever the layer's share of a pixel
    is at least SEEN_SHARE. Alpha lies within MATTE_TOLERANCE along every edge that is found, which is all but specks
    of a few pixels that lie between the nodes of the first lattice, four pixels apart.
    """
    matte = _bake_matte(networks, within(progress, 0, 0.5))
    layers = {}
    for name, begin in zip(LAYER_NAMES, (0.5, 0.65), strict=True):
        layers[name] = _bake_layer(networks, name, matte, atlas_spacing_px, within(progress, begin, begin + 0.3))
    return matte, layers


def _bake_matte(networks: NLANetworks, report: Progress) -> Matte:
    config = networks.config
    alphas: list[Tensor] = []
    for frames in torch.arange(config.maximum_number_of_frames).split(FRAMES_AT_ONCE):
        report(frames[0].item() / config.maximum_number_of_frames, "reading the matte")
        field = sample_adaptively(
            lambda frame, xy: networks.alpha_at(video_points(networks, frame, xy))[:, None],
            frames.tolist(),
            LatticeWarp.shape(config.size, 4),
            strides=(4, 2, 1),
            is_coarse=lambda error, spread: torch.maximum(error, spread) > MATTE_TOLERANCE,
        )
        alpha = field[:, 0, 4 : 4 + config.resy, 4 : 4 + config.resx]
        # The squash never reaches 0 or 1; what is that close means them.
        alpha = torch.where(alpha < 0.015, 0.0, torch.where(alpha > 0.98, 1.0, alpha))
        alphas.extend(alpha)
    return Matte.pack(alphas)


def _bake_layer(
    networks: NLANetworks, name: LayerName, matte: Matte, atlas_spacing_px: float, report: Progress
) -> BakedLayer:
    config = networks.config
    coarse = LatticeWarp.shape(config.size, UV_STRIDES[0])
    pixel = _pixel_on_canvas(networks, name, matte, UV_STRIDES[0])
    resolution = round(2 / (pixel * atlas_spacing_px))
    seen = torch.zeros(resolution, resolution, dtype=torch.bool)
    chunks: list[Tensor] = []
    off = dict.fromkeys(UV_STRIDES, 0.0)  # how far a lattice of that stride alone would miss, in pixels
    for frames in torch.arange(config.maximum_number_of_frames).split(FRAMES_AT_ONCE):
        report(0.5 * frames[0].item() / config.maximum_number_of_frames, f"mapping the {name}")
        share = _share(matte, name, frames.tolist())
        field = sample_adaptively(
            lambda frame, xy: networks.canvas_at(name, video_points(networks, frame, xy)),
            frames.tolist(),
            coarse,
            UV_STRIDES,
            is_coarse=lambda error, spread: error > UV_TOLERANCE_PX * pixel,
            needed=_needed_cells(share, coarse, UV_STRIDES[0]),
        )
        nodes = field.permute(0, 2, 3, 1)
        chunks.append((nodes * NODE_STEPS).round().short())
        finest = LatticeWarp(_thinned(nodes, UV_STRIDES[-1]), UV_STRIDES[-1], config.size)
        canvas = finest.uv(range(len(nodes)), config.size)
        for stride in UV_STRIDES[:-1]:
            thin = LatticeWarp(_thinned(nodes, stride), stride, config.size).uv(range(len(nodes)), config.size)
            missed = (thin - canvas).norm(dim=-1)[share[:, 0] > SEEN_SHARE]
            off[stride] = max(off[stride], (missed.amax().item() if len(missed) else 0.0) / pixel)
        texels = ((canvas[share[:, 0] > SEEN_SHARE] + 1) * (resolution / 2)).long().clamp(0, resolution - 1)
        seen[texels[:, 1], texels[:, 0]] = True
    report(0.5, f"painting the {name} atlas")
    rows, columns = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
    if not len(rows):
        raise InputError(f"the {name} covers no pixel of the clip; this checkpoint has no {name} layer.")
    window = Window.around_texels(int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]), resolution)
    coverage = window.crop(F.max_pool2d(seen[None].float(), 5, 1, 2)) > 0
    picture = _sample_atlas(networks, name, window, coverage)
    stride = next(stride for stride in UV_STRIDES if off[stride] < UV_TOLERANCE_PX)
    nodes = torch.cat([_thinned(chunk, stride) for chunk in chunks])
    return BakedLayer(nodes, stride, to_uint8(picture), coverage.to(torch.uint8) * 255, window)


def _thinned(nodes: Tensor, stride: int) -> Tensor:
    """The nodes [n, rows, columns, 2] of the finest lattice that a warp of a coarser stride keeps.

    The finest starts one step of the coarsest outside the frame, a warp's one of its own.
    """
    every, outside = stride // UV_STRIDES[-1], (UV_STRIDES[0] - stride) // UV_STRIDES[-1]
    return nodes[:, outside::every, outside::every].contiguous()


def _share(matte: Matte, name: LayerName, frames: list[int]) -> Tensor:
    """How much of each pixel is the layer's -> [n, 1, H, W] in [0, 1]."""
    return shares(matte.alpha(frames, matte.size))[name]


def _pixel_on_canvas(networks: NLANetworks, name: LayerName, matte: Matte, stride: int) -> float:
    """How far one pixel of the middle frame moves on the canvas, where the layer is seen; the median."""
    frame = networks.config.maximum_number_of_frames // 2
    share = F.max_pool2d(_share(matte, name, [frame]), stride, ceil_mode=True)[0, 0]
    rows, columns = share.shape
    y, x = torch.meshgrid(torch.arange(rows) * stride, torch.arange(columns) * stride, indexing="ij")
    xy = torch.stack([x, y], -1).view(-1, 2).float()
    canvas = networks.canvas_at(name, video_points(networks, torch.full((len(xy),), frame), xy))
    canvas = canvas.view(rows, columns, 2)
    moved = (canvas[:, 1:] - canvas[:, :-1]).norm(dim=-1)[share[:, 1:] > 0.5]
    if not len(moved):
        moved = (canvas[:, 1:] - canvas[:, :-1]).norm(dim=-1).flatten()
    return max(moved.median().item() / stride, 0.1 / max(networks.config.size))


def _needed_cells(share: Tensor, coarse: tuple[int, int], stride: int) -> Tensor:
    """Cells of the coarse lattice that hold a pixel where the layer matters -> bool [n, 1, rows, columns]."""
    rows, columns = coarse[0] - 1, coarse[1] - 1
    height, width = share.shape[2:]
    padding = (stride, columns * stride - stride - width, stride, rows * stride - stride - height)
    padded = F.pad(share, padding)
    return F.max_pool2d(F.max_pool2d(padded, stride), 3, 1, 1) > SEEN_SHARE


def _sample_atlas(networks: NLANetworks, name: LayerName, window: Window, coverage: Tensor) -> Tensor:
    """The atlas network's colours over a window -> [3, h, w] in [0, 1], continued where nothing is seen."""
    texels = coverage[0].nonzero().flip(1)
    colours = _in_parallel(lambda part: networks.colour_at(name, window.texel_to_canvas(part)), texels)
    picture = torch.zeros(3, window.height, window.width)
    picture[:, texels[:, 1], texels[:, 0]] = colours.T
    return fill_missing(picture, coverage.float())


def video_points(networks: NLANetworks, frame: Tensor, xy: Tensor) -> Tensor:
    """Frames [n] and pixels [n, 2] -> the networks' input [n, 3]."""
    config = networks.config
    return coords.pixel_to_video(xy, frame.float(), config.size, config.maximum_number_of_frames)


def sample_adaptively(
    evaluate: Callable[[Tensor, Tensor], Tensor],
    frames: Sequence[int],
    coarse: tuple[int, int],
    strides: Sequence[int],
    is_coarse: Callable[[Tensor, Tensor], Tensor],
    needed: Tensor | None = None,
) -> Tensor:
    """Sample a smooth function of (frame, pixel) from coarse to fine, exactly only where that is needed.

    Parameters
    ----------
    evaluate
        Frames [n] and pixels [n, 2] -> values [n, C].
    coarse
        Rows and columns of the first lattice; its node (0, 0) is the pixel (-stride, -stride).
    strides
        Pixels between nodes, each half of the one before.
    is_coarse
        Given the error of interpolation at a level's new nodes and the spread of values within the cells
        around them, both [n, 1, rows, columns]: where the next level must look again.
    needed
        bool [n, 1, rows - 1, columns - 1]: cells that are worth refining at all.

    Returns
    -------
    [n, C, rows, columns] on the lattice of the last stride.
    """
    frame = torch.as_tensor(frames)
    active = torch.ones(len(frames), 1, *coarse, dtype=torch.bool)
    values = _evaluate_nodes(evaluate, frame, active, strides[0], strides[0])
    cells = needed if needed is not None else active[:, :, 1:, 1:]
    for level, stride in enumerate(strides[1:]):
        if level == 0 and needed is None:
            cells = _touching_cells(is_coarse(torch.zeros_like(values[:, :1]), _spread(values)))
        predicted = _upsample(values)
        nodes = _corner_nodes(cells)
        nodes[:, :, ::2, ::2] = False  # known from the level before
        exact = _evaluate_nodes(evaluate, frame, nodes, stride, strides[0])
        values = torch.where(nodes, exact, predicted)
        error = torch.where(nodes, (exact - predicted).abs().amax(1, keepdim=True), 0)
        cells = _touching_cells(is_coarse(error, _spread(values)))
    return values


def _evaluate_nodes(
    evaluate: Callable[[Tensor, Tensor], Tensor], frame: Tensor, nodes: Tensor, stride: int, origin: int
) -> Tensor:
    """Evaluate where `nodes` [n, 1, rows, columns] is set -> [n, C, rows, columns], 0 elsewhere."""
    index = nodes[:, 0].nonzero()
    xy = (index[:, [2, 1]] * stride - origin).float()
    found = _in_parallel(evaluate, frame[index[:, 0]], xy)
    values = torch.zeros(*nodes[:, 0].shape, found.shape[1])
    values[index[:, 0], index[:, 1], index[:, 2]] = found
    return values.permute(0, 3, 1, 2)


def _in_parallel(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Apply a function of points to inputs [n, ...], a part at a time, one part a core -> [n, C].

    Whole calls run side by side, each on a single core: on a shared machine that is several times faster
    than to split every small matrix product over the cores, which then wait for the slowest each time.
    """

    def call(part: Sequence[Tensor]) -> Tensor:
        with torch.no_grad():
            return function(*part)

    parts = list(zip(*(tensor.split(CALL_POINTS) for tensor in inputs), strict=True))
    with one_thread_a_core() as (pool, _):
        return torch.cat(list(pool.map(call, parts)))


def _upsample(values: Tensor) -> Tensor:
    """[n, C, h, w] -> [n, C, 2h - 1, 2w - 1], cubic between the nodes."""
    height, width = values.shape[2:]
    rows = coords.cubic_weights(torch.arange(2 * height - 1) / 2, height)
    columns = coords.cubic_weights(torch.arange(2 * width - 1) / 2, width)
    return rows @ (values @ columns.T)


def _spread(values: Tensor) -> Tensor:
    """Largest minus smallest value among a node and its eight neighbours -> [n, 1, h, w]."""
    high = F.max_pool2d(values, 3, 1, 1)
    return (high + F.max_pool2d(-values, 3, 1, 1)).amax(1, keepdim=True)


def _touching_cells(nodes: Tensor) -> Tensor:
    """Cells with at least one of their corner nodes set -> [n, 1, h - 1, w - 1]."""
    return F.max_pool2d(nodes.float(), 2, 1) > 0


def _corner_nodes(cells: Tensor) -> Tensor:
    """The nodes of the next level in and around the cells set -> bool [n, 1, 2h + 1, 2w + 1]."""
    doubled = cells.float().repeat_interleave(2, 2).repeat_interleave(2, 3)
    return F.max_pool2d(F.pad(doubled, (1, 1, 1, 1)), 2, 1) > 0
