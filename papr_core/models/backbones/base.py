"""What every backbone shares: its name and labels, its crop, its view of a picture, what it can be asked."""

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.entries import Entry
from papr_core.models.labels import Labels
from papr_core.pruning.reductions.base import Reduction

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Backbone", "of_timm"]


class Backbone(nn.Module):
    """A model in eval mode that sees only the patches it is told to keep. A module beside this one knows how,
    for each family.

    name, title; model: the plain model of timm or transformers; input_size (3, H, W), of clips (frames, 3,
    H, W); grid (rows, columns), of clips (T, rows, columns), and num_patches of the patches that a reader is
    told of; num_prefix_tokens; labels; headless: it has no classifier, so its output is an embedding (B, D)
    and `labels` is empty; weights: where they came from, None if they are random. by_stage: kept positions
    are chosen anew for each stage, so a ratio is more than its count.
    """

    family: str
    by_stage = False

    name: str
    title: str
    model: Any
    input_size: tuple[int, ...]
    grid: tuple[int, ...]
    num_patches: int
    num_prefix_tokens: int
    headless: bool
    labels: Labels
    weights: weights.Source | None

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: weights.Source | None,
        *,
        input_size: tuple[int, ...],
        grid: tuple[int, ...],
        labels: Labels,
        view: View,
        num_prefix_tokens: int = 0,
    ) -> None:
        super().__init__()
        if min(grid) < 1:
            raise InvalidInput(f"{entry.name} cannot see pictures smaller than one of its patches.")
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = model
        self.input_size = tuple(int(side) for side in input_size)
        self.grid = tuple(int(side) for side in grid)
        self.num_patches = math.prod(self.grid)
        self.num_prefix_tokens = num_prefix_tokens
        self.labels, self._view = labels, view
        self.headless = not len(labels)
        self.eval()

    def __repr__(self) -> str:
        grid = "x".join(map(str, self.grid))
        return f"{type(self).__name__}({self.name!r}, {grid} patches, {self.labels!r})"

    @property
    def sees_clips(self) -> bool:
        """Whether it looks at clips, not at pictures."""
        return len(self.grid) == 3

    def forward(self, images: Tensor, kept: Any = None, *, reduction: Reduction | None = None) -> Tensor:
        """Normalised images or clips, what of each stays (as `select` gives it; None keeps all) and what
        happens to it inside, to logits (B, C)."""
        raise NotImplementedError

    def select(self, map: Tensor, keep_ratio: float) -> Any:
        """A method's coarse map (B, h, w), of clips (B, t, h, w), to what a call takes as kept at a ratio."""
        raise NotImplementedError

    def select_count(self, map: Tensor, k: int) -> Any:
        """The same by count: the k most significant patches."""
        raise NotImplementedError

    def num_kept(self, keep_ratio: float) -> int:
        """How many patches stay at a keep ratio."""
        raise NotImplementedError

    def fit(self, image: "Image.Image", fit: str = "crop", *, times: int = 1) -> "Image.Image":
        """The backbone's own crop of a picture, exactly its input size; all that follows sees it. times: the
        same crop so many times as large, for the eye."""
        return self._view.fit(image, fit, times=times)

    def view(self, crop: "Image.Image") -> Tensor:
        """The crop as this backbone wants it: (1, 3, H, W), normalised."""
        return self._view.tensor(crop)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this backbone's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def sha256(self) -> str | None:
        """Of the weights file; None for random weights."""
        return weights.sha256(self.weights.path) if self.weights and self.weights.path else None

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


def of_timm(model: Any, entry: Entry, source: weights.Source | None, size: tuple[int, int]) -> dict[str, Any]:
    """labels and view of a timm model that sees pictures of size (H, W), as `Backbone` takes them."""
    config = source.config if source else entry.config
    return {
        "labels": _labels.from_config(config, model.num_classes),
        "view": View.of(model.pretrained_cfg, size),
    }
