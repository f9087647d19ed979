"""Where a video's scenes begin."""

from __future__ import annotations

from ..progress import Progress, quiet
from ..video.flow import dense_inverse_search
from ..video.read import Video
from .correspondence import Correspondence
from .flow_match import FlowMatch

LONGEST_PX, SHORTEST_PX = 256, 32  # of the frames that are compared: whether a scene goes on shows in the large
AT_ONCE = 8


def scene_starts(video: Video, progress: Progress = quiet) -> list[int]:
    """The first frame of each scene, 0 among them: a frame in which little of the one before it is found."""
    matcher = FlowMatch(dense_inverse_search())
    known, starts, number = Correspondence(matcher, 1), [0], 0
    scale = min(1.0, max(LONGEST_PX / max(video.size), SHORTEST_PX / min(video.size)))
    size = max(1, round(video.height * scale)), max(1, round(video.width * scale))
    for chunk in video.chunks(AT_ONCE, size):
        known.add(number, [matcher.look(picture[None].float() / 255, None) for picture in chunk])
        starts += [i for i in range(max(1, number), number + len(chunk)) if not known.same_scene(i, i - 1)]
        number += len(chunk)
        progress(number / video.frame_count, f"scenes up to frame {number}")
    return starts
