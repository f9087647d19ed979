"""Hints, and the loading of real formats: folders and original single files, with random weights."""

import copy
import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from stablevideo import Cancelled, InputError, checkpoint, load_editor
from stablevideo.diffusion import depth, hints, spec
from stablevideo.diffusion.hints import Hint
from stablevideo.diffusion.memory import offload_modules
from stablevideo.diffusion.settle import paint_size
from stablevideo.edit.choice import keyframe_region
from stablevideo.options import DiffusionOptions
from stablevideo.video.pictures import to_uint8
from tests.clips import smooth_picture


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


class TestHints:
    def test_canny_draws_an_edge_where_there_is_one(self):
        picture = torch.zeros(3, 40, 60)
        picture[:, :, 30:] = 0.8
        hint = hints.canny(100, 200)(picture, picture.shape[1:])
        assert hint.shape == picture.shape
        assert set(hint.unique().tolist()) == {0.0, 1.0}
        columns = hint[0].any(0).nonzero()[:, 0]
        assert ((columns >= 28) & (columns <= 31)).all()

    def test_canny_thresholds_matter(self):
        picture = smooth_picture((80, 120), 0) * 0.5
        assert hints.canny(20, 40)(picture, (80, 120)).sum() > hints.canny(100, 200)(picture, (80, 120)).sum()

    def test_canny_finds_in_an_enlarged_crop_what_opencv_finds_in_its_own(self, sample):
        """Enlarged as the original does, by Lanczos: softer enlargement loses edges."""
        for frame in (0, 24, 47):
            top, left, bottom, right = keyframe_region(sample, frame)
            crop = sample.source([frame])[0, :, top:bottom, left:right]
            height, width = paint_size((bottom - top, right - left), 512)
            pixels = to_uint8(crop).permute(1, 2, 0).numpy()
            reference = cv2.Canny(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LANCZOS4), 100, 200) > 0
            found = hints.canny(100, 200)(crop, (height, width))[0].numpy() > 0
            near = cv2.dilate(found.astype(np.uint8), np.ones((3, 3))) > 0
            assert (near & reference).sum() > 0.95 * reference.sum()
            assert found.sum() < 1.1 * reference.sum()

    def test_depth_sees_the_whole_picture_at_its_own_resolution(self):
        """Not what is left of it at the hint's size."""
        network = Recorder()
        picture = smooth_picture((300, 200), 3)
        picture[:, ::2] *= 0.5  # detail that the hint's size cannot hold
        hint = hints.depth(depth.DepthModel(network, 2), 200, torch.device("cpu"))(picture, (48, 32))
        assert hint.shape == (3, 48, 32)
        assert torch.allclose(network.seen[0] / 2 + 0.5, picture, atol=1e-6)

    def test_depth_anything_from_its_folder(self, tmp_path):
        """Random weights in the real format: what is tested is loading, size, range and determinism."""
        backbone = Dinov2Config(
            hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
            out_indices=[1, 2, 3, 4], apply_layernorm=True, reshape_hidden_states=False,
        )  # fmt: skip
        config = DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=32, patch_size=14, neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=16, head_hidden_size=8,
        )  # fmt: skip
        torch.manual_seed(0)
        DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path / "Depth-Anything-V2-Small-hf")
        make = hints.depth(depth.load_depth(tmp_path), 128, torch.device("cpu"))
        hint = make(smooth_picture((100, 164), 1), (50, 82))
        assert hint.shape == (3, 50, 82)
        assert hint.min() >= 0
        assert hint.max() <= 1
        assert torch.equal(hint, make(smooth_picture((100, 164), 1), (50, 82)))

    def test_no_depth_model_and_no_network(self, tmp_path, offline):
        with pytest.raises(InputError, match="Depth-Anything.*cannot be reached"):
            depth.load_depth(tmp_path)


