"""LoRA (Hu et al. 2021): small changes to a model's weights, from files, laid on while a picture is painted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ..errors import InputError

FOLDER = "lora"  # of ckpt/


class Loras:
    """The LoRA files that a pipeline has loaded; they say nothing but where they are asked for.

    Parameters
    ----------
    folder
        Where files `NAME.safetensors` lie, in the form of diffusers, kohya or peft.
    """

    def __init__(self, pipeline: Any, folder: Path) -> None:
        self.pipeline, self.folder = pipeline, folder
        self._adapters: dict[str, str] = {}

    def check(self, wanted: Mapping[str, float]) -> None:
        """Raise InputError for a file that is not there."""
        for name in wanted:
            if not self._file(name).is_file():
                there = ", ".join(sorted(path.stem for path in self.folder.glob("*.safetensors"))) or "no LoRA yet"
                raise InputError(f"there is no {self._file(name)}; in that folder lies {there}.")

    @contextmanager
    def laid_on(self, wanted: Mapping[str, float]) -> Iterator[None]:
        """Within, these are laid on, each as strongly as said. Raises InputError for what does not fit the model."""
        if not wanted:
            yield
            return
        self.check(wanted)
        for name in wanted:
            if name not in self._adapters:
                self._load(name)
        self.pipeline.set_adapters([self._adapters[name] for name in wanted], [*wanted.values()])
        self.pipeline.enable_lora()
        try:
            yield
        finally:
            self.pipeline.disable_lora()

    def _load(self, name: str) -> None:
        adapter = f"lora{len(self._adapters)}"
        try:
            self.pipeline.load_lora_weights(
                str(self.folder), weight_name=self._file(name).name, adapter_name=adapter, local_files_only=True
            )
            if not any(adapter in names for names in self.pipeline.get_list_adapters().values()):
                raise ValueError("it changes no layer of it")
        except (OSError, ValueError, RuntimeError, LookupError, SafetensorError) as error:
            self.pipeline.unload_lora_weights()  # all: one that fitted in part has left traces
            self._adapters.clear()
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"{self._file(name)} does not fit this model: {reason}.") from None
        self._adapters[name] = adapter

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
