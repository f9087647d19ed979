"""The sample clip: two painted atlases and known maps, drawn by code and fitted with the published networks.

The scene lives in *world* pixels: one is one pixel of a frame at zoom 1. Background and car are painted once
each; a frame only looks them up, so the place of every pixel on its atlas and the matte are known exactly.
"""

from .scene import CANVAS_PER_PIXEL, FRAME_COUNT, SIZE, Scene, car_at, world_at, write_clip

__all__ = ["CANVAS_PER_PIXEL", "FRAME_COUNT", "SIZE", "Scene", "car_at", "world_at", "write_clip"]
