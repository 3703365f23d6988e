"""Training: any timm image model on labelled images, plainly, from a teacher, or while PaPr prunes it.

The data pipeline, the augmentations, mixing, optimisers, schedules and weight averaging are timm's. What is
added here: a run that was cut off resumes to the same weights, since each view depends on (seed, epoch,
image) and each step's randomness on (seed, step) alone; learning from another model (teacher.py);
and pruning of the model that is being trained (PaPr, Table 4).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from papr_core.data.datasets import Dataset, open_dataset
from papr_core.errors import InvalidInput, UnreadableImage, reason
from papr_core.models.catalog import check_sees_pictures
from papr_core.pruning.significance import channel_mean
from papr_core.saving import saved_file
from papr_core.training.augmentation import (
    Viewed,
    Views,
    batches,
    mixed,
    mixed_likewise,
    resized,
    seed_with,
    smoothed,
    whole_pictures,
)
from papr_core.training.progress import Progress, told
from papr_core.training.recipe import Recipe
from papr_core.training.teacher import Teacher, answering

__all__ = ["Recipe", "train"]

Answer = Callable[[Tensor, Tensor], Tensor]  # what a model sees, and the images in 0..1, to logits

_IMPOSSIBLE = (RuntimeError, TypeError, ValueError, AssertionError, KeyError, IndexError)


def train(
    recipe: Recipe,
    data: str | os.PathLike,
    out: str | os.PathLike,
    *,
    val: str | os.PathLike | None = None,
    split: str = "train",
    device: str | torch.device = "cpu",
    workers: int = 0,
    checkpoint_minutes: float = 10,
    name: str = "model",
    facts: dict | None = None,
    lessons: str | os.PathLike | None = None,
    strict: bool = False,
    on_epoch: Callable[[dict], None] | None = None,
    progress: Progress | None = None,
) -> dict:
    """Train by `recipe` on the labelled images of `data`; write `out`/NAME.safetensors, .json and log.jsonl.

    data, val: folders or archives of class folders (`open_dataset`); val is measured after each epoch. Of
    data with train/ and val/ in it, `split` is learnt from, and the other measured if there is no val.
    out: also holds checkpoint.pt, from which the same call goes on where it was cut off.
    facts: entries of the written configuration, such as `label_names` (by default the class folders' names),
    `label_synsets`, `label_set`, and a `pretrained_cfg` with `license`.
    lessons: folder for what a teacher that looks once has seen, which runs may share (default: in `out`).
    strict: a picture that cannot be read ends the run. Else the next one of its class stands in for it, it
    counts in no validation, and the log's lines name it in `left_out`.
    on_epoch gets each line of the log; progress is called as progress(what, steps done, of).

    Returns the last epoch's line of the log.

    Raises InvalidInput: a setting out of range, a checkpoint of another recipe or of other data, a model that
    timm lacks or that does not take the images, a loss that is no longer a number.
    """
    out = Path(out)
    recipe.check()
    if workers < 0:
        raise InvalidInput(f"There are {workers} workers; give 0 or more.")
    if not isinstance(facts or {}, dict):
        raise InvalidInput("The facts are no JSON object with entries such as label_names.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        device = torch.device(device)
        torch.empty(0, device=device)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror or error}.") from error
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"The device {device!r} cannot be used here ({reason(error)}).") from error
    dataset = open_dataset(data, limit=recipe.limit or None, seed=recipe.seed, prefer=(split,))
    held_out = open_dataset(val) if val else _other_split(dataset, data)
    if strict:
        dataset.check_listed()
    if held_out and held_out.classes != dataset.classes:
        raise InvalidInput("The validation images have other class folders than the training images.")
    if len(dataset) < recipe.batch_size:
        raise InvalidInput(f"{len(dataset)} images do not fill one batch of {recipe.batch_size}.")
    facts = {"label_names": list(dataset.classes), **(facts or {})}
    run_ = _Run(recipe, dataset, device, Path(lessons or out / "lessons"), progress, strict=strict)
    checkpoint = out / "checkpoint.pt"
    run_.resume(checkpoint)
    steps, saved = run_.steps_per_epoch, time.monotonic()
    for epoch in range(run_.step // steps, recipe.until or recipe.epochs):
        started, first = time.monotonic(), run_.step % steps
        views = batches(run_.viewed, recipe.batch_size, epoch=epoch, first=first, workers=workers)
        for batch in told(progress, f"epoch {epoch + 1}/{recipe.epochs}", views, first, steps):
            run_.train_step(batch)
            if run_.step % steps and time.monotonic() - saved > 60 * checkpoint_minutes:
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
        if run_.left_out:
            line["left_out"] = dict(run_.left_out)
        run_.log.append(line)
        # a run that is cut between these two repeats the epoch's last steps; after them it is whole
        _export(run_, out / name, facts)
        run_.save(checkpoint)
        saved = time.monotonic()
        run_.write_log(out / "log.jsonl")
        if on_epoch:
            on_epoch(line)
    run_.write_log(out / "log.jsonl")
    if not (out / f"{name}.safetensors").exists():
        _export(run_, out / name, facts)
    return run_.log[-1]


def _other_split(dataset: Dataset, data: str | os.PathLike) -> Dataset | None:
    """What is measured where the data themselves hold it."""
    other = next(
        (one for one in ("val", "test", "train") if one in dataset.splits and one != dataset.split), None
    )
    return open_dataset(data, split=other) if other else None


class _Run:
    """One run's model, optimiser, step and log: all that a checkpoint holds."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        device: torch.device,
        lessons: Path | None = None,
        progress: Progress | None = None,
        strict: bool = False,
    ):
        from timm.data import Mixup, resolve_data_config
        from timm.optim import create_optimizer_v2
        from timm.scheduler import create_scheduler_v2
        from timm.utils import ModelEmaV3

        self.recipe, self.device, self.step = recipe, device, 0
        self.log: list[dict[str, Any]] = []
        self.strict = strict
        self.left_out: dict[str, str] = {}  # picture -> why
        self.steps_per_epoch = len(dataset) // recipe.batch_size
        torch.manual_seed(recipe.seed)
        self.model = _create(recipe, len(dataset.classes)).to(device, memory_format=torch.channels_last)
        self.data_config = resolve_data_config(model=self.model, verbose=False)
        self.size = recipe.size or _own_size(recipe, self.model)
        self.mean, self.std = (
            torch.tensor(self.data_config[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std")
        )
        self.mix = Mixup(recipe.mixup, recipe.cutmix) if recipe.mixup or recipe.cutmix else None
        self.teacher = (
            Teacher(recipe, self.model.num_features, dataset.classes, device) if recipe.teacher else None
        )
        with_map = bool(self.teacher and recipe.distill_features)
        self.answer = answering(with_map, self.model, device)
        self._try_out()
        sizes = self.teacher.size if self.teacher and not recipe.teacher_once else (0,)
        self.viewed = Viewed(dataset, recipe, max(self.size, *sizes), strict)
        if self.teacher and recipe.teacher_once:
            if lessons is None:
                raise RuntimeError("A teacher that looks once needs a folder for what it sees.")
            self.teacher.learn_once(dataset, lessons, progress, strict=strict)
        if recipe.compile:
            self.answer = torch.compile(self.answer)
        self.pruner = _Pruner(recipe, self.model, self.size, device) if recipe.keep < 1 else None
        hint = self.teacher.hint if self.teacher else None
        trained = nn.ModuleList([self.model, *([] if hint is None else [hint])])
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
            warmup_epochs=round(recipe.warmup * updates) / self.steps_per_epoch,  # type: ignore[arg-type]  # updates
            step_on_epochs=False,
            updates_per_epoch=self.steps_per_epoch,
        )
        self.trained = trained
        self.ema = ModelEmaV3(self.model, decay=recipe.ema, use_warmup=True) if recipe.ema else None
        models = (self.teacher and self.teacher.model, self.pruner and self.pruner.proposal)
        self._about: dict[str, Any] = {
            "recipe": dataclasses.asdict(recipe),
            "classes": list(dataset.classes),
            "pictures": hashlib.sha256("\n".join(key for key, _ in dataset.samples).encode()).hexdigest(),
            "models": [model and model.sha256 for model in models],
        }
        self._losses: list[Tensor] = []

    def train_step(self, views: Views) -> None:
        """One update."""
        from timm.utils import dispatch_clip_grad

        recipe = self.recipe
        for index in views.asked[views.asked != views.indices].tolist():
            self._leave_out(self.viewed.dataset, index)
        seed_with(recipe.seed, self.step)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(torch.initial_seed())
        self.schedule.step_update(self.step)
        self.model.train()
        images, classes = self._fractions(views.images), views.classes.to(self.device)
        targets, own = smoothed(classes, self.model.num_classes, recipe.smoothing), None
        if self.mix:
            images, own = mixed(images, classes, self.mix)
            targets = mixed_likewise(targets, own)
        seen = self._seen(images)
        if recipe.reprob:
            seen = _erase(seen, recipe.reprob)
        with self._autocast():
            if self.pruner:
                logits, features = self.pruner.backbone(seen, self.pruner.kept(images)), None
            else:
                logits, features = self.answer(self.model, seen)
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
        """Top-1 and top-5 (%) of the averaged weights on whole images, in float32: pruned as in training, and
        where that drops patches unpruned too (top1_full, top5_full)."""
        model = self.weights().eval()
        whole: Answer = lambda seen, _: model(seen)  # noqa: E731
        ways = {"": self.pruner.answering(model), "_full": whole} if self.pruner else {"": whole}
        hits, counted, place = {way: torch.zeros(2) for way in ways}, 0, 0
        for images, classes in whole_pictures(dataset, self.size, 256, workers=workers, strict=self.strict):
            there = classes >= 0
            for index in (place + (~there).nonzero().flatten()).tolist():
                self._leave_out(dataset, index)
            place, counted = place + len(classes), counted + int(there.sum())
            fractions = self._fractions(images)
            seen = self._seen(fractions)
            for way, answer in ways.items():
                logits = answer(seen, fractions).float().cpu()
                right = logits.topk(min(5, logits.shape[1]), 1).indices == classes[:, None]
                right &= there[:, None]
                hits[way] += torch.tensor([right[:, :1].sum(), right.sum()])
        if not counted:
            raise InvalidInput(f"None of the pictures of {dataset.path} can be read.")
        found: dict[str, float] = {}
        for way, each in hits.items():
            top1, top5 = (100 * each / counted).tolist()
            found |= {f"top1{way}": round(top1, 2), f"top5{way}": round(top5, 2)}
        return found | {"n": counted}

    def _leave_out(self, dataset: Dataset, index: int) -> None:
        key = dataset.samples[index][0]
        if key not in self.left_out:
            try:
                dataset.read(index)
            except UnreadableImage as error:
                self.left_out[key] = str(error.__cause__ or error)

    def weights(self) -> nn.Module:
        return self.ema.module if self.ema else self.model

    def mean_loss(self) -> float:
        """Of the steps since it was last asked for, or since the checkpoint that a run went on from."""
        self._require_a_number()
        losses, self._losses = self._losses, []
        return round(torch.stack(losses).mean().item(), 4)

    def write_log(self, path: Path) -> None:
        with saved_file(path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in self.log))

    def save(self, path: Path) -> None:
        self._require_a_number()
        state = {
            "about": self._about,
            "step": self.step,
            "log": self.log,
            "trained": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else None,
            "losses": torch.stack(self._losses) if self._losses else None,
        }
        with saved_file(path) as part:
            torch.save(state, part)

    def resume(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True, map_location=self.device)
            other = self._otherwise(state["about"])
            if not other:
                self._take(state)
        except Exception as error:  # torch raises half a dozen kinds for a damaged file
            raise InvalidInput(f"{path} is damaged or no checkpoint; remove it to begin anew.") from error
        if other:
            raise InvalidInput(
                f"{path} belongs to a run with another {', '.join(other)}; give another --out, or remove it."
            )

    def _take(self, state: dict) -> None:
        step, log, losses = int(state["step"]), list(state["log"]), state["losses"]
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema:
            self.ema.module.load_state_dict(state["ema"])
        self.step, self.log = step, log
        self._losses = list(losses) if losses is not None else []

    def _otherwise(self, about: dict) -> list[str]:
        """What a checkpoint's run had set otherwise."""
        recipes = about["recipe"], self._about["recipe"]
        other = [key for key in recipes[1] if recipes[0].get(key) != recipes[1][key]]
        return other + [_OTHER[key] for key in _OTHER if about[key] != self._about[key]]

    @torch.no_grad()
    def _try_out(self) -> None:
        """One grey picture, so that what the model cannot take is said before anything takes long."""
        grey = torch.full((1, 3, self.size, self.size), 0.5, device=self.device)
        try:
            with self._autocast():
                logits, _ = self.answer(self.model.eval(), self._seen(grey))
        except _IMPOSSIBLE as error:
            raise InvalidInput(
                f"{self.recipe.model} cannot look at {self.size} x {self.size} pixels ({reason(error)});"
                " give another size."
            ) from error
        if logits.ndim != 2:
            raise InvalidInput(
                f"{self.recipe.model} gives no answer for each class, so it is not trained here."
            )

    def _require_a_number(self) -> None:
        if self._losses and not math.isfinite(self._losses[-1]):
            raise InvalidInput(
                f"The loss is no longer a number after step {self.step}; give a lower learning rate"
                f" than {self.recipe.lr:g}, or clip the gradients. The last checkpoint is from before."
            )

    def _fractions(self, images: Tensor) -> Tensor:
        """uint8 to 0..1."""
        return images.to(self.device, non_blocking=True).float().div_(255)

    def _seen(self, images: Tensor) -> Tensor:
        """What the model in training sees: its own size and normalisation."""
        images = (resized(images, (self.size, self.size)) - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.dtype == "bfloat16")


