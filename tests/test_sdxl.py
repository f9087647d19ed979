"""Stable Diffusion XL, by a small model of its classes and of random values."""

from dataclasses import replace

import pytest
import torch

from stablevideo import BackgroundOptions, ForegroundOptions, InputError, RestyleOptions, edit_foreground, load_editor
from stablevideo.diffusion import weights
from stablevideo.diffusion.frames import FrameHints, paint_frames
from stablevideo.diffusion.hints import Hint
from stablevideo.diffusion.published import SDXL, SDXL_HALF_VAE
from stablevideo.diffusion.smoothing import decoded
from stablevideo.diffusion.spec import find_models
from stablevideo.diffusion.steps import encode
from stablevideo.video.pictures import to_uint8
from tests.clips import smooth_picture
from tests.small_models import write_sdxl

SIZE = (64, 96)
QUICK = RestyleOptions(steps=2, guidance=3.0)


@pytest.fixture(scope="module")
def folder(ckpt, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ckpt")
    write_sdxl(folder / "xl", ckpt / "embedded")
    return folder


@pytest.fixture(scope="module")
def xl(folder):
    return load_editor("xl", folder, "cpu")


def paint(editor, prompt="a red wall", *hints, options=QUICK, seed=5, start=(), strength=1.0):
    hints = hints or (Hint("canny", smooth_picture(SIZE, 4)),)
    return editor.paint(prompt, hints, options, torch.Generator().manual_seed(seed), *start, strength=strength)


class TestPainting:
    def test_words_hints_and_seed_decide(self, xl):
        one = paint(xl)
        assert one.shape == (3, *SIZE)
        assert torch.equal(one, paint(xl))
        depth = Hint("depth", smooth_picture(SIZE, 4))
        for other in (paint(xl, "a blue wall"), paint(xl, seed=6), paint(xl, "a red wall", depth)):
            assert (other - one).abs().max() > 1e-3
        assert not torch.equal(paint(xl, "a red wall", Hint("canny", smooth_picture(SIZE, 4)), depth), one)

    @pytest.mark.slow
    def test_it_begins_at_the_appearance_that_is_there(self, xl):
        start, seen = smooth_picture(SIZE, 7), torch.ones(1, *SIZE)
        many = replace(QUICK, steps=12)
        known = next(decoded(xl, encode(xl.pipeline.vae, start)))[0]  # what the autoencoder gives back of it
        free, half, kept = (paint(xl, options=many, start=(start, seen), strength=share) for share in (1.0, 0.5, 0.0))
        away = [float((picture - known).abs().mean()) for picture in (free, half, kept)]
        assert away[2] < away[1] < away[0]

    def test_frames_that_look_at_no_other_are_what_the_editor_paints(self, xl):
        hints = torch.stack([to_uint8(smooth_picture(SIZE, seed)) for seed in (4, 8)])
        alone = replace(QUICK, attention=0)
        latents = paint_frames(xl, "a red wall", [FrameHints("canny", hints)], alone, torch.Generator().manual_seed(5))
        for frame, hint in zip(decoded(xl, latents), hints, strict=True):
            assert torch.allclose(frame[0], paint(xl, "a red wall", Hint("canny", hint / 255)), atol=1e-4)

    def test_a_foreground_is_edited(self, xl, sample):
        options = ForegroundOptions(resolution=256, steps=1, seed=3, keyframes="0, 20")
        edit = edit_foreground(sample, "a red car", xl, options)
        assert len(edit.keyframes) == 2
        assert edit.settings["model"] == "xl"
        assert edit.settings["hints"] == "canny 1"
        assert (edit.atlas - sample.foreground.atlas).abs().max() > 0.05


class TestLoading:
    def test_a_folder_is_told_by_its_pipeline_and_has_the_values_that_suit_it(self, folder):
        spec = find_models(folder)["xl"]
        assert spec.base is SDXL
        assert spec.kinds == ("canny", "depth")
        options = BackgroundOptions(**spec.defaults)
        assert (options.resolution, options.hint_scale) == (1024, 0.5)

    def test_in_half_precision_the_autoencoder_is_the_one_that_does_not_overflow(self, folder, monkeypatch):
        asked = []

        def hub_folder(repository, *_):
            asked.append(repository)
            return folder / "xl" / "vae"

        monkeypatch.setattr(weights, "hub_folder", hub_folder)
        spec = find_models(folder)["xl"]
        weights.load_parts(spec, folder, torch.float32)
        assert not asked
        weights.load_parts(spec, folder, torch.float16)
        assert asked == [SDXL_HALF_VAE.repository]

    def test_without_a_second_text_encoder_it_is_none(self, ckpt, tmp_path):
        write_sdxl(tmp_path / "xl", ckpt / "embedded")
        (tmp_path / "xl" / "text_encoder_2" / "model.safetensors").unlink()
        with pytest.raises(InputError, match=r"text_encoder_2 holds no usable CLIPTextModelWithProjection"):
            load_editor("xl", tmp_path, "cpu")

    def test_the_published_one_is_offered(self, tmp_path):
        spec = find_models(tmp_path)["sdxl"]
        assert "12 GB, downloaded on first use" in spec.title
        assert not spec.is_here
        assert {each.repository for each in spec.base.controlnets.values()} == {
            "diffusers/controlnet-canny-sdxl-1.0",
            "diffusers/controlnet-depth-sdxl-1.0",
        }
