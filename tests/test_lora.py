"""LoRA files: laid on as strongly as asked, gone afterwards, and named where they do not fit."""

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from stablevideo import ForegroundOptions, InputError, load_editor
from stablevideo.diffusion.hints import Hint
from tests.clips import smooth_picture

SIZE = (64, 96)


@pytest.fixture(scope="module")
def folder(ckpt, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ckpt")
    shutil.copytree(ckpt / "embedded", folder / "embedded")
    (folder / "lora").mkdir()
    for seed, name in enumerate(("warm", "cold.v2")):
        write_lora(load_editor("embedded", folder, "cpu").pipeline, folder / "lora" / f"{name}.safetensors", seed)
    save_file({"unet.nothing.lora_A.weight": torch.ones(4, 4)}, folder / "lora" / "other.safetensors")
    return folder


def write_lora(pipeline, path, seed):
    """A LoRA of random values on the UNet's convolutions, in diffusers' own form."""
    torch.manual_seed(seed)
    pipeline.unet.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=["conv1", "conv2"]))
    pipeline.save_lora_weights(str(path.parent), get_peft_model_state_dict(pipeline.unet), weight_name=path.name)


@pytest.fixture(scope="module")
def editor(folder):
    return load_editor("embedded", folder, "cpu")


def paint(editor, lora=""):
    options = ForegroundOptions(steps=2, guidance=1.0, seed=1, lora=lora)
    hint = Hint("picture", smooth_picture(SIZE, 3), 1.0)
    return editor.paint("a red wall", hint, options, torch.Generator().manual_seed(5))


@pytest.mark.slow
def test_it_changes_the_picture_as_strongly_as_asked_and_is_gone_afterwards(editor):
    plain = paint(editor)
    change = {lora: (paint(editor, lora) - plain).abs().mean() for lora in ("warm", "warm 0.1", "cold.v2", "warm 0")}
    assert change["warm"] > 3 * change["warm 0.1"] > 0
    assert change["cold.v2"] > 0
    assert change["warm 0"] < 1e-5
    assert torch.equal(paint(editor), plain)
    both = paint(editor, "warm, cold.v2 0.5")
    assert (both - paint(editor, "warm")).abs().mean() > 0.001


def test_what_is_not_there_or_does_not_fit_is_named(editor):
    plain = paint(editor)
    with pytest.raises(InputError, match=r"nobody.safetensors; in that folder lies cold.v2, other, warm"):
        editor.check("red", ForegroundOptions(lora="nobody"))
    with pytest.raises(InputError, match=r"other.safetensors does not fit this model"):
        paint(editor, "warm, other")
    assert torch.equal(paint(editor), plain)
    assert not torch.equal(paint(editor, "warm"), plain)  # it goes on


@pytest.mark.parametrize(
    "text", ["../warm", "warm 3", "warm, warm", "warm a", "/etc/x", "warm 0.5 1", "a,,b", "warm nan"]
)
def test_no_path_and_no_nonsense_gets_past_the_options(text):
    with pytest.raises(InputError, match="lora must be"):
        ForegroundOptions(lora=text)
