"""What a picture follows: kinds and their strengths, several at once, loaded when they are asked for."""

import os
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from stablevideo import (
    BackgroundOptions,
    ForegroundOptions,
    InputError,
    RestyleOptions,
    edit_background,
    edit_foreground,
    load_editor,
    read_video,
    restyle,
)
from stablevideo.deflicker.restyle import check_restyle
from stablevideo.diffusion import hints as hints_module
from stablevideo.diffusion import spec, weights
from stablevideo.diffusion.hints import Hint, HintMakers, canny
from stablevideo.diffusion.published import CONTROLNET_FOLDERS, SD15
from stablevideo.edit.whole_frames import saved_keyframes
from stablevideo.metrics import luma
from stablevideo.options import HINT_KINDS, DiffusionOptions
from stablevideo.results import save_run
from stablevideo.video.pictures import read_picture, resample, write_picture
from tests.clips import smooth_picture

SIZE = (64, 96)
QUICK = DiffusionOptions(steps=2, guidance=1.0)
EDIT = {"resolution": 256, "steps": 1, "seed": 3}
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def several(ckpt, tmp_path_factory):
    """A folder of models; `several` is the embedded one with further ControlNets, of values drawn around its own."""
    folder = tmp_path_factory.mktemp("ckpt")
    embedded = folder / "several"
    ignored = shutil.ignore_patterns("model.json", "controlnet_*")
    shutil.copytree(ckpt / "embedded", embedded, ignore=ignored)
    for seed, kind in enumerate(("depth", "picture", "tile")):
        with_values(embedded / "controlnet", embedded / CONTROLNET_FOLDERS[kind], seed)
    return folder


def with_values(own, other, seed):
    shutil.copytree(own, other)
    draw = torch.Generator().manual_seed(seed)
    (file,) = other.glob("*.safetensors")
    values = {n: v * (1 + 0.3 * torch.randn(v.shape, generator=draw)) for n, v in load_file(file).items()}
    save_file(values, file, {"format": "pt"})


@pytest.fixture(scope="module")
def editor_of_many(several):
    return load_editor("several", several, "cpu")


def paint(editor, *hints, options=QUICK):
    return editor.paint("a red wall", list(hints), options, torch.Generator().manual_seed(5))


def hint(kind, strength=1.0):
    picture = smooth_picture(SIZE, 4 + HINT_KINDS.index(kind))
    return Hint(kind, canny(20, 60)(picture, SIZE) if kind == "canny" else picture, strength)


class TestMakers:
    @pytest.mark.parametrize("kind", ["picture", "tile"])
    def test_the_picture_itself_in_its_colours(self, kind, tmp_path):
        picture = smooth_picture((90, 150), 1)
        made = HintMakers(tmp_path, torch.device("cpu")).of(kind, QUICK)(picture, SIZE)
        assert made.shape == (3, *SIZE)
        assert torch.equal(made, resample(picture, SIZE))
        assert (made[0] - made[2]).abs().max() > 0.1

    def test_brightness_is_the_picture_in_grey(self, tmp_path):
        picture = smooth_picture((90, 150), 1)
        made = HintMakers(tmp_path, torch.device("cpu")).of("brightness", QUICK)(picture, SIZE)
        assert made.shape == (3, *SIZE)
        assert torch.equal(made[0], made[2])
        assert torch.allclose(made[0], luma(resample(picture, SIZE)[None])[0])
        green = torch.zeros(3, *SIZE)
        green[1] = 1
        assert hints_module.brightness(green, SIZE).mean() == pytest.approx(0.587)

    @pytest.mark.parametrize("kind", ["canny", "picture", "tile", "brightness"])
    def test_what_needs_no_network_asks_for_none(self, kind, tmp_path):
        made = HintMakers(tmp_path, torch.device("cpu")).of(kind, QUICK)(smooth_picture((90, 150), 1), SIZE)
        assert made.min() >= 0
        assert made.max() <= 1
        assert not list(tmp_path.iterdir())


