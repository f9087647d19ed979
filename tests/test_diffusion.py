"""Hints, and the loading of real formats: folders and original single files, with random weights."""

import os

import cv2
import numpy as np
import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from stablevideo import InputError, checkpoint, load_editor
from stablevideo.diffusion import depth, hints, spec
from stablevideo.edit.choice import keyframe_region
from stablevideo.edit.painting import paint_size
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
        assert set(spec.find_models(tmp_path)) == {"sd15", "sd15-fast"}
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
        editor.paint("x", torch.zeros(3, 102, 128), "canny", DiffusionOptions(), torch.Generator())
