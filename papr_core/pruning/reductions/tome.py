"""Token merging: between attention and MLP of a block, the r most similar pairs of tokens become one.

ToMe: Token Merging, Your ViT But Faster, https://arxiv.org/abs/2210.09461, Sec. 3 and Appendix D. Written
from the paper. As its listing has it, tokens alternate between the two sets counting from the very first,
prefix tokens included: behind one class token the first patch is in the second set. Afterwards stand the kept
tokens of the first set, in their order, then the second set. A choice of ours: what the paper does with a
class and a distillation token holds for registers too; none of them merges, and they stay in front.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.errors import InvalidInput
from papr_core.pruning.reductions.base import Merge, Reduction

__all__ = ["LAYERS", "ToMe", "bipartite_soft_matching"]

LAYERS = {"all": "every block", "second_half": "every block of the second half"}


@dataclass(frozen=True)
class ToMe(Reduction):
    """How many tokens are merged in each block.

    r: as many in every block, or a number a block. layers: "all", or "second_half" of the blocks (after PaPr,
    as in its paper, Sec. 4.2). decreasing: from 2 r in the first of them in even steps to 0 in the last
    (ToMe, Sec. 4.1 and Appendix), as many in all; r is one number then.

    Raises:
        InvalidInput: another r or other layers.

    >>> import papr_core
    >>> papr_core.ToMe(8, layers="second_half").per_block(depth=4)
    (0, 0, 8, 8)
    """

    does = "merge tokens"

    r: int | Sequence[int]
    layers: str = "all"
    decreasing: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.r, Sequence):
            object.__setattr__(self, "r", tuple(self.r))
        numbers = self.r if isinstance(self.r, tuple) else (self.r,)
        if not all(isinstance(r, int) and not isinstance(r, bool) and r >= 0 for r in numbers):
            raise InvalidInput(f"Tokens merged a block are whole numbers from 0 up, not {self.r!r}.")
        if self.layers not in tuple(LAYERS):
            raise InvalidInput(f"Tokens are merged in {' or '.join(LAYERS)}, not in {self.layers!r}.")
        if self.decreasing and not isinstance(self.r, int):
            raise InvalidInput("A decreasing number of merged tokens is given by one number, its mean.")

    @classmethod
    def as_published(cls, r: int, keep_ratio: float, layers: str | None = None) -> "ToMe":
        """Where the papers do it, unless said: alone in all blocks, after PaPr in the second half."""
        return cls(r, layers or ("all" if keep_ratio == 1 else "second_half"))

    @property
    def active(self) -> bool:
        """Whether anything is merged."""
        return self.r > 0 if isinstance(self.r, int) else any(self.r)

    @property
    def mark(self) -> str:
        """ "r 8"."""
        return f"r {self._numbers}"

    @property
    def about(self) -> str:
        """ "8 tokens merged in every block"."""
        return f"{self._numbers} tokens merged in {LAYERS[self.layers]}"

    @property
    def _numbers(self) -> str:
        if not isinstance(self.r, int):
            return ",".join(map(str, self.r))
        return f"{2 * self.r}-0" if self.decreasing else str(self.r)

    def to_dict(self) -> dict[str, Any]:
        """tome_r, tome_layers, and tome_decreasing where it is so."""
        words = {"tome_r": self.r if isinstance(self.r, int) else list(self.r), "tome_layers": self.layers}
        return {**words, "tome_decreasing": True} if self.decreasing else words

    def per_block(self, depth: int) -> tuple[int, ...]:
        """How many tokens each of `depth` blocks merges, first block first.

        Raises:
            InvalidInput: a list that has not one number for each block that merges.
        """
        first = depth // 2 if self.layers == "second_half" else 0
        active = depth - first
        if not isinstance(self.r, int):
            if len(self.r) != active:
                raise InvalidInput(f"{active} blocks merge, but r lists {len(self.r)} numbers.")
            numbers = tuple(self.r)
        elif self.decreasing and active > 1:
            numbers = tuple(round(2 * self.r * (1 - i / (active - 1))) for i in range(active))
        else:
            numbers = (self.r,) * active
        return (0,) * first + numbers

    def match(self, keys: Tensor, count: int, *, num_prefix_tokens: int) -> Merge:
        """The paper's: `bipartite_soft_matching`."""
        return bipartite_soft_matching(keys, count, num_prefix_tokens=num_prefix_tokens)


def bipartite_soft_matching(keys: Tensor, r: int, *, num_prefix_tokens: int) -> Merge:
    """Which r tokens merge into which others: keys (B, N, C), averaged over heads, prefix tokens first.

    All tokens are dealt into two sets by turns, prefix tokens too, which then stay out of it; each other of
    the first set draws an edge to the most similar of the second (cosine), and the r strongest edges merge. r
    is cut to what is possible, half of the tokens that are no prefix. Gives
    `merge(tokens, sizes=None) -> (tokens, sizes)`.

    >>> import papr_core, torch
    >>> tokens = torch.rand(1, 197, 192)
    >>> merged, sizes = papr_core.bipartite_soft_matching(tokens, 16, num_prefix_tokens=1)(tokens)
    >>> merged.shape, int(sizes.sum())
    (torch.Size([1, 181, 192]), 197)

    Raises:
        InvalidInput: keys that are not (B, N, C) with N of at least the prefix, or r below 0.
    """
    if keys.ndim != 3 or keys.shape[1] < num_prefix_tokens or num_prefix_tokens < 0:
        raise InvalidInput(
            f"Keys are (B, N, C) with {num_prefix_tokens} prefix tokens first, not {tuple(keys.shape)}."
        )
    if r < 0:
        raise InvalidInput(f"The number of merged tokens is from 0 up, not {r}.")
    images, length, _ = keys.shape
    r = min(r, (length - num_prefix_tokens) // 2)
    places = torch.arange(length, device=keys.device).expand(images, -1)
    if r == 0 or keys.is_meta:  # nothing to compare, shapes alone
        return Merge(places, places[:, : length - r], places[:, :r])
    with torch.no_grad():
        patches = keys[:, num_prefix_tokens:]
        unit = F.normalize(patches.to(torch.promote_types(keys.dtype, torch.float32)), dim=-1)
        odd = num_prefix_tokens % 2  # the first patch is then in the second set
        first, second = unit[:, odd::2], unit[:, 1 - odd :: 2]  # (B, Na, C), (B, Nb, C)
        similarity, partner = (first @ second.transpose(1, 2)).max(dim=-1)  # (B, Na)
        order = similarity.argsort(dim=-1, descending=True, stable=True)
        merged, stay = order[:, :r], order[:, r:].sort(dim=-1).values
        begin = num_prefix_tokens + stay.shape[1]  # where the second set stands afterwards
        of_first = torch.empty_like(partner)
        of_first.scatter_(1, stay, places[:, num_prefix_tokens:begin])
        of_first.scatter_(1, merged, begin + partner.gather(1, merged))
        target = places.clone()
        in_first, in_second = num_prefix_tokens + odd, num_prefix_tokens + 1 - odd
        target[:, in_first::2] = of_first
        target[:, in_second::2] = places[:, begin : begin + second.shape[1]]
        prefix, others = places[:, :num_prefix_tokens], places[:, in_second::2]
        stays = torch.cat([prefix, in_first + 2 * stay, others], dim=1)
    return Merge(target, stays, in_first + 2 * merged)
