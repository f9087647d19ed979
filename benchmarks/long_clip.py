"""A clip as long as one likes, every frame its own: what a repeated short clip cannot show of memory."""

from fractions import Fraction

import torch

from stablevideo.layers.layer import Layer
from stablevideo.layers.layered_video import LayeredVideo
from stablevideo.layers.matte import Matte
from stablevideo.layers.store import save_layers
from stablevideo.video.read import read_video
from stablevideo.video.write import write_video
from tests.clips import affine_warp, disc_alpha, smooth_picture

ATLAS_PX = (600, 1000)
STRIDE_PX = 16  # of the lattice, about what decompose makes


def write_long_clip(folder, frame_count, size=(432, 768)):
    """Save a decomposed clip of `frame_count` frames into `folder`: a disc that crosses a drifting wall."""
    layers = {}
    for seed, (name, zoom) in enumerate((("foreground", 0.6), ("background", 0.8))):
        warp = affine_warp(size, frame_count, STRIDE_PX, zoom, 0.2 / frame_count)
        layers[name] = Layer(name, smooth_picture(ATLAS_PX, seed), torch.ones(1, *ATLAS_PX), warp)
    matte = Matte.pack([disc_alpha(size, frame, frame_count) for frame in range(frame_count)])
    source = folder.with_name(f"{folder.name}-source.mp4")
    write_video(LayeredVideo(folder.name, None, **layers, matte=matte).render(), source, 25)
    save_layers(LayeredVideo(folder.name, read_video(source, fps=Fraction(25)), **layers, matte=matte), folder)
    source.unlink()
