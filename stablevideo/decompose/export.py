"""A decomposed clip -> a layered-neural-atlas checkpoint: the published networks, fitted to maps that are known.

The maps, the matte and the frames are at hand, so this is plain regression: first the maps alone, then the matte,
then the atlas network under the maps as the networks have them, at last all together against the frames' pixels.
"""

from __future__ import annotations

import math
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import coords
from ..bake import to_uint8
from ..coords import LAYER_NAMES, LayerName
from ..errors import InputError
from ..layers import LayeredVideo
from ..nla import MLP, NLANetworks, save_networks
from ..progress import Progress, quiet, within
from .nla_train import NLATraining, write_config, write_frames

FRAMES_AT_ONCE = 8
CANVAS_SHARE = 0.8  # of the canvas that a layer fills at most, as the published uv_mapping_scale
# A frame's pixel on the canvas is no larger than the finest sine of the atlas network: with its pixels further apart,
# the network would be free to be anything between them.
LARGEST_PIXEL = 0.008
SEEN_SHARE = 0.1  # a layer's map matters at a pixel from this share on
NEAR_PX = 4  # and this far around: the loader interpolates across
FAR_WEIGHT = 0.03  # of a map elsewhere
BATCH = 16384  # pixels; half as many for the maps and the matte alone
MATTE_HOLD = 0.1  # how much the matte counts against the pixels where all is tuned
BASIS_STEPS = 10  # between two renewals of the optimiser's bases
SHARES = {"background": 0.06, "foreground": 0.12, "alpha": 0.1, "colours": 0.34, "all": 0.38}  # of the time
RATES = {"background": 3e-3, "foreground": 1.5e-3, "alpha": 2e-3, "colours": 3e-3}
JOINT_RATES = {"atlas": 1e-3, "alpha": 3e-4, "foreground_mapping": 1e-4, "background_mapping": 1e-4}


@dataclass(frozen=True)
class ExportFacts:
    """How well the clip's own layers give back its frames, how well the networks do, in dB, and how long it took."""

    lattice_psnr: float
    networks_psnr: float
    seconds: float


