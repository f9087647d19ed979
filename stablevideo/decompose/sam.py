"""The object's masks by SAM 2.1 (Ravi et al. 2024), where its weights are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from ..checkpoint import AGAIN, damaged_file
from ..device import resolve
from ..errors import InputError
from ..hub import hub_folder, is_whole
from ..progress import Progress, quiet

REPOSITORY = "facebook/sam2.1-hiera-tiny"
PATTERNS = ("*.json", "model.safetensors")


def sam_folder(ckpt: Path) -> Path:
    """Where SAM 2.1's weights lie: any size of it in `ckpt/sam2.1-*`, else the smallest, from the Hub.

    Raises InputError where there are none and the Hub cannot be reached.
    """
    found = [folder for folder in sorted(ckpt.glob("sam2.1-*")) if is_whole(folder, ("config.json", "*.safetensors"))]
    if found:
        return found[0]
    try:
        return hub_folder(REPOSITORY, ckpt, PATTERNS)
    except InputError:
        place = ckpt / REPOSITORY.split("/")[1]
        raise InputError(
            f"SAM 2.1 is not in {place} and the Hub cannot be reached; put {REPOSITORY} there, or carry masks by flow."
        ) from None


@torch.inference_mode()
def masks_from_sam(
    frames: Sequence[np.ndarray],
    marked: Mapping[int, np.ndarray],
    folder: Path,
    progress: Progress = quiet,
    device: torch.device | None = None,
) -> np.ndarray:
    """Follow what is marked through a clip.

    Each mark is shown to the model as the box around it: inside that, it knows better than strokes and GrabCut do.

    Parameters
    ----------
    frames
        uint8 [H, W, 3] each, RGB.
    marked
        Frame numbers and masks, bool [H, W], one or more.
    folder
        SAM 2.1 as transformers lays it out.
    device
        Where it runs; the best there is by default.

    Returns
    -------
    bool [T, H, W].
    """
    import transformers
    from transformers import Sam2VideoModel, Sam2VideoProcessor

    transformers.utils.logging.disable_progress_bar()
    device = resolve(device)
    try:
        processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
        model = Sam2VideoModel.from_pretrained(folder, local_files_only=True).to(device).eval()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        what, reason = damaged_file(folder) or folder, " ".join(str(error).split())[:400]
        raise InputError(f"{what} holds no usable SAM 2.1 ({reason}); {AGAIN}.") from None
    session = processor.init_video_session(video=list(frames), inference_device=device, video_storage_device="cpu")
    for frame, mask in marked.items():
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
        processor.add_inputs_to_inference_session(session, frame, 1, input_boxes=[[box]])
        model(session, frame_idx=frame)
    masks = np.zeros((len(frames), *frames[0].shape[:2]), bool)
    done = 0
    for backwards in (False, True):
        for found in model.propagate_in_video_iterator(session, min(marked), reverse=backwards):
            size = [[session.video_height, session.video_width]]
            shown = processor.post_process_masks([found.pred_masks], original_sizes=size)[0]
            masks[found.frame_idx] = shown[0, 0].cpu().numpy() > 0
            done += 1
            progress(min(1.0, done / len(frames)), f"mask of frame {found.frame_idx}")
    return masks
