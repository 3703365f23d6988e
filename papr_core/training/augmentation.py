"""What a model in training sees: augmented views of pictures, and mixtures of them.

The augmentations and the mixtures are timm's. A view depends on (seed, epoch, picture) alone, whoever makes
it and in whatever order.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from papr_core.data.datasets import Dataset
from papr_core.errors import InvalidInput, PaprError, UnreadableImage
from papr_core.training.recipe import Recipe

__all__ = [
    "Viewed",
    "Views",
    "batches",
    "mixed",
    "mixed_likewise",
    "resized",
    "seed_with",
    "smoothed",
    "whole_pictures",
]


class Views(NamedTuple):
    """A batch of augmented views.

    images (B, 3, H, W) uint8; classes and indices (of the dataset's pictures) (B,) int64; boxes (B, 4):
    left, top, right and bottom of each view as fractions of its picture, left above right if it is mirrored;
    asked (B,): the pictures that were to be seen, which differ from `indices` where one cannot be read.
    """

    images: Tensor
    classes: Tensor
    indices: Tensor
    boxes: Tensor
    asked: Tensor


class Viewed(torch.utils.data.Dataset):
    """A dataset's views by (epoch, picture). For a picture that cannot be read the next one of its class
    stands in, or that is an error (strict). Raises InvalidInput: an augmentation that timm does not know."""

    def __init__(self, dataset: Dataset, recipe: Recipe, size: int, strict: bool = False):
        from timm.data import create_transform

        try:
            stages = create_transform(
                size,
                is_training=True,
                scale=(recipe.scale, 1.0),
                color_jitter=recipe.color_jitter or None,  # type: ignore[arg-type]  # timm takes None too
                auto_augment=recipe.auto_augment or None,
                interpolation="bilinear",
                use_prefetcher=True,
                separate=True,
            )
        except (AssertionError, ValueError, KeyError) as error:
            raise InvalidInput(
                f"timm does not know the augmentation {recipe.auto_augment!r}; an example is rand-m6-mstd0.5."
            ) from error
        (self.crop, *_), self.colour, self.final = (stage.transforms for stage in stages)
        self.dataset, self.seed, self.strict = dataset, recipe.seed, strict

    def __getitem__(self, key: tuple[int, int]) -> tuple[Any, int, int, tuple[float, ...], int]:
        from PIL import Image

        epoch, asked = key
        seed_with(self.seed, epoch, asked)
        picture, index = self._read(asked)
        top, left, height, width = self.crop.get_params(picture, self.crop.scale, self.crop.ratio)
        right, bottom = left + width, top + height
        view = picture.resize(self.crop.size, Image.Resampling.BILINEAR, (left, top, right, bottom))
        if random.random() < 0.5:
            view, left, right = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT), right, left
        for change in (*self.colour, *self.final):
            view = change(view)
        box = left / picture.width, top / picture.height, right / picture.width, bottom / picture.height
        return view, self.dataset.class_indices[index], index, box, asked

    def _read(self, asked: int) -> tuple[Any, int]:
        """A picture, or the next of its class that can be read, and which it is."""
        try:
            return self.dataset.read(asked), asked
        except UnreadableImage:
            if self.strict:
                raise
            classes = self.dataset.class_indices
            alike = [index for index, own in enumerate(classes) if own == classes[asked] and index != asked]
            for index in sorted(alike, key=lambda index: (index < asked, index)):
                with contextlib.suppress(UnreadableImage):
                    return self.dataset.read(index), index
            raise


def batches(
    viewed: Viewed, batch_size: int, *, epoch: int, first: int = 0, workers: int = 0
) -> Iterator[Views]:
    """An epoch's full batches, from its step `first` on."""
    count = len(viewed.dataset)
    order = np.random.default_rng((viewed.seed, epoch)).permutation(count)
    order = order[first * batch_size : count // batch_size * batch_size].tolist()
    return _in_sentences(
        torch.utils.data.DataLoader(
            viewed,
            batch_size,
            sampler=[(epoch, index) for index in order],
            num_workers=workers,
            collate_fn=_collate_views,
            worker_init_fn=_one_thread,
            persistent_workers=False,
        )
    )


def whole_pictures(
    dataset: Dataset,
    size: int | tuple[int, int],
    batch_size: int,
    *,
    fit: str = "center",
    first: int = 0,
    workers: int = 0,
    strict: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images (B, 3, H, W) uint8, classes (B,)), in order, from picture `first` on. fit: timm's crop_mode.

    One that cannot be read is grey and of class -1; strict: it is an error.
    """
    from timm.data import create_transform

    dataset.transform = create_transform(
        size, interpolation="bilinear", crop_pct=1.0, crop_mode=fit, use_prefetcher=True
    )
    whole = dataset if strict else _OrGrey(dataset)
    rest: torch.utils.data.Subset
    rest = torch.utils.data.Subset(whole, range(first, len(dataset)))  # type: ignore[arg-type]  # by its shape
    return _in_sentences(
        torch.utils.data.DataLoader(rest, batch_size, num_workers=workers, collate_fn=_collate)
    )


class _OrGrey(torch.utils.data.Dataset):
    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        try:
            return self.dataset[index]
        except UnreadableImage:
            assert self.dataset.transform is not None  # its images pass through it too
            return self.dataset.transform(Image.new("RGB", (8, 8), (128, 128, 128))), -1


def mixed(images: Tensor, classes: Tensor, mix: Any) -> tuple[Tensor, Tensor]:
    """The mixtures (B, 3, H, W) that timm's `Mixup` makes of a batch, and the share (B, 1, H, W), 0..1, that
    each picture has in its pixels; the rest is of the picture in the same place from the end.

    timm does not say what it mixed where. So a channel goes with the images: 1 in the first half of the
    batch, 0 in the second.
    """
    first = (torch.arange(len(images), device=images.device) < len(images) // 2).view(-1, 1, 1, 1)
    marked = torch.cat([images, first.expand(-1, 1, *images.shape[2:]).to(images)], 1)
    mixtures, _ = mix(marked, classes)
    return mixtures[:, :3], torch.where(first, mixtures[:, 3:], 1 - mixtures[:, 3:])


def mixed_likewise(values: Tensor, own: Tensor) -> Tensor:
    """Values (B, C) or maps (B, K, h, w) of the pictures, mixed as the pictures were. own: of `mixed`."""
    share = F.adaptive_avg_pool2d(own, values.shape[2:] or 1)  # type: ignore[arg-type]  # a Size is such a tuple
    share = share if values.ndim == 4 else share.flatten(1)
    return share * values + (1 - share) * values.flip(0)


def smoothed(classes: Tensor, num_classes: int, smoothing: float) -> Tensor:
    """Classes (B,) as probabilities (B, C) with label smoothing, shared out over all classes as timm does."""
    return F.one_hot(classes, num_classes).float() * (1 - smoothing) + smoothing / num_classes


def resized(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """(B, K, h, w) to (B, K, *size), bilinearly and with antialiasing; the same tensor if it has the size."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def seed_with(*numbers: int) -> None:
    """Seed python, numpy and torch's CPU generator from several numbers at once."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed takes a millisecond, and this runs once a view
    torch.default_generator.manual_seed(seed)


def _in_sentences(loader: torch.utils.data.DataLoader) -> Iterator:
    """A worker's error comes wrapped in its traceback; here it is what it was."""
    try:
        yield from loader
    except PaprError as error:
        *traceback, last = str(error).strip().splitlines()
        raise (type(error)(last.partition(": ")[2]) if traceback else error) from None


def _collate(samples: list[tuple]) -> tuple[Tensor, ...]:
    images, *numbers = zip(*samples)
    stacked = torch.stack([torch.as_tensor(np.asarray(image)) for image in images])
    return stacked, *(torch.tensor(column) for column in numbers)


def _collate_views(samples: list[tuple]) -> Views:
    return Views(*_collate(samples))


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