class TestModels:
    def test_unknown_model_lists_the_known(self, ckpt):
        with pytest.raises(InputError, match="no model 'x'; choose one of embedded, "):
            load_editor("x", ckpt)

    def test_hub_model_offline_says_what_to_do(self, tmp_path, offline):
        with pytest.raises(InputError, match="cannot be reached .*; connect to the network"):
            load_editor("sd15", tmp_path)
        assert not list(tmp_path.glob("*/.complete"))

    def test_default_is_embedded_until_the_real_weights_lie_there(self, ckpt, tmp_path):
        assert spec.default_model(ckpt) == "embedded"
        for name in spec.SINGLE_FILES.values():
            (tmp_path / name).touch()
        assert spec.default_model(tmp_path) == "sd15"
        assert spec.find_models(tmp_path)["sd15"].form == "single"

    def test_the_original_configuration_file_is_accepted_and_ignored(self, ckpt, tmp_path):
        for name in (*spec.SINGLE_FILES.values(), "cldm_v15.yaml"):
            (tmp_path / name).write_text("model: {}")
        assert set(spec.find_models(tmp_path)) == {"sd15", "sd15-fast", "sdxl", "qwen-edit"}
        assert spec.default_model(tmp_path) == "sd15"

    def test_single_file_that_is_truncated_or_code(self, tmp_path):
        path = tmp_path / "control_sd15_canny.pth"
        path.write_bytes(b"PK\x03\x04 cut off")
        with pytest.raises(InputError, match="truncated"):
            checkpoint.read_checkpoint(path)
        torch.save({"state_dict": Code()}, path)
        with pytest.raises(InputError, match="refused"):
            checkpoint.read_checkpoint(path)

    def test_folder_model_with_a_missing_weight_is_refused(self, ckpt, tmp_path):
        from safetensors.torch import load_file, save_file

        shutil.copytree(ckpt / "embedded", tmp_path / "embedded")
        file = next((tmp_path / "embedded" / "unet").glob("*.safetensors"))
        tensors = load_file(file)
        tensors.pop("conv_in.weight")
        save_file(tensors, file)
        with pytest.raises(InputError, match="conv_in.weight"):
            load_editor("embedded", tmp_path, "cpu")

    @pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
    def test_folder_model_without_a_part_is_refused(self, ckpt, tmp_path, part):
        shutil.copytree(ckpt / "embedded", tmp_path / "mine", ignore=shutil.ignore_patterns(part))
        with pytest.raises(InputError, match=f"mine lacks {part}; a diffusers folder holds unet, vae"):
            load_editor("mine", tmp_path, "cpu")

    @pytest.mark.parametrize(
        "file",
        ["unet/*.safetensors", "text_encoder/*.safetensors", "vae/config.json", "tokenizer/tokenizer.json",
         "scheduler/scheduler_config.json"],
    )  # fmt: skip
    def test_a_damaged_file_is_named_with_what_to_do(self, ckpt, tmp_path, file):
        shutil.copytree(ckpt / "embedded", tmp_path / "mine")
        path = next((tmp_path / "mine").glob(file))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        named = path.name if path.suffix == ".safetensors" else path.parent.name
        with pytest.raises(InputError, match=f"{named}.*; remove it and download it again"):
            load_editor("mine", tmp_path, "cpu")

    def test_more_steps_than_the_fast_model_has_is_a_sentence(self, editor, ckpt):
        fast = replace(editor, spec=spec.find_models(ckpt)["sd15-fast"])
        with pytest.raises(InputError, match="sd15-fast takes at most 50 steps, got 60"):
            fast.check("x", DiffusionOptions(steps=60))
        fast.check("x", DiffusionOptions(steps=50))

    def test_weights_are_looked_for_at_home_and_not_where_one_works(self, ckpt, tmp_path, monkeypatch):
        shutil.copytree(ckpt / "embedded", tmp_path / "home" / "ckpt" / "mine")
        monkeypatch.setenv("STABLEVIDEO_HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path)
        assert load_editor("mine", device="cpu").name == "mine"
        assert not (tmp_path / "ckpt").exists()

    def test_a_device_that_is_not_there(self, ckpt):
        with pytest.raises(InputError, match="there is no device 'tpu'"):
            load_editor("embedded", ckpt, "tpu")

    def test_seen_parts_are_kept_and_the_rest_is_painted(self, editor):
        """Strength 0 gives what is seen back; the unseen half is painted, not left black."""
        hint = torch.zeros(3, 128, 128)
        start = torch.zeros(3, 128, 128)
        start[2, :, :64] = 0.9
        seen = torch.zeros(1, 128, 128)
        seen[:, :, :64] = 1
        options = DiffusionOptions(steps=8, resolution=256)
        generator = torch.Generator().manual_seed(0)
        result = editor.paint("a red wall", Hint("canny", hint), options, generator, start, seen, strength=0.0)
        kept = result[:, :, :56]
        assert kept[2].mean() > 0.6
        assert kept[:2].mean() < 0.35
        assert result[:, :, 72:].std() > 0.01


class TestOffload:
    """On the CPU both places are the same memory; which module was sent where is told by the index in `cpu:0`."""

    @pytest.fixture
    def places(self, ckpt, monkeypatch):
        editor = load_editor("embedded", ckpt, "cpu")
        editor.controlnets["depth"] = copy.deepcopy(editor.controlnets["canny"])
        modules = {
            "text_encoder": editor.pipeline.text_encoder,
            "unet": editor.pipeline.unet,
            "vae": editor.pipeline.vae,
            **editor.controlnets,
        }
        places = dict.fromkeys(modules, "cpu")
        move = torch.nn.Module.to

        def to(module, *arguments, **others):
            for name, known in modules.items():
                if module is known and arguments and isinstance(arguments[0], str | torch.device):
                    places[name] = str(arguments[0])
            return move(module, *arguments, **others)

        monkeypatch.setattr(torch.nn.Module, "to", to)
        offload_modules(editor.pipeline, torch.device("cpu"))
        return editor, places

    @pytest.mark.parametrize("kind", ["canny", "depth"])
    def test_only_what_paints_is_on_the_device_and_nothing_stays_there(self, places, kind):
        editor, where = places
        seen = []

        def report(fraction, text):
            seen.append({name for name, place in where.items() if place == "cpu:0"})

        hint, half = torch.zeros(3, 64, 64), torch.ones(1, 64, 64)
        half[:, :32] = 0
        options = DiffusionOptions(steps=2)
        for known in ((), (hint, half, 0.5)):
            generator = torch.Generator().manual_seed(0)
            editor.paint("a red wall", Hint(kind, hint), options, generator, *known, progress=report)
        # The text encoder is sent back where its weights are elsewhere, which on the CPU they never are.
        assert [names - {"text_encoder"} for names in seen] == [{"unet", kind}] * 4
        assert set(where.values()) == {"cpu"}

    def test_nothing_stays_on_the_device_when_painting_is_stopped(self, places):
        editor, where = places

        def stop(fraction, text):
            raise Cancelled

        generator = torch.Generator().manual_seed(0)
        with pytest.raises(Cancelled):
            editor.paint("x", Hint("depth", torch.zeros(3, 64, 64)), DiffusionOptions(), generator, progress=stop)
        assert set(where.values()) == {"cpu"}

    def test_a_controlnet_that_comes_later_waits_on_the_cpu_too(self, places, monkeypatch):
        editor = places[0]
        late = copy.deepcopy(editor.controlnets["canny"])
        later = replace(
            editor,
            spec=replace(editor.spec, form="hub"),  # which has every kind
            controlnets={"canny": editor.controlnets["canny"]},
            offload=True,
        )
        monkeypatch.setattr("stablevideo.diffusion.editor.load_controlnet", lambda *_: late)
        moves, move = [], torch.nn.Module.to

        def to(module, *arguments, **others):
            if module is late:
                moves.append(str(arguments[0]))
            return move(module, *arguments, **others)

        monkeypatch.setattr(torch.nn.Module, "to", to)
        assert later.controlnet("tile") is late
        assert moves == []
        seen = []
        later.paint(
            "x", Hint("tile", torch.zeros(3, 64, 64)), DiffusionOptions(steps=2), torch.Generator(),
            progress=lambda *_: seen.append(moves[-1]),
        )  # fmt: skip
        assert seen == ["cpu:0"] * 2
        assert moves[-1] == "cpu"

    def test_the_picture_is_the_same(self, places, editor):
        hint = Hint("canny", smooth_picture((64, 64), 2))
        paint = lambda e: e.paint("a red wall", hint, DiffusionOptions(steps=2), torch.Generator())  # noqa: E731
        assert torch.equal(paint(places[0]), paint(editor))

    def test_the_depth_model_is_loaded_once_and_waits_on_the_cpu(self, ckpt, monkeypatch):
        editor = load_editor("embedded", ckpt, "cpu")
        network = Recorder()
        loads, moves = [], []
        monkeypatch.setattr(network, "to", lambda place: moves.append(str(place)) or network)
        monkeypatch.setattr(
            "stablevideo.diffusion.hints.load_depth", lambda _: loads.append(1) or depth.DepthModel(network, 2)
        )
        for _ in range(2):
            editor.hint_maker("depth", DiffusionOptions())(smooth_picture((64, 48), 1), (64, 48))
        assert len(loads) == 1
        assert moves == ["cpu", "cpu"] * 2  # to where the editor paints, and back


class Recorder(torch.nn.Module):
    """Takes brightness for nearness, and keeps what it was shown."""

    def forward(self, pictures):
        self.seen = pictures
        return pictures.mean(1)


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def test_sides_that_do_not_fit_are_an_error(editor):
    with pytest.raises(InputError, match="divisible by 4"):
        editor.paint("x", Hint("canny", torch.zeros(3, 102, 128)), DiffusionOptions(), torch.Generator())
