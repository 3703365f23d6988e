"""Training: any timm image model on labelled images, plainly, from a teacher, or while PaPr prunes it.

The data pipeline, the augmentations, mixing, optimisers, schedules and weight averaging are timm's. What is
added here: a run that was cut off resumes to the same weights, since each view depends on (seed, epoch,
image) and each step's randomness on (seed, step) alone; distillation from another model's logits and from its
last feature map, of the same view or, many times cheaper, of the whole picture seen once; and pruning of the
model that is being trained (PaPr, Table 4).

Written from: Hinton et al. 2015 (arXiv 1503.02531) and Beyer et al. 2022 (2106.05237) for distillation from
the same view, Romero et al. 2015 (1412.6550) for hints from feature maps, Yun et al. 2021 (2101.05022) for
taking a crop's share of what was computed once on the whole picture.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from papr_core.datasets import Dataset, open_dataset
from papr_core.errors import InvalidInput

__all__ = ["Recipe", "add_arguments", "run", "train"]


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights. The command line has one option for each field."""

    model: str = _setting("resnet10t", "timm architecture")
    model_args: str = _setting("{}", "its arguments, as JSON")
    size: int = _setting(0, "input size in pixels (0: the model's own)")
    init: str = _setting("", "weights to start from: a safetensors file that this command wrote")
    epochs: int = _setting(10, "passes over the data")
    until: int = _setting(0, "end after so many of them, the schedule half done, for a next stage (0: all)")
    batch_size: int = _setting(256, "images a step")
    opt: str = _setting("adamw", "timm optimiser")
    lr: float = _setting(1e-3, "peak learning rate")
    weight_decay: float = _setting(0.05, "weight decay")
    warmup: float = _setting(0.05, "share of the steps in which the rate rises")
    min_lr: float = _setting(0.0, "learning rate at the end of the cosine")
    clip_grad: float = _setting(0.0, "gradient norm limit (0: none)")
    smoothing: float = _setting(0.1, "label smoothing")
    scale: float = _setting(0.35, "smallest share of the area that a random crop takes (1: no random crop)")
    color_jitter: float = _setting(0.0, "timm colour jitter")
    auto_augment: str = _setting("", "timm augmentation policy, such as rand-m6-mstd0.5")
    reprob: float = _setting(0.0, "probability of random erasing")
    mixup: float = _setting(0.0, "mixup alpha")
    cutmix: float = _setting(0.0, "cutmix alpha")
    drop_path: float = _setting(0.0, "stochastic depth")
    ema: float = _setting(0.0, "decay of the averaged weights (0: none)")
    teacher: str = _setting("", "model to learn from: a name that load_proposal or load_backbone takes")
    distill: float = _setting(0.5, "share of the loss that follows the teacher's probabilities")
    distill_features: float = _setting(0.0, "weight of the loss that follows the teacher's last feature map")
    teacher_once: bool = _setting(
        False,
        "the teacher sees each whole picture once, before training, and a crop gets its part of the map",
    )
    keep: float = _setting(1.0, "keep ratio while training (PaPr, Table 4)")
    proposal: str = _setting("papr_proposal", "the proposal that prunes, where keep is below 1")
    dtype: str = _setting("bfloat16", "type of the products: bfloat16 or float32")
    compile: bool = _setting(False, "torch.compile the model")
    limit: int = _setting(0, "at most so many training images, balanced over the classes (0: all)")
    seed: int = _setting(0, "seed of everything random")


