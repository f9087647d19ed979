"""Weights of Stable Diffusion 1.5's real shape and format, with random values: they load strictly and run.

Gigabytes and minutes, so marked slow. What the pictures show means nothing; shapes, names, strictness and
determinism are real.
"""

import os
import shutil
from itertools import pairwise

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from stablevideo import ForegroundOptions, InputError, checkpoint, edit_foreground, load_editor
from stablevideo.diffusion import spec, weights

pytestmark = pytest.mark.slow

Shapes = dict[str, tuple[int, ...]]
CHANNELS, CONTEXT, TIME = (320, 640, 1280, 1280), 768, 1280


def affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def conv(name: str, into: int, out: int, kernel: int = 3) -> Shapes:
    return affine(name, out, into, kernel, kernel)


def norm(name: str, channels: int) -> Shapes:
    return affine(name, channels)


def residual(name: str, into: int, out: int) -> Shapes:
    shapes = norm(f"{name}.in_layers.0", into) | conv(f"{name}.in_layers.2", into, out)
    shapes |= affine(f"{name}.emb_layers.1", out, TIME)
    shapes |= norm(f"{name}.out_layers.0", out) | conv(f"{name}.out_layers.3", out, out)
    return shapes | (conv(f"{name}.skip_connection", into, out, 1) if into != out else {})


def transformer(name: str, c: int) -> Shapes:
    block = f"{name}.transformer_blocks.0"
    shapes = norm(f"{name}.norm", c) | conv(f"{name}.proj_in", c, c, 1) | conv(f"{name}.proj_out", c, c, 1)
    for attention, context in (("attn1", c), ("attn2", CONTEXT)):
        shapes[f"{block}.{attention}.to_q.weight"] = (c, c)
        shapes[f"{block}.{attention}.to_k.weight"] = shapes[f"{block}.{attention}.to_v.weight"] = (c, context)
        shapes |= affine(f"{block}.{attention}.to_out.0", c, c)
    shapes |= affine(f"{block}.ff.net.0.proj", 8 * c, c) | affine(f"{block}.ff.net.2", c, 4 * c)
    return shapes | norm(f"{block}.norm1", c) | norm(f"{block}.norm2", c) | norm(f"{block}.norm3", c)


def encoder_half(prefix: str) -> tuple[Shapes, list[int]]:
    """What UNet and ControlNet have in common; also the channels of each input block."""
    shapes = affine(f"{prefix}.time_embed.0", TIME, 320) | affine(f"{prefix}.time_embed.2", TIME, TIME)
    shapes |= conv(f"{prefix}.input_blocks.0.0", 4, 320)
    into, kept = 320, [320]
    for level, c in enumerate(CHANNELS):
        for _ in range(2):
            shapes |= residual(f"{prefix}.input_blocks.{len(kept)}.0", into, c)
            if level < 3:
                shapes |= transformer(f"{prefix}.input_blocks.{len(kept)}.1", c)
            into = c
            kept.append(c)
        if level < 3:
            shapes |= conv(f"{prefix}.input_blocks.{len(kept)}.0.op", c, c)
            kept.append(c)
    shapes |= residual(f"{prefix}.middle_block.0", into, into) | transformer(f"{prefix}.middle_block.1", into)
    return shapes | residual(f"{prefix}.middle_block.2", into, into), kept


def unet() -> Shapes:
    prefix = "model.diffusion_model"
    shapes, kept = encoder_half(prefix)
    into, index = CHANNELS[-1], 0
    for level in reversed(range(4)):
        c = CHANNELS[level]
        for i in range(3):
            block = f"{prefix}.output_blocks.{index}"
            shapes |= residual(f"{block}.0", into + kept.pop(), c)
            if level < 3:
                shapes |= transformer(f"{block}.1", c)
            if level and i == 2:
                shapes |= conv(f"{block}.{2 if level < 3 else 1}.conv", c, c)
            into, index = c, index + 1
    return shapes | norm(f"{prefix}.out.0", 320) | conv(f"{prefix}.out.2", 320, 4)


def controlnet() -> Shapes:
    shapes, kept = encoder_half("control_model")
    for i, c in enumerate(kept):
        shapes |= conv(f"control_model.zero_convs.{i}.0", c, c, 1)
    shapes |= conv("control_model.middle_block_out.0", 1280, 1280, 1)
    sizes = (3, 16, 16, 32, 32, 96, 96, 256, 320)
    for i, (into, out) in enumerate(pairwise(sizes)):
        shapes |= conv(f"control_model.input_hint_block.{2 * i}", into, out)
    return shapes