_OTHER = {"classes": "set of classes", "pictures": "set of pictures", "models": "teacher or proposal"}


class _Pruner:
    """PaPr on the model in training: which patches of each image stay."""

    def __init__(self, recipe: Recipe, model: Any, size: int, device: torch.device):
        from papr_core.models import catalog
        from papr_core.models.backbones import prunable
        from papr_core.models.proposals import load_proposal

        any_size = None if hasattr(model, "patch_embed") else size
        entry = catalog.find(recipe.model, "backbone")
        self.around = partial(prunable, entry=entry, img_size=any_size)
        self.backbone = self.around(model)
        check_sees_pictures(proposal=recipe.proposal)
        self.proposal = load_proposal(recipe.proposal, device=device)
        self.keep_ratio = recipe.keep
        if recipe.compile:
            model.compile()

    @torch.no_grad()
    def kept(self, images: Tensor) -> Tensor:
        """images (B, 3, H, W) in 0..1 to the kept patches (B, k)."""
        seen = self.proposal.normalise(resized(images, self.proposal.input_size[1:]))
        return self.backbone.select(channel_mean(self.proposal.features(seen)), self.keep_ratio)

    def answering(self, model: Any) -> Answer:
        """How the model in training, or its averaged twin, answers with patches pruned."""
        backbone = self.around(model)
        return lambda seen, images: backbone(seen, self.kept(images))


