"""What an evaluation found for each image: joined, gathered over processes, and kept on disk while it runs.

Every image's numbers depend on the image alone, so whoever measured them, and when, makes no difference: the
records of several processes, or of a run that was ended half-way, are those of one.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from papr_core.errors import InvalidInput

__all__ = [
    "ANSWER_KEPT",
    "CONFIDENCE",
    "GMACS",
    "TOP",
    "PartialRecords",
    "Records",
    "gathered",
    "joined",
    "share",
]

TOP = 10
CONFIDENCE, ANSWER_KEPT, GMACS = TOP, TOP + 1, TOP + 2  # the columns after top-1 .. top-10


@dataclass(frozen=True)
class Records:
    """Measured images (or clips): their places in the data, and what came out for each configuration.

    index: (n,); right: (n,) 1 where the proposal's answer was the true class, NaN where it does not know it;
    scores: (n, configurations, TOP + 3) float32: top-1 .. top-10, confidence and answer kept from 0 to 1, and
    GMACs; calls: for each configuration the backbone's calls, (seconds, images).
    """

    index: np.ndarray
    right: np.ndarray
    scores: np.ndarray
    calls: list[list[tuple[float, int]]]

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def none(cls, configurations: int) -> "Records":
        """No images yet."""
        scores = np.zeros((0, configurations, TOP + 3), np.float32)
        return cls(
            np.zeros(0, np.int64), np.zeros(0, np.float32), scores, [[] for _ in range(configurations)]
        )

    def of(self, places: Sequence[int]) -> "Records":
        """Those of these places in the data; the calls stay, for they are of whole batches."""
        those = np.isin(self.index, np.array(places, np.int64))
        return Records(self.index[those], self.right[those], self.scores[those], self.calls)


def joined(parts: Sequence[Records]) -> Records:
    """Several records as one, by index; of an image that was measured twice the first counts."""
    index, first = np.unique(np.concatenate([part.index for part in parts]), return_index=True)
    return Records(
        index=index,
        right=np.concatenate([part.right for part in parts])[first],
        scores=np.concatenate([part.scores for part in parts])[first],
        calls=[
            [call for calls in several for call in calls] for several in zip(*(part.calls for part in parts))
        ],
    )


def share() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun tells them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def gathered(records: Records) -> Records | None:
    """The records of all processes, joined, in the first of them; None in the others."""
    rank, processes = share()
    if processes == 1:
        return records
    from torch import distributed

    parts = [None] * processes if rank == 0 else None
    started = distributed.is_initialized()
    if not started:  # only now: the processes need each other for nothing else, and may take unequally long
        distributed.init_process_group("gloo", timeout=timedelta(days=1))
    distributed.gather_object(records, parts)
    if not started:
        distributed.destroy_process_group()
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
        self._task = json.loads(json.dumps(task))
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
        right = [None if np.isnan(value) else float(value) for value in records.right]
        images = [self._keys[i] for i in records.index]
        self._write(
            {"images": images, "right": right, "scores": records.scores.tolist(), "calls": records.calls}
        )

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
        right = [np.nan if value is None else value for value in line["right"]]
        shape = (len(right), self._configurations, TOP + 3)
        return Records(
            index=np.array([self._places[line["images"][i]] for i in there], np.int64),
            right=np.array(right, np.float32)[there],
            scores=np.array(line["scores"], np.float32).reshape(shape)[there],
            calls=[[(seconds, images) for seconds, images in calls] for calls in line["calls"]],
        )


def _parsed(text: str) -> dict:
    """A line of a file of partial records; nothing where it is cut short or was written by something else."""
    try:
        line = json.loads(text)
        lengths = {len(line[key]) for key in ("images", "right", "scores")} if "task" not in line else {1}
    except (ValueError, KeyError, TypeError):
        return {}
    return line if isinstance(line, dict) and len(lengths) == 1 else {}