class TestSeveral:
    @pytest.mark.slow
    def test_one_alone_is_as_if_there_were_no_others(self, editor, editor_of_many):
        assert torch.equal(paint(editor, hint("canny")), paint(editor_of_many, hint("canny")))
        one = hint("canny")
        single = editor.paint("a red wall", one, QUICK, torch.Generator().manual_seed(5))
        assert torch.equal(single, paint(editor, one))

    @pytest.mark.slow
    def test_each_has_a_say_as_strong_as_asked(self, editor_of_many):
        lines, colours = hint("canny", 0.7), hint("picture", 0.7)
        together = paint(editor_of_many, lines, colours)
        others = [
            (lines,),
            (colours,),
            (lines, replace(colours, strength=0.3)),
            (replace(lines, strength=0.3), colours),
        ]
        for other in others:
            assert (paint(editor_of_many, *other) - together).abs().mean() > 1e-3
        assert torch.allclose(paint(editor_of_many, colours, lines), together, atol=1e-4)

    @pytest.mark.slow
    def test_strength_0_is_as_if_it_were_not_there(self, editor_of_many):
        lines, colours = hint("canny", 0.7), hint("picture", 0.7)
        assert torch.allclose(
            paint(editor_of_many, lines, replace(colours, strength=0.0)), paint(editor_of_many, lines), atol=1e-5
        )
        assert torch.allclose(
            paint(editor_of_many, replace(lines, strength=0.0), colours), paint(editor_of_many, colours), atol=1e-5
        )

    def test_the_scale_multiplies_all_strengths(self, editor_of_many):
        strong = paint(editor_of_many, hint("canny", 1.4), hint("picture", 0.6), options=replace(QUICK, hint_scale=0.5))
        assert torch.allclose(strong, paint(editor_of_many, hint("canny", 0.7), hint("picture", 0.3)), atol=1e-5)

    @pytest.mark.slow
    def test_afterwards_one_paints_as_before(self, editor_of_many):
        before = paint(editor_of_many, hint("depth"))
        paint(editor_of_many, hint("picture"), hint("canny"), hint("depth"))
        assert torch.equal(paint(editor_of_many, hint("depth")), before)

    def test_none_and_ones_of_different_sizes_are_refused(self, editor):
        with pytest.raises(InputError, match=r"several of one size, got sizes \[\]"):
            paint(editor)
        small = Hint("canny", torch.zeros(3, 64, 64))
        with pytest.raises(InputError, match=r"got sizes \[\(64, 64\), \(64, 96\)\]"):
            paint(editor, hint("canny"), small)


class TestLoading:
    @pytest.mark.slow
    def test_only_what_is_asked_for_is_read(self, several, tmp_path):
        """Files of ControlNets that nobody asks for are not even opened: these could not be read."""
        shutil.copytree(several / "several", tmp_path / "mine")
        for kind in ("picture", "tile"):
            (tmp_path / "mine" / f"controlnet_{kind}" / WEIGHTS).write_bytes(b"cut off")
        editor = load_editor("mine", tmp_path, "cpu")
        assert set(editor.controlnets) == {"canny", "depth"}
        assert editor.kinds == ("canny", "depth", "picture", "tile")
        paint(editor, hint("canny"), hint("depth"))
        with pytest.raises(InputError, match=r"controlnet_tile.*; remove it and download it again"):
            paint(editor, hint("tile"))
        shutil.copy(several / "several" / "controlnet_picture" / WEIGHTS, tmp_path / "mine" / "controlnet_picture")
        paint(editor, hint("picture"))
        assert set(editor.controlnets) == {"canny", "depth", "picture"}

    @pytest.mark.slow
    def test_it_is_loaded_once_and_kept(self, several, monkeypatch):
        loaded, load = [], weights.load_controlnet
        monkeypatch.setattr(
            "stablevideo.diffusion.editor.load_controlnet", lambda *given: loaded.append(given[2]) or load(*given)
        )
        editor = load_editor("several", several, "cpu")
        for _ in range(2):
            paint(editor, hint("picture"), hint("tile"))
        assert loaded == ["picture", "tile"]

    def test_a_folder_without_the_usual_ones_begins_with_what_it_has(self, several, tmp_path):
        ignored = shutil.ignore_patterns("controlnet", "controlnet_depth")
        shutil.copytree(several / "several", tmp_path / "mine", ignore=ignored)
        editor = load_editor("mine", tmp_path, "cpu")
        assert set(editor.controlnets) == {"picture"}
        assert editor.strengths(DiffusionOptions(), "canny") == {"picture": 1.0}

    def test_a_folder_without_any_is_refused(self, ckpt, tmp_path):
        shutil.copytree(ckpt / "embedded", tmp_path / "mine", ignore=shutil.ignore_patterns("controlnet*"))
        with pytest.raises(InputError, match=r"mine lacks a ControlNet; put one into .*controlnet\."):
            load_editor("mine", tmp_path, "cpu")


