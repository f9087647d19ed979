"""The videos that were made of a clip so far, to be played and saved again."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency
from torch import Tensor

from ..edit.painting import Edit
from ..errors import InputError
from ..layers.coords import LayerName
from ..video.pictures import read_picture, resize, write_picture
from ..video.read import read_video
from .edit_layout import EditLayout
from .events import AT_ONCE, PRIVATE, Changes
from .messages import with_messages
from .strip import strip, strip_size
from .visits import Made, Visit
from .workshop import Workshop

MOST_VIDEOS = 6  # of a visit, the last ones
PLAYED = (".mp4", ".webm")  # by browsers


def words_for(edit: Edit) -> str:
    """What an edit is known by."""
    return edit.settings.get("prompt", "other colours" if "after" in edit.settings else "a picture")


def keep(visit: Visit, clip: str, edits: Mapping[LayerName, Edit], result: Path, files: list[Path], part: str) -> Made:
    """Keep what was made of that part of a clip, with a picture of it; `result` is a video or a folder of pictures."""
    picture = files[0].parent / "picture.png"
    frame = _middle(result)
    write_picture(picture, resize(frame[None], strip_size((frame.shape[1], frame.shape[2])))[0])
    words = "; ".join(words_for(edit) for edit in edits.values()) or "the clip as it is"
    made = Made(clip, files, picture, words, part == "all" and result.suffix == ".mp4")
    visit.videos.append(made)
    for old in visit.videos[:-MOST_VIDEOS]:
        shutil.rmtree(old.files[0].parent, ignore_errors=True)
    del visit.videos[:-MOST_VIDEOS]
    visit.shown = made
    return made


def shown(layout: EditLayout, made: Made) -> Changes:
    """A result, to play and to save."""
    part, files = layout.result, [str(file) for file in made.files]
    return {part.video: files[0] if made.files[0].suffix in PLAYED else None, part.files: files}


def show_result(after: Dependency, layout: EditLayout, visible: bool) -> None:
    """Let the places for the video come after an event, or go."""
    part = layout.result
    after.success(
        lambda: (gr.Video(visible=visible), gr.Files(visible=visible)), None, [part.video, part.files], **PRIVATE
    )


def bind_videos(workshop: Workshop, layout: EditLayout) -> None:
    """A video that is clicked plays again, and its files can be saved."""
    part = layout.result

    @with_messages
    def take(event: gr.EventData, request: gr.Request) -> Changes:
        visit, number = workshop.visits.of(request), (event._data or {}).get("number")
        mine = _of_the_clip(visit)
        if type(number) is not int or not 0 <= number < len(mine):
            raise InputError("this video is not kept any more; there are newer ones by now.")
        visit.shown = made = mine[number]
        return shown(layout, made) | {part.said: made.said, part.table: made.table}

    outputs = [part.video, part.files, part.said, part.table]
    taken = part.videos.take(take, None, outputs, **(AT_ONCE | {"api_visibility": "private"}))
    show_result(taken, layout, True)


def row(visit: Visit) -> list[dict[str, Any]]:
    """Those of the loaded clip, the latest first; none while there is but the one that is shown."""
    mine = _of_the_clip(visit)
    return strip([] if mine == [visit.shown] else [(each.picture, each.words) for each in mine])


def _of_the_clip(visit: Visit) -> list[Made]:
    return [each for each in reversed(visit.videos) if visit.work and each.clip == visit.work.folder.name]


def _middle(result: Path) -> Tensor:
    """The frame in the middle, [3, h, w] in [0, 1]."""
    if result.is_dir():
        pictures = sorted(result.iterdir())
        return read_picture(pictures[len(pictures) // 2])
    video = read_video(result)
    return video.frames([video.frame_count // 2])[0].float() / 255
