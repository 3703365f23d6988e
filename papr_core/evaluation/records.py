"""What an evaluation found for each image: joined, gathered over processes, and kept on disk while it runs.

Every image's numbers depend on the image alone, so whoever measured them, and when, makes no difference: the
records of several processes, or of a run that was ended half-way, are those of one.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from papr_core.errors import InvalidInput
from papr_core.evaluation.processes import collected, share

__all__ = [
    "ANSWER_KEPT",
    "BOXES",
    "CONFIDENCE",
    "COSTS",
    "KEPT",
    "SURE",
    "TOP",
    "WIDTH",
    "PartialRecords",
    "Records",
    "gathered",
    "joined",
]

TOP = 10
CONFIDENCE, ANSWER_KEPT = TOP, TOP + 1  # the columns after top-1 .. top-10
COSTS = slice(TOP + 2, TOP + 4)  # GMACs of the backbone, and of the proposal where it looks
KEPT = TOP + 4  # patches
BOXES = slice(
    TOP + 5, TOP + 9
)  # strongest patch in a box, near one; the kept patches' share in boxes, theirs
WIDTH = TOP + 9
SURE = TOP  # of the proposal's columns, after top-1 .. top-10: the probability of its own answer

Calls = list[tuple[float, int]]  # seconds, images


@dataclass(frozen=True)
class Records:
    """Measured images (or clips): their places in the data, and what came out for each configuration.

    index: (n,); proposal: (n, TOP + 1) of the ConvNet alone, top-1 .. top-10 (NaN where it does not know the
    class) and the probability of its own answer; scores: (n, configurations, WIDTH) float32: top-1 .. top-10,
    confidence and answer kept from 0 to 1, GMACs (`COSTS`), patches kept, and what boxes say (NaN without);
    calls: for each configuration the backbone's calls, (seconds, images); before: the same of what comes
    before them, "read", "look" and each method's map by its name. left_out: places of images that
    could not be read, which count nowhere, and why.
    """

    index: np.ndarray
    proposal: np.ndarray
    scores: np.ndarray
    calls: list[Calls]
    before: dict[str, Calls]
    left_out: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def none(cls, configurations: int) -> "Records":
        """No images yet."""
        proposal, scores = (
            np.zeros((0, *shape), np.float32) for shape in ((TOP + 1,), (configurations, WIDTH))
        )
        return cls(np.zeros(0, np.int64), proposal, scores, [[] for _ in range(configurations)], {})

    @property
    def right(self) -> np.ndarray:
        """(n,): 1 where the proposal's answer was the true class, NaN where it does not know it."""
        return self.proposal[:, 0]

    def only(self, configurations: Sequence[int]) -> "Records":
        """Of these configurations, by their places, in this order."""
        chosen = list(configurations)
        return replace(self, scores=self.scores[:, chosen], calls=[self.calls[c] for c in chosen])

    def mean_gmacs(self) -> list[float]:
        """Of the backbone, for each configuration the mean over images."""
        return self.scores[:, :, COSTS.start].mean(axis=0, dtype=np.float64).tolist()

    def of(self, places: Sequence[int]) -> "Records":
        """Those of these places in the data; the calls stay, for they are of whole batches."""
        those = np.isin(self.index, np.array(places, np.int64))
        left_out = {i: why for i, why in self.left_out.items() if i in {*places}}
        kept = self.index[those], self.proposal[those], self.scores[those]
        return Records(*kept, self.calls, self.before, left_out)


def joined(parts: Sequence[Records]) -> Records:
    """Several records as one, by index; of an image that was measured twice the first counts."""
    index, first = np.unique(np.concatenate([part.index for part in parts]), return_index=True)
    return Records(
        index=index,
        proposal=np.concatenate([part.proposal for part in parts])[first],
        scores=np.concatenate([part.scores for part in parts])[first],
        calls=[
            [call for calls in several for call in calls] for several in zip(*(part.calls for part in parts))
        ],
        before={
            what: [call for part in parts for call in part.before.get(what, ())]
            for what in dict.fromkeys(what for part in parts for what in part.before)
        },
        left_out={i: why for part in parts for i, why in part.left_out.items()},
    )