def train(
    recipe: Recipe,
    data: str | os.PathLike,
    out: str | os.PathLike,
    *,
    val: str | os.PathLike | None = None,
    device: str = "cpu",
    workers: int = 0,
    checkpoint_minutes: float = 10,
    name: str = "model",
    facts: dict | None = None,
    lessons: str | os.PathLike | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    progress: bool = True,
) -> dict:
    """Train by `recipe` on the labelled images of `data`; write `out`/NAME.safetensors, .json and log.jsonl.

    data, val: folders or tar files of class folders (`open_dataset`); val is measured after each epoch.
    out: also holds checkpoint.pt, from which the same call goes on where it was cut off.
    facts: entries of the written configuration, such as `label_names` (by default the class folders' names),
    `label_synsets`, `label_set`, and a `pretrained_cfg` with `license`.
    lessons: folder for what a teacher that looks once has seen, which runs may share (default: in `out`).
    on_epoch gets each line of the log; progress shows a bar on stderr.

    Returns the last epoch's line of the log.

    Raises InvalidInput: a setting out of range, a checkpoint of another recipe, a model that timm lacks.
    """
    out = Path(out)
    _check(recipe)
    try:
        out.mkdir(parents=True, exist_ok=True)
        device = torch.device(device)
        torch.empty(0, device=device)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror or error}.") from error
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InvalidInput(f"The device {device!r} cannot be used here ({reason}).") from error
    dataset = open_dataset(data, limit=recipe.limit or None, seed=recipe.seed)
    held_out = open_dataset(val) if val else None
    if held_out and held_out.classes != dataset.classes:
        raise InvalidInput("The validation images have other class folders than the training images.")
    if len(dataset) < recipe.batch_size:
        raise InvalidInput(f"{len(dataset)} images do not fill one batch of {recipe.batch_size}.")
    run_ = _Run(recipe, dataset, device, Path(lessons or out / "lessons"), progress)
    checkpoint = out / "checkpoint.pt"
    run_.resume(checkpoint)
    steps, saved, line = run_.steps_per_epoch, time.monotonic(), {}
    for epoch in range(run_.step // steps, recipe.until or recipe.epochs):
        started, first = time.monotonic(), run_.step % steps
        batches = _batches(run_, dataset, epoch, first, workers)
        for views in _bar(batches, steps, first, f"epoch {epoch + 1}/{recipe.epochs}", progress):
            run_.train_step(views)
            if time.monotonic() - saved > 60 * checkpoint_minutes:
                run_.save(checkpoint)
                saved = time.monotonic()
        seconds = time.monotonic() - started
        line = {
            "epoch": epoch + 1,
            "of": recipe.epochs,
            "loss": run_.mean_loss(),
            "lr": run_.optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 1),
            "images_per_second": round((steps - first) * recipe.batch_size / seconds, 1),
        }
        if held_out:
            line |= run_.measure(held_out, workers)
        with open(out / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        if on_epoch:
            on_epoch(line)
        run_.save(checkpoint)
        saved = time.monotonic()
        _export(run_, out / name, {"label_names": list(dataset.classes), **(facts or {})}, line)
    return line


class _Run:
    """One run's model, optimiser and step: all that a checkpoint holds."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        device: torch.device,
        lessons: Path | None = None,
        progress: bool = False,
    ):
        from timm.data import Mixup, resolve_data_config
        from timm.optim import create_optimizer_v2
        from timm.scheduler import create_scheduler_v2
        from timm.utils import ModelEmaV3

        self.recipe, self.device, self.step = recipe, device, 0
        self.steps_per_epoch = len(dataset) // recipe.batch_size
        torch.manual_seed(recipe.seed)
        self.model = _create(recipe, len(dataset.classes)).to(device, memory_format=torch.channels_last)
        self.data_config = resolve_data_config(model=self.model, verbose=False)
        self.size = _size(recipe, self.model)
        self.mean, self.std = (
            torch.tensor(self.data_config[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std")
        )
        self.mix = (
            Mixup(
                recipe.mixup,
                recipe.cutmix,
                label_smoothing=recipe.smoothing,
                num_classes=len(dataset.classes),
            )
            if recipe.mixup or recipe.cutmix
            else None
        )
        self.teacher = _Teacher(recipe, self.model, dataset.classes, device) if recipe.teacher else None
        if recipe.teacher_once:
            self.teacher.learn_once(dataset, lessons, progress)
        self.pruner = _Pruner(recipe, self.model, device) if recipe.keep < 1 else None
        live = self.teacher and not recipe.teacher_once
        self.view_size = max(self.size, *(self.teacher.size if live else (0,)))
        trained = nn.ModuleList([self.model, *([self.teacher.hint] if self.teacher else [])])
        try:
            self.optimizer = create_optimizer_v2(
                trained, opt=recipe.opt, lr=recipe.lr, weight_decay=recipe.weight_decay
            )
        except (ValueError, AssertionError) as error:
            raise InvalidInput(f"timm has no optimiser {recipe.opt!r} ({error}).") from error
        updates = self.steps_per_epoch * recipe.epochs
        self.schedule, _ = create_scheduler_v2(
            self.optimizer,
            sched="cosine",
            num_epochs=recipe.epochs,
            min_lr=recipe.min_lr,
            warmup_lr=recipe.lr / 100,
            warmup_epochs=round(recipe.warmup * updates) / self.steps_per_epoch,
            step_on_epochs=False,
            updates_per_epoch=self.steps_per_epoch,
        )
        self.trained = trained
        self.ema = ModelEmaV3(self.model, decay=recipe.ema, use_warmup=True) if recipe.ema else None
        self.forward = _forward(recipe, self.model, device)
        self._losses: list[Tensor] = []

    def train_step(self, views: _Views) -> None:
        """One update."""
        from timm.utils import dispatch_clip_grad

        recipe = self.recipe
        _seed(recipe.seed, self.step)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(torch.initial_seed())
        self.schedule.step_update(self.step)
        self.model.train()
        images, classes = self._fractions(views.images), views.classes.to(self.device)
        targets, own = _smooth(classes, self.model.num_classes, recipe.smoothing), None
        if self.mix:
            images, own = self._mixed(images, classes)
            targets = _mixed_likewise(targets, own)
        seen = self._seen(images)
        if recipe.reprob:
            seen = _erase(seen, recipe.reprob)
        with self._autocast():
            if self.pruner:
                logits, features = self.pruner.backbone(seen, self.pruner.kept(images)), None
            else:
                logits, features = self.forward(self.model, seen)
        loss = -(targets * logits.float().log_softmax(-1)).sum(-1).mean()
        if self.teacher:
            with self._autocast():
                soft, hint = self.teacher.losses(views, images, own, logits, features)
            loss = (1 - recipe.distill) * loss + recipe.distill * soft + recipe.distill_features * hint
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip_grad:
            dispatch_clip_grad(self.trained.parameters(), recipe.clip_grad)
        self.optimizer.step()
        self.step += 1
        if self.ema:
            self.ema.update(self.model, step=self.step)
        self._losses.append(loss.detach())

    @torch.inference_mode()
    def measure(self, dataset: Dataset, workers: int) -> dict[str, float]:
        """Top-1 and top-5 (%) of the averaged weights on whole images."""
        from timm.data import create_transform

        model = self.weights().eval()
        dataset.transform = create_transform(
            self.size, interpolation="bilinear", crop_pct=1.0, use_prefetcher=True
        )
        loader = torch.utils.data.DataLoader(dataset, 256, num_workers=workers, collate_fn=_collate)
        hits = torch.zeros(2)
        for images, classes in loader:
            with self._autocast():
                logits = model(self._seen(self._fractions(images))).float().cpu()
            right = logits.topk(min(5, logits.shape[1]), 1).indices == classes[:, None]
            hits += torch.tensor([right[:, :1].sum(), right.sum()])
        top1, top5 = (100 * hits / len(dataset)).tolist()
        return {"top1": round(top1, 2), "top5": round(top5, 2), "n": len(dataset)}

    def weights(self) -> nn.Module:
        return self.ema.module if self.ema else self.model

    def mean_loss(self) -> float:
        losses, self._losses = self._losses, []
        return round(torch.stack(losses).mean().item(), 4) if losses else float("nan")

    def save(self, path: Path) -> None:
        state = {
            "recipe": dataclasses.asdict(self.recipe),
            "step": self.step,
            "trained": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else None,
            "losses": torch.stack(self._losses) if self._losses else None,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path: Path) -> None:
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        ours = dataclasses.asdict(self.recipe)
        other = [key for key, value in ours.items() if state["recipe"].get(key) != value]
        if other:
            raise InvalidInput(
                f"{path} belongs to a run with another {', '.join(other)}; give another --out, or remove it."
            )
        self.step = state["step"]
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema:
            self.ema.module.load_state_dict(state["ema"])
        self._losses = list(state["losses"]) if state["losses"] is not None else []

    def _fractions(self, images: Tensor) -> Tensor:
        """uint8 to 0..1."""
        return images.to(self.device, non_blocking=True).float().div_(255)

    def _mixed(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """timm's mixtures (B, 3, H, W), and the share (B, 1, H, W) that each picture has in its pixels.

        timm mixes a batch with its reverse and says nothing of where. So a channel goes with the images: 1 in
        the first half of the batch, 0 in the second.
        """
        first = (torch.arange(len(images), device=images.device) < len(images) // 2).view(-1, 1, 1, 1)
        marked = torch.cat([images, first.expand(-1, 1, *images.shape[2:]).to(images)], 1)
        mixed, _ = self.mix(marked, classes)
        return mixed[:, :3], torch.where(first, mixed[:, 3:], 1 - mixed[:, 3:])

    def _seen(self, images: Tensor) -> Tensor:
        """What the model in training sees: its own size and normalisation."""
        images = (_resized(images, (self.size, self.size)) - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.dtype == "bfloat16")


class _Teacher:
    """Another model's answer: its probabilities, and its last feature map as a hint.

    It looks at each view anew, or has looked once at each whole picture: then a view gets the picture's
    probabilities and its own part of the picture's map.
    """

    def __init__(self, recipe: Recipe, student: nn.Module, classes: tuple[str, ...], device: torch.device):
        from papr_core.backbones import load_backbone
        from papr_core.datasets import match_classes
        from papr_core.errors import UnsupportedModel
        from papr_core.proposals import load_proposal

        try:
            self.model = load_proposal(recipe.teacher, device=device)
        except UnsupportedModel:
            self.model = load_backbone(recipe.teacher, device=device)
        self.model.requires_grad_(False)
        self.size = self.model.input_size[1:]
        self.device, self.lessons, self.rows = device, None, None
        self.columns = torch.tensor(match_classes(classes, self.model.labels), device=device)
        self.forward = _forward(recipe, self.model.model, device)
        self.hint = nn.Conv2d(student.num_features, self.model.model.num_features, 1).to(device)

    def losses(
        self, views: _Views, images: Tensor, own: Tensor | None, logits: Tensor, features: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy to the teacher's probabilities, and the mean squared distance of the hint.

        images (B, 3, H, W): the views in 0..1, mixed or not; own: as `_mixed` gives it. The teacher's map
        is standardised by channel, so that all channels count alike.
        """
        with torch.no_grad():
            if self.lessons:
                answer, wanted = self._remembered(views, features)
            else:
                answer, wanted = self._look(images)
            probabilities = answer.float().softmax(-1)
            wanted = F.batch_norm(wanted.float(), None, None, training=True)
            if self.lessons and own is not None:
                probabilities, wanted = (_mixed_likewise(part, own) for part in (probabilities, wanted))
        soft = -(probabilities * logits.float().log_softmax(-1)).sum(-1).mean()
        if features is None:
            return soft, soft.new_zeros(())
        guess = _resized(self.hint(features).float(), wanted.shape[-2:])
        return soft, F.mse_loss(guess, wanted)

    def learn_once(self, dataset: Dataset, folder: Path, progress: bool) -> None:
        """Look at every whole picture, or find in `folder` what was seen of these pictures and maybe more."""
        source, logits, maps = (folder / name for name in ("source.json", "logits.npy", "maps.npy"))
        teacher = {"name": self.model.name, "sha256": self.model.sha256, "size": list(self.size)}
        keys = [key for key, _ in dataset.samples]
        if not source.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._look_at_all(dataset, logits, maps, progress)
            source.write_text(json.dumps({"teacher": teacher, "keys": keys}))
        seen = json.loads(source.read_text())
        rows = {key: row for row, key in enumerate(seen["keys"])}
        if seen["teacher"] != teacher or not rows.keys() >= set(keys):
            raise InvalidInput(f"{folder} holds what another teacher saw, or of other pictures; remove it.")
        self.rows = np.array([rows[key] for key in keys])
        self.lessons = np.load(logits, mmap_mode="r"), np.load(maps, mmap_mode="r")

    def _look_at_all(self, dataset: Dataset, logits: Path, maps: Path, progress: bool) -> None:
        from timm.data import create_transform

        dataset.transform = create_transform(
            self.size, interpolation="bilinear", crop_pct=1.0, crop_mode="squash", use_prefetcher=True
        )
        loader = torch.utils.data.DataLoader(dataset, 64, collate_fn=_collate)
        files, start = None, 0
        for images, _ in _bar(iter(loader), len(loader), 0, "teacher", progress):
            images = images.to(self.device).float() / 255
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
                seen = [answer.half().cpu().numpy() for answer in self._look(images)]
            seen[1] = seen[1].transpose(0, 2, 3, 1)
            files = files or [
                np.lib.format.open_memmap(path, "w+", np.float16, (len(dataset), *part.shape[1:]))
                for path, part in zip((logits, maps), seen, strict=True)
            ]
            for file, part in zip(files, seen, strict=True):
                file[start : start + len(images)] = part
            start += len(images)

    def _look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in 0..1 to the logits (B, C) of the data's classes and the last map (B, K, h, w)."""
        answer, features = self.forward(self.model.model, self.model.normalise(_resized(images, self.size)))
        return answer[:, self.columns], features

    def _remembered(self, views: _Views, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """The pictures' logits, and the part of each map that its view shows, at the student's resolution."""
        rows = self.rows[views.indices.numpy()]
        answer, maps = (torch.from_numpy(lesson[rows]).to(self.device) for lesson in self.lessons)
        rows, columns = features.shape[-2:] if features is not None else maps.shape[1:3]
        left, top, right, bottom = views.boxes.to(self.device).mul(2).sub(1).unbind(-1)
        zero = torch.zeros_like(left)
        part = (
            torch.stack([right - left, zero, right + left, zero, bottom - top, bottom + top], -1).view(
                -1, 2, 3
            )
            / 2
        )  # the view's own square to the picture's
        grid = F.affine_grid(part, [len(part), 1, 2 * rows, 2 * columns], align_corners=False)
        maps = F.grid_sample(
            maps.float().permute(0, 3, 1, 2), grid, padding_mode="border", align_corners=False
        )
        return answer, F.avg_pool2d(maps, 2)  # two samples a side: a crop has fewer positions than the map


class _Pruner:
    """PaPr on the model in training: which patches of each image stay."""

    def __init__(self, recipe: Recipe, model: nn.Module, device: torch.device):
        from papr_core import catalog
        from papr_core.backbones import prunable
        from papr_core.proposals import load_proposal

        any_size = None if hasattr(model, "patch_embed") else _size(recipe, model)
        self.backbone = prunable(model, catalog.find(recipe.model, "backbone"), img_size=any_size)
        self.proposal = load_proposal(recipe.proposal, device=device)
        self.keep_ratio = recipe.keep

    @torch.no_grad()
    def kept(self, images: Tensor) -> Tensor:
        """images (B, 3, H, W) in 0..1 to the kept patches (B, k)."""
        seen = self.proposal.normalise(_resized(images, self.proposal.input_size[1:]))
        return self.backbone.select(self.proposal.features(seen).float().mean(1), self.keep_ratio)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def _dense_forward(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and the last features as a map (B, K, h, w), of a ConvNet, a plain ViT or a Swin."""
    features = model.forward_features(images)
    logits = model.forward_head(features)
    if getattr(model, "output_fmt", None) == "NHWC":
        features = features.permute(0, 3, 1, 2)
    if features.ndim == 3:  # (B, P + N, K)
        rows, columns = model.patch_embed.grid_size
        features = features[:, model.num_prefix_tokens :].mT.unflatten(-1, (rows, columns))
    return logits, features


def _forward(recipe: Recipe, model: nn.Module, device: torch.device) -> Callable:
    """`_dense_forward`, compiled where the recipe says so."""
    if device.type == "cpu":  # torch's fused attention is slower there, backwards above all
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
    return torch.compile(_dense_forward) if recipe.compile else _dense_forward


def _create(recipe: Recipe, num_classes: int) -> nn.Module:
    import timm

    try:
        arguments = json.loads(recipe.model_args)
        if recipe.drop_path:
            arguments["drop_path_rate"] = recipe.drop_path
        model = timm.create_model(recipe.model, num_classes=num_classes, **arguments)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"model_args is not JSON: {error}.") from error
    except (RuntimeError, TypeError) as error:
        raise InvalidInput(f"timm cannot make {recipe.model} with {recipe.model_args}: {error}.") from error
    if recipe.init:
        _start_from(model, Path(recipe.init))
    return model


def _start_from(model: nn.Module, path: Path) -> None:
    """Load weights; position embeddings of another grid are resampled as timm does."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise InvalidInput(f"There are no weights at {path}.")
    state = {key: value.float() for key, value in load_file(path).items()}
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    state = adapt(state, model) if adapt else state
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InvalidInput(f"The weights at {path} are of another architecture than this model's.") from error


def _size(recipe: Recipe, model: nn.Module) -> int:
    own = json.loads(recipe.model_args).get("img_size") or model.pretrained_cfg["input_size"][-1]
    return recipe.size or own


def _check(recipe: Recipe) -> None:
    if recipe.dtype not in ("bfloat16", "float32"):
        raise InvalidInput(f"The type {recipe.dtype!r} is unknown; choose bfloat16 or float32.")
    if not 0 < recipe.keep <= 1:
        raise InvalidInput(f"The keep ratio is {recipe.keep}; it must be above 0 and at most 1.")
    if recipe.teacher_once and not recipe.teacher:
        raise InvalidInput("There is no teacher that could look once; name one.")
    if recipe.keep < 1 and recipe.distill_features and recipe.teacher:
        raise InvalidInput("Feature distillation needs every patch; set distill_features to 0 or keep to 1.")
    if (recipe.mixup or recipe.cutmix) and recipe.batch_size % 2:
        raise InvalidInput("Mixing takes pairs of images; make the batch size even.")
    if recipe.epochs < 1 or recipe.batch_size < 2:
        raise InvalidInput("A run takes at least one epoch, and two images a batch.")


class _Views(NamedTuple):
    """A batch of augmented views.

    images (B, 3, H, W) uint8; classes and indices (of the dataset's pictures) (B,) int64; boxes (B, 4):
    left, top, right and bottom of each view as fractions of its picture, left above right if it is mirrored.
    """

    images: Tensor
    classes: Tensor
    indices: Tensor
    boxes: Tensor


class _Viewed(torch.utils.data.Dataset):
    """The view of (epoch, picture) depends on these two and the seed alone."""

    def __init__(self, dataset: Dataset, recipe: Recipe, size: int):
        from timm.data import create_transform

        (self.crop, *_), self.colour, self.final = (
            stage.transforms
            for stage in create_transform(
                size,
                is_training=True,
                scale=(recipe.scale, 1.0),
                color_jitter=recipe.color_jitter or None,
                auto_augment=recipe.auto_augment or None,
                interpolation="bilinear",
                use_prefetcher=True,
                separate=True,
            )
        )
        self.dataset, self.seed = dataset, recipe.seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Any, int, int, tuple[float, ...]]:
        from PIL import Image

        epoch, index = key
        _seed(self.seed, epoch, index)
        picture = self.dataset.read(index)
        top, left, height, width = self.crop.get_params(picture, self.crop.scale, self.crop.ratio)
        right, bottom = left + width, top + height
        view = picture.resize(self.crop.size, Image.Resampling.BILINEAR, (left, top, right, bottom))
        if random.random() < 0.5:
            view, left, right = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT), right, left
        for change in (*self.colour, *self.final):
            view = change(view)
        box = left / picture.width, top / picture.height, right / picture.width, bottom / picture.height
        return view, self.dataset.class_indices[index], index, box


def _batches(run_: _Run, dataset: Dataset, epoch: int, first: int, workers: int) -> Iterator[_Views]:
    recipe = run_.recipe
    order = np.random.default_rng((recipe.seed, epoch)).permutation(len(dataset))
    order = order[first * recipe.batch_size : run_.steps_per_epoch * recipe.batch_size].tolist()
    return iter(
        torch.utils.data.DataLoader(
            _Viewed(dataset, recipe, run_.view_size),
            recipe.batch_size,
            sampler=[(epoch, index) for index in order],
            num_workers=workers,
            collate_fn=_collate_views,
            worker_init_fn=_one_thread,
            persistent_workers=False,
        )
    )


def _collate(samples: list[tuple]) -> tuple[Tensor, ...]:
    images, *numbers = zip(*samples)
    images = torch.stack([torch.as_tensor(np.asarray(image)) for image in images])
    return images, *(torch.tensor(column) for column in numbers)


def _collate_views(samples: list[tuple]) -> _Views:
    return _Views(*_collate(samples))


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _seed(*numbers: int) -> None:
    """Seed python, numpy and torch's CPU generator from several numbers at once."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(
        seed
    )  # torch.manual_seed takes a millisecond, and this runs once a view


def _mixed_likewise(values: Tensor, own: Tensor) -> Tensor:
    """Values (B, C) or maps (B, K, h, w) of the pictures, mixed as the pictures were (`_Run._mixed`)."""
    share = F.adaptive_avg_pool2d(own, values.shape[2:] or 1)
    share = share if values.ndim == 4 else share.flatten(1)
    return share * values + (1 - share) * values.flip(0)


def _smooth(classes: Tensor, num_classes: int, smoothing: float) -> Tensor:
    return F.one_hot(classes, num_classes).float() * (1 - smoothing) + smoothing / num_classes


def _erase(images: Tensor, probability: float) -> Tensor:
    from timm.data.random_erasing import RandomErasing

    return RandomErasing(probability, mode="pixel", device=images.device.type)(images)


def _bar(batches: Iterator, total: int, first: int, text: str, show: bool) -> Iterator:
    from tqdm import tqdm

    return tqdm(batches, text, total=total, initial=first, disable=not show, mininterval=2, file=sys.stderr)


def _export(run_: _Run, path: Path, facts: dict, line: dict) -> None:
    """Write NAME.safetensors (float16) and NAME.json in the form of timm's hub config.json."""
    from safetensors.torch import save_file

    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for key, value in run_.weights().state_dict().items()
    }
    recipe, size = run_.recipe, run_.size
    config = {
        "architecture": recipe.model,
        "model_args": json.loads(recipe.model_args),
        "num_classes": run_.model.num_classes,
        "num_features": run_.model.num_features,
        **facts,
        "pretrained_cfg": {
            **facts.get("pretrained_cfg", {}),
            "input_size": [3, size, size],
            "fixed_input_size": bool(run_.model.pretrained_cfg.get("fixed_input_size", False)),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": list(run_.data_config["mean"]),
            "std": list(run_.data_config["std"]),
            "num_classes": run_.model.num_classes,
        },
        "training": {
            "recipe": {**dataclasses.asdict(recipe), "init": Path(recipe.init).name},
            "last_epoch": line,
        },
    }
    for suffix, write in (
        (".safetensors", lambda part: save_file(state, part, metadata={"format": "pt"})),
        (".json", lambda part: Path(part).write_text(json.dumps(config, indent=1) + "\n")),
    ):
        part = f"{path}{suffix}.part"
        write(part)
        os.replace(part, f"{path}{suffix}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m papr_core train`: one for each field of Recipe, and where things are."""
    parser.add_argument("--data", required=True, help="folder or tar file of class folders to train on")
    parser.add_argument("--val", help="the same, of images to measure after each epoch")
    parser.add_argument(
        "--out", required=True, help="folder for weights, log and checkpoint; resumed if it has one"
    )
    parser.add_argument("--name", default="model", help="name of the weight file")
    parser.add_argument("--facts", help="JSON file with label_names, label_synsets, ... for the written one")
    parser.add_argument("--lessons", help="folder for what a teacher that looks once saw (default: in --out)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read images (0: none beside this)"
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    for setting in dataclasses.fields(Recipe):
        option, text = "--" + setting.name.replace("_", "-"), setting.metadata["help"]
        if isinstance(setting.default, bool):
            parser.add_argument(option, action="store_true", help=text)
        else:
            kind = type(setting.default)
            parser.add_argument(option, type=kind, default=setting.default, help=f"{text} (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """`python -m papr_core train`: prints the log's line of each epoch as it is written."""
    recipe = Recipe(
        **{setting.name: getattr(arguments, setting.name) for setting in dataclasses.fields(Recipe)}
    )
    try:
        facts = json.loads(Path(arguments.facts).read_text()) if arguments.facts else None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{arguments.facts} is no readable JSON file ({error}).") from error
    train(
        recipe,
        arguments.data,
        arguments.out,
        val=arguments.val,
        device=arguments.device,
        workers=arguments.workers,
        checkpoint_minutes=arguments.checkpoint_minutes,
        name=arguments.name,
        facts=facts,
        lessons=arguments.lessons,
        on_epoch=lambda line: print(json.dumps(line), flush=True),
    )
    return 0