@pytest.fixture
def hub(several, tmp_path, monkeypatch):
    """A Hub that has what the test puts there -> what was asked of it."""
    asked = {}

    def folder(repository, ckpt, patterns, needed=None, instead=""):
        asked[repository] = patterns
        return several / "several" if repository == SD15.repository else tmp_path / repository.split("/")[1]

    monkeypatch.setattr(weights, "hub_folder", folder)
    for each in SD15.controlnets.values():
        own = several / "several" / "controlnet"
        place = tmp_path / each.repository.split("/")[1]
        place.mkdir()
        shutil.copy(own / "config.json", place)
        values = load_file(own / WEIGHTS)
        if each.weights.endswith(".bin"):
            torch.save(values, place / each.weights)
        else:
            save_file(values, place / each.weights, {"format": "pt"})
    return asked


class TestHub:
    @pytest.mark.slow
    def test_each_is_asked_for_by_its_own_when_first_used(self, hub, tmp_path):
        editor = load_editor("sd15", tmp_path, "cpu")
        first = {SD15.repository, "lllyasviel/control_v11p_sd15_canny", "lllyasviel/control_v11f1p_sd15_depth"}
        assert set(hub) == first
        assert editor.kinds == HINT_KINDS
        published = {
            "picture": "lllyasviel/control_v11e_sd15_ip2p",
            "tile": "lllyasviel/control_v11f1e_sd15_tile",
            "brightness": "latentcat/control_v1p_sd15_brightness",
            "softedge": "lllyasviel/control_v11p_sd15_softedge",
            "lineart": "lllyasviel/control_v11p_sd15_lineart",
        }
        for count, (kind, repository) in enumerate(published.items(), 4):
            paint(editor, hint(kind))
            assert repository in hub
            assert len(hub) == count
        assert all(len(patterns) == 2 for name, patterns in hub.items() if name != SD15.repository)

    def test_a_pickle_gives_what_safetensors_give_and_no_code_is_run(self, hub, tmp_path):
        editor = load_editor("sd15", tmp_path, "cpu")
        tile = replace(hint("canny"), kind="tile")
        assert torch.equal(paint(editor, tile), paint(editor, hint("canny")))
        torch.save({"conv_in.weight": Code()}, tmp_path / "control_v11f1e_sd15_tile" / weights.PICKLED)
        with pytest.raises(InputError, match="could run code: refused"):
            paint(load_editor("sd15", tmp_path, "cpu"), tile)

    def test_a_pickle_must_fit_and_safetensors_beside_it_come_first(self, hub, several, tmp_path):
        place = tmp_path / "control_v11f1e_sd15_tile"
        torch.save({"conv_in.weight": torch.zeros(1)}, place / weights.PICKLED)
        with pytest.raises(InputError, match=f"{weights.PICKLED} does not hold a ControlNetModel"):
            paint(load_editor("sd15", tmp_path, "cpu"), hint("tile"))
        shutil.copy(several / "several" / "controlnet" / WEIGHTS, place)
        paint(load_editor("sd15", tmp_path, "cpu"), hint("tile"))

    def test_what_lies_there_is_used_without_asking(self, tmp_path):
        for kind, each in SD15.controlnets.items():
            folder = tmp_path / kind
            folder.mkdir()
            (folder / "config.json").touch()
            (folder / each.weights).touch()
            assert spec.is_whole(folder, each.needed)
            (folder / each.weights).rename(folder / WEIGHTS)
            assert spec.is_whole(folder, each.needed)
            (folder / WEIGHTS).unlink()
            assert not spec.is_whole(folder, each.needed)