def gathered(records: Records) -> Records | None:
    """The records of all processes, joined, in the first of them; None in the others."""
    parts = collected(records)
    return None if parts is None else joined(parts)


class PartialRecords:
    """A folder that holds what an evaluation has found so far: a file a process, a line a batch of images.

    task: all that an image's numbers depend on; it heads every file, and a folder with files of another task
    is refused. keys: of the data's images. Numbers come back bit for bit; a line that was cut short (the
    process was killed), or is none of ours, is left out, and its images are measured again.

    Raises:
        InvalidInput: a folder that cannot be used, or that belongs to another evaluation.
    """

    def __init__(
        self, folder: str | os.PathLike, task: Mapping, keys: Sequence[str], configurations: int
    ) -> None:
        self._task = json.loads(json.dumps({"numbers an image": WIDTH, **task}))
        self._places = {key: i for i, key in enumerate(keys)}
        self._keys, self._configurations = keys, configurations
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.found = joined([Records.none(configurations), *self._read()])
            rank, _ = share()
            self._file = (self._folder / f"{rank}-{os.getpid()}.jsonl").open("a", encoding="utf-8")
            self._write({"task": self._task})
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidInput(f"{folder} cannot hold partial results ({reason}).") from error

    def add(self, records: Records) -> None:
        """Keep these records, on disk when this returns."""
        line = {
            "images": [self._keys[i] for i in records.index],
            "proposal": _nones(records.proposal.tolist()),
            "scores": _nones(records.scores.tolist()),
            "calls": records.calls,
            "before": records.before,
        }
        if records.left_out:
            line["left_out"] = {self._keys[i]: why for i, why in records.left_out.items()}
        self._write(line)

    def _write(self, line: dict) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> Iterable[Records]:
        for file in sorted(self._folder.glob("*.jsonl")):
            mine = False
            for text in file.read_text(encoding="utf-8").splitlines():
                line = _parsed(text)
                if "task" in line:
                    self._check(line["task"])
                    mine = True
                elif mine and line:
                    yield self._records(line)

    def _check(self, task: Mapping) -> None:
        other = [
            key for key, value in self._task.items() if not isinstance(task, dict) or task.get(key) != value
        ]
        if other:
            raise InvalidInput(
                f"{self._folder} holds partial results of another evaluation (it differs in "
                f"{', '.join(other)}): resume with the same settings, or name another folder."
            )

    def _records(self, line: Mapping) -> Records:
        there = [i for i, key in enumerate(line["images"]) if key in self._places]
        count = len(line["images"])  # none of a batch that cannot be read
        shape = (count, self._configurations, WIDTH)
        return Records(
            index=np.array([self._places[line["images"][i]] for i in there], np.int64),
            # None becomes NaN
            proposal=np.array(line["proposal"], np.float32).reshape(count, TOP + 1)[there],
            scores=np.array(line["scores"], np.float32).reshape(shape)[there],
            calls=[_calls(calls) for calls in line["calls"]],
            before={what: _calls(calls) for what, calls in line["before"].items()},
            left_out={
                self._places[key]: why for key, why in line.get("left_out", {}).items() if key in self._places
            },
        )


def _parsed(text: str) -> dict:
    """A line of a file of partial records; nothing where it is cut short or was written by something else."""
    try:
        line = json.loads(text)
        lengths = {len(line[key]) for key in ("images", "proposal", "scores")} if "task" not in line else {1}
    except (ValueError, KeyError, TypeError):
        return {}
    return line if isinstance(line, dict) and len(lengths) == 1 else {}


def _nones(values: Any) -> Any:
    """Nested lists of numbers as JSON has them: NaN is null."""
    if isinstance(values, list):
        return [_nones(value) for value in values]
    return None if math.isnan(values) else values


def _calls(found: Iterable[Sequence]) -> Calls:
    return [(seconds, images) for seconds, images in found]
