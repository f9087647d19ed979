"""Fit the published networks to the scene by plain regression: its maps, matte and pictures are known."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stablevideo.layers.coords import LAYER_NAMES, LayerName, pixel_to_video
from stablevideo.nla.networks import MLP, NLANetworks, load_networks, save_networks
from stablevideo.video.pictures import read_picture

from .car import CAR_BOX
from .landscape import WORLD
from .scene import CANVAS_PER_PIXEL, CONFIG, FRAME_COUNT, SIZE, STORE, Scene, car_at, look_up, world_at

logger = logging.getLogger(__name__)


class _Samples:
    """Random batches of what the networks have to give: inputs and targets, from the scene itself."""

    def __init__(self, scene: Scene, batch: int = 4096) -> None:
        self.scene, self.batch, self.random = scene, batch, np.random.default_rng(0)
        self.mattes = np.stack([scene.frame(index)[1] for index in range(FRAME_COUNT)])
        edge = [cv2.GaussianBlur(((m > 0.02) & (m < 0.98)).astype(np.float32), (0, 0), 2.5) for m in self.mattes]
        near = [cv2.GaussianBlur(m, (0, 0), 12) for m in self.mattes]
        edge, near = np.stack(edge) / np.sum(edge), np.stack(near) / np.sum(near)
        chance = edge + 0.35 * near + 0.25 / self.mattes.size
        self.chance = np.cumsum(chance.ravel(), dtype=np.float64)
        # The networks see single points, so the pictures are smoothed to what one pixel of a frame sees.
        self.pictures = [cv2.GaussianBlur(p, (0, 0), 0.45 * STORE) for p in (scene.background, scene.car)]
        self.dull = [cv2.GaussianBlur(p, (0, 0), 12 * STORE) for p in self.pictures]

    def mapping(self, layer: LayerName) -> tuple[Tensor, Tensor]:
        """Network inputs [n, 3] and canvas [n, 2]."""
        xy = self.random.uniform(0, SIZE[::-1], (self.batch, 2)) - 0.5
        frame = self.random.integers(0, FRAME_COUNT, self.batch)
        place = world_at(xy, frame)
        place = car_at(place, frame) if layer == "foreground" else place - (WORLD[1] / 2, WORLD[0] / 2)
        return network_input(xy, frame), torch.from_numpy(place * CANVAS_PER_PIXEL).float()

    def alpha(self) -> tuple[Tensor, Tensor]:
        """Network inputs [n, 3] and opacity [n]; most of them at the car's edge."""
        pick = np.searchsorted(self.chance, self.random.uniform(0, 1, self.batch) * self.chance[-1])
        frame, y, x = np.unravel_index(np.minimum(pick, self.mattes.size - 1), self.mattes.shape)
        return network_input(np.stack([x, y], axis=1), frame), torch.from_numpy(self.mattes[frame, y, x])

    def colours(self, layer: LayerName, count: int) -> tuple[Tensor, Tensor]:
        """Canvas [n, 2] and colours [n, 3] in [0, 1]; a tenth lies outside the picture, ever duller."""
        box = (0, 0, WORLD[1], WORLD[0]) if layer == "background" else CAR_BOX
        origin = np.array([WORLD[1] / 2, WORLD[0] / 2] if layer == "background" else [0, 0])
        place = self.random.uniform(box[:2], box[2:], (count, 2))
        place[: count // 10] = origin + self.random.uniform(-1, 1, (count // 10, 2)) / CANVAS_PER_PIXEL
        inside = place.clip(box[:2], box[2:])
        share = np.clip(np.abs(place - inside).max(axis=1, keepdims=True) / 12, 0, 1).astype(np.float32)
        sharp, dull = (
            look_up(p[layer == "foreground"], (inside - box[:2])[None])[0] for p in (self.pictures, self.dull)
        )
        canvas = torch.from_numpy((place - origin) * CANVAS_PER_PIXEL).float()
        return canvas, torch.from_numpy((sharp + (dull - sharp) * share) / 255)


def network_input(xy: np.ndarray, frame: np.ndarray) -> Tensor:
    """Pixels [n, 2] of frames [n] -> what the mapping and alpha networks take, [n, 3]."""
    return pixel_to_video(torch.from_numpy(xy).float(), torch.from_numpy(frame).float(), SIZE, FRAME_COUNT)


def _train(module: nn.Module, loss_of: Callable[[], Tensor], steps: int, rate: float, state: Path) -> None:
    """Adam with a cosine decay; goes on from `state`, where an earlier run left off."""
    optimizer = torch.optim.Adam(module.parameters(), rate, betas=(0.9, 0.99))
    start = 0
    if state.is_file():
        start, weights, moments = torch.load(state, weights_only=True)
        module.load_state_dict(weights)
        optimizer.load_state_dict(moments)
    mean = 0.0
    for step in range(start, steps):
        decay = min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * decay + 1e-6
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean += (loss.item() - mean) / min(step - start + 1, 50)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            logger.info("%s: step %d of %d, loss %.3g", state.stem, step + 1, steps, mean)
            torch.save((step + 1, module.state_dict(), optimizer.state_dict()), state)


def _linears(network: MLP) -> list[nn.Linear]:
    return [layer for layer in network.hidden if isinstance(layer, nn.Linear)]


@torch.no_grad()
def _start_straight(mapping: MLP) -> None:
    """Let six channels carry plus and minus the input to the last layer, so that it starts nearly linear."""
    for i, layer in enumerate(_linears(mapping)[:-1]):
        layer.weight[:6], layer.bias[:6] = 0, 0
        for channel in range(6):
            layer.weight[channel, channel if i else channel // 2] = 1 if i else (-1) ** channel


@torch.no_grad()
def _solve_last(mapping: MLP, video: Tensor, canvas: Tensor) -> None:
    """Set the last layer to the least-squares best for inputs [n, 3] and targets [n, 2] in (-1, 1)."""
    features = video
    *hidden, last = _linears(mapping)
    for i, layer in enumerate(hidden):
        features = layer(features.relu() if i else features)
    ones = torch.ones(len(video), 1, dtype=torch.float64)
    features, canvas = torch.cat([features.relu().double(), ones], dim=1), canvas.double()
    for k in range(canvas.shape[1]):
        slope = 1 - canvas[:, k, None] ** 2  # of tanh: what an error before it costs behind it
        weighted, target = features * slope, canvas[:, k, None].atanh() * slope
        gram = weighted.T @ weighted
        gram += 1e-9 * gram.diagonal().mean() * torch.eye(len(gram))
        solution = torch.linalg.solve(gram, weighted.T @ target)[:, 0].float()
        last.weight[k], last.bias[k] = solution[:-1], solution[-1]


def fit(folder: Path, scene: Scene, work: Path, effort: float = 1.0) -> None:
    """Fit the four networks to the known maps, matte and pictures; write `folder/checkpoint`.

    `work` keeps what an interrupted run had reached. `effort` scales the number of steps.
    """
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    networks, samples = NLANetworks(CONFIG), _Samples(scene)
    steps = [round(effort * n) for n in (3000, 4000, 3600)]

    for layer in LAYER_NAMES:

        def mapping_loss(layer: LayerName = layer) -> Tensor:
            video, canvas = samples.mapping(layer)
            return F.mse_loss(networks.canvas_at(layer, video), canvas)

        mapping = networks.mapping(layer)
        video, canvas = (torch.cat(p) for p in zip(*(samples.mapping(layer) for _ in range(10)), strict=True))
        _start_straight(mapping)
        _solve_last(mapping, video, canvas)
        _train(mapping, mapping_loss, steps[0], 1e-3, work / f"{layer}.pt")
        _solve_last(mapping, video, canvas)

    def alpha_loss() -> Tensor:
        video, alpha = samples.alpha()
        return F.mse_loss(networks.alpha_at(video), alpha)

    _train(networks.alpha, alpha_loss, steps[1], 1e-3, work / "alpha.pt")

    def colour_loss() -> Tensor:
        car = samples.batch // 5
        parts = samples.colours("foreground", car), samples.colours("background", samples.batch - car)
        pairs = zip(LAYER_NAMES, parts, strict=True)
        return torch.cat([(networks.colour_at(n, p[0]) - p[1]).square() for n, p in pairs]).mean()

    _train(networks.atlas, colour_loss, steps[2], 1.5e-3, work / "atlas.pt")
    save_networks(networks, folder / "checkpoint", sum(steps))


@torch.no_grad()
def render(networks: NLANetworks, index: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame as the networks alone give it: float32 [H, W, 3] in [0, 255], and alpha [H, W]."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    video = network_input(np.stack([x.ravel(), y.ravel()], axis=1), np.full(x.size, index))
    alpha = networks.alpha_at(video)[:, None]
    car, back = (networks.colour_at(n, networks.canvas_at(n, video)) for n in LAYER_NAMES)
    picture = 255 * (alpha * car + (1 - alpha) * back)
    return picture.reshape(*SIZE, 3).numpy(), alpha.reshape(SIZE).numpy()


def judge(folder: Path, scene: Scene) -> dict[str, float]:
    """How well the checkpoint gives the frames back (PSNR over all) and the matte (IoU, mean and worst)."""
    networks, errors, overlaps = load_networks(folder), [], []
    for index in range(FRAME_COUNT):
        picture, alpha = render(networks, index)
        stored = 255 * read_picture(folder / folder.name / f"{index:05d}.jpg").permute(1, 2, 0).numpy()
        errors.append(np.mean((picture - stored) ** 2))
        both = (alpha > 0.5, scene.frame(index)[1] > 0.5)
        overlaps.append((both[0] & both[1]).sum() / (both[0] | both[1]).sum())
    psnr = 10 * math.log10(255**2 / np.mean(errors))
    return {
        "psnr_db": psnr,
        "alpha_iou": float(np.mean(overlaps)),
        "alpha_iou_worst": float(np.min(overlaps)),
    }