class TestChoosing:
    def test_auto_is_the_usual_one_or_what_there_is(self, editor, editor_of_many):
        assert editor_of_many.strengths(DiffusionOptions(), "canny") == {"canny": 1.0}
        assert editor_of_many.strengths(DiffusionOptions(), "depth") == {"depth": 1.0}
        assert editor.strengths(DiffusionOptions(), "depth") == {"canny": 1.0}
        assert check_restyle("x", editor_of_many, RestyleOptions()) == {"depth": 0.5, "canny": 0.5}
        asked = RestyleOptions(hints="picture 0.3")
        assert check_restyle("x", editor_of_many, asked) == {"picture": 0.3}

    @pytest.mark.parametrize("options", [BackgroundOptions, ForegroundOptions, RestyleOptions])
    @pytest.mark.parametrize("hints", ["sketch", "canny 0.5, sketch 1", "", None, "Canny"])
    def test_a_kind_that_is_none_is_one_sentence(self, options, hints):
        with pytest.raises(InputError, match=r"^hints must be auto, or such as .*, of canny, depth, .*; got .*\.$"):
            options(hints=hints)

    def test_a_kind_that_the_model_lacks_is_one_sentence_before_any_work(self, sample, editor, monkeypatch):
        monkeypatch.setattr(type(editor), "hint_maker", lambda *_: 1 / 0)
        for edit, options in ((edit_background, BackgroundOptions), (edit_foreground, ForegroundOptions)):
            with pytest.raises(InputError, match=r"^embedded follows canny and picture, got the hint 'tile'\.$"):
                edit(sample, "x", editor, options(**EDIT, hints="canny, tile 0.5"), lambda *_: 1 / 0)

    def test_the_command_says_so_before_it_loads_anything(self, run_command, ckpt, data, monkeypatch):
        monkeypatch.setattr("stablevideo.commands.edits.load_clip", lambda *_, **__: 1 / 0)
        given = ("edit", "sample", "--background", "x", "--model", "embedded", "--data", data, "--ckpt", ckpt)
        for hints, said in (
            ("tile", "embedded follows canny and picture, got the hint 'tile'"),
            ("x", "hints must be auto"),
        ):
            done = run_command(*given, "--hints", hints)
            assert done.returncode == 2
            assert said in done.stderr
            assert done.stderr.count("\n") == 1


class TestEdits:
    @pytest.mark.slow
    def test_layers_follow_several_and_record_them(self, sample, editor_of_many):
        options = BackgroundOptions(**EDIT, hints="canny 0.4, picture 0.6")
        both = edit_background(sample, "winter scene", editor_of_many, options)
        assert both.settings["hints"] == "canny 0.4, picture 0.6"
        alone = edit_background(sample, "winter scene", editor_of_many, replace(options, hints="canny 0.4"))
        assert (both.atlas - alone.atlas).abs().mean() > 1e-3
        again = BackgroundOptions(**{name: both.settings[name] for name in vars(options)})
        assert torch.equal(edit_background(sample, "winter scene", editor_of_many, again).atlas, both.atlas)

    @pytest.mark.slow
    def test_a_hint_in_colour_is_kept_and_read_again(self, sample, editor_of_many, tmp_path):
        options = ForegroundOptions(**EDIT, keyframes="24", hints="picture 0.6, canny 0.4")
        edit = edit_foreground(sample, "a red car", editor_of_many, options)
        (keyframe,) = edit.keyframes
        assert keyframe.pictures.shape[0] == 10
        # The first of several: the picture itself.
        assert torch.equal(keyframe.hint, keyframe.before)
        assert edit.settings["hints"] == "picture 0.6, canny 0.4"
        run = save_run(sample, tmp_path, {}, keyframes=edit.keyframes)
        assert torch.allclose(read_picture(run / "keyframes" / "00024-hint.png"), keyframe.hint)
        (again,) = saved_keyframes(sample, run)
        assert torch.equal(again.pictures[:9], keyframe.pictures[:9])
        assert torch.allclose(again.alpha, keyframe.alpha, atol=1 / 255)

    def test_whole_frames_follow_colours(self, editor_of_many, tmp_path, monkeypatch):
        shown = []
        folder = tmp_path / "clip"
        folder.mkdir()
        write_picture(folder / "0.png", smooth_picture(SIZE, 3))
        monkeypatch.setattr(
            "stablevideo.diffusion.frames.paint_frames",
            lambda *given: shown.extend(given[2]) or torch.zeros(1, 8, 16, 16),
        )
        restyle(read_video(folder), "x", editor_of_many, RestyleOptions(**EDIT, hints="picture 0.5, canny"))
        assert [(each.kind, each.strength, each.hints.shape[1]) for each in shown] == [
            ("picture", 0.5, 3),
            ("canny", 1, 1),
        ]
        assert (shown[0].hints[0, 0].float() - shown[0].hints[0, 2]).abs().max() > 10


