"""Hints, and the loading of real formats: folders and original single files, with random weights."""

import os

import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from stablevideo import InputError, load_editor
from stablevideo.diffusion import hints, weights
from stablevideo.options import DiffusionOptions
from tests.clips import smooth_picture


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


class TestHints:
    def test_canny_draws_an_edge_where_there_is_one(self):
        picture = torch.zeros(3, 40, 60)
        picture[:, :, 30:] = 0.8
        hint = hints.canny(100, 200)(picture)
        assert hint.shape == picture.shape
        assert set(hint.unique().tolist()) == {0.0, 1.0}
        columns = hint[0].any(0).nonzero()[:, 0]
        assert ((columns >= 28) & (columns <= 31)).all()

    def test_canny_thresholds_matter(self):
        picture = smooth_picture((80, 120), 0) * 0.5
        assert hints.canny(20, 40)(picture).sum() > hints.canny(100, 200)(picture).sum()

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
        make = hints.depth(tmp_path, 128, "cpu")
        hint = make(smooth_picture((100, 164), 1))
        assert hint.shape == (3, 100, 164)
        assert hint.min() >= 0
        assert hint.max() <= 1
        assert torch.equal(hint, make(smooth_picture((100, 164), 1)))

    def test_no_depth_model_and_no_network(self, tmp_path, offline):
        with pytest.raises(InputError, match="Depth-Anything.*cannot be reached"):
            hints.depth(tmp_path, 128, "cpu")


class TestModels:
    def test_unknown_model_lists_the_known(self, ckpt):
        with pytest.raises(InputError, match="no model 'x'; choose one of embedded, "):
            load_editor("x", ckpt)

    def test_hub_model_offline_says_what_to_do(self, tmp_path, offline):
        with pytest.raises(InputError, match="cannot be reached; connect to the network"):
            load_editor("sd15", tmp_path)
        assert not list(tmp_path.glob("*/.complete"))

    def test_default_is_embedded_until_the_real_weights_lie_there(self, ckpt, tmp_path):
        assert weights.default_model(ckpt) == "embedded"
        for name in weights.SINGLE_FILES.values():
            (tmp_path / name).touch()
        assert weights.default_model(tmp_path) == "sd15"
        assert weights.find_models(tmp_path)["sd15"].form == "single"

    def test_single_file_that_is_truncated_or_code(self, tmp_path):
        path = tmp_path / "control_sd15_canny.pth"
        path.write_bytes(b"PK\x03\x04 cut off")
        with pytest.raises(InputError, match="truncated"):
            weights.read_checkpoint(path)
        torch.save({"state_dict": Code()}, path)
        with pytest.raises(InputError, match="refused"):
            weights.read_checkpoint(path)

    def test_folder_model_with_a_missing_weight_is_refused(self, ckpt, tmp_path):
        import shutil

        from safetensors.torch import load_file, save_file

        shutil.copytree(ckpt / "embedded", tmp_path / "embedded")
        file = next((tmp_path / "embedded" / "unet").glob("*.safetensors"))
        tensors = load_file(file)
        tensors.pop("conv_in.weight")
        save_file(tensors, file)
        with pytest.raises(InputError, match="conv_in.weight"):
            load_editor("embedded", tmp_path, "cpu")

    def test_seen_parts_are_kept_and_the_rest_is_painted(self, editor):
        """Strength 0 gives what is seen back; the unseen half is painted, not left black."""
        hint = torch.zeros(3, 128, 128)
        start = torch.zeros(3, 128, 128)
        start[2, :, :64] = 0.9
        seen = torch.zeros(1, 128, 128)
        seen[:, :, :64] = 1
        options = DiffusionOptions(steps=8, resolution=256)
        generator = torch.Generator().manual_seed(0)
        result = editor.paint("a red wall", hint, "canny", options, generator, start, seen, strength=0.0)
        kept = result[:, :, :56]
        assert kept[2].mean() > 0.6
        assert kept[:2].mean() < 0.35
        assert result[:, :, 72:].std() > 0.01


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def test_sides_that_do_not_fit_are_an_error(editor):
    with pytest.raises(InputError, match="divisible by 4"):
        editor.paint("x", torch.zeros(3, 102, 128), "canny", DiffusionOptions(), torch.Generator())
