"""What may happen to tokens inside the blocks, after PaPr: one module a way beside this one, and a line here.

A reduction is a value that backbones take: `backbone(images, kept, reduction=ToMe(8))`. A person says it in
words, which are options of the command line, controls of the page and keys of JSON. The table knows the
words, so whoever reads or writes them need not know a reduction. Nothing here imports torch before a value is
made.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from papr_core.errors import InvalidInput

if TYPE_CHECKING:
    from papr_core.pruning.reductions.base import Reduction

__all__ = [
    "REDUCTIONS",
    "SHOWN",
    "Asked",
    "Kind",
    "Word",
    "asked",
    "reduction_in",
    "settings_of",
    "settled",
    "words_of",
]


@dataclass(frozen=True)
class Word:
    """One thing that is said of a reduction.

    name: its key in JSON, and with hyphens its option and its place in the page's address; title: over the
    page's control; about: in a help text; unsaid: what holds where nobody says it, in words. most: where the
    slider of a number ends; choices: value -> title of a word that is none.
    """

    name: str
    title: str
    about: str
    unsaid: str = "0"
    most: int = 0
    choices: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Kind:
    """A reduction in words. amount: how much, of which 0 is nothing; settings: how; where: MODULE:CLASS in
    this folder, whose `as_published(amount, keep_ratio, *settings)` makes the value, unsaid settings None."""

    where: str
    amount: Word
    settings: tuple[Word, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """All of them, the amount first."""
        return (self.amount, *self.settings)


REDUCTIONS = {
    "ToMe": Kind(
        "tome:ToMe",
        Word("tome_r", "Merged tokens, r (ToMe)", "tokens merged in each block", most=64),
        (
            Word(
                "tome_layers",
                "Blocks that merge",
                "the blocks that merge",
                unsaid="all where nothing is pruned, else the second half",
                choices={"all": "All", "second_half": "The second half"},
            ),
        ),
    ),
}


@dataclass(frozen=True)
class Asked:
    """A reduction as a person asks for it: what is unsaid is as published, which the keep ratio may decide.
    kind: a name of the table; settings: a value or None for each of its words."""

    kind: str
    amount: Any
    settings: tuple[Any, ...] = ()

    def at(self, keep_ratio: float) -> "Reduction":
        """The value, where so many of the tokens were kept before. Raises InvalidInput for a wrong word."""
        module, name = REDUCTIONS[self.kind].where.split(":")
        made = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return made.as_published(self.amount, keep_ratio, *self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Word -> what was said."""
        return {
            word.name: said for word, said in zip(REDUCTIONS[self.kind].words, (self.amount, *self.settings))
        }


SHOWN = Asked("ToMe", 8, (None,))  # where a figure is to show one and nobody says which

AnyReduction = Union["Reduction", Asked, None]


def asked(said: Mapping[str, Any]) -> Asked | None:
    """What these words ask for, wherever they stand among others; None and a missing word are unsaid, and
    without an amount nothing is asked for.

    Raises:
        InvalidInput: two reductions at once.
    """
    found = [
        Asked(name, said[kind.amount.name], tuple(said.get(word.name) for word in kind.settings))
        for name, kind in REDUCTIONS.items()
        if said.get(kind.amount.name) is not None
    ]
    some = [one for one in found if one.amount]
    if len(some) > 1:
        raise InvalidInput(
            f"Tokens are reduced in one way at a time, not by {' and '.join(one.kind for one in some)}."
        )
    return next(iter(some or found), None)


def settled(reduction: AnyReduction, keep_ratio: float) -> "Reduction | None":
    """The value at a keep ratio, None where it does nothing. Raises InvalidInput for what is no reduction."""
    if reduction is None:
        return None
    if not hasattr(reduction, "at"):
        raise InvalidInput(f"A reduction is a value such as ToMe(8), not {reduction!r}.")
    value = reduction.at(keep_ratio)
    return value if value.active else None


def words_of(reduction: "Reduction | None") -> dict[str, Any]:
    """The words of every reduction, as a row of results holds them: 0 and None of those that do nothing."""
    nothing = {
        word.name: 0 if word is kind.amount else None for kind in REDUCTIONS.values() for word in kind.words
    }
    return nothing | (reduction.to_dict() if reduction is not None and reduction.active else {})


def reduction_in(row: Mapping[str, Any]) -> "Reduction | None":
    """What `words_of` wrote into a row, which has a key `keep` too; None where nothing was done."""
    return settled(found, row["keep"]) if (found := asked(row)) and found.amount else None


def settings_of(reductions: Iterable[AnyReduction]) -> dict[str, Any]:
    """Settings that several have in common, as they were asked for; None where they differ or are unsaid."""
    said = [reduction.to_dict() for reduction in reductions if reduction is not None]
    found = {}
    for word in (word for kind in REDUCTIONS.values() for word in kind.settings):
        values = {one[word.name] for one in said if word.name in one}
        found[word.name] = values.pop() if len(values) == 1 else None
    return found
