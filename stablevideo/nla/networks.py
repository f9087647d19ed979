"""Layered-neural-atlas checkpoints (Kasten et al. 2021): the four networks, strict load and save.

A clip folder `NAME/` holds `config.json`, `checkpoint` and the frames in `NAME/NAME/`, as StableVideo,
Text2LIVE and layered-neural-atlases lay it out.
"""

import json
import math
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..layers import coords
from ..layers.coords import LayerName

# The names under which published checkpoints keep the state of each network.
CHECKPOINT_KEYS = {
    "foreground_mapping": "model_F_mapping1_state_dict",
    "background_mapping": "model_F_mapping2_state_dict",
    "atlas": "F_atlas_state_dict",
    "alpha": "model_F_alpha_state_dict",
}
ATLAS_SKIPS = (4, 7)


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Sizes of the four networks, as published. Field names are the keys of `config.json`."""

    number_of_channels_mapping1: int = 256
    number_of_layers_mapping1: int = 6
    use_positional_encoding_mapping1: bool = False
    number_of_positional_encoding_mapping1: int = 4
    number_of_channels_mapping2: int = 256
    number_of_layers_mapping2: int = 4
    use_positional_encoding_mapping2: bool = False
    number_of_positional_encoding_mapping2: int = 2
    number_of_channels_atlas: int = 256
    number_of_layers_atlas: int = 8
    positional_encoding_num_atlas: int = 10
    number_of_channels_alpha: int = 256
    number_of_layers_alpha: int = 8
    positional_encoding_num_alpha: int = 5


@dataclass(frozen=True, kw_only=True)
class NLAConfig(NetworkSizes):
    """What `config.json` says of a clip; sizes absent there take the published defaults."""

    resx: int
    resy: int
    maximum_number_of_frames: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.resy, self.resx

    @classmethod
    def from_file(cls, path: Path) -> "NLAConfig":
        """Read and check `config.json`. Raises InputError naming the key that is missing or wrong."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path} is missing; a clip folder needs config.json.") from None
        except (ValueError, OSError) as error:
            raise InputError(f"{path} is not readable JSON: {error}.") from None
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold a JSON object, got {type(values).__name__}.")
        if "maximum_number_of_frames" not in values and "number_of_frames" in values:
            values["maximum_number_of_frames"] = values["number_of_frames"]
        known: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in values:
                if field.name in ("resx", "resy", "maximum_number_of_frames"):
                    raise InputError(f"{path} lacks '{field.name}'; add the size the clip was decomposed at.")
                continue
            known[field.name] = _checked(values[field.name], field.name, field.type, path)
        return cls(**known)


def _checked(value: object, name: str, kind: Any, path: Path) -> int | bool:
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 16384:
        return value
    raise InputError(f"{path}: '{name}' must be {kind.__name__} in a sensible range, got {value!r}.")


