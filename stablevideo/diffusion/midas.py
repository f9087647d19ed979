"""MiDaS as the original ships it: `dpt_hybrid-midas-501f0c75.pt` in transformers' DPT (Ranftl et al. 2021)."""

import re
from pathlib import Path

from torch import Tensor
from transformers import DPTConfig, DPTForDepthEstimation

from ..checkpoint import load_strictly, read_checkpoint

# What the original calls a part, and what transformers calls it; tried in this order, at the name's beginning.
NAMES = (
    (r"pretrained\.model\.patch_embed\.backbone\.stem\.conv", "dpt.embeddings.backbone.bit.embedder.convolution"),
    (r"pretrained\.model\.patch_embed\.backbone\.stem", "dpt.embeddings.backbone.bit.embedder"),
    (
        r"pretrained\.model\.patch_embed\.backbone\.stages\.(\d+)\.blocks",
        r"dpt.embeddings.backbone.bit.encoder.stages.\1.layers",
    ),
    (r"pretrained\.model\.patch_embed\.proj", "dpt.embeddings.projection"),
    (r"pretrained\.model\.cls_token", "dpt.embeddings.cls_token"),
    (r"pretrained\.model\.pos_embed", "dpt.embeddings.position_embeddings"),
    (r"pretrained\.model\.blocks\.(\d+)\.attn\.proj", r"dpt.encoder.layer.\1.attention.output.dense"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc1", r"dpt.encoder.layer.\1.intermediate.dense"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc2", r"dpt.encoder.layer.\1.output.dense"),
    (r"pretrained\.model\.blocks\.(\d+)\.norm1", r"dpt.encoder.layer.\1.layernorm_before"),
    (r"pretrained\.model\.blocks\.(\d+)\.norm2", r"dpt.encoder.layer.\1.layernorm_after"),
    (r"pretrained\.model\.norm", "dpt.layernorm"),
    (r"pretrained\.act_postprocess3\.0\.project", "neck.reassemble_stage.readout_projects.2"),
    (r"pretrained\.act_postprocess4\.0\.project", "neck.reassemble_stage.readout_projects.3"),
    (r"pretrained\.act_postprocess3\.3", "neck.reassemble_stage.layers.2.projection"),
    (r"pretrained\.act_postprocess4\.3", "neck.reassemble_stage.layers.3.projection"),
    (r"pretrained\.act_postprocess4\.4", "neck.reassemble_stage.layers.3.resize"),
    (r"scratch\.output_conv", "head.head"),
)
FUSION = re.compile(r"scratch\.refinenet(\d)\.(?:out_conv|resConfUnit(\d)\.conv(\d))\.(weight|bias)")
QKV = re.compile(r"pretrained\.model\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)")
REASSEMBLE = re.compile(r"scratch\.layer(\d)_rn\.weight")
CLASSIFIER = "pretrained.model.head."  # of ImageNet, not used for depth

PATCH_PX = 16
KEPT_LAYERS = (8, 11)  # whose tokens go on to the neck, beside two stages of the convolutions


class Midas(DPTForDepthEstimation):
    """MiDaS's hybrid DPT for pictures of any size; transformers' own takes 384 by 384 pixels."""

    def __init__(self) -> None:
        super().__init__(
            DPTConfig(
                is_hybrid=True,
                neck_hidden_sizes=[256, 512, 768, 768],
                use_bias_in_fusion_residual=True,
                layer_norm_eps=1e-6,
            )
        )

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Pictures [n, 3, h, w] in [-1, 1], sides divisible by 32 -> nearness [n, h, w], 0 or more."""
        embedded = self.dpt.embeddings(pixel_values, interpolate_pos_encoding=True)
        tokens, kept = embedded.last_hidden_states, list(embedded.intermediate_activations)
        for i, layer in enumerate(self.dpt.encoder.layer):
            tokens = layer(tokens)
            if i in KEPT_LAYERS:
                kept.append(tokens)
        rows, columns = (side // PATCH_PX for side in pixel_values.shape[2:])
        return self.head(self.neck(kept, rows, columns))


def load_midas(path: Path) -> Midas:
    """The original's file, strictly. Raises InputError where it is damaged or holds something else."""
    network = Midas()
    load_strictly(network, renamed(read_checkpoint(path)), path, "MiDaS's hybrid DPT")
    return network.eval().requires_grad_(False)


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The original's weights under transformers' names."""
    state: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.startswith(CLASSIFIER):
            continue
        if qkv := QKV.fullmatch(name):
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[f"dpt.encoder.layer.{qkv[1]}.attention.attention.{part}.{qkv[2]}"] = third
        else:
            state[_renamed(name)] = value
    return state


def _renamed(name: str) -> str:
    if reassemble := REASSEMBLE.fullmatch(name):
        return f"neck.convs.{int(reassemble[1]) - 1}.weight"
    if fusion := FUSION.fullmatch(name):
        # The original counts from the finest level, transformers from the coarsest.
        place = f"neck.fusion_stage.layers.{4 - int(fusion[1])}"
        part = f"residual_layer{fusion[2]}.convolution{fusion[3]}" if fusion[2] else "projection"
        return f"{place}.{part}.{fusion[4]}"
    for theirs, ours in NAMES:
        found, count = re.subn(rf"^{theirs}(?=\.|$)", ours, name)
        if count:
            return found
    return name