def _create(recipe: Recipe, num_classes: int) -> Any:
    import timm
    from timm.models import get_pretrained_cfg

    try:
        arguments = dict(json.loads(recipe.model_args))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"model_args is no JSON object ({error}).") from error
    try:
        if recipe.drop_path:
            arguments["drop_path_rate"] = recipe.drop_path
        published = get_pretrained_cfg(recipe.model)
        if recipe.size and published and published.fixed_input_size:
            arguments.setdefault("img_size", recipe.size)
        model = timm.create_model(recipe.model, num_classes=num_classes, **arguments)
    except _IMPOSSIBLE as error:
        raise InvalidInput(
            f"timm cannot make {recipe.model} with {json.dumps(arguments)}: {reason(error)}."
        ) from error
    if recipe.init:
        _start_from(model, recipe.init)
    return model


def _own_size(recipe: Recipe, model: Any) -> int:
    size = json.loads(recipe.model_args).get("img_size") or model.pretrained_cfg["input_size"][-1]
    if not isinstance(size, int):
        raise InvalidInput(f"img_size is {size}; training takes square images, so give one number.")
    return size


def _start_from(model: Any, init: str) -> None:
    """Load a file's weights, or a known model's; positions of another grid are resampled as timm does.

    A classifier of another number of classes starts anew.
    """
    from papr_core.models import weights

    if not init.endswith(".safetensors"):
        state = weights.create(init)[0].state_dict()
    else:
        state = _weights_in(Path(init))
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    state, own = (adapt(state, model) if adapt else state), model.state_dict()
    heads = model.pretrained_cfg.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    for key in own:
        if key.rpartition(".")[0] in heads and key in state and state[key].shape != own[key].shape:
            state[key] = own[key]
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InvalidInput(f"The weights at {init} are of another architecture than this model's.") from error


def _weights_in(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise InvalidInput(f"There are no weights at {path}.")
    try:
        return {key: value.float() for key, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise InvalidInput(f"{path} is damaged or no safetensors file ({reason(error)}).") from error


def _erase(images: Tensor, probability: float) -> Tensor:
    from timm.data.random_erasing import RandomErasing

    return RandomErasing(probability, mode="pixel", device=images.device.type)(images)


def _export(run_: _Run, path: Path, facts: dict) -> None:
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
            "last_epoch": run_.log[-1],
        },
    }
    with saved_file(f"{path}.safetensors") as part:
        save_file(state, part, metadata={"format": "pt"})
    with saved_file(f"{path}.json") as part:
        part.write_text(json.dumps(config, indent=1) + "\n")