def vae() -> Shapes:
    prefix, sizes = "first_stage_model", (128, 256, 512, 512)

    def block(name: str, into: int, out: int) -> Shapes:
        shapes = norm(f"{name}.norm1", into) | conv(f"{name}.conv1", into, out)
        shapes |= norm(f"{name}.norm2", out) | conv(f"{name}.conv2", out, out)
        return shapes | (conv(f"{name}.nin_shortcut", into, out, 1) if into != out else {})

    def middle(name: str) -> Shapes:
        shapes = block(f"{name}.block_1", 512, 512) | block(f"{name}.block_2", 512, 512)
        shapes |= norm(f"{name}.attn_1.norm", 512)
        for part in ("q", "k", "v", "proj_out"):
            shapes |= conv(f"{name}.attn_1.{part}", 512, 512, 1)
        return shapes

    shapes = conv(f"{prefix}.encoder.conv_in", 3, 128) | middle(f"{prefix}.encoder.mid")
    into = 128
    for level, c in enumerate(sizes):
        for i in range(2):
            shapes |= block(f"{prefix}.encoder.down.{level}.block.{i}", into, c)
            into = c
        if level < 3:
            shapes |= conv(f"{prefix}.encoder.down.{level}.downsample.conv", c, c)
    shapes |= norm(f"{prefix}.encoder.norm_out", 512) | conv(f"{prefix}.encoder.conv_out", 512, 8)
    shapes |= conv(f"{prefix}.quant_conv", 8, 8, 1) | conv(f"{prefix}.post_quant_conv", 4, 4, 1)
    shapes |= conv(f"{prefix}.decoder.conv_in", 4, 512) | middle(f"{prefix}.decoder.mid")
    into = 512
    for level in reversed(range(4)):
        for i in range(3):
            shapes |= block(f"{prefix}.decoder.up.{level}.block.{i}", into, sizes[level])
            into = sizes[level]
        if level:
            shapes |= conv(f"{prefix}.decoder.up.{level}.upsample.conv", into, into)
    return shapes | norm(f"{prefix}.decoder.norm_out", 128) | conv(f"{prefix}.decoder.conv_out", 128, 3)


def text_encoder() -> Shapes:
    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
    )
    with torch.device("meta"):
        state = CLIPTextModel(config).state_dict()
    prefix = "cond_stage_model.transformer.text_model."
    shapes = {prefix + name.removeprefix("text_model."): tuple(t.shape) for name, t in state.items()}
    return shapes | {prefix + "embeddings.position_ids": (1, 77)}


@pytest.fixture(scope="module")
def single_files(tmp_path_factory, ckpt):
    """`control_sd15_canny.pth` and its depth twin, in float16 to halve the disk they take."""
    folder = tmp_path_factory.mktemp("ckpt")
    generator = torch.Generator().manual_seed(0)
    weights_ = {
        name: torch.randn(shape, generator=generator).mul_(0.02).half()
        for name, shape in (unet() | controlnet() | vae() | text_encoder()).items()
    }
    torch.save({"state_dict": weights_}, folder / "control_sd15_canny.pth")
    os.link(folder / "control_sd15_canny.pth", folder / "control_sd15_depth.pth")
    # Any CLIP tokenizer does, since the words mean nothing to random weights.
    shutil.copytree(ckpt / "embedded" / "tokenizer", folder / "clip-vit-large-patch14")
    return folder


@pytest.fixture(scope="module")
def parts(single_files):
    return weights.load_parts(spec.find_models(single_files)["sd15"], single_files, torch.float32)


def test_sizes_are_those_of_stable_diffusion_15(parts):
    count = lambda module: sum(p.numel() for p in module.parameters()) / 1e6  # noqa: E731
    assert count(parts.unet) == pytest.approx(859.5, abs=0.1)
    assert count(parts.controlnets["canny"]) == pytest.approx(361.3, abs=0.1)
    assert count(parts.vae) == pytest.approx(83.7, abs=0.1)
    assert count(parts.text_encoder) == pytest.approx(123.1, abs=0.1)


def test_a_missing_weight_is_named(single_files, tmp_path):
    state = checkpoint.read_checkpoint(single_files / "control_sd15_canny.pth")
    state = {k: v for k, v in state.items() if k != "control_model.zero_convs.3.0.bias"}
    torch.save(state, tmp_path / "control_sd15_canny.pth")
    (tmp_path / "control_sd15_depth.pth").symlink_to(tmp_path / "control_sd15_canny.pth")
    with pytest.raises(InputError, match="does not hold a ControlNetModel"):
        weights.load_parts(spec.find_models(tmp_path)["sd15"], tmp_path, torch.float32)


def test_an_edit_runs(single_files, sample):
    editor = load_editor("sd15", single_files, "cpu")
    options = ForegroundOptions(resolution=256, steps=2, keyframes="8, 40", seed=1)
    edit = edit_foreground(sample, "a picture of an orange suv", editor, options)
    assert edit.atlas.isfinite().all()
    assert len(edit.keyframes) == 2


def test_diffusers_folders_of_the_same_weights_load_too(parts, single_files, tmp_path):
    pipeline = weights.build_pipeline(spec.find_models(single_files)["sd15"], single_files, parts)
    folder = tmp_path / "mine"
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    editor = load_editor("mine", tmp_path, "cpu")
    assert list(editor.controlnets) == ["canny"]
    assert torch.allclose(editor.pipeline.unet.conv_in.weight, parts.unet.conv_in.weight.float(), atol=1e-3)
