"""MiDaS's own file, `dpt_hybrid-midas-501f0c75.pt`: its exact names and shapes, with random values."""

import math

import pytest
import torch

from stablevideo import InputError
from stablevideo.diffusion import depth, hints
from stablevideo.diffusion.midas import load_midas, renamed
from tests.clips import smooth_picture

Shapes = dict[str, tuple[int, ...]]
WIDTH = 768
STAGES = ((3, 64, 256), (4, 128, 512), (9, 256, 1024))  # blocks, inner and outer channels


def affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": (shape[0],)}


def convolutions() -> Shapes:
    place = "pretrained.model.patch_embed.backbone"
    shapes = {f"{place}.stem.conv.weight": (64, 3, 7, 7)} | affine(f"{place}.stem.norm", 64)
    into = 64
    for stage, (blocks, inner, outer) in enumerate(STAGES):
        for i in range(blocks):
            block = f"{place}.stages.{stage}.blocks.{i}"
            if i == 0:
                shapes[f"{block}.downsample.conv.weight"] = (outer, into, 1, 1)
                shapes |= affine(f"{block}.downsample.norm", outer)
            sizes = ((inner, into, 1), (inner, inner, 3), (outer, inner, 1))
            for j, (out, before, kernel) in enumerate(sizes, 1):
                shapes[f"{block}.conv{j}.weight"] = (out, before, kernel, kernel)
                shapes |= affine(f"{block}.norm{j}", out)
            into = outer
    return shapes | affine("pretrained.model.patch_embed.proj", WIDTH, 1024, 1, 1)


def transformer() -> Shapes:
    shapes = {"pretrained.model.cls_token": (1, 1, WIDTH), "pretrained.model.pos_embed": (1, 577, WIDTH)}
    for i in range(12):
        block = f"pretrained.model.blocks.{i}"
        shapes |= affine(f"{block}.norm1", WIDTH) | affine(f"{block}.norm2", WIDTH)
        shapes |= affine(f"{block}.attn.qkv", 3 * WIDTH, WIDTH) | affine(f"{block}.attn.proj", WIDTH, WIDTH)
        shapes |= affine(f"{block}.mlp.fc1", 4 * WIDTH, WIDTH) | affine(f"{block}.mlp.fc2", WIDTH, 4 * WIDTH)
    return shapes | affine("pretrained.model.norm", WIDTH) | affine("pretrained.model.head", 1000, WIDTH)


def decoder() -> Shapes:
    shapes: Shapes = {}
    for level in (3, 4):
        place = f"pretrained.act_postprocess{level}"
        shapes |= affine(f"{place}.0.project.0", WIDTH, 2 * WIDTH) | affine(f"{place}.3", WIDTH, WIDTH, 1, 1)
    shapes |= affine("pretrained.act_postprocess4.4", WIDTH, WIDTH, 3, 3)
    for level, channels in enumerate((256, 512, 768, 768), 1):
        shapes[f"scratch.layer{level}_rn.weight"] = (256, channels, 3, 3)
        place = f"scratch.refinenet{level}"
        shapes |= affine(f"{place}.out_conv", 256, 256, 1, 1)
        for unit in (1, 2):
            for conv in (1, 2):
                shapes |= affine(f"{place}.resConfUnit{unit}.conv{conv}", 256, 256, 3, 3)
    shapes |= affine("scratch.output_conv.0", 128, 256, 3, 3) | affine("scratch.output_conv.2", 32, 128, 3, 3)
    return shapes | affine("scratch.output_conv.4", 1, 32, 1, 1)


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    shapes = convolutions() | transformer() | decoder()
    return {
        name: torch.randn(shape, generator=generator) * max(1, math.prod(shape[1:])) ** -0.5
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ckpt")
    torch.save(weights, folder / depth.MIDAS_FILE)
    return folder


def test_the_file_has_as_many_weights_as_the_original(weights):
    assert len(weights) == 368
    assert sum(value.numel() for value in weights.values()) == 123_146_985


@pytest.mark.slow
def test_it_loads_strictly_and_every_weight_has_its_place(folder, weights):
    network = load_midas(folder / depth.MIDAS_FILE)
    state = network.state_dict()
    assert set(state) == set(renamed(weights))
    query = state["dpt.encoder.layer.3.attention.attention.query.weight"]
    assert torch.equal(query, weights["pretrained.model.blocks.3.attn.qkv.weight"][:WIDTH])
    # The coarsest level comes first here and last there.
    coarsest = state["neck.fusion_stage.layers.0.projection.bias"]
    assert torch.equal(coarsest, weights["scratch.refinenet4.out_conv.bias"])


def test_a_picture_of_any_aspect_becomes_a_hint(folder):
    model = depth.load_depth(folder)
    picture = smooth_picture((90, 150), 1)
    make = hints.depth(model, 128, torch.device("cpu"))
    hint = make(picture, (64, 128))
    assert hint.shape == (3, 64, 128)
    assert hint.min() >= 0
    assert 0.5 < hint.max() <= 1
    assert torch.equal(hint, make(picture, (64, 128)))


@pytest.mark.slow
def test_a_missing_weight_and_a_damaged_file_are_named(weights, folder, tmp_path):
    name = "scratch.refinenet4.out_conv.bias"
    torch.save({k: v for k, v in weights.items() if k != name}, tmp_path / depth.MIDAS_FILE)
    with pytest.raises(InputError, match=rf"{depth.MIDAS_FILE} does not hold MiDaS.*layers.0.projection.bias"):
        depth.load_depth(tmp_path)
    data = (folder / depth.MIDAS_FILE).read_bytes()
    (tmp_path / depth.MIDAS_FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=f"{depth.MIDAS_FILE} is truncated .*; remove it and download it again"):
        depth.load_depth(tmp_path)
