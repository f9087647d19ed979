"""Where every pixel of the clip lies on the painted atlases, and the frames that follow from it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stablevideo.nla.networks import NLAConfig

from .car import CAR_BOX, paint_car
from .landscape import paint_background
from .painter import PAINT

SIZE = (216, 384)  # height, width of a frame in pixels
FRAME_COUNT = 48
CANVAS_PER_PIXEL = 0.93 / 300  # the whole pan fits [-1, 1]: about 0.6 of a frame's own coordinates
STORE = 2  # texels a world pixel is kept with
CONFIG = NLAConfig(
    resx=SIZE[1],
    resy=SIZE[0],
    maximum_number_of_frames=FRAME_COUNT,
    number_of_channels_mapping1=128,
    number_of_channels_mapping2=128,
    number_of_channels_alpha=160,
)


def world_at(xy: np.ndarray, frame: np.ndarray | float) -> np.ndarray:
    """Where the camera sees pixels [..., 2] of a frame: it pans, zooms in and bends the picture a little."""
    share = np.asarray(frame, np.float64) / (FRAME_COUNT - 1)
    x, y = xy[..., 0] - (SIZE[1] - 1) / 2, xy[..., 1] - (SIZE[0] - 1) / 2
    zoom = 1 - 0.06 * np.sin(np.pi / 2 * share) ** 2
    u = 197 + 206 * share + 2.5 * np.sin(2 * np.pi * share) + zoom * x
    v = 117 - 2.5 * np.sin(np.pi * share) + zoom * y
    return np.stack([u, v + 1.2 * np.sin(0.011 * x + 2 * np.pi * share)], axis=-1)


def car_at(world: np.ndarray, frame: np.ndarray | float) -> np.ndarray:
    """World pixels [..., 2] -> the car's own pixels around its centre: it drives, nods and comes nearer."""
    share = np.asarray(frame, np.float64) / (FRAME_COUNT - 1)
    u, v = world[..., 0] - 158 - 262 * share, world[..., 1] - 161 - 5 * share
    nod, scale = 0.012 * np.sin(5 * np.pi * share + 0.4), 0.9 + 0.16 * share
    return np.stack([np.cos(nod) * u + np.sin(nod) * v, np.cos(nod) * v - np.sin(nod) * u], axis=-1) / scale[..., None]


@dataclass(frozen=True)
class Scene:
    """Both atlases at `STORE` texels a pixel, float32 [H, W, 3] in [0, 255]; the matte [H, W] in [0, 1]."""

    background: np.ndarray
    car: np.ndarray
    matte: np.ndarray

    @classmethod
    def paint(cls) -> Scene:
        """Paint both; outside its matte the car's picture goes on in its nearest colours, ever duller."""
        car = paint_car()
        labels = cv2.distanceTransformWithLabels(
            (car.matte < 0.5).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros((labels[1].max() + 1, 3), np.float32)
        nearest[labels[1][car.matte >= 0.5]] = car.pixels[car.matte >= 0.5]
        full, away = nearest[labels[1]], labels[0] / PAINT
        dull = cv2.GaussianBlur(full, (0, 0), 8 * PAINT)
        full += (dull - full) * np.clip((away - 1) / 6, 0, 1)[..., None]
        return cls(*(_area(picture, STORE / PAINT) for picture in (paint_background().pixels, full, car.matte)))

    def background_at(self, world: np.ndarray) -> np.ndarray:
        """Colours of world pixels [H, W, 2]: float32 [H, W, 3]."""
        return look_up(self.background, world)

    def car_colour_at(self, place: np.ndarray) -> np.ndarray:
        """Colours of the car's pixels [H, W, 2]: float32 [H, W, 3]."""
        return look_up(self.car, place - CAR_BOX[:2])

    def matte_at(self, place: np.ndarray) -> np.ndarray:
        """Opacity of the car's pixels [H, W, 2]: float32 [H, W], 0 outside its picture."""
        return look_up(self.matte, place - CAR_BOX[:2], cv2.BORDER_CONSTANT)

    def frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame of the clip: uint8 [H, W, 3] RGB, and its matte float32 [H, W]."""
        rows, columns = np.mgrid[: SIZE[0] * 2, : SIZE[1] * 2]
        world = world_at(np.stack([columns, rows], axis=-1) / 2 - 0.25, index)
        place = car_at(world, index)
        matte = self.matte_at(place)
        picture = self.background_at(world)
        picture += (self.car_colour_at(place) - picture) * matte[..., None]
        return _area(picture, 0.5).round().clip(0, 255).astype(np.uint8), _area(matte, 0.5)


def _area(picture: np.ndarray, scale: float) -> np.ndarray:
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def look_up(picture: np.ndarray, place: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Read a painted picture at places [h, w, 2], in world pixels from its upper left corner."""
    texels = (place * STORE - 0.5).astype(np.float32)
    x, y = np.ascontiguousarray(np.moveaxis(texels, -1, 0))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=border)


def write_clip(folder: Path, scene: Scene) -> None:
    """Write `config.json` and the frames, as layered neural atlases lay a clip out."""
    pictures = folder / folder.name
    pictures.mkdir(parents=True, exist_ok=True)
    for index in range(FRAME_COUNT):
        picture = np.ascontiguousarray(scene.frame(index)[0][..., ::-1])
        cv2.imwrite(str(pictures / f"{index:05d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    published = {"uv_mapping_scale": 0.6, "samples_batch": 4096, "data_folder": f"data/{folder.name}"}
    text = json.dumps({**dataclasses.asdict(CONFIG), **published}, indent=1)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
