"""The tab for styles: a picture's look for the layers of a clip, for a whole video, or for a picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr
import numpy as np

from ..edit.style import stylize_layers
from ..errors import InputError
from ..layers.coords import LAYER_NAMES, LayerName
from ..options import StyleOptions
from ..progress import within
from ..results import save_edits
from ..style.gallery import style_pictures
from ..style.load import load_painter, load_painters
from ..style.video import strength_of_frames, stylize
from ..video.pictures import read_picture, write_picture
from ..video.write import write_video
from .atlas_pictures import array
from .events import AT_ONCE, LOOK_QUEUE, PRIVATE, STYLE_QUEUE, UNDOCUMENTED, Changes
from .messages import with_messages
from .right_frames import MOST_FRAMES, check_length
from .style_layout import BOTH, FOR_BACKGROUND, StyleLayout, Target, lay_out_style_tab
from .uploads import hidden_folder, read_upload
from .widgets import with_options
from .workshop import Workshop

BYTES_A_PIXEL = 0.25  # of a video in a style, at the most


def build_style_tab(workshop: Workshop) -> StyleLayout:
    """Lay out the tab and bind its handlers."""
    layout = lay_out_style_tab(workshop.settings)

    @with_messages
    def choose(event: gr.SelectData) -> gr.Image:
        path = list(style_pictures().values())[event.index]
        return gr.Image(array(read_picture(path)))

    @with_messages
    def cancel(request: gr.Request) -> None:
        workshop.visits.cancel(request, "style")

    layout.pictures.select(choose, None, [layout.look], **PRIVATE)
    layout.cancel.click(cancel, None, None, **(UNDOCUMENTED | AT_ONCE | {"queue": False, "api_name": "cancel_style"}))
    _bind_layers(workshop, layout)
    _bind_video(workshop, layout)
    _bind_picture(workshop, layout)
    return layout


def _bind_layers(workshop: Workshop, layout: StyleLayout) -> None:
    @with_messages
    @with_options(StyleOptions, layout.options)
    def style_layers(
        look: str | None,
        second: str | None,
        use: str,
        clip: str,
        layer: str,
        preview: bool,
        options: StyleOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "style", progress)
        loaded = workshop.clip(workshop.shelf(visit).folder(clip or ""), progress=within(report, 0, 0.3))
        looks = {name: _looks(look, second, use, name) for name in LAYER_NAMES if layer in (name, BOTH)}
        painters = load_painters(looks, options, workshop.settings.ckpt, workshop.settings.device)
        edits = stylize_layers(loaded, painters, options, within(report, 0.3, 0.6))
        atlases = {name: edit.atlas for name, edit in edits.items()}
        middle = [loaded.frame_count // 2]
        shown = next(loaded.render(atlases.get("foreground"), atlases.get("background"), frames=middle))[0]
        compared = array(loaded.source(middle)[0]), array(shown)
        if preview:
            return {layout.compared: compared}
        served = visit.fresh_folder("style")
        report_rendering = within(report, 0.6, 1, "rendering ")
        folder = save_edits(loaded, workshop.log(served), edits, progress=report_rendering)
        files = [Path(shutil.copy(folder / name, served)) for name in ("video.mp4", "settings.json")]
        return _made(layout, compared, files)

    _bind(layout, layout.layers, style_layers, "layers")


def _bind_video(workshop: Workshop, layout: StyleLayout) -> None:
    @with_messages
    @with_options(StyleOptions, layout.options)
    def style_video(
        look: str | None,
        second: str | None,
        use: str,
        video: str | None,
        preview: bool,
        options: StyleOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "style", progress)
        clip = read_upload(video)
        check_length(clip, MOST_FRAMES, workshop.settings)
        painter = load_painter(_looks(look, second, use), options, workshop.settings.ckpt, workshop.settings.device)
        with hidden_folder(clip.path):
            middle = clip.frame_count // 2
            before = clip.frames([middle])[0].float() / 255
            strength = strength_of_frames(options, clip.frame_count)[middle]
            after = painter.paint(painter.see(before), strength, options.keep_colours)
            compared = array(before), array(after)
            if preview:
                return {layout.compared: compared}
            workshop.shelf(visit).check_room(round(clip.frame_count * clip.height * clip.width * BYTES_A_PIXEL))
            file = visit.fresh_folder("style") / "stylized.mp4"
            sound = clip.path if clip.has_audio else None
            write_video(stylize(clip, painter, options, report), file, clip.fps, sound)
        workshop.keep(file.parent)
        return _made(layout, compared, [file], video)

    _bind(layout, layout.video, style_video, "video")


def _bind_picture(workshop: Workshop, layout: StyleLayout) -> None:
    @with_messages
    @with_options(StyleOptions, layout.options)
    def style_picture(
        look: str | None,
        second: str | None,
        use: str,
        picture: str | None,
        preview: bool,
        options: StyleOptions,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Changes:
        visit, report = workshop.begin(request, "style", progress)
        if not picture:
            raise InputError("there is no picture yet; upload one first.")
        before = read_picture(Path(picture))
        painter = load_painter(_looks(look, second, use), options, workshop.settings.ckpt, workshop.settings.device)
        report(0.3, "painting")
        after = painter.paint(painter.see(before), options.strengths()[0][1], options.keep_colours)
        compared = array(before), array(after)
        if preview:
            return {layout.compared: compared}
        file = visit.fresh_folder("style") / "stylized.png"
        write_picture(file, after)
        workshop.keep(file.parent)
        return _made(layout, compared, [file])

    _bind(layout, layout.picture, style_picture, "picture")


def _bind(layout: StyleLayout, target: Target, handler: Callable[..., Changes], kind: str) -> None:
    """Both buttons of a kind of thing; the preview waits for no video, and leaves what was made."""
    bound = ((target.preview, True, [layout.compared], LOOK_QUEUE), (target.run, False, layout.outputs, STYLE_QUEUE))
    for button, preview, outputs, queue in bound:
        inputs = [*layout.looks, *target.inputs, gr.State(preview), *layout.options.values()]
        name = f"{'preview' if preview else 'style'}_{kind}"
        button.click(handler, inputs, outputs, **(queue | {"api_name": name}))


def _looks(look: str | None, second: str | None, use: str, layer: LayerName | None = None) -> list[Path]:
    """The pictures that a layer, or a whole picture, is to look like. Raises InputError where none is chosen."""
    if not look:
        raise InputError("no picture to look like is chosen; click one above, or upload your own.")
    if second and use != FOR_BACKGROUND:
        return [Path(look), Path(second)]
    return [Path(second if second and layer == "background" else look)]


def _made(
    layout: StyleLayout,
    compared: tuple[np.ndarray, np.ndarray],
    files: Sequence[Path],
    source: str | None = None,
) -> Changes:
    """A frame before and after, and the files; the first of them may be a video, made from another."""
    video = next((str(path) for path in files if path.suffix == ".mp4"), None)
    return {
        layout.compared: compared,
        layout.result: video,
        layout.files: [str(path) for path in files] or None,
        layout.source: source,
    }
