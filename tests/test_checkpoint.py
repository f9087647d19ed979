"""Files of weights that are damaged: each is named, with what to do."""

import numpy as np
import pytest
import torch

from stablevideo import InputError
from stablevideo.checkpoint import read_checkpoint
from stablevideo.decompose.sam import masks_from_sam, sam_folder
from stablevideo.video.flow import raft

RAFT_FILE = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"


@pytest.mark.parametrize("content", [[1, 2], {}, {"weight": "no tensor"}])
def test_what_is_no_set_of_weights(tmp_path, content):
    torch.save(content, tmp_path / "some.pth")
    with pytest.raises(InputError, match="some.pth is no checkpoint of named weights; remove it"):
        read_checkpoint(tmp_path / "some.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>not found</html>"])
def test_a_damaged_raft(tmp_path, content):
    (tmp_path / RAFT_FILE).write_bytes(content)
    with pytest.raises(InputError, match=f"{RAFT_FILE} is .*no checkpoint.*; remove it and download it again"):
        raft(tmp_path, torch.device("cpu"))


def test_another_network_in_the_place_of_raft(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / RAFT_FILE)
    with pytest.raises(InputError, match=f"{RAFT_FILE} does not hold RAFT's large network"):
        raft(tmp_path, torch.device("cpu"))


def test_a_damaged_sam(tmp_path):
    folder = tmp_path / "sam2.1-tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "sam2_video"}')
    (folder / "model.safetensors").write_bytes(b"cut off")
    frames, mask = [np.zeros((32, 32, 3), np.uint8)] * 2, np.ones((32, 32), bool)
    with pytest.raises(InputError, match="model.safetensors holds no usable SAM 2.1 .*; remove it"):
        masks_from_sam(frames, {0: mask}, sam_folder(tmp_path))
