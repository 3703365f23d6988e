"""What every image backbone shares: its name and labels, its crop, its view of a picture."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import catalog, weights
from papr_core.models import labels as _labels
from papr_core.models.representation import representation

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """A timm model in eval mode that sees only the patches it is told to keep.

    What to keep (`select`, `select_count`, `num_kept`) and the call itself are each family's own:
    `TokenBackbone`, `PixelBackbone`. `load_backbone` gives the right one.

    name, title; model: the plain timm model; input_size (3, H, W); grid (rows, columns) and num_patches of
    the patches that a reader is told of; num_prefix_tokens; labels; headless: it has no classifier, so its
    output is an embedding (B, D) and `labels` is empty; weights: where they came from, None if they are
    random.
    """

    family: str

    def __init__(
        self,
        model: nn.Module,
        entry: catalog.Entry,
        source: weights.Source | None,
        *,
        input_size: tuple[int, int, int],
        grid: tuple[int, int],
        num_prefix_tokens: int = 0,
    ) -> None:
        super().__init__()
        if min(grid) < 1:
            raise InvalidInput(f"{entry.name} cannot see pictures smaller than one of its patches.")
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = model
        self.input_size = tuple(int(side) for side in input_size)
        self.grid = tuple(int(side) for side in grid)
        self.num_patches = self.grid[0] * self.grid[1]
        self.num_prefix_tokens = num_prefix_tokens
        self.headless = model.num_classes < 1
        config = source.config if source else entry.config
        self.labels = _labels.from_config(config, model.num_classes)
        self._view = View.of(model.pretrained_cfg, self.input_size[1:])
        self.eval()

    def __repr__(self) -> str:
        return representation(self, f"{self.grid[0]} x {self.grid[1]} patches")

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
        return weights.sha256(self.weights.path) if self.weights else None

    @property
    def about_patches(self) -> str | None:
        """What a reader must know of the patches that are counted, in a sentence; None: nothing."""
        return None

    def shown_patches(self, kept: Tensor | tuple[Tensor, ...]) -> Tensor:
        """Of what `select` gives, the patches that a reader is told of: (B, k)."""
        return kept

    def merging_refusal(self) -> str | None:
        """Why this backbone's tokens cannot be merged, in a sentence; None where they can."""
        return f"{self.name} cannot merge tokens: it is no ViT, and its windows need every position."

    @staticmethod
    def refusal(model: nn.Module) -> str | None:
        """Why a timm model cannot be pruned in this way, or None if it can."""
        raise NotImplementedError

    @classmethod
    def _check(cls, model: nn.Module, entry: catalog.Entry) -> None:
        if reason := cls.refusal(model):
            raise UnsupportedModel(f"{entry.name} cannot be pruned: {reason}.")
