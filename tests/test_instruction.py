"""Editing by instruction, by small models of Qwen-Image-Edit's classes and of random values."""

import json
from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageEditPipeline

from stablevideo import ForegroundOptions, InputError, RestyleOptions, edit_foreground, load_editor, read_video, restyle
from stablevideo.diffusion.hints import Hint
from stablevideo.diffusion.instruction import InstructionEditor, pack, unpack
from stablevideo.diffusion.published import QWEN_EDIT
from stablevideo.diffusion.spec import find_models
from stablevideo.diffusion.steps import Known
from stablevideo.options import DiffusionOptions
from tests.clips import smooth_picture
from tests.small_models import write_qwen

SIZE = (64, 96)
QUICK = DiffusionOptions(steps=2, guidance=2.0, negative_prompt="", added_prompt="")


@pytest.fixture(
    scope="module",
    params=["QwenImageEditPlusPipeline", pytest.param("QwenImageEditPipeline", marks=pytest.mark.slow)],
)
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ckpt")
    write_qwen(folder / "qwen", request.param)
    return folder


@pytest.fixture(scope="module")
def qwen(folder):
    return load_editor("qwen", folder, "cpu")


def paint(editor, words="make it red", picture=4, seed=5, start=(), strength=1.0, watch=None, steps=2):
    hint = Hint("picture", smooth_picture(SIZE, picture))
    generator = torch.Generator().manual_seed(seed)
    options = replace(QUICK, steps=steps)
    return editor.paint(words, hint, options, generator, *start, strength=strength, watch=watch)


class TestPainting:
    @pytest.mark.slow
    def test_instruction_picture_and_seed_decide_and_the_steps_are_seen(self, qwen):
        seen = []
        one = paint(qwen, watch=seen.append)
        assert isinstance(qwen, InstructionEditor)
        assert one.shape == (3, *SIZE)
        assert [picture.shape for picture in seen] == [(3, *SIZE)]
        assert torch.equal(one, paint(qwen))
        for other in (paint(qwen, "paint it blue"), paint(qwen, picture=8), paint(qwen, seed=6)):
            assert not torch.equal(other, one)

    @pytest.mark.parametrize(("strength", "held"), [(0.0, 4), (0.5, 3), (1.0, 1)])
    def test_steps_begin_at_the_appearance_that_is_there_and_only_there(self, qwen, strength, held):
        left, start = torch.zeros(1, *SIZE), smooth_picture(SIZE, 7)
        left[..., :48] = 1
        given = []
        network = qwen.pipeline.transformer
        spy = network.register_forward_pre_hook(lambda *a: given.append(a[2]["hidden_states"]), with_kwargs=True)
        try:
            for words in ("make it red", "blue"):
                paint(qwen, words, start=(start, left), strength=strength, steps=4)
        finally:
            spy.remove()
        one, other = (torch.cat(given[i : i + 8 : 2])[:, :6] for i in (0, 8))  # of 4 steps, 2 x 3 tokens
        same = (one == other).all(2)
        assert same[:held, [0, 3]].all()
        assert not same[held:, [0, 3]].any()
        assert not same[1:, [1, 2, 4, 5]].any()

    @pytest.mark.slow
    def test_a_foreground_is_edited_keyframe_by_keyframe(self, qwen, sample):
        options = ForegroundOptions(resolution=256, steps=1, seed=3, keyframes="0, 20")
        edit = edit_foreground(sample, "make the car red", qwen, options)
        assert [keyframe.frame for keyframe in edit.keyframes] == [0, 20]
        assert edit.settings["hints"] == "picture 1"
        assert (edit.atlas - sample.foreground.atlas).abs().max() > 0.05


class TestRefusals:
    def test_what_it_cannot_follow(self, qwen):
        with pytest.raises(InputError, match="qwen follows picture, got the hint 'canny'"):
            qwen.strengths(DiffusionOptions(hints="canny"), "canny")
        with pytest.raises(InputError, match="the prompt is empty"):
            qwen.check(" ", QUICK)

    def test_frames_of_a_video(self, qwen, data):
        with pytest.raises(InputError, match="qwen changes one picture at a time"):
            restyle(read_video(data / "sample" / "sample"), "winter", qwen, RestyleOptions(steps=1))

    def test_a_size_that_is_no_grid(self, qwen):
        hint = Hint("picture", torch.zeros(3, 72, 96))
        with pytest.raises(InputError, match="divisible by 32, got 96x72"):
            qwen.paint("red", hint, QUICK, torch.Generator())

    def test_a_pipeline_that_is_none_of_them(self, tmp_path):
        write_qwen(tmp_path / "qwen", "QwenImageEditInpaintPipeline")
        with pytest.raises(InputError, match="names none of QwenImageEditPipeline, QwenImageEditPlusPipeline"):
            load_editor("qwen", tmp_path, "cpu")

    def test_a_missing_weight(self, tmp_path):
        write_qwen(tmp_path / "qwen", "QwenImageEditPipeline")
        (tmp_path / "qwen" / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(InputError, match="transformer holds no usable QwenImageTransformer2DModel"):
            load_editor("qwen", tmp_path, "cpu")


class TestTokens:
    def test_what_is_known_lies_on_the_line_from_the_picture_to_the_noise(self):
        clean, noise, others = torch.randn(3, 1, 6, 8).unbind()
        known = Known(clean, noise, torch.tensor([True, False, False] * 2)[None, :, None], steps=4)
        scheduler = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(4)
        for index, timestep in enumerate(scheduler.timesteps):
            put = known.put_back(scheduler, others, index)
            expected = scheduler.scale_noise(clean, timestep[None], noise)
            assert torch.allclose(put[:, [0, 3]], expected[:, [0, 3]], atol=1e-6)
            assert torch.equal(put[:, [1, 2, 4, 5]], others[:, [1, 2, 4, 5]])
        assert torch.allclose(known.put_back(scheduler, others, 0)[:, 0], noise[:, 0])

    def test_are_as_the_pipeline_has_them_and_come_back(self):
        latents = torch.randn(1, 16, 6, 10)
        tokens = pack(latents)
        assert torch.equal(tokens, QwenImageEditPipeline._pack_latents(latents, 1, 16, 6, 10))
        assert torch.equal(unpack(tokens, (3, 5)), latents)


def test_a_folder_has_the_values_that_suit_it(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model_index.json").write_text(json.dumps({"_class_name": "QwenImageEditPlusPipeline"}))
    spec = find_models(tmp_path)["mine"]
    assert spec.base is QWEN_EDIT
    assert spec.kinds == ("picture",)
    assert ForegroundOptions(**spec.defaults).guidance == 4
