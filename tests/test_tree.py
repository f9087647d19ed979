"""The tree: imports point one way, and what is heavy is reached only by those who need it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "stablevideo").rglob("*.py")
}


def imported(name, path, lazily=False):
    """The modules of the project that a module imports when it is imported itself; `lazily` adds those of functions."""
    tree, found = ast.parse(Path(path).read_text(encoding="utf-8")), set()
    nodes = ast.walk(tree) if lazily else tree.body
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


GRAPH = {name: imported(name, path) & FILES.keys() - {"stablevideo"} for name, path in FILES.items()}


def reached(start):
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += GRAPH[name]
    return seen


def test_imports_form_no_circle():
    for name in GRAPH.keys() - {"stablevideo"}:
        assert not any(name in reached(other) for other in GRAPH[name] - {name}), name


def test_layers_know_nothing_of_what_stands_above_them():
    above = {"decompose", "nla", "diffusion", "edit", "ui", "clips", "results"}
    for name in FILES:
        if name.startswith(("stablevideo.layers", "stablevideo.video")):
            assert not {other for other in reached(name) if other.split(".")[1] in above}, name


def test_loading_a_clip_reaches_nothing_of_decomposing_or_painting():
    assert not {
        name for name in reached("stablevideo.clips") if name.split(".")[1] in ("decompose", "diffusion", "edit")
    }


def test_gradio_and_training_stay_where_they_belong():
    for name, path in FILES.items():
        roots = {module.split(".")[0] for module in imported(name, path, lazily=True)}
        assert "training" not in roots, name
        assert "gradio" not in roots or name.startswith("stablevideo.ui"), name


@pytest.mark.slow
def test_the_library_does_without_what_takes_seconds_to_import():
    code = "import sys, stablevideo.decompose.sam; print({'diffusers', 'transformers', 'gradio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
