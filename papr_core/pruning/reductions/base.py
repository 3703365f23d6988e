"""What a reduction of tokens must answer, so that who runs, counts, times or draws it need not know it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

__all__ = ["Merge", "Reduction"]


class Reduction:
    """What happens to the tokens in each block, between its attention and its MLP. A value: who writes one
    makes it a frozen dataclass, so that equal ones are equal and may be keys.

    does: in a refusal, what a backbone cannot do.
    """

    does: ClassVar[str]

    @property
    def active(self) -> bool:
        """Whether anything happens."""
        raise NotImplementedError

    @property
    def mark(self) -> str:
        """How much of it, in a few characters for a point of a figure."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The same with its name, for a table: "ToMe r 8"."""
        return f"{type(self).__name__} {self.mark}"

    @property
    def about(self) -> str:
        """What happens, as part of a sentence."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Its words (see the table beside this file) and their values, for JSON."""
        raise NotImplementedError

    def per_block(self, depth: int) -> tuple[int, ...]:
        """How many tokens each of `depth` blocks loses, first block first. Raises InvalidInput."""
        raise NotImplementedError

    def match(self, keys: Tensor, count: int, *, num_prefix_tokens: int) -> "Merge":
        """Which `count` tokens a block loses, and to which others: from its keys (B, N, C), averaged over
        heads, prefix tokens first, which stay. On the meta device shapes are all that is wanted."""
        raise NotImplementedError

    def at(self, keep_ratio: float) -> "Reduction":
        """Itself, whatever was kept: an `Asked`, which stands where it may, depends on that."""
        return self


@dataclass(frozen=True, eq=False)
class Merge:
    """A matching, ready to be applied: target (B, N) is the place of each token afterwards, -1 of one that is
    gone; stays (B, N - r) the token that each place has from before; moves (B, m) the tokens that go to
    another's place."""

    target: Tensor
    stays: Tensor
    moves: Tensor

    def __call__(self, tokens: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, C) of sizes (B, N, 1), one each if None, to (B, N - r, C) and sizes (B, N - r, 1):
        the mean of what is merged, weighted by size."""
        if sizes is None:  # in float32 at least: a half counts to 256 only
            kind = torch.promote_types(tokens.dtype, torch.float32)
            sizes = torch.ones(*tokens.shape[:2], 1, dtype=kind, device=tokens.device)
        if self.stays.shape == self.target.shape:
            return tokens, sizes
        if not self.moves.shape[1]:
            return self.summed(tokens), self.summed(sizes)
        total = self.summed(sizes)
        share = sizes / total.gather(
            1, self.target.clamp(min=0).unsqueeze(-1)
        )  # (B, N, 1), of what it becomes
        return self.summed(tokens * share).to(tokens.dtype), total

    def summed(self, values: Tensor) -> Tensor:
        """(B, N, C) to (B, N - r, C): the sum of what is merged. Few rows move, so only these are added."""
        flat, length = values.flatten(0, 1), values.shape[1]
        sums = flat.index_select(0, _rows(self.stays, length))
        if self.moves.shape[1]:
            there = _rows(self.target.gather(1, self.moves), self.stays.shape[1])
            sums.index_add_(0, there, flat.index_select(0, _rows(self.moves, length)))
        return sums.view(*self.stays.shape, values.shape[-1])

    def followed(self, places: Tensor) -> Tensor:
        """Where tokens at these places (B, n) are afterwards; -1 of what is gone, before or now."""
        return self.target.gather(1, places.clamp(min=0)).where(places >= 0, -1)

    def without_prefix(self, count: int) -> "Merge":
        """The same of the tokens behind the first `count`, which merge with nobody."""
        return Merge(self.target[:, count:] - count, self.stays[:, count:] - count, self.moves - count)


def _rows(places: Tensor, length: int) -> Tensor:
    """Places (B, n) of tokens (B, length, C) as rows of all images under one another, (B * n,)."""
    return (places + length * torch.arange(places.shape[0], device=places.device).unsqueeze(1)).flatten()
