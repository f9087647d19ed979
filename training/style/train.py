"""Train a style network, the published one or the embedded one; stopped and started again, it goes on."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablevideo.files import whole_file
from stablevideo.style.network import Mode, StyleNetwork, full_network, light_network
from stablevideo.style.sct import Moments, StyleCode
from stablevideo.video.pictures import write_picture

from .baselines import AdaIN, Linear
from .losses import Coherence, content_loss, palette_loss, style_loss
from .pictures import Squares

log = logging.getLogger(__name__)
Transfer = Literal["sct", "adain", "linear"]
LOSSES = ("content", "style", "coherence", "colour", "itself", "moved")
MOVED_PX, NOISE = 8, 0.02  # by how much contents are moved, at the most, and how noisy they become on the way
BORDER_PX = 16  # within which a picture's border is seen
LEVEL_CHANNELS = (64, 128, 256, 512)  # of relu1_1 to relu4_1
AVERAGED = 0.999  # share of the averaged weights that a step keeps, once there are many


@dataclass(frozen=True)
class Options:
    """One training run; the defaults are the published ones."""

    content: Path
    style: Path
    work: Path  # checkpoint, log and previews
    mode: Mode = "artistic"
    light: bool = False  # the embedded network, encoder and all, in place of a decoder and a transfer behind VGG-19
    transfer: Transfer = "sct"
    steps: int = 160_000
    minutes: float = 0.0  # where given, this run ends after them
    batch: int = 8
    looks: int = 1  # styles of a batch that each of its contents is painted in
    resize_px: int = 512
    crop_px: int = 256
    rate: float = 1e-4
    decay: float = 5e-5  # rate / (1 + decay * step)
    ramp: int = 0  # steps over which the rate rises at the beginning
    cool_down: int = 0  # last steps, over which the rate falls to nothing
    clip: float = 0.0  # the gradient's norm at the most, where given
    content_weight: float = 1.0
    style_weight: float = 10.0
    balanced: bool = False  # every style counts alike, however strong its contrasts
    coherence_weight: float = 5.0
    colour_weight: float = 0.0  # of the colours' distribution in normalised Lab
    itself_weight: float = 0.0  # of giving a picture back, without a style and in its own
    moved_weight: float = 0.0  # of painting alike what has moved by a few pixels
    warm_up: int = 0  # steps in which colours and giving back alone count: a new encoder first learns to tell colours
    device: str = "cpu"
    half: bool = False  # the loss network in bfloat16
    seed: int = 0
    save_every: int = 500


class Run:
    """A network under way: what is learnt, and what it is judged by."""

    def __init__(self, options: Options, network: StyleNetwork, judge: nn.Module) -> None:
        self.options = options
        layout = torch.channels_last
        self.network = network.to(options.device).to(memory_format=layout)
        self.judge = judge.to(options.device).to(memory_format=layout)
        channels = LEVEL_CHANNELS[: 4 if options.mode == "artistic" else 3]
        self.levels = len(channels)
        torch.manual_seed(options.seed)
        self.coherence = Coherence(channels[-3:]).to(options.device)
        learnt = [*self.network.parameters(), *self.coherence.parameters()]
        self.optimizer = torch.optim.Adam([one for one in learnt if one.requires_grad], lr=options.rate)
        self.averaged = torch.optim.swa_utils.AveragedModel(self.network, avg_fn=averaged)
        self.step = 0

    def seen(self, pictures: Tensor) -> list[Tensor]:
        """What the loss network finds in pictures, at the levels that count."""
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self.options.half):
            return [found.float() for found in self.judge(pictures)[: self.levels]]

    def losses(self, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """Each loss, weighted, of a batch of squares of both."""
        asked = self.options
        features = self.network.features(content)
        codes, moments = self.network.codes(style), [Moments.of(one) for one in features]
        looks = range(asked.looks)  # contents in as many of the styles as asked for, each shifted by one
        made = torch.cat([self.network.paint(features, [c.rolled(n) for c in codes], moments) for n in looks])
        styles = torch.cat([style.roll(n, 0) for n in looks])
        found = dict[str, Tensor]()
        if asked.colour_weight:
            found["colour"] = asked.colour_weight * palette_loss(made, styles)
        if asked.itself_weight:
            found["itself"] = asked.itself_weight * self.itself(torch.cat([content[::2], style[::2]]))
        if self.step < asked.warm_up:
            return found
        if asked.moved_weight:
            found["moved"] = asked.moved_weight * self.moved(content, codes, moments, made[: len(content)])
        with torch.no_grad():
            wanted = [found.repeat(asked.looks, 1, 1, 1) for found in self.seen(content)]
            own = [Moments.of(found) for found in self.seen(style)]
            look = [Moments.together([one.rolled(n) for n in range(asked.looks)]) for one in own]
        seen = self.seen(made)
        found["content"] = asked.content_weight * content_loss(seen, wanted)
        found["style"] = asked.style_weight * style_loss(seen, look, asked.balanced)
        if asked.coherence_weight:
            draw = torch.Generator().manual_seed(asked.seed * 10**7 + self.step)
            found["coherence"] = asked.coherence_weight * self.coherence(seen, wanted, draw)
        return found

    def moved(self, content: Tensor, codes: Sequence[StyleCode], moments: Sequence[Moments], made: Tensor) -> Tensor:
        """How far contents that have moved and become noisy are painted from what they were, moved along.

        By whole pixels, so that nothing is resampled: what strides make of a picture depends on where it lies on them.
        """
        draw = torch.Generator().manual_seed(self.options.seed * 10**7 + self.step)
        top, left = torch.randint(0, MOVED_PX + 1, (2,), generator=draw).tolist()
        height, width = (side - MOVED_PX for side in content.shape[2:])
        window = (..., slice(top, top + height), slice(left, left + width))
        noisy = content[window] + NOISE * torch.randn(content[window].shape, generator=draw).to(content)
        again = self.network.paint(self.network.features(noisy), codes, moments)
        inner = (..., *(slice(BORDER_PX, -BORDER_PX),) * 2)
        return F.l1_loss(again[inner], made[window][inner])

    def itself(self, pictures: Tensor) -> Tensor:
        """How far pictures are from what becomes of them without a style, and in their own."""
        features, network = self.network.features(pictures), self.network
        own = network.paint(features, network.codes_of(features), [Moments.of(found) for found in features])
        return F.l1_loss(own, pictures) + F.l1_loss(network.decoder(features), pictures)

    def advance(self, content: Tensor, style: Tensor) -> dict[str, float]:
        """One step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.options)
        layout = torch.channels_last
        content, style = (squares.to(self.options.device, memory_format=layout) for squares in (content, style))
        found = self.losses(content, style)
        self.optimizer.zero_grad()
        torch.stack(list(found.values())).sum().backward()
        if self.options.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        self.step += 1
        return {name: value.item() for name, value in found.items()}

    @property
    def trained(self) -> StyleNetwork:
        """With its weights averaged over the last steps."""
        return cast(StyleNetwork, self.averaged.module)

    def save(self) -> None:
        """All that is needed to go on, whole or not at all."""
        with whole_file(self.options.work / "checkpoint.pt") as path:
            torch.save({name: part.state_dict() for name, part in self._parts()} | {"step": self.step}, path)

    def resume(self) -> None:
        """Go on from where `save` was, if it was."""
        path = self.options.work / "checkpoint.pt"
        if path.exists():
            kept = torch.load(path, map_location=self.options.device, weights_only=True)
            for name, part in self._parts():
                part.load_state_dict(kept[name])
            self.step = kept["step"]

    def _parts(self) -> list[tuple[str, nn.Module | torch.optim.Optimizer]]:
        return [
            ("network", self.network),
            ("averaged", self.averaged),
            ("coherence", self.coherence),
            ("optimizer", self.optimizer),
        ]


