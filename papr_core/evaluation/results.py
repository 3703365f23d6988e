"""Evaluations in files: written with what made them, read, older ones brought to today's account."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from papr_core.bench import machine
from papr_core.cost import backbone_gmacs, proposal_gmacs, spent
from papr_core.errors import InvalidInput
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.models.backbones import skeleton_backbone
from papr_core.models.proposals import skeleton_proposal
from papr_core.pruning.reductions import reduction_in
from papr_core.saving import saved_file, versions

__all__ = ["made_with", "read_results", "recounted", "results_in", "write_result"]

_NEEDED = {"subset", "method", "keep", "gmacs", "topk"}


def made_with(device: str | torch.device) -> dict[str, Any]:
    """Versions and hardware, as a result says what made it."""
    hardware = {"machine": machine(device), "device": str(device), "threads": torch.get_num_threads()}
    return {"versions": versions(), "hardware": hardware}


def write_result(path: str | os.PathLike, result: Mapping[str, Any]) -> None:
    """One result as a JSON file, whole or not at all. Raises InvalidInput."""
    path = Path(path)
    if path.suffix != ".json":
        raise InvalidInput(f"A result is written as .json, not as {path.name!r}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with saved_file(path) as part:
            part.write_text(json.dumps(result, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from error


def read_results(paths: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """The objects that `evaluate --json` printed into files, in today's account; of a sweep each.

    Raises:
        InvalidInput: a file that is not there, or holds something else.
    """
    found = []
    for path in map(Path, paths):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            several = told.get("results", [told])
            if not all(row.keys() >= _NEEDED for result in several for row in result["rows"]):
                raise KeyError("rows")
        except OSError as error:
            raise InvalidInput(f"{path.name} cannot be read ({error.strerror or error}).") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path.name} is not what `evaluate --json` prints.") from error
        found += several
    return [result if _accounted(result) else recounted(result) for result in found]


def results_in(folder: str | os.PathLike) -> list[Path]:
    """The results in a folder, by name. Raises InvalidInput where there is none."""
    folder = Path(folder)
    found = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not found:
        raise InvalidInput(
            f"There are no results in {folder}: `evaluate --out {folder}/NAME.json` writes one."
        )
    return found


def _spends(method: str) -> str:
    """The method as `backbone_gmacs` asks for it: the full model spends what PaPr spends at that ratio."""
    return "papr" if method == FULL else method


def _accounted(result: Mapping[str, Any]) -> bool:
    return all("gmacs_backbone" in row for row in result["rows"])


def recounted(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result of pictures with the columns of `cost.spent`, counted from the names of its models: files from
    before they said them charged the proposal's pass to every row. All that was measured stays.

    Raises:
        UnknownModel, UnsupportedModel: models that are not known here.
    """
    backbone, proposal = skeleton_backbone(result["backbone"]), skeleton_proposal(result["proposal"])
    looking, counted = proposal_gmacs(proposal), cache(backbone_gmacs)
    rows = []
    for row in result["rows"]:
        reduction = reduction_in(row)
        account = spent(
            counted(backbone, row["keep"], reduction=reduction, method=_spends(row["method"])),
            looking,
            looks=Configuration(row["method"], row["keep"], reduction).looks,
        )
        place = list(row).index("gmacs")
        items = [item for item in row.items() if item[0] not in account]
        rows.append(dict([*items[:place], *account.items(), *items[place:]]))
    head = {key: value for key, value in result.items() if key not in ("rows", "differences")}
    return {
        **head,
        "proposal_gmacs": looking,
        "rows": rows,
        **({"differences": result["differences"]} if "differences" in result else {}),
    }
