"""The passes over the data: this process's share of them, with what an ended run had found."""

from collections.abc import Callable
from typing import Any

from papr_core.evaluation.clip_trials import ClipTrials
from papr_core.evaluation.image_trials import ImageTrials
from papr_core.evaluation.processes import share
from papr_core.evaluation.records import PartialRecords, Records, joined
from papr_core.evaluation.trials import Plan
from papr_core.pruning.reductions import words_of

__all__ = ["Progress", "measured", "partial_records"]

Progress = Callable[[int, int], None]


def partial_records(folder: Any, plan: Plan, about: dict[str, Any]) -> PartialRecords:
    """What lies in a folder of this evaluation. about: what else its numbers depend on."""
    contest = plan.backbone_contest
    task = about | {
        "backbone weights": plan.backbone.sha256,
        "proposal weights": plan.proposal.sha256,
        "folders": plan.data.classes if about["classes"] == "data" else None,  # they compete then
        "what the folders mean": contest.classes[contest.places].tolist(),
        "what the proposal knows": plan.proposal_contest.known,
        "methods, keep and reductions": [
            (one.method, one.keep, one.worst, one.painted, words_of(one.reduction))
            + (() if one.mass is None else (one.mass,))
            for one in plan.configurations
        ],
        "explain": "target" if plan.explain_truth else "proposal",
    }
    return PartialRecords(folder, task, _as_told(plan), len(plan.configurations))


def _as_told(plan: Plan) -> list[str]:
    """Each image by its name and by what its data say of it, class and boxes: one of which they say something
    else is measured again."""
    boxes = plan.boxes or {}
    return [
        f"{key} of {folder}" + (f" with {boxes[i]}" if i in boxes else "")
        for i, (key, folder) in enumerate(plan.data.samples)
    ]


def measured(
    trials: ImageTrials | ClipTrials,
    batch_size: int,
    partial: PartialRecords | None = None,
    progress: Progress | None = None,
) -> Records:
    """This process's share, what it finds in the folder of partial records and what it measures.

    Every batch belongs to one process, whatever was measured before: so processes that see different states
    of the folder neither leave a batch out nor measure it twice.
    """
    everything = range(len(trials.plan.data))
    batches = [everything[i : i + batch_size] for i in range(0, len(everything), batch_size)]
    rank, processes = share()
    mine = batches[rank::processes]
    found = [Records.none(len(trials.plan.configurations))]
    if partial is not None:
        found.append(partial.found.of([i for batch in mine for i in batch]))
    there = {i for records in found for i in (*records.index.tolist(), *records.left_out)}
    waiting = [left for batch in mine if (left := [i for i in batch if i not in there])]
    of = sum(map(len, mine))
    if progress and there:
        progress(len(there), of)
    for records in trials.measure(waiting):
        if partial is not None:
            partial.add(records)
        found.append(records)
        if progress:
            progress(sum(len(one) + len(one.left_out) for one in found), of)
    return joined(found)
