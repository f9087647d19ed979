"""What the words do, in numbers and on a sheet.

Run as `python -m stablevideo.diffusion.embedded.evaluate --model DIR --out DIR`. Held-out procedural
cut-outs are edited with every colour word; the median hue inside the mask, the agreement of output edges
with input edges, and the seconds an edit takes go into a JSON file.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import StableDiffusionControlNetPipeline
from torch import Tensor

from .looks import COLOURS
from .scenes import make_source

log = logging.getLogger(__name__)
NEGATIVE = "longbody, lowres, bad anatomy, bad hands, missing fingers, cropped, worst quality, low quality"
HELD_OUT = 7 * 10**11  # seeds from here on are never trained on


def load_pipeline(folder: Path, device: str = "cpu") -> StableDiffusionControlNetPipeline:
    """The model as any Stable Diffusion with ControlNet is loaded."""
    dtype = torch.float32 if device == "cpu" else torch.float16
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(folder, torch_dtype=dtype, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def hint_of(picture: np.ndarray) -> Tensor:
    """Canny lines at 100 and 200 of a picture [H, W, 3] in [0, 1], as [1, 3, H, W] in {0, 1}."""
    grey = cv2.cvtColor((picture * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return torch.from_numpy(cv2.Canny(grey, 100, 200)).float().div(255)[None, None].repeat(1, 3, 1, 1)


def generate(
    pipeline: StableDiffusionControlNetPipeline,
    prompt: str,
    picture: np.ndarray,
    seed: int = 0,
    guidance: float = 9.0,
    steps: int = 20,
) -> np.ndarray:
    """Edit a picture [H, W, 3] in [0, 1] by its canny lines and a prompt, as the demo does by default."""
    return pipeline(
        f"{prompt}, best quality, extremely detailed",
        image=hint_of(picture),
        negative_prompt=NEGATIVE,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images[0]


def median_hue(picture: np.ndarray, mask: np.ndarray) -> float:
    """Median hue in degrees inside the mask, on the circle, weighted to saturated pixels."""
    hsv = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2HSV)
    inside = (mask > 0.5) & (hsv[..., 1] * hsv[..., 2] > 0.1)
    if not inside.any():
        return float("nan")
    hues = hsv[..., 0][inside]
    centre = np.degrees(np.angle(np.exp(1j * np.radians(hues)).mean()))
    return float((centre + np.median((hues - centre + 180) % 360 - 180)) % 360)


def edge_f1(output: np.ndarray, source: np.ndarray, tolerance: int = 2) -> float:
    """F1 of canny edges, output against source, a match within so many pixels."""
    found, wanted = (hint_of(picture)[0, 0].numpy() > 0 for picture in (output, source))
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1,) * 2)
    near_wanted, near_found = (cv2.dilate(edges.astype(np.uint8), reach) > 0 for edges in (wanted, found))
    precision = (found & near_wanted).sum() / max(found.sum(), 1)
    recall = (wanted & near_found).sum() / max(wanted.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-6))


def held_out_objects(count: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut-outs (picture [H, W, 3] in [0, 1], mask [H, W]) that training never saw."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    seed = HELD_OUT
    while len(found) < count:
        source = make_source(np.random.default_rng(seed), size)
        seed += 1
        # A shape whose outline the hint hardly shows tells nothing about the model.
        if source.kind == "object" and hint_of(source.picture).sum() > 6 * size:
            found.append((source.picture, source.mask))
    return found


def hue_distance(first: float, second: float) -> float:
    """Degrees between two hues, at most 180."""
    return abs((first - second + 180) % 360 - 180)


def target_hue(colour: str) -> float:
    """The hue of a colour's middle tone, in degrees."""
    middle = np.array(COLOURS[colour][1], np.float32)[None, None] / 255
    return float(cv2.cvtColor(middle, cv2.COLOR_RGB2HSV)[0, 0, 0])


def evaluate(
    pipeline: StableDiffusionControlNetPipeline,
    objects: list[tuple[np.ndarray, np.ndarray]],
    guidance: float = 9.0,
) -> tuple[dict[str, object], np.ndarray]:
    """Numbers for every colour word, and a sheet [H, W, 3]: a row per object, source first."""
    figures: dict[str, dict[str, float]] = {}
    rows = [[picture] for picture, _ in objects]
    edges, outside, begin = [], [], time.perf_counter()
    for colour in COLOURS:
        hues, values, saturations = [], [], []
        for row, (picture, mask) in zip(rows, objects, strict=True):
            output = generate(pipeline, f"a {colour} object", picture, guidance=guidance)
            row.append(output)
            hsv = cv2.cvtColor(output.astype(np.float32), cv2.COLOR_RGB2HSV)[mask > 0.5]
            hues.append(median_hue(output, mask))
            values.append(float(np.median(hsv[:, 2])))
            saturations.append(float(np.median(hsv[:, 1])))
            edges.append(edge_f1(output, picture))
            if (mask < 0.5).any():
                outside.append(float(output[mask < 0.5].mean()))
        figures[colour] = {
            "hue": round(float(np.degrees(np.angle(np.exp(1j * np.radians(hues)).mean())) % 360), 1),
            "worst_hue_error": round(max(hue_distance(hue, target_hue(colour)) for hue in hues), 1),
            "target_hue": round(target_hue(colour), 1),
            "saturation": round(float(np.mean(saturations)), 3),
            "value": round(float(np.mean(values)), 3),
        }
    count = len(COLOURS) * len(objects)
    report = {
        "guidance": guidance,
        "colours": figures,
        "edge_f1": round(float(np.mean(edges)), 3),
        "brightness_outside": round(float(np.mean(outside or [0.0])), 3),
        "seconds_per_edit": round((time.perf_counter() - begin) / count, 2),
    }
    return report, np.vstack([np.hstack(row) for row in rows])


def main() -> None:
    """Command-line entry."""
    parser = argparse.ArgumentParser(description="Measure the embedded model.")
    parser.add_argument("--model", type=Path, default=Path("ckpt/embedded"))
    parser.add_argument("--out", type=Path, required=True, help="folder for colours.json and colours.png")
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--guidance", type=float, default=9.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    objects = held_out_objects(options.objects, options.size)
    report, sheet = evaluate(load_pipeline(options.model), objects, options.guidance)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "colours.json").write_text(json.dumps(report, indent=2) + "\n")
    cv2.imwrite(str(options.out / "colours.png"), np.round(sheet[..., ::-1] * 255).astype(np.uint8))
    log.info("%s", json.dumps(report))


if __name__ == "__main__":
    main()
