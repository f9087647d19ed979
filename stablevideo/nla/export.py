"""A decomposed clip -> a layered-neural-atlas checkpoint: the published networks, fitted to maps that are known.

The maps, the matte and the frames are at hand, so this is plain regression: first the maps alone, then the matte,
then the atlas network under the maps as the networks have them, at last all together against the frames' pixels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from ..device import one_thread_a_core, resolve
from ..errors import InputError
from ..files import whole_folder
from ..layers import coords
from ..layers.coords import LAYER_NAMES, LayerName
from ..layers.layered_video import LayeredVideo
from ..layers.matte import shares
from ..metrics import psnr
from ..progress import Progress, quiet, within
from ..video.pictures import to_uint8
from .descent import BATCH, LossOf, Soap, descend
from .files import NLATraining, write_config, write_frames
from .networks import MLP, NLANetworks, save_networks
from .targets import Targets

MATTE_HOLD = 0.1  # how much the matte counts against the pixels where all is tuned
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
    device: torch.device | str | None = None,
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
    device
        Where the networks are fitted; the best there is by default.

    Raises
    ------
    InputError
        `folder/NAME` is there already, a layer covers nothing, or `minutes` is 0. After any error nothing is left.
    """
    began = time.monotonic()
    if minutes <= 0:
        raise InputError(f"minutes must be more than 0, got {minutes}.")
    name = name or clip.name
    with whole_folder(folder / name) as unfinished:
        targets = Targets.of(clip, seed, resolve(device))
        networks, steps = fit_networks(targets, minutes, within(progress, 0, 0.97))
        progress(0.97, "writing the clip")
        write_config(unfinished, name, clip.size, clip.frame_count, NLATraining())
        write_frames(unfinished / name, targets.pictures)
        save_networks(networks, unfinished / "checkpoint", steps)
        with one_thread_a_core() as (pool, _):
            errors = pool.map(
                lambda i: _error(render_networks(networks, i), targets.pictures[i]), range(clip.frame_count)
            )
            networks_psnr = psnr(fmean(errors))
        own = (frame for chunk in clip.render() for frame in chunk)
        lattice_psnr = psnr(fmean(map(_error, own, targets.pictures)))
    return ExportFacts(lattice_psnr, networks_psnr, time.monotonic() - began)


def fit_networks(targets: Targets, minutes: float, progress: Progress) -> tuple[NLANetworks, int]:
    """Fit the published networks -> them, and how many steps it took."""
    config = NLATraining().network_config(targets.size, len(targets.alpha))
    with torch.random.fork_rng():
        torch.manual_seed(int(targets.random.initial_seed()))
        networks = NLANetworks(config).to(targets.device)
    fast = _half_is_faster(targets.device)
    seconds, begin, steps = 60 * minutes, 0.0, 0
    for name, share in SHARES.items():
        report = within(progress, begin, begin + share)
        loss_of, optimizer = _stage(name, networks, targets, fast)
        steps += descend(loss_of, optimizer, share * seconds, report, name)
        if name in LAYER_NAMES:
            _solve_last(networks.mapping(name), targets, name)
        begin += share
    return networks.requires_grad_(False).eval(), steps


def _stage(name: str, networks: NLANetworks, targets: Targets, fast: bool) -> tuple[LossOf, Soap]:
    """The loss of a stage and its optimiser."""
    if name in LAYER_NAMES:
        mapping = networks.mapping(name)
        _start_straight(mapping)
        _solve_last(mapping, targets, name)

        def map_loss(done: float, count: int) -> Tensor:
            # bfloat16 is a pixel or so: it leads there quickly, and float32 does the rest.
            return _map_loss(networks, targets, name, count, fast and done < 0.7)

        return map_loss, _soap((mapping, RATES[name]))
    if name == "alpha":
        return lambda done, count: _alpha_loss(networks, targets, count, fast), _soap((networks.alpha, RATES[name]))
    if name == "colours":
        return lambda done, count: _colour_loss(networks, targets, count, fast), _soap((networks.atlas, RATES[name]))
    parts = [(networks.get_submodule(part), rate) for part, rate in JOINT_RATES.items()]
    return lambda done, count: _joint_loss(networks, targets, count, fast), _soap(*parts)


def _soap(*parts: tuple[nn.Module, float]) -> Soap:
    return Soap([(list(network.parameters()), rate) for network, rate in parts])


