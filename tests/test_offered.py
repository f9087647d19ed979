"""Which models a page offers, and what it says of them."""

from dataclasses import replace

import pytest
import torch

from stablevideo import InputError
from stablevideo.ui.models import models_table, offered, offered_model
from stablevideo.ui.settings import Settings
from stablevideo.ui.workshop import Workshop


@pytest.fixture
def for_others(ckpt, tmp_path):
    return Settings(tmp_path, ckpt, tmp_path, device=torch.device("cpu"))


def rows(settings):
    return {row.split("|")[1].strip(): row for row in models_table(settings).splitlines()[2:]}


def test_strangers_start_no_download(for_others):
    there = {name for name, spec in offered(replace(for_others, one_person=True)).items() if spec.is_here}
    assert "embedded" in there
    assert set(offered(for_others)) == there == set(rows(for_others))
    for ask in (lambda: offered_model(for_others, "qwen-edit"), lambda: Workshop(for_others).editor("qwen-edit")):
        with pytest.raises(InputError, match="no model 'qwen-edit' on this page; choose one of embedded"):
            ask()


def test_the_one_that_the_page_was_started_with_is_offered(for_others):
    assert "sdxl" in offered(replace(for_others, model="sdxl"))


def test_all_are_listed_with_what_they_need(for_others):
    mine = rows(replace(for_others, one_person=True))
    assert {"embedded", "sd15", "sd15-fast", "sdxl", "qwen-edit"} <= set(mine)
    assert "35 MB | here |" in mine["embedded"]
    assert "follows canny, depth |" in mine["sdxl"]
    assert "12 GB | downloaded when it is first used; needs a GPU |" in mine["sdxl"]
    assert "instructions, such as" in mine["qwen-edit"]
    lent = rows(replace(for_others, one_person=True, lent_gpu=True))
    assert "needs a GPU" not in lent["sdxl"]
