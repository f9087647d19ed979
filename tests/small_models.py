"""Small models of the real classes, of random values: what they paint means nothing, how it is asked for is real."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    ControlNetModel,
    FlowMatchEulerDiscreteScheduler,
    QwenImageTransformer2DModel,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
)
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

WIDTH, CONTEXT = 32, 64  # XL's context is that of both its text encoders
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")


def write_sdxl(folder: Path, embedded: Path) -> None:
    """A folder of Stable Diffusion XL's classes, with ControlNets for canny and depth.

    Tokenizers and noise are the embedded model's.
    """
    torch.manual_seed(0)
    for name, source in (("tokenizer", "tokenizer"), ("tokenizer_2", "tokenizer"), ("scheduler", "scheduler")):
        shutil.copytree(embedded / source, folder / name)
    scheduler = folder / "scheduler" / "scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace("WienerDDIM", "EulerDiscreteScheduler"))
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        eos_token_id=2,
    )
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    CLIPTextModelWithProjection(text).save_pretrained(folder / "text_encoder_2")
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=CONTEXT,
        norm_num_groups=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 6 * 8,
    )
    unet.save_pretrained(folder / "unet")
    for name in ("controlnet", "controlnet_depth"):
        controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 16, 16))
        _make_louder(controlnet, 0.05)
        controlnet.save_pretrained(folder / name)
    blocks = 4
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=8,
    ).save_pretrained(folder / "vae")
    _write_index(folder, "StableDiffusionXLPipeline")


def write_qwen(folder: Path, pipeline: str) -> None:
    """A folder of Qwen-Image-Edit's classes; its text is read letter by letter."""
    torch.manual_seed(0)
    letters = {letter: number for number, letter in enumerate([*sorted(ByteLevel.alphabet()), *MARKS])}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[], additional_special_tokens=list(MARKS))
    number = dict(zip(MARKS, tokenizer.convert_tokens_to_ids(list(MARKS)), strict=True))
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": len(tokenizer) + 1,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            "bos_token_id": number["<|endoftext|>"],
            "eos_token_id": number["<|im_end|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [1],
        },
        image_token_id=number["<|image_pad|>"],
        video_token_id=len(tokenizer),
        vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
    )
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    processor = Qwen2VLProcessor(Qwen2VLImageProcessor(), tokenizer, Qwen2VLVideoProcessor(), chat_template="")
    processor.save_pretrained(folder / "processor")
    # One halving more than the real one, so that a megapixel takes seconds.
    vae = AutoencoderKLQwenImage(
        base_dim=2, num_res_blocks=1, dim_mult=[1, 1, 1, 1, 1], temperal_downsample=[False, True, True, True]
    )
    _make_louder(vae.decoder, 0.3)
    vae.save_pretrained(folder / "vae")
    transformer = QwenImageTransformer2DModel(
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    _make_louder(transformer, 0.3)
    transformer.save_pretrained(folder / "transformer")
    FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    _write_index(folder, pipeline)


def _make_louder(module: torch.nn.Module, deviation: float) -> None:
    """New modules hardly say anything, and their last layers nothing at all."""
    for value in module.parameters():
        value.data += deviation * torch.randn_like(value)


def _write_index(folder: Path, pipeline: str) -> None:
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