def _map_loss(networks: NLANetworks, targets: Targets, name: LayerName, count: int, fast: bool) -> Tensor:
    """Squared distance from the known map, in pixels."""
    video, canvas, weights = targets.map_batch(name, count // 2)
    with torch.autocast(targets.device.type, torch.bfloat16, enabled=fast):
        found = networks.canvas_at(name, video)
    return (weights * ((found.float() - canvas) / targets.pixels[name]).square()).mean()


def _alpha_loss(networks: NLANetworks, targets: Targets, count: int, fast: bool) -> Tensor:
    video, alpha = targets.alpha_batch(count // 2)
    with torch.autocast(targets.device.type, torch.bfloat16, enabled=fast):
        value = networks.alpha(video)
    return (coords.network_to_alpha(value.float())[:, 0] - alpha).square().mean()


def _colour_loss(networks: NLANetworks, targets: Targets, count: int, fast: bool) -> Tensor:
    """The render under the networks' maps, as they are, and the known matte, against the frames."""
    video, colours, alpha = targets.pixel_batch(count)
    with torch.no_grad():
        places = _canvases(networks, video, alpha)
    return (_composed(networks, places, alpha, fast) - colours).square().mean()


def _joint_loss(networks: NLANetworks, targets: Targets, count: int, fast: bool) -> Tensor:
    """The render by all four networks against the frames; the matte is held where it was."""
    video, colours, known = targets.pixel_batch(count)
    with torch.autocast(targets.device.type, torch.bfloat16, enabled=fast):
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
    with torch.autocast(alpha.device.type, torch.bfloat16, enabled=fast):
        value = networks.atlas(torch.cat(inputs))
    own = torch.cat([share[places[name][0]] for name, share in shares(alpha).items()])
    index = torch.cat([index for index, _ in places.values()])
    colours = coords.network_to_colour(value.float()) * own[:, None]
    return alpha.new_zeros(len(alpha), 3).index_add(0, index, colours)


@torch.no_grad()
def _start_straight(mapping: MLP) -> None:
    """Let six channels carry plus and minus the input to the last layer, so that it starts nearly linear.

    The others start bent three times as much as usual, else all of them are alike over so small a domain.
    """
    for i, layer in enumerate(mapping.linears[:-1]):
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
    for i, layer in enumerate(mapping.linears[:-1]):
        features = layer(features.relu() if i else features)
    features = torch.cat([features.relu(), features.new_ones(len(video), 1)], 1).double().cpu()
    weights = weights.double().cpu()
    for axis, wanted in enumerate(canvas.double().cpu().unbind(1)):
        slope = (1 - wanted[:, None] ** 2) * weights.sqrt()  # of tanh: what an error before it costs behind it
        weighted, target = features * slope, wanted[:, None].atanh() * slope
        gram = weighted.T @ weighted
        gram += 1e-9 * gram.diagonal().mean() * torch.eye(len(gram))
        solution = torch.linalg.solve(gram, weighted.T @ target)[:, 0].float()
        mapping.linears[-1].weight[axis], mapping.linears[-1].bias[axis] = solution[:-1], solution[-1]


def _half_is_faster(device: torch.device) -> bool:
    """Whether this machine multiplies bfloat16 faster than float32: with matrix units several times, without slower."""
    took = []
    for kind in (torch.float32, torch.bfloat16):
        rows, square = (torch.rand(side, 256, device=device).to(kind) for side in (4096, 256))
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
    xy = coords.pixel_mesh(config.size, 1, 0, next(networks.parameters()).device).view(-1, 2)
    parts = []
    for points in xy.split(BATCH):
        video = coords.pixel_to_video(
            points, points.new_full((len(points),), float(frame)), config.size, config.maximum_number_of_frames
        )
        alpha = networks.alpha_at(video)
        # Less than a shade of the foreground is not worth two network calls; the background always is.
        front = (alpha > 0.004).nonzero()[:, 0]
        colour = networks.colour_at("background", networks.canvas_at("background", video))
        over = networks.colour_at("foreground", networks.canvas_at("foreground", video[front]))
        colour[front] += alpha[front, None] * (over - colour[front])
        parts.append(colour)
    return torch.cat(parts).T.reshape(3, *config.size)


def _error(frame: Tensor, picture: Tensor) -> float:
    """The mean squared error of a frame [3, H, W] in [0, 1], as 8 bits, against a picture, uint8 [3, H, W]."""
    return ((to_uint8(frame.cpu()).float() - picture.float()) / 255).square().mean().item()
