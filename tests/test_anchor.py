"""Where the foreground begins: a chain of motions, held by the masks where it is lost."""

import numpy as np
import pytest

from stablevideo.decompose.anchor import foreground_maps
from stablevideo.video.flow import ClipFlow

SIZE, COUNT, SIDE = (60, 120), 12, 20


def clip(hidden=()):
    """A square that wanders right by four pixels a frame; in hidden frames a post stands before all but its ends, and
    what flow there is belongs to the post, which flies left."""
    masks = np.zeros((COUNT, *SIZE), bool)
    flow = np.zeros((COUNT - 1, *SIZE, 2), np.float16)
    valid = np.ones((COUNT - 1, *SIZE), bool)
    for i in range(COUNT):
        left = 10 + 4 * i
        masks[i, 20 : 20 + SIDE, left : left + SIDE] = True
        if i < COUNT - 1:
            flow[i, masks[i], 0] = 4
        if i in hidden:
            masks[i, :, left + 4 : left + SIDE - 4] = False
            if i < COUNT - 1:
                flow[i, ..., 0] = np.where(masks[i], -30, 0)
                valid[i, :, ::12] = False
                valid[i] &= np.arange(SIZE[1]) % 12 == 1
    return masks, ClipFlow(flow, -flow, valid, valid)


def middles(masks, maps):
    """The middle of each mask's box on the reference frame."""
    found = []
    for mask, matrix in zip(masks, maps, strict=True):
        rows, columns = np.nonzero(mask)
        x, y, w = matrix @ [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2, 1]
        found.append((x / w, y / w))
    return np.array(found)


@pytest.mark.parametrize("hidden", [(), (5,), (4, 5, 6)])
def test_the_object_stands_in_one_place(hidden):
    masks, flow = clip(hidden)
    places = middles(masks, foreground_maps(masks, flow, 2))
    assert np.abs(places - places[2]).max() < 3, places


def test_a_chain_that_holds_is_left_as_it_is():
    """A turning object's mask may wander; while its flow can be followed, the flow counts."""
    masks, flow = clip()
    growing = masks.copy()
    for i in range(6, COUNT):  # what comes into sight on one side
        growing[i, 20 : 20 + SIDE, 10 + 4 * i + SIDE : 10 + 4 * i + SIDE + 2 * (i - 5)] = True
    flow.forward[...] = np.where(growing[:-1, ..., None], np.float16([4, 0]), 0)
    maps = foreground_maps(growing, flow, 2)
    assert np.allclose(maps[-1][:2, 2], [-4 * (COUNT - 1 - 2), 0], atol=0.5)
    assert np.allclose(maps[-1][:2, :2], np.eye(2), atol=0.02)
