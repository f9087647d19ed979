"""Files of weights: read safely, loaded strictly, named where they fail."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import InputError

AGAIN = "remove it and download it again, or put a sound copy there"


def damaged_file(folder: Path) -> Path | None:
    """The first `*.safetensors` of a folder that is cut off or none at all."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError):
            return path
    return None


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """A `.pth` of tensors, mapped from disk rather than read. Refuses a pickle with code in it."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise InputError(f"{path} holds more than tensors, so loading it could run code: refused.") from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is truncated or no checkpoint ({reason}); {AGAIN}.") from None
    weights = weights.get("state_dict", weights) if isinstance(weights, dict) else None
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} is no checkpoint of named weights; {AGAIN}.")
    return weights


def load_strictly(network: torch.nn.Module, state: dict[str, Tensor], path: Path, what: str) -> None:
    """Fill a network with weights: nothing missing, nothing over. Raises InputError naming the file."""
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:400]
        raise InputError(f"{path} does not hold {what}: {detail}") from None
