"""What a model in training learns from another one: its probabilities, and its last feature map as a hint.

The teacher looks at each view anew or, many times cheaper, has looked once at each whole picture: then a view
gets the picture's probabilities and its own part of the picture's map.

Written from: Hinton et al. 2015 (arXiv 1503.02531) and Beyer et al. 2022 (2106.05237) for distillation from
the same view, Romero et al. 2015 (1412.6550) for hints from feature maps, Yun et al. 2021 (2101.05022) for
taking a crop's share of what was computed once on the whole picture.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from papr_core.data.datasets import Dataset
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.proposals.base import Proposal
from papr_core.saving import saved_file
from papr_core.training.augmentation import Views, mixed_likewise, resized, whole_pictures
from papr_core.training.progress import Progress, told
from papr_core.training.recipe import Recipe

__all__ = ["Teacher", "answer_and_map", "answering"]

_LOOKS = 64  # pictures at once
_NOTED = 60  # seconds between the notes of how far the teacher has looked


class Teacher:
    """Another model's answer to what a student of `num_features` channels sees.

    hint: from the student's last map to the teacher's, trained with the student; None where no map is wanted.
    """

    def __init__(self, recipe: Recipe, num_features: int, classes: tuple[str, ...], device: torch.device):
        from papr_core.models.backbones import load_backbone
        from papr_core.models.labels import match_classes
        from papr_core.models.proposals import load_proposal

        check_sees_pictures(proposal=recipe.teacher)
        self.model: Proposal | Backbone
        try:
            self.model = load_proposal(recipe.teacher, device=device)
        except UnsupportedModel:
            self.model = load_backbone(recipe.teacher, device=device)
        self.model.requires_grad_(False)
        _, height, width = self.model.input_size
        self.size = (height, width)
        self.classes, self.device = classes, device
        self.lessons: tuple[np.ndarray, ...] = ()  # logits and maps of all pictures, once they are learnt
        self.rows = np.empty(0, np.int64)  # of the data's pictures among them
        self.columns = torch.tensor(match_classes(classes, self.model.labels), device=device)
        with_map = bool(recipe.distill_features)
        # what is seen once may serve runs that want the map too
        self.answer = answering(with_map or recipe.teacher_once, self.model.model, device)
        if recipe.compile:
            self.answer = torch.compile(self.answer)
        self.hint = nn.Conv2d(num_features, self.model.model.num_features, 1).to(device) if with_map else None

    def losses(
        self, views: Views, images: Tensor, own: Tensor | None, logits: Tensor, features: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy to the teacher's probabilities, and the mean squared distance of the hint.

        images (B, 3, H, W): the views in 0..1, mixed or not; own: as `mixed` gives it. The teacher's map is
        standardised by channel, so that all channels count alike.
        """
        with torch.no_grad():
            answer, wanted = self._remembered(views, features) if self.lessons else self._look(images)
            probabilities = answer.float().softmax(-1)
            if self.lessons and own is not None:
                probabilities = mixed_likewise(probabilities, own)
        soft = -(probabilities * logits.float().log_softmax(-1)).sum(-1).mean()
        if features is None:
            return soft, soft.new_zeros(())
        if wanted is None or self.hint is None:
            raise RuntimeError("This teacher was made without a map to learn from.")
        with torch.no_grad():
            wanted = F.batch_norm(wanted.float(), None, None, training=True)
            if self.lessons and own is not None:
                wanted = mixed_likewise(wanted, own)
        guess = resized(self.hint(features).float(), wanted.shape[-2:])
        return soft, F.mse_loss(guess, wanted)

    def learn_once(
        self, dataset: Dataset, folder: Path, progress: Progress | None, *, strict: bool = False
    ) -> None:
        """Look at every whole picture, in bfloat16, or find in `folder` what was seen of them and of more.

        For one that cannot be read it looks at a grey one, which no view asks for; strict: that is an error.

        A look that was cut off goes on where it was last noted; a second run waits for the first one's.
        """
        from huggingface_hub.utils import WeakFileLock

        folder.mkdir(parents=True, exist_ok=True)
        looking = {
            "teacher": {"name": self.model.name, "sha256": self.model.sha256, "size": list(self.size)},
            "classes": list(self.classes),
            "keys": [key for key, _ in dataset.samples],
        }
        with WeakFileLock(folder / ".lock"):
            seen = _note(folder) or {**looking, "done": 0}
            whole = seen["done"] == len(seen["keys"])
            same = all(seen[key] == value for key, value in looking.items())
            more = seen["teacher"] == looking["teacher"] and all(
                set(seen[key]) >= set(looking[key]) for key in ("classes", "keys")
            )
            if not (same or (more and whole)):
                raise InvalidInput(
                    f"{folder} holds what another teacher saw, or of other pictures; remove it."
                )
            if not whole:
                self._look_at_all(dataset, folder, seen, progress, strict)
        rows = {key: row for row, key in enumerate(seen["keys"])}
        self.rows = np.array([rows[key] for key in looking["keys"]])
        columns = {name: column for column, name in enumerate(seen["classes"])}
        self.seen_columns = torch.tensor([columns[name] for name in self.classes], device=self.device)
        self.lessons = tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("logits", "maps"))

    def _look_at_all(
        self, dataset: Dataset, folder: Path, seen: dict, progress: Progress | None, strict: bool
    ) -> None:
        start, noted, files = seen["done"], time.monotonic(), None
        mode = "r+" if start else "w+"
        loader = whole_pictures(dataset, self.size, _LOOKS, fit="squash", first=start, strict=strict)
        for images, _ in told(progress, "teacher", loader, start // _LOOKS, -(-len(dataset) // _LOOKS)):
            images = images.to(self.device).float() / 255
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
                answer, maps = (part.half().cpu().numpy() for part in self._look(images) if part is not None)
            parts = {"logits": answer, "maps": maps.transpose(0, 2, 3, 1)}
            files = files or {
                name: _array(folder / f"{name}.npy", mode, (len(dataset), *part.shape[1:]))
                for name, part in parts.items()
            }
            for name, part in parts.items():
                files[name][start : start + len(images)] = part
            start += len(images)
            if time.monotonic() - noted > _NOTED or start == len(dataset):
                for file in files.values():
                    file.flush()
                seen["done"] = start
                _note(folder, seen)
                noted = time.monotonic()

    def _look(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) in 0..1 to the logits (B, C) of the data's classes and the last map (B, K, h, w)."""
        answer, features = self.answer(self.model.model, self.model.normalise(resized(images, self.size)))
        return answer[:, self.columns], features

    def _remembered(self, views: Views, features: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The pictures' logits, and the part of each map that its view shows, at the student's resolution."""
        rows = self.rows[views.indices.numpy()]
        answer = torch.from_numpy(self.lessons[0][rows]).to(self.device)[:, self.seen_columns]
        if features is None:
            return answer, None
        maps = torch.from_numpy(self.lessons[1][rows]).to(self.device)
        rows, columns = features.shape[-2:]
        left, top, right, bottom = views.boxes.to(self.device).mul(2).sub(1).unbind(-1)
        zero = torch.zeros_like(left)
        part = torch.stack([right - left, zero, right + left, zero, bottom - top, bottom + top], -1)
        part = part.view(-1, 2, 3) / 2  # the view's own square to the picture's
        grid = F.affine_grid(part, [len(part), 1, 2 * rows, 2 * columns], align_corners=False)
        maps = F.grid_sample(
            maps.float().permute(0, 3, 1, 2), grid, padding_mode="border", align_corners=False
        )
        return answer, F.avg_pool2d(maps, 2)  # two samples a side: a crop has fewer positions than the map


def answer_and_map(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and the last features as a map (B, K, h, w), of a ConvNet, a plain ViT or a Swin.

    Raises InvalidInput: a model whose last features are no map.
    """
    features = model.forward_features(images)
    logits = model.forward_head(features)
    if getattr(model, "output_fmt", None) == "NHWC":
        features = features.permute(0, 3, 1, 2)
    rows, columns = getattr(getattr(model, "patch_embed", None), "grid_size", None) or (0, 0)
    prefix = getattr(model, "num_prefix_tokens", 0)
    shape: tuple[int, ...] = getattr(features, "shape", ())
    if len(shape) == 3 and shape[1] == prefix + rows * columns:  # (B, P + N, K)
        features = features[:, prefix:].mT.unflatten(-1, (rows, columns))
    elif len(shape) != 4:
        raise InvalidInput(
            f"The last features of {type(model).__name__} are no map that could be learnt from or teach; set"
            " distill_features to 0, and let no such teacher look once."
        )
    return logits, features


def answering(with_map: bool, model: Any, device: torch.device) -> Callable:
    """(model, images) to logits and the last map, or None where it is not wanted, as is fastest there."""
    if device.type == "cpu":  # torch's fused attention is slower there, backwards above all
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
    return answer_and_map if with_map else _answer


def _answer(model: Any, images: Tensor) -> tuple[Tensor, None]:
    return model(images), None


def _note(folder: Path, seen: dict | None = None) -> dict | None:
    """What `folder` says has been seen; or write it."""
    path = folder / "source.json"
    if seen is None:
        return json.loads(path.read_text()) if path.exists() else None
    with saved_file(path) as part:
        part.write_text(json.dumps(seen))
    return seen


def _array(path: Path, mode: Any, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode, np.float16, shape)
