"""The seam between a ViT's embeddings and its blocks, where the patches that a call does not keep leave.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2. A model has one `Seam`; its loader puts it where the model's
own library has a place for it (timm's `patch_drop` slot; a forward hook on the embeddings of transformers'
models). Which patches a call keeps travels with the call, in a `ContextVar`, never on a module, so any number
of threads may share a model. Written from the paper.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from papr_core.errors import UnsupportedModel

__all__ = ["Call", "Seam", "gathered"]


class Call:
    """One call through a seam: the patches it keeps (None: all), whether the model came to ask for them, and
    the embeddings of all patches, (B, N, D), where they are wanted."""

    __slots__ = ("embedded", "kept", "pruned", "seam", "wants_embedded")

    def __init__(self, seam: "Seam", kept: Tensor | None, embedded: bool) -> None:
        self.seam, self.kept, self.pruned = seam, kept, False
        self.wants_embedded = embedded
        self.embedded: Tensor | None = None


_running: ContextVar[Call | None] = ContextVar("papr_running_call", default=None)


class Seam:
    """Where one model asks which patches stay. Outside `keeping` everything does.

    name: of the model, for an error; num_prefix_tokens: tokens before the patches, which always stay.
    """

    def __init__(self, name: str, num_prefix_tokens: int) -> None:
        self.name, self.num_prefix_tokens = name, num_prefix_tokens
        # torch.compile cannot follow a ContextVar that is set. What it traces it does not store, so here the
        # call is a symbol of the tracer's: no other thread ever sees it.
        self._traced: Call | None = None

    @contextmanager
    def keeping(self, kept: Tensor | None, *, embedded: bool = False) -> Iterator[Call]:
        """Inside, the model keeps these patches, (B, k), of its images; embedded: and notes them all before.

        Raises:
            UnsupportedModel: the model never asked.
        """
        call = Call(self, kept, embedded)
        if kept is None and not embedded:
            yield call
            return
        if torch.compiler.is_dynamo_compiling():
            self._traced = call
            try:
                yield call
            finally:
                self._traced = None
        else:
            token = _running.set(call)
            try:
                yield call
            finally:
                _running.reset(token)
        if not call.pruned:
            raise UnsupportedModel(f"{self.name} never asked which patches to keep, so nothing was pruned.")

    def patches(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embedded tokens (B or 1, P + N, D) to those that stay, (B, P + k, D), and kept, (B, k), on their
        device; None where all stay as they lie."""
        call = self._call()
        if call is None:
            return tokens, None
        call.pruned = True
        if call.wants_embedded and call.embedded is None:
            call.embedded = tokens[:, self.num_prefix_tokens :]
        kept = call.kept
        if kept is None or _all_stay(kept, tokens.shape[0], tokens.shape[1] - self.num_prefix_tokens):
            return tokens, None
        kept = kept.to(tokens.device)
        return gathered(tokens, kept, self.num_prefix_tokens), kept

    def hook(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """As a forward hook of the module that embeds."""
        return self.patches(output)[0]

    def rows(self, table: Tensor) -> Tensor:
        """A table with a line a patch, (N, D), to (B, 1, k, D) of what the running call keeps; as it is where
        all stay."""
        call = self._call()
        if call is None or call.kept is None:
            return table
        if _all_stay(call.kept, call.kept.shape[0], table.shape[0]):
            return table
        return table[call.kept.to(table.device)].unsqueeze(1)

    def _call(self) -> Call | None:
        call = self._traced  # of a whole that is compiled; a model compiled inside finds the call as ever
        if call is None:
            call = _running.get()
        return call if call is not None and call.seam is self else None  # another model may run inside


def _all_stay(kept: Tensor, images: int, num_patches: int) -> bool:
    """Whether these are all patches of all images, which then stay as they lie: a copy would round otherwise.
    A program that is compiled or exported is one for all counts."""
    return not torch.compiler.is_compiling() and tuple(kept.shape) == (images, num_patches)


def gathered(tokens: Tensor, kept: Tensor, num_prefix_tokens: int) -> Tensor:
    """Tokens (B or 1, P + N, D) to the prefix and the kept patches (B, k), on one device: (B, P + k, D)."""
    images, length, width = tokens.shape
    answers = kept.shape[0]
    prefix = torch.arange(num_prefix_tokens, device=kept.device).expand(answers, -1)
    rows = torch.cat([prefix, kept + num_prefix_tokens], dim=1)  # (B, P + k)
    if images != 1:  # as rows of all images under one another
        rows = rows + length * torch.arange(images, device=kept.device).unsqueeze(1)
    return tokens.flatten(0, 1).index_select(0, rows.flatten()).view(answers, rows.shape[1], width)
