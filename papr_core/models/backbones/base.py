"""What every backbone shares: its name and labels, its crop, its view of a picture, what it can be asked."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from papr_core.data.images import FINEST, View
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.backbones.watched import Watched
from papr_core.models.entries import Entry
from papr_core.models.labels import Labels
from papr_core.models.loaded import Loaded
from papr_core.models.weights import Source
from papr_core.pruning.dense import written_back
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import num_kept, select_patches, top_patches
from papr_core.pruning.significance import patch_significance

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Backbone", "of_timm"]


class Backbone(Loaded):
    """A model in eval mode that sees only the patches it is told to keep. A module beside this one knows how,
    for each family.

    name, title; model: the plain model of timm or transformers; input_size (3, H, W), of clips (frames, 3,
    H, W); grid (rows, columns), of clips (T, rows, columns), and num_patches of the patches that a reader is
    told of; num_prefix_tokens; labels; headless: it has no classifier, so its output is an embedding (B, D)
    and `labels` is empty; weights: where they came from, None if they are random. by_stage: kept positions
    are chosen anew for each stage, on its grid of `grids`, so a ratio is more than its count.
    """

    family: str
    by_stage = False

    grid: tuple[int, ...]
    grids: tuple[tuple[int, int], ...]
    num_patches: int
    num_prefix_tokens: int
    headless: bool

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: Source | None,
        *,
        input_size: tuple[int, ...],
        grid: tuple[int, ...],
        labels: Labels,
        view: View,
        num_prefix_tokens: int = 0,
    ) -> None:
        if min(grid) < 1:
            raise InvalidInput(f"{entry.name} cannot see pictures smaller than one of its patches.")
        super().__init__(
            model, entry.name, entry.title, source, input_size=input_size, labels=labels, view=view
        )
        self.grid = tuple(int(side) for side in grid)
        self.num_patches = math.prod(self.grid)
        self.num_prefix_tokens = num_prefix_tokens
        self.headless = not len(labels)

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.grid))
        return f"{type(self).__name__}({self.name!r}, {grid} patches, {self.labels!r})"

    def forward(self, images: Tensor, kept: Any = None, *, reduction: Reduction | None = None) -> Tensor:
        """Normalised images or clips, what of each stays (as `select` gives it; None keeps all) and what
        happens to it inside, to logits (B, C)."""
        raise NotImplementedError

    def watch(self, images: Tensor) -> Watched:
        """One plain pass that also tells what the model looks at. Raises UnsupportedModel."""
        raise UnsupportedModel(f"{self.name} cannot be asked what it looks at: {self.blind}.")

    @property
    def blind(self) -> str | None:
        """Why its attention ranks no patches, or None if it does."""
        return "it has no attention of one token to all patches"

    @property
    def rigid(self) -> str | None:
        """Why it cannot be called with the whole picture made smaller (`Shrunk`), or None if it can."""
        return "it is no ViT, whose patches can be counted at any size"

    def own_output(
        self, images: Tensor, kept: Any = None, *, reduction: Reduction | None = None, **arguments: Any
    ) -> Any:
        """What the model's own library gives: logits of timm's models, an object of transformers'. arguments:
        of the model's own forward, where it takes any."""
        if arguments:
            raise InvalidInput(f"{self.name} takes pictures alone, not {', '.join(arguments)}.")
        return self(images, kept, reduction=reduction)

    def forward_features(
        self, images: Tensor, kept: Any = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """What the model's head reads: of a ViT the tokens behind its last norm, (B, P + k, D), prefix tokens
        first. Arguments as of a call."""
        raise NotImplementedError

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """What `forward_features` gives to logits (B, C); pre_logits: to what the classifier reads, (B, D).
        After a reduction an average counts each token once, where a call counts what it holds."""
        return self.model.forward_head(features, pre_logits=pre_logits)

    def get_classifier(self) -> nn.Module:
        """The model's last layer, or the identity in its place.

        Raises:
            UnsupportedModel: a tower that was never made to classify.
        """
        if hasattr(self.model, "get_classifier"):
            return self.model.get_classifier()
        if isinstance(getattr(self.model, "classifier", None), nn.Module):
            return self.model.classifier  # of transformers
        raise UnsupportedModel(f"{self.name} has no classifier.")

    def reset_classifier(self, num_classes: int, labels: Labels | Sequence[str] | None = None) -> None:
        """A new last layer with random weights, for so many classes; labels: their names. 0 takes the
        classifier away, so that the output is an embedding."""
        if num_classes < 0:
            raise InvalidInput(f"A classifier has classes from 0 up, not {num_classes}.")
        named = _labels.given(labels, num_classes)
        self._new_classifier(num_classes)
        self.labels, self.headless = named, not num_classes
        if self.weights is not None:  # no longer those of its file
            self.weights = weights.Source(self.name, "given", None, self.weights.config)

    def _new_classifier(self, num_classes: int) -> None:
        model, like = self.model, next(self.model.parameters())
        if hasattr(model, "reset_classifier"):
            model.reset_classifier(num_classes)
            model.to(like.device, like.dtype)
            return
        old = self.get_classifier()
        if not isinstance(old, nn.Linear):
            raise UnsupportedModel(f"{self.name} has no linear classifier that could be made anew.")
        new = nn.Linear(old.in_features, num_classes) if num_classes else nn.Identity()
        model.classifier = new.to(like.device, like.dtype)
        model.config.num_labels = model.num_labels = num_classes

    def dense(self, images: Tensor, kept: Tensor | None = None, *, fill: str = "zero") -> Tensor:
        """Normalised images and what each keeps (None: all) to features on the patch grid, (B, D, *grid).

        fill: what stands where a patch was dropped: "zero", "nearest" (the token of the nearest kept patch)
        or "embedding" (the patch's own, which no block has seen).

        Raises:
            InvalidInput: another fill. UnsupportedModel: a model that keeps its whole map anyway.
        """
        tokens, embedded = self._patch_tokens(images, kept)
        if kept is None:
            kept = torch.arange(tokens.shape[1]).expand(tokens.shape[0], -1)
        return written_back(tokens, kept.to(tokens.device), self.grid, fill=fill, embedded=embedded)

    def _patch_tokens(self, images: Tensor, kept: Any) -> tuple[Tensor, Tensor | None]:
        """The kept patches behind the last norm, (B, k, D), and all of them before the blocks, (B, N, D)."""
        raise UnsupportedModel(
            f"{self.name} drops no tokens that could be put back: `forward_features` has its whole last map."
        )

    def groups(self, images: Tensor, kept: Any = None, *, reduction: Reduction) -> Tensor:
        """Where a reduction takes each patch, (B, N), of what `reduction_refusal` does not refuse."""
        raise NotImplementedError

    def select(self, map: Tensor, keep_ratio: float) -> Any:
        """A method's coarse map (B, h, w), of clips (B, t, h, w), resized to the grid, to what a call takes
        as kept at a ratio: patches (B, k), or those of each stage."""
        significance = patch_significance(map, self.grid)
        return select_patches(significance, keep_ratio, num_prefix_tokens=self.num_prefix_tokens)

    def select_count(self, map: Tensor, k: int) -> Any:
        """The same by count: the k most significant patches."""
        return top_patches(patch_significance(map, self.grid), k)

    def num_kept(self, keep_ratio: float) -> int:
        """How many patches stay at a keep ratio."""
        return num_kept(self.num_patches, keep_ratio, self.num_prefix_tokens)

    def fit(self, image: "Image.Image", fit: str = "crop", *, times: int = 1) -> "Image.Image":
        """The backbone's own crop of a picture, exactly its input size; all that follows sees it. times: the
        same crop so many times as large, for the eye."""
        return self._view.fit(image, fit, times=times)

    def lost(self, image: "Image.Image", fit: str = "crop") -> float:
        """The share of a picture's area, 0 to 1, that lies outside that crop."""
        return self._view.lost(image, fit)

    def fine_crop(self, image: "Image.Image", fit: str = "crop", *, most: int = FINEST) -> "Image.Image":
        """The same crop at the picture's own resolution, for the eye: at most `most` pixels on the longer
        side, whole pixels a patch, never smaller than `fit` gives it nor larger than the picture holds."""
        return self._view.fine(image, fit, grid=self.grid, most=most)

    def view(self, crop: "Image.Image") -> Tensor:
        """The crop as this backbone wants it: (1, 3, H, W), normalised."""
        return self._typed(self._view.tensor(crop))

    def denormalise(self, images: Tensor) -> Tensor:
        """The way back: normalised images (B, 3, H, W) to 0..1."""
        return self._view.denormalise(images)

    @property
    def about_patches(self) -> str | None:
        """What a reader must know of the patches that are counted, in a sentence; None: nothing."""
        return None

    def shown_patches(self, kept: Any) -> Tensor:
        """Of what `select` gives, the patches that a reader is told of: (B, k)."""
        return kept

    def reduction_refusal(self, reduction: Reduction | None) -> str | None:
        """Why this backbone cannot do that to its tokens, in a sentence; None where it can or need not.

        Raises:
            InvalidInput: something that is no reduction.
        """
        if not isinstance(reduction, Reduction | None):
            raise InvalidInput(f"A reduction is a value such as ToMe(8), not {reduction!r}.")
        if reduction is None or not reduction.active or (reason := self._irreducible()) is None:
            return None
        return f"{self.name} cannot {reduction.does}: {reason}."

    def _irreducible(self) -> str | None:
        """Why no block can lose tokens, or None if each can."""
        return "it is no ViT, and its windows need every position"

    def _per_block(self, reduction: Reduction | None, depth: int) -> tuple[int, ...]:
        """How many tokens each of `depth` blocks loses; none at all where nothing is done."""
        if reason := self.reduction_refusal(reduction):
            raise UnsupportedModel(reason)
        return () if reduction is None else reduction.per_block(depth)

    @staticmethod
    def refusal(model: Any) -> str | None:
        """Why a timm model cannot be pruned in this way, or None if it can."""
        raise NotImplementedError

    @classmethod
    def _check(cls, model: Any, entry: Entry) -> None:
        if reason := cls.refusal(model):
            raise UnsupportedModel(f"{entry.name} cannot be pruned: {reason}.")


def of_timm(model: Any, entry: Entry, source: Source | None, size: tuple[int, int]) -> dict[str, Any]:
    """labels and view of a timm model that sees pictures of size (H, W), as `Backbone` takes them."""
    config = source.config if source else entry.config
    return {
        "labels": _labels.from_config(config, model.num_classes),
        "view": View.of(model.pretrained_cfg, size),
    }