class MLP(nn.Module):
    """The network of layered neural atlases: encoding, linear layers `hidden.i` with ReLU between, tanh.

    Parameters
    ----------
    inputs, outputs, channels, layers
        Sizes; `layers` counts every linear layer, the last one too.
    frequencies
        0 passes the input on as it is; otherwise for each j the sines of all inputs times 2^j pi, then
        their cosines.
    skips
        Layers behind whose (already rectified) input the encoded input is concatenated.
    """

    frequencies: Tensor
    hidden: nn.ModuleList

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: int,
        layers: int,
        frequencies: int = 0,
        skips: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        encoded = inputs * 2 * frequencies if frequencies else inputs
        self.skips = skips
        octaves = math.pi * 2.0 ** torch.arange(frequencies, dtype=torch.float32)
        self.register_buffer("frequencies", octaves, persistent=False)
        self.hidden = nn.ModuleList()
        for i in range(layers):
            features = encoded if i == 0 else channels + (encoded if i in skips else 0)
            self.hidden.append(nn.Linear(features, outputs if i == layers - 1 else channels))

    @property
    def linears(self) -> list[nn.Linear]:
        """The layers, first to last."""
        return [cast(nn.Linear, layer) for layer in self.hidden]

    def encode(self, x: Tensor) -> Tensor:
        """Positional encoding [n, inputs] -> [n, inputs * 2 * frequencies]; the input itself without one."""
        if not len(self.frequencies):
            return x
        angles = self.frequencies[None, :, None] * x[:, None, :]
        return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs] -> [n, outputs] in [-1, 1]."""
        encoded = self.encode(x)
        features = encoded
        for i, layer in enumerate(self.hidden):
            if i > 0:
                features = features.relu_() if not torch.is_grad_enabled() else features.relu()
            if i in self.skips:
                features = torch.cat([features, encoded], dim=1)
            features = layer(features)
        return features.tanh()


class NLANetworks(nn.Module):
    """The four networks of one clip, with the field's words for what each gives."""

    def __init__(self, config: NLAConfig) -> None:
        super().__init__()
        self.config = config
        self.foreground_mapping = MLP(
            3,
            2,
            config.number_of_channels_mapping1,
            config.number_of_layers_mapping1,
            config.use_positional_encoding_mapping1 * config.number_of_positional_encoding_mapping1,
        )
        self.background_mapping = MLP(
            3,
            2,
            config.number_of_channels_mapping2,
            config.number_of_layers_mapping2,
            config.use_positional_encoding_mapping2 * config.number_of_positional_encoding_mapping2,
        )
        self.atlas = MLP(
            2,
            3,
            config.number_of_channels_atlas,
            config.number_of_layers_atlas,
            config.positional_encoding_num_atlas,
            ATLAS_SKIPS,
        )
        self.alpha = MLP(
            3,
            1,
            config.number_of_channels_alpha,
            config.number_of_layers_alpha,
            config.positional_encoding_num_alpha,
        )

    def mapping(self, layer: LayerName) -> MLP:
        """The network that maps a layer's pixels to its canvas."""
        return self.foreground_mapping if layer == "foreground" else self.background_mapping

    def canvas_at(self, layer: LayerName, video: Tensor) -> Tensor:
        """Video coordinates [n, 3] -> the layer's canvas [n, 2] in [-1, 1]."""
        return self.mapping(layer)(video)

    def alpha_at(self, video: Tensor) -> Tensor:
        """Video coordinates [n, 3] -> alpha [n] in [0.001, 0.991]."""
        return coords.network_to_alpha(self.alpha(video))[:, 0]

    def colour_at(self, layer: LayerName, canvas: Tensor) -> Tensor:
        """Canvas [n, 2] -> RGB [n, 3] in [0, 1]."""
        return coords.network_to_colour(self.atlas(coords.canvas_to_network(canvas, layer)))


def load_networks(folder: Path, device: torch.device | None = None) -> NLANetworks:
    """Read `config.json` and `checkpoint` of a clip folder, strictly.

    Raises
    ------
    InputError
        A file is missing, truncated, holds code (it is refused, never run), or its keys and shapes do not
        fit the configuration; the message names what is wrong.
    """
    networks = NLANetworks(NLAConfig.from_file(folder / "config.json"))
    path = folder / "checkpoint"
    if not path.is_file():
        raise InputError(f"{path} is missing; a layered-neural-atlas clip needs its checkpoint.")
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} holds more than tensors, so loading it could run code: refused. "
            "Save it again with tensors and numbers only."
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is truncated or no PyTorch checkpoint ({reason}); copy it again.") from None
    if not isinstance(states, dict):
        raise InputError(f"{path} must hold a dictionary of state dicts, got {type(states).__name__}.")
    missing = [key for key in CHECKPOINT_KEYS.values() if not isinstance(states.get(key), dict)]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; it is no layered-neural-atlas checkpoint.")
    for name, key in CHECKPOINT_KEYS.items():
        try:
            networks.get_submodule(name).load_state_dict(states[key], strict=True)
        except RuntimeError as error:
            detail = " ".join(str(error).split())
            raise InputError(f"{path}: '{key}' does not fit config.json. {detail}") from None
    return networks.requires_grad_(False).eval().to(device)


def save_networks(networks: NLANetworks, path: Path, iteration: int) -> None:
    """Write a `checkpoint` that the original tools load; training state is left out."""
    states = {key: networks.get_submodule(name).state_dict() for name, key in CHECKPOINT_KEYS.items()}
    torch.save({**states, "iteration": iteration}, path)