def trained(work: Path) -> StyleNetwork:
    """The network of a run, finished or not, with its weights averaged over the last steps."""
    kept = torch.load(work / "checkpoint.pt", map_location="cpu", weights_only=True)
    made_by = json.loads((work / "options.json").read_text(encoding="utf-8"))
    network = build(made_by["mode"], made_by["light"], made_by["transfer"])
    prefix = "module."
    found = {name.removeprefix(prefix): v for name, v in kept["averaged"].items() if name.startswith(prefix)}
    network.load_state_dict(found)
    return network.eval().requires_grad_(False)


def rate_at(step: int, options: Options) -> float:
    """The learning rate of a step."""
    begun = min(1.0, (step + 1) / max(1, options.ramp))
    left = min(1.0, (options.steps - step) / max(1, options.cool_down))
    return begun * left * options.rate / (1 + options.decay * step)


def averaged(kept: Tensor, new: Tensor, steps: int | Tensor) -> Tensor:
    """Weights averaged over the last steps: at the beginning, where they change fast, over fewer."""
    return kept.lerp(new, max(1 - AVERAGED, 9 / (10 + float(steps))))


def build(mode: Mode, light: bool, transfer: Transfer, seed: int = 0) -> StyleNetwork:
    """The network that is asked for, with weights at random."""
    torch.manual_seed(seed)
    network = light_network() if light else full_network(mode)
    if transfer != "sct":
        widths = [one.uncompress.out_channels for one in network.each_transfer()]
        network.transfers = nn.ModuleList(AdaIN() if transfer == "adain" else Linear(width) for width in widths)
    return network


def train(options: Options, network: StyleNetwork, judge: nn.Module) -> Run:
    """Train until the steps are done or the minutes are over."""
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "options.json").write_text(json.dumps(asdict(options), default=str, indent=1), encoding="utf-8")
    run = Run(options, network, judge)
    run.resume()
    sizes = (options.resize_px, options.crop_px)
    contents, styles = Squares(options.content, *sizes, options.seed), Squares(options.style, *sizes, options.seed + 1)
    begin, means = time.monotonic(), dict[str, float]()
    while run.step < options.steps and not 0 < 60 * options.minutes < time.monotonic() - begin:
        found = run.advance(contents.draw(run.step, options.batch), styles.draw(run.step, options.batch))
        means = {name: 0.98 * means.get(name, value) + 0.02 * value for name, value in found.items()}
        if run.step % 25 == 0 or run.step == options.steps:
            note(options.work, run.step, time.monotonic() - begin, means)
        if run.step % options.save_every == 0:
            run.save()
            preview(run, contents, styles)
    run.save()
    return run


def note(work: Path, step: int, seconds: float, means: dict[str, float]) -> None:
    """A row of the log."""
    row = {"step": step, "seconds": round(seconds)} | {name: round(value, 4) for name, value in means.items()}
    log.info("%s", " ".join(f"{name} {value}" for name, value in row.items()))
    path, fresh = work / "log.csv", not (work / "log.csv").exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, ("step", "seconds", *LOSSES))
        if fresh:
            writer.writeheader()
        writer.writerow(row)


@torch.no_grad()
def preview(run: Run, contents: Squares, styles: Squares) -> None:
    """Six contents in six styles, always the same ones, below both."""
    content, style = (squares.draw(10**9, 6).to(run.options.device) for squares in (contents, styles))
    rows = torch.cat([content, style, run.trained(content, style).clamp(0, 1)])
    sheet = rows.unflatten(0, (3, 6)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    write_picture(run.options.work / f"preview-{run.step:06d}.png", sheet.cpu())
