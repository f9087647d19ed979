"""Small clips with known maps, drawn by the tests."""

import wave
from fractions import Fraction

import cv2
import numpy as np
import torch

from stablevideo.layers.layer import Layer
from stablevideo.layers.layered_video import LayeredVideo
from stablevideo.layers.matte import Matte
from stablevideo.layers.warp import LatticeWarp
from stablevideo.video.read import read_video


def affine_warp(size, frame_count, stride, zoom=0.7, speed=0.04):
    """uv = zoom * (position in [-1, 1]) + speed * frame, in x and half of it in y."""
    height, width = size
    rows, columns = LatticeWarp.shape(size, stride)
    x = ((torch.arange(columns) - 1) * stride + 0.5) * 2 / width - 1
    y = ((torch.arange(rows) - 1) * stride + 0.5) * 2 / height - 1
    drift = torch.linspace(-1, 1, frame_count) * speed * frame_count / 2
    nodes = torch.empty(frame_count, rows, columns, 2)
    nodes[..., 0] = zoom * x + drift[:, None, None]
    nodes[..., 1] = zoom * y[:, None] + drift[:, None, None] / 2
    return LatticeWarp(nodes, stride, size)


def smooth_picture(size, seed):
    """A random picture without detail finer than some pixels: [3, h, w] in [0, 1]."""
    noise = np.random.default_rng(seed).random((size[0] // 8 + 2, size[1] // 8 + 2, 3), np.float32)
    picture = cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(picture).permute(2, 0, 1).clamp(0, 1)


def disc_alpha(size, frame, frame_count):
    """A soft disc that wanders to the right."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    centre = size[1] * (0.35 + 0.3 * frame / max(1, frame_count - 1))
    distance = ((x - centre) ** 2 + (y - size[0] / 2) ** 2).sqrt()
    return (min(size) * 0.28 - distance).clamp(-1, 1) / 2 + 0.5


def make_clip(folder, size=(64, 48), frame_count=6, atlas_size=(160, 120)):
    """A layered clip whose frames, written to `folder`, are its own render."""
    layers = {
        name: Layer(
            name, smooth_picture(atlas_size, seed), torch.ones(1, *atlas_size), affine_warp(size, frame_count, 4, zoom)
        )
        for seed, (name, zoom) in enumerate((("foreground", 0.6), ("background", 0.8)))
    }
    matte = Matte.pack([disc_alpha(size, frame, frame_count) for frame in range(frame_count)])
    clip = LayeredVideo("made", None, **layers, matte=matte)
    pictures = folder / "made"
    pictures.mkdir(parents=True)
    for i, frame in enumerate(torch.cat(list(clip.render()))):
        pixels = (frame.permute(1, 2, 0).numpy()[..., ::-1] * 255).round()
        cv2.imwrite(str(pictures / f"{i:05d}.png"), pixels.astype(np.uint8))
    return LayeredVideo("made", read_video(pictures, fps=Fraction(12)), **layers, matte=matte)


def psnr(a, b):
    """Peak signal to noise ratio of pictures in [0, 1], in dB."""
    return -10 * torch.log10((a - b).square().mean()).item()


def hue_degrees(pixels):
    """The hue of the mean chroma of pixels [n, 3] in [0, 1], as HSV counts it, in degrees."""
    r, g, b = pixels.T
    alpha, beta = r - (g + b) / 2, (g - b) * 3**0.5 / 2
    return torch.rad2deg(torch.atan2(beta.mean(), alpha.mean())).item() % 360


def hue_distance(a, b):
    """Between two hues in degrees: 0 to 180."""
    return abs((a - b + 180) % 360 - 180)


def flickering(size, frame_count, seed=5):
    """A wall that the camera goes along, [T, 3, h, w], and the same under a lamp that flickers."""
    wide = 0.15 + 0.55 * smooth_picture((size[0], size[1] + 2 * frame_count), seed)
    clean = torch.stack([wide[:, :, 2 * i : 2 * i + size[1]] for i in range(frame_count)])
    lamp = torch.tensor([1.0, 1.15, 0.9, 1.25, 0.85, 1.1, 0.8, 1.2]).repeat(1 + frame_count // 8)[:frame_count]
    return clean, clean * lamp[:, None, None, None]


def write_tone(path, seconds):
    """A wav file of one tone."""
    with wave.open(str(path), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(48000)
        moments = np.arange(int(48000 * seconds)) / 48000
        tone.writeframes((9000 * np.sin(moments * 440 * 2 * np.pi)).astype("<i2").tobytes())
    return path