class TestDefaults:
    @pytest.fixture
    def model(self, several, tmp_path):
        folder = tmp_path / "ckpt" / "mine"
        shutil.copytree(several / "several", folder)
        (folder / "model.json").write_text('{"options": {"hints": "picture", "keep_detail": 0.25, "resolution": 256}}')
        return folder.parent

    @pytest.mark.slow
    def test_a_folder_says_what_it_usually_follows(self, model, sample):
        editor = load_editor("mine", model, "cpu")
        assert editor.spec.defaults == {"hints": "picture", "keep_detail": 0.25, "resolution": 256}
        edit = edit_background(sample, "x", editor)
        assert (edit.settings["hints"], edit.settings["keep_detail"]) == ("picture 1", 0.25)

    def test_the_command_has_it_for_both_layers(self, model, data, run_command, monkeypatch):
        seen = {}
        for layer in ("foreground", "background"):
            monkeypatch.setattr(
                f"stablevideo.edit.words.edit_{layer}",
                lambda clip, words, editor, options, part, layer=layer: seen.update({layer: options}),
            )
        monkeypatch.setattr(
            "stablevideo.commands.edits.save_edits", lambda *_: (_ for _ in ()).throw(InputError("enough"))
        )
        given = ("edit", "sample", "--background", "x", "--foreground", "y", "--model", "mine")
        run_command(*given, "--data", data, "--ckpt", model)
        assert {layer: options.hints for layer, options in seen.items()} == dict.fromkeys(seen, "picture")
        assert [options.keep_detail for options in seen.values()] == [0.25, 0.25]
        run_command(*given, "--data", data, "--ckpt", model, "--hints", "depth 0.5, tile", "--keep-detail", "0")
        assert [(o.hints, o.keep_detail) for o in seen.values()] == [("depth 0.5, tile", 0)] * 2

    def test_a_folder_says_which_words_bring_detail_of_their_own(self, model):
        (model / "mine" / "model.json").write_text(
            """{"options": {"keep_detail": 0.8}, "most_detail": {"materials": 0, "gold": 0.5},
            "vocabulary": {"colours": {"red": ["red"]},
                           "materials": {"gold": ["golden", "made of gold"], "wood": ["wooden"]}}}"""
        )
        mine = spec.find_model("mine", model)
        options = ForegroundOptions(**mine.defaults)
        expected = {
            "a red car": 0.8,
            "a Golden, red car": 0.5,
            "made of  gold": 0.5,
            "a golden car with wooden doors": 0,
        }
        assert {words: mine.kept_detail(words, options) for words in expected} == expected
        assert mine.kept_detail("a marigold-en car", ForegroundOptions(keep_detail=0.3)) == 0.3

    @pytest.mark.parametrize(
        "text",
        [
            '{"options": {"hints": "sketch"}}',
            '{"options": {"x": 1}}',
            "[]",
            "{",
            '{"most_detail": 1, "vocabulary": {"x": {"red": ["red"]}}}',
        ],
    )
    def test_a_card_that_is_none_is_named(self, model, text):
        (model / "mine" / "model.json").write_text(text)
        with pytest.raises(InputError, match=r"model.json must hold"):
            spec.find_model("mine", model)


class Code:
    def __reduce__(self):
        return os.system, ("true",)
