"""The sample clip: it is there, it is what the code draws, and its checkpoint gives it back."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stablevideo.nla.networks import NLAConfig, load_networks
from training.sample_clip import CANVAS_PER_PIXEL, FRAME_COUNT, SIZE, Scene, car_at, world_at, write_clip
from training.sample_clip.fit import fit, render

FOLDER = Path(__file__).parent.parent / "data" / "sample"


@pytest.fixture(scope="module")
def scene():
    return Scene.paint()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def stored(index):
    return cv2.imread(str(FOLDER / "sample" / f"{index:05d}.jpg"))[..., ::-1]


def test_files_are_there():
    frames = sorted((FOLDER / "sample").glob("*.jpg"))
    assert [frame.name for frame in frames] == [f"{i:05d}.jpg" for i in range(FRAME_COUNT)]
    config = NLAConfig.from_file(FOLDER / "config.json")
    assert (config.size, config.maximum_number_of_frames) == (SIZE, FRAME_COUNT)
    assert (FOLDER / "checkpoint").stat().st_size <= 5_000_000
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8_000_000
    assert (FOLDER / "README.md").is_file()


def test_drawing_is_the_same_every_time(scene):
    again = Scene.paint()
    for name in ("background", "car", "matte"):
        assert getattr(again, name).tobytes() == getattr(scene, name).tobytes()
    assert again.frame(7)[0].tobytes() == scene.frame(7)[0].tobytes()


@pytest.mark.parametrize("index", [0, 23, FRAME_COUNT - 1])
def test_stored_frames_are_the_drawing(scene, index):
    drawn, _ = scene.frame(index)
    assert drawn.shape == (*SIZE, 3)
    assert psnr(drawn, stored(index)) > 32


def test_car_and_camera_move(scene):
    places = []
    for index in (0, FRAME_COUNT - 1):
        _, matte = scene.frame(index)
        assert 0 <= matte.min() <= matte.max() <= 1
        places.append((np.argwhere(matte > 0.5).mean(axis=0), (matte > 0.5).sum()))
        assert not matte[:, [0, -1]].any()  # the car stays in the picture
    (first, area), (last, larger) = places
    assert last[1] - first[1] > 30
    assert larger > 1.15 * area
    pixel = np.array([10.0, 10.0])
    assert (world_at(pixel, FRAME_COUNT - 1) - world_at(pixel, 0))[0] > 150


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, FRAME_COUNT - 1])
def test_checkpoint_gives_the_clip_back(scene, index):
    networks = load_networks(FOLDER)
    picture, alpha = render(networks, index)
    assert psnr(picture, stored(index)) > 30
    matte = scene.frame(index)[1] > 0.5
    assert ((alpha > 0.5) & matte).sum() / ((alpha > 0.5) | matte).sum() > 0.97


def test_mappings_are_the_known_ones():
    networks = load_networks(FOLDER)
    random = np.random.default_rng(2)
    xy = random.uniform((0, 0), (SIZE[1], SIZE[0]), (500, 2))
    frame = random.integers(0, FRAME_COUNT, 500)
    half = max(SIZE) / 2
    video = np.column_stack([xy / half - 1, frame / (FRAME_COUNT / 2) - 1])
    world = world_at(xy, frame)
    known = {"background": world - (300, 116), "foreground": car_at(world, frame)}
    for layer, place in known.items():
        with torch.no_grad():
            canvas = networks.canvas_at(layer, torch.from_numpy(video).float()).numpy()
        assert np.abs(place * CANVAS_PER_PIXEL).max() < 0.97
        assert np.abs(canvas / CANVAS_PER_PIXEL - place).mean() < 0.3, layer  # pixels


@pytest.mark.slow
def test_fit_goes_on_where_it_stopped(tmp_path, scene, caplog):
    clip = tmp_path / "clip"
    write_clip(clip, scene)
    caplog.set_level("INFO")
    fit(clip, scene, tmp_path / "work", effort=0.0005)
    first = (clip / "checkpoint").read_bytes()
    lines = len(caplog.messages)
    fit(clip, scene, tmp_path / "work", effort=0.0005)
    assert len(caplog.messages) == lines  # nothing was left to do
    assert len(first) == (clip / "checkpoint").stat().st_size
    load_networks(clip)
