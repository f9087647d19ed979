"""Files of weights: read safely, loaded strictly, named where they fail."""

import pickle
from pathlib import Path
from typing import Any

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
    """A `.pth` of tensors, mapped from disk where its format allows it. Refuses a pickle with code in it."""
    try:
        # Before PyTorch 1.6 a checkpoint was a bare pickle, which cannot be mapped.
        mapped = _begins_with(path, b"P")
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError:
        if not _begins_with(path, b"P", b"\x80"):
            raise InputError(f"{path} is no checkpoint; {AGAIN}.") from None
        raise InputError(f"{path} holds more than tensors, so loading it could run code: refused.") from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is truncated or no checkpoint ({reason}); {AGAIN}.") from None
    weights = weights.get("state_dict", weights) if isinstance(weights, dict) else None
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} is no checkpoint of named weights; {AGAIN}.")
    return weights


def _begins_with(path: Path, *signs: bytes) -> bool:
    """Whether a file begins as a zip (P) or a pickle (0x80) does, and not as a page that says it was not found."""
    with path.open("rb") as file:
        return file.read(1) in signs


def load_strictly(network: torch.nn.Module, state: dict[str, Tensor], path: Path, what: str) -> None:
    """Fill a network with weights: nothing missing, nothing over. Raises InputError naming the file."""
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:400]
        raise InputError(f"{path} does not hold {what}: {detail}") from None


def load_module(model_class: Any, folder: Path, dtype: torch.dtype) -> Any:
    """One diffusers or transformers module from a folder: safetensors only, nothing missing, nothing over."""
    variant = "fp16" if any(folder.glob("*.fp16.safetensors")) else None
    try:
        model, report = model_class.from_pretrained(
            folder,
            torch_dtype=dtype,
            use_safetensors=True,
            variant=variant,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        what = damaged_file(folder) or folder
        raise InputError(f"{what} holds no usable {model_class.__name__} ({reason}); {AGAIN}.") from None
    # Old text encoders carry position ids, which are a constant and not a weight.
    missing = list(report["missing_keys"])
    extra = [key for key in report["unexpected_keys"] if not key.endswith("position_ids")]
    if missing or extra:
        raise InputError(f"{folder} does not fit {model_class.__name__}: missing {missing}, unknown {extra}.")
    return model.eval().requires_grad_(False)


def load_settings(its_class: Any, folder: Path) -> Any:
    """What has no weights: a tokenizer, a scheduler, an image processor."""
    try:
        return its_class.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:400]
        raise InputError(f"{folder} holds no usable {its_class.__name__} ({reason}); {AGAIN}.") from None