def export_nla(
    clip: LayeredVideo,
    folder: Path,
    name: str | None = None,
    minutes: float = 18,
    seed: int = 0,
    progress: Progress = quiet,
) -> ExportFacts:
    """Write `folder/NAME/` as the original tools lay it out: config.json, checkpoint, and the frames in `NAME/`.

    Parameters
    ----------
    clip
        A clip with frames and known maps. Its light has no counterpart in the networks: they are fitted to the
        frames, and take of it what their maps and colours can.
    name
        The clip's own name by default.
    minutes
        How long to fit. As it is time that ends it, two runs with one seed differ a little.

    Raises
    ------
    InputError
        `folder/NAME` is there already, a layer covers nothing, or `minutes` is 0. After any error nothing is left.
    """
    began = time.monotonic()
    if minutes <= 0:
        raise InputError(f"minutes must be more than 0, got {minutes}.")
    name = name or clip.name
    if (folder / name).exists():
        raise InputError(f"{folder / name} is already there; choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{secrets.token_hex(4)}.partial"
    partial.mkdir()
    try:
        targets = Targets.of(clip, seed)
        networks, steps = fit(targets, minutes, within(progress, 0, 0.97))
        progress(0.97, "writing the clip")
        write_config(partial, name, clip.size, clip.frame_count, NLATraining())
        write_frames(partial / name, targets.pictures)
        save_networks(networks, partial / "checkpoint", steps)
        shown = (render_networks(networks, i) for i in range(clip.frame_count))
        networks_psnr = _psnr(shown, targets.pictures)
        lattice_psnr = _psnr((frame for chunk in clip.render() for frame in chunk), targets.pictures)
        partial.rename(folder / name)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return ExportFacts(lattice_psnr, networks_psnr, time.monotonic() - began)


@dataclass(frozen=True)
class Targets:
    """What the networks have to give, and where.

    Attributes
    ----------
    pictures, alpha
        uint8 [T, 3, H, W] and [T, H, W].
    nodes, strides, pixels
        By layer: the lattice on the networks' canvas, [T, rows, columns, 2]; frame pixels between nodes; how far a
        pixel of the frame moves on the canvas.
    near
        By layer: bool [T, H, W], where its map matters.
    edges
        int64 [n]: the pixels around the matte's edges, counted through all frames.
    """

    pictures: Tensor
    alpha: Tensor
    nodes: dict[LayerName, Tensor]
    strides: dict[LayerName, int]
    pixels: dict[LayerName, float]
    near: dict[LayerName, Tensor]
    edges: Tensor
    boxes: Tensor
    random: torch.Generator

    @classmethod
    def of(cls, clip: LayeredVideo, seed: int) -> Targets:
        """Read a clip's frames, matte and maps; place each layer on the canvas as large as it may be."""
        pictures, alpha, edges = [], [], []
        near: dict[LayerName, list[Tensor]] = {name: [] for name in LAYER_NAMES}
        for chunk in torch.arange(clip.frame_count).split(FRAMES_AT_ONCE):
            matte = clip.alpha(chunk.tolist()).cpu()
            pictures.append(to_uint8(clip.source(chunk.tolist()).cpu()))
            alpha.append(to_uint8(matte)[:, 0])
            for name, share in zip(LAYER_NAMES, (matte, 1 - matte), strict=True):
                near[name].append(_widened(share > SEEN_SHARE, NEAR_PX)[:, 0])
            edge = _widened((matte > 0.01) & (matte < 0.99), 3)
            edges.append(edge.flatten().nonzero()[:, 0] + chunk[0] * matte[0].numel())
        placed = {name: _place(clip, name) for name in LAYER_NAMES}
        return cls(
            torch.cat(pictures),
            torch.cat(alpha),
            {name: nodes for name, (nodes, _) in placed.items()},
            {name: clip.layer(name).warp.stride for name in LAYER_NAMES},
            {name: pixel for name, (_, pixel) in placed.items()},
            {name: torch.cat(parts) for name, parts in near.items()},
            torch.cat(edges),
            clip.matte.boxes,
            torch.Generator().manual_seed(seed),
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return tuple(self.alpha.shape[1:])

    def video(self, frame: Tensor, xy: Tensor) -> Tensor:
        """Frames [n] and pixels [n, 2] -> the networks' input [n, 3]."""
        return coords.pixel_to_video(xy.float(), frame.float(), self.size, len(self.alpha))

    def map_batch(self, name: LayerName, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Places between pixels as well -> network inputs [n, 3], canvas [n, 2], weights [n, 1].

        Most of the foreground's lie in the box around the object.
        """
        height, width = self.size
        frame = torch.randint(len(self.alpha), (64,), generator=self.random)
        low, high = torch.zeros(64, 1, 2), torch.tensor([width - 1.0, height - 1.0]).repeat(64, 1, 1)
        if name == "foreground":
            box = self.boxes[frame[:56]].float()
            low[:56, 0], high[:56, 0] = box[:, [1, 0]] - 2 * NEAR_PX, box[:, [3, 2]] + 2 * NEAR_PX
        xy = low + (high - low) * torch.rand(64, count // 64, 2, generator=self.random)
        x, y = xy[..., 0].round().long().clamp(0, width - 1), xy[..., 1].round().long().clamp(0, height - 1)
        frames = frame[:, None].expand(x.shape)
        weights = torch.where(self.near[name][frames, y, x], 1.0, FAR_WEIGHT)
        canvas = self._canvas(name, frame, xy)
        return self.video(frames.flatten(), xy.flatten(0, 1)), canvas, weights.view(-1, 1)

    def _canvas(self, name: LayerName, frame: Tensor, xy: Tensor) -> Tensor:
        """The lattice at pixels xy [f, m, 2] of frames [f] -> [f * m, 2], kept within reach of a tanh."""
        nodes = self.nodes[name][frame]
        places = xy / self.strides[name] + 1
        across, down = (
            coords.cubic_weights(places[..., axis].flatten(), count).view(*xy.shape[:2], count)
            for axis, count in ((0, nodes.shape[2]), (1, nodes.shape[1]))
        )
        rows = (down @ nodes.flatten(2)).unflatten(2, nodes.shape[2:])
        return (rows * across[..., None]).sum(2).flatten(0, 1).clamp(-0.97, 0.97)

    def alpha_batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Network inputs [n, 3] and alpha [n]; half of them around the matte's edges, where there are any."""
        anywhere = torch.randint(self.alpha.numel(), (count,), generator=self.random)
        if len(self.edges):
            picked = torch.randint(len(self.edges), (count // 2,), generator=self.random)
            anywhere[: count // 2] = self.edges[picked]
        video, _, alpha = self._at(anywhere)
        return video, alpha

    def pixel_batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Network inputs [n, 3], colours [n, 3] and alpha [n] of pixels of any frame."""
        return self._at(torch.randint(self.alpha.numel(), (count,), generator=self.random))

    def _at(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = self.size
        frame, y, x = index // (height * width), index // width % height, index % width
        colours = self.pictures[frame, :, y, x].float() / 255
        return self.video(frame, torch.stack([x, y], 1)), colours, self.alpha[frame, y, x].float() / 255


def _widened(mask: Tensor, reach_px: int) -> Tensor:
    return F.max_pool2d(mask.float(), 2 * reach_px + 1, 1, reach_px) > 0


def _place(clip: LayeredVideo, name: LayerName) -> tuple[Tensor, float]:
    """A layer's nodes on the canvas, [T, rows, columns, 2], and how far a pixel moves there."""
    layer = clip.layer(name)
    low, high = [], []
    for frame in range(clip.frame_count):
        alpha = clip.alpha([frame])[0, 0].cpu()
        uv = layer.uv([frame], clip.size)[0].cpu()[(alpha if name == "foreground" else 1 - alpha) > SEEN_SHARE]
        if len(uv):
            low.append(uv.amin(0))
            high.append(uv.amax(0))
    if not low:
        raise InputError(f"the {name} covers no pixel of {clip.name}; there is nothing to fit a network to.")
    low, high = torch.stack(low).amin(0), torch.stack(high).amax(0)
    half = torch.tensor(layer.size[::-1]) / 2  # texels: the same scale both ways keeps pixels square
    step = layer.warp.texels_per_pixel(layer.size)
    scale = min(CANVAS_SHARE / ((high - low) / 2 * half).max().item(), LARGEST_PIXEL / step)
    return (layer.warp.nodes.cpu() - (low + high) / 2) * half * scale, step * scale


class Soap:
    """Adam in the eigenbasis of Shampoo's two covariances (Vyas et al. 2024).

    Small networks that regress a smooth function are ill conditioned, which is what a basis in which the gradient's
    directions are independent mends: it takes several times fewer steps than Adam, each little dearer.
    """

    def __init__(
        self, parts: Sequence[tuple[Sequence[Tensor], float]], betas: tuple[float, float] = (0.95, 0.95)
    ) -> None:
        """Parts are parameters and their learning rate."""
        self.parts, self.betas = [(list(parameters), rate) for parameters, rate in parts], betas
        self.state: dict[Tensor, dict] = {weights: {} for parameters, _ in self.parts for weights in parameters}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weights in self.state:
            weights.grad = None

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        """One step at a share of the learning rates; every parameter must have its gradient."""
        for parameters, rate in self.parts:
            for weights in parameters:
                weights.sub_(self._direction(weights, weights.grad), alpha=rate * share)

    def _direction(self, weights: Tensor, gradient: Tensor) -> Tensor:
        state = self.state[weights]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}
            if weights.ndim == 2:
                state["covariances"] = [gradient @ gradient.T, gradient.T @ gradient]
                state["bases"] = [torch.linalg.qr(c)[0] for c in state["covariances"]]
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - self.betas[0])
        turned, turned_mean = (self._turned(state, part) for part in (gradient, mean))
        state["square"].lerp_(turned.square(), 1 - self.betas[1])
        first, second = (1 - beta ** state["step"] for beta in self.betas)
        direction = (turned_mean / first) / ((state["square"] / second).sqrt() + 1e-8)
        if weights.ndim < 2:
            return direction
        rows, columns = state["bases"]
        direction = rows @ direction @ columns.T
        for covariance, part in zip(state["covariances"], (gradient, gradient.T), strict=True):
            covariance.lerp_(part @ part.T, 1 - self.betas[1])
        if state["step"] % BASIS_STEPS == 0:
            self._renew(state)
        return direction

    @staticmethod
    def _turned(state: dict, gradient: Tensor) -> Tensor:
        return state["bases"][0].T @ gradient @ state["bases"][1] if "bases" in state else gradient

    @staticmethod
    def _renew(state: dict) -> None:
        """One step of orthogonal iteration towards the eigenvectors, largest first."""
        for axis, (covariance, basis) in enumerate(zip(state["covariances"], state["bases"], strict=True)):
            image = covariance @ basis
            order = (basis * image).sum(0).argsort(descending=True)
            state["square"] = state["square"].index_select(axis, order)
            state["bases"][axis] = torch.linalg.qr(image[:, order])[0]


def fit(targets: Targets, minutes: float, progress: Progress) -> tuple[NLANetworks, int]:
    """Fit the published networks -> them, and how many steps it took."""
    config = NLATraining().network_config(targets.size, len(targets.alpha))
    with torch.random.fork_rng():
        torch.manual_seed(int(targets.random.initial_seed()))
        networks = NLANetworks(config)
    fast = _half_is_faster()
    seconds, begin, steps = 60 * minutes, 0.0, 0
    for name, share in SHARES.items():
        report = within(progress, begin, begin + share)
        loss_of, optimizer = _stage(name, networks, targets, fast)
        steps += _descend(loss_of, optimizer, share * seconds, report, name)
        if name in LAYER_NAMES:
            _solve_last(networks.get_submodule(f"{name}_mapping"), targets, name)
        begin += share
    return networks.requires_grad_(False).eval(), steps


def _stage(name: str, networks: NLANetworks, targets: Targets, fast: bool) -> tuple[Callable[[float], Tensor], Soap]:
    """The loss of a stage, given the share of it that is done, and its optimiser."""
    if name in LAYER_NAMES:
        mapping = networks.get_submodule(f"{name}_mapping")
        _start_straight(mapping)
        _solve_last(mapping, targets, name)
        # bfloat16 is a pixel or so: it leads there quickly, and float32 does the rest.
        return lambda done: _map_loss(networks, targets, name, fast and done < 0.7), _soap((mapping, RATES[name]))
    if name == "alpha":
        return lambda done: _alpha_loss(networks, targets, fast), _soap((networks.alpha, RATES[name]))
    if name == "colours":
        return lambda done: _colour_loss(networks, targets, fast), _soap((networks.atlas, RATES[name]))
    parts = [(networks.get_submodule(part), rate) for part, rate in JOINT_RATES.items()]
    return lambda done: _joint_loss(networks, targets, fast), _soap(*parts)


def _soap(*parts: tuple[MLP, float]) -> Soap:
    return Soap([(list(network.parameters()), rate) for network, rate in parts])


def _descend(loss_of: Callable[[float], Tensor], optimizer: Soap, seconds: float, report: Progress, what: str) -> int:
    """Step until the time is over, the learning rate rising at first and falling to nothing -> steps made."""
    began, steps, mean = time.monotonic(), 0, 0.0
    while (done := (time.monotonic() - began) / seconds) < 1:
        optimizer.zero_grad()
        loss = loss_of(done)
        loss.backward()
        optimizer.step(min(1, (steps + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * done)))
        steps += 1
        mean += (loss.item() - mean) / min(steps, 50)
        report(done, f"{what}: step {steps}, root mean square error {mean**0.5:.3g}")
    return steps


def _map_loss(networks: NLANetworks, targets: Targets, name: LayerName, fast: bool) -> Tensor:
    """Squared distance from the known map, in pixels."""
    video, canvas, weights = targets.map_batch(name, BATCH // 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        found = networks.canvas_at(name, video)
    return (weights * ((found.float() - canvas) / targets.pixels[name]).square()).mean()


def _alpha_loss(networks: NLANetworks, targets: Targets, fast: bool) -> Tensor:
    video, alpha = targets.alpha_batch(BATCH // 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        value = networks.alpha(video)
    return (coords.network_to_alpha(value.float())[:, 0] - alpha).square().mean()


def _colour_loss(networks: NLANetworks, targets: Targets, fast: bool) -> Tensor:
    """The render under the networks' maps, as they are, and the known matte, against the frames."""
    video, colours, alpha = targets.pixel_batch(BATCH)
    with torch.no_grad():
        places = _canvases(networks, video, alpha)
    return (_composed(networks, places, alpha, fast) - colours).square().mean()


def _joint_loss(networks: NLANetworks, targets: Targets, fast: bool) -> Tensor:
    """The render by all four networks against the frames; the matte is held where it was."""
    video, colours, known = targets.pixel_batch(BATCH)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        value = networks.alpha(video)
    alpha = coords.network_to_alpha(value.float())[:, 0]
    rendered = _composed(networks, _canvases(networks, video, known), alpha, fast)
    return (rendered - colours).square().mean() + MATTE_HOLD * (alpha - known).square().mean()


def _canvases(networks: NLANetworks, video: Tensor, alpha: Tensor) -> dict[LayerName, tuple[Tensor, Tensor]]:
    """By layer: which of the points [n, 3] show it, [m], and where on the canvas they lie, [m, 2]."""
    shown = {"foreground": alpha > 0.01, "background": alpha < 0.99}
    index = {name: shown[name].nonzero()[:, 0] for name in LAYER_NAMES}
    return {name: (index[name], networks.canvas_at(name, video[index[name]])) for name in LAYER_NAMES}


def _composed(
    networks: NLANetworks, places: dict[LayerName, tuple[Tensor, Tensor]], alpha: Tensor, fast: bool
) -> Tensor:
    """Colours [n, 3] of points that show the layers at `places`, by alpha [n]; one call of the atlas network."""
    inputs = [coords.canvas_to_network(canvas, name) for name, (_, canvas) in places.items()]
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        value = networks.atlas(torch.cat(inputs))
    shares = torch.cat([alpha[places["foreground"][0]], 1 - alpha[places["background"][0]]])
    index = torch.cat([index for index, _ in places.values()])
    colours = coords.network_to_colour(value.float()) * shares[:, None]
    return torch.zeros(len(alpha), 3).index_add(0, index, colours)


@torch.no_grad()
def _start_straight(mapping: MLP) -> None:
    """Let six channels carry plus and minus the input to the last layer, so that it starts nearly linear.

    The others start bent three times as much as usual, else all of them are alike over so small a domain.
    """
    for i, layer in enumerate(mapping.hidden[:-1]):
        if i == 0:
            layer.weight *= 3
        layer.weight[:6], layer.bias[:6] = 0, 0
        for channel in range(6):
            layer.weight[channel, channel if i else channel // 2] = 1 if i else (-1) ** channel


@torch.no_grad()
def _solve_last(mapping: MLP, targets: Targets, name: LayerName) -> None:
    """Set the last layer to the least-squares best."""
    video, canvas, weights = targets.map_batch(name, 4 * BATCH)
    features = video
    for i, layer in enumerate(mapping.hidden[:-1]):
        features = layer(features.relu() if i else features)
    features = torch.cat([features.relu(), torch.ones(len(video), 1)], 1).double()
    for axis, wanted in enumerate(canvas.double().unbind(1)):
        slope = (1 - wanted[:, None] ** 2) * weights.sqrt()  # of tanh: what an error before it costs behind it
        weighted, target = features * slope, wanted[:, None].atanh() * slope
        gram = weighted.T @ weighted
        gram += 1e-9 * gram.diagonal().mean() * torch.eye(len(gram))
        solution = torch.linalg.solve(gram, weighted.T @ target)[:, 0].float()
        mapping.hidden[-1].weight[axis], mapping.hidden[-1].bias[axis] = solution[:-1], solution[-1]


def _half_is_faster() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32: with matrix units several times, without slower."""
    took = []
    for kind in (torch.float32, torch.bfloat16):
        rows, square = torch.rand(4096, 256).to(kind), torch.rand(256, 256).to(kind)
        rows @ square
        began = time.perf_counter()
        for _ in range(5):
            rows @ square
        took.append(time.perf_counter() - began)
    return took[1] < 0.8 * took[0]


@torch.no_grad()
def render_networks(networks: NLANetworks, frame: int) -> Tensor:
    """A frame as the networks alone give it, [3, H, W] in [0, 1]."""
    config = networks.config
    xy = coords.pixel_mesh(config.size, 1, 0).view(-1, 2)
    parts = []
    for points in xy.split(BATCH):
        video = coords.pixel_to_video(
            points, torch.full((len(points),), float(frame)), config.size, config.maximum_number_of_frames
        )
        alpha = networks.alpha_at(video)
        # Less than a shade of the foreground is not worth two network calls; the background always is.
        front = (alpha > 0.004).nonzero()[:, 0]
        colour = networks.colour_at("background", networks.canvas_at("background", video))
        over = networks.colour_at("foreground", networks.canvas_at("foreground", video[front]))
        colour[front] += alpha[front, None] * (over - colour[front])
        parts.append(colour)
    return torch.cat(parts).T.reshape(3, *config.size)


def _psnr(rendered: Iterator[Tensor], pictures: Tensor) -> float:
    """Of frames [3, H, W] in [0, 1], as 8 bits, against pictures, uint8 [T, 3, H, W]."""
    pairs = zip(rendered, pictures, strict=True)
    errors = [(to_uint8(frame.cpu()).float() - picture.float()).square().mean().item() for frame, picture in pairs]
    return 10 * math.log10(255**2 / max(sum(errors) / len(errors), 1e-3))
