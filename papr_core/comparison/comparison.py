"""The main job: one image in, every method's patches and the pruned backbone's answers out.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 4.5 and Fig. 7 and 12 to 17. Written from the paper.

`compare` goes all the steps of `scene` at once; what was computed step by step becomes the same `Comparison`
by `build_comparison`.
"""

import json
import math
import os
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from papr_core.comparison.maps import MethodMap
from papr_core.comparison.results import Found, MethodResult, method_result, rounded, top_classes, top_dicts
from papr_core.comparison.scene import Scene, answers, open_scene, scene_map, scene_notes
from papr_core.comparison.seen import ClassLabel, Explained
from papr_core.data.images import read_image
from papr_core.data.sources import printable
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods.controls import Patches, checked_patches
from papr_core.methods.table import DEFAULT_METHODS, METHODS, find_method, refusal
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.labels import short_label
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO
from papr_core.saving import saved_folder, versions

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from PIL import Image

    from papr_core.figures import Display, Paper

__all__ = ["Comparison", "build_comparison", "compare", "compare_ratios", "keepers"]

SCHEMA = 1


def compare(
    image: "str | os.PathLike | bytes | Image.Image | np.ndarray",
    *,
    proposal: str | Proposal | nn.Module = DEFAULT_PROPOSAL,
    backbone: str | Backbone | nn.Module = DEFAULT_BACKBONE,
    keep_ratio: float = DEFAULT_KEEP_RATIO,
    methods: Sequence[str] = DEFAULT_METHODS,
    target: int | str | None = None,
    explain: int | str = "proposal",
    patches: "Sequence[int] | Tensor | np.ndarray | None" = None,
    fit: str = "crop",
    curve: bool = True,
    deletion: bool = False,
    seed: int = 0,
    name: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> "Comparison":
    """Prune one image by several methods and see what the backbone still says.

    image: a path, a file's bytes, a PIL image or an array (H, W, 3). proposal, backbone: names, loaded
    models, or models that you built (`as_backbone`). target: the class whose confidence is reported, a class
    of the backbone by index or name; None is the full model's top-1. explain: the class that a CAM explains,
    the "proposal"'s own top-1, the "target", or a class of the proposal by index or name. fit: the picture
    to the backbone's square: "crop" (its own rule), "pad" or "squash". patches: the choice of `by-hand`,
    which they add to the methods: whole numbers in a sequence, array or tensor, such as a row of
    `backbone.select`. curve: also run the full curve, without which fewest_patches and areas are None.
    deletion: also the curve of the worst patches, for the area of that name: as many passes again as the
    curve itself. name: of the image, for a reader. progress: called as progress(what, done, of); it may
    raise `Stopped`.

    >>> import papr_core
    >>> comparison = papr_core.compare("assets/examples/coffee.jpg", methods=["papr", "center"], curve=False)
    >>> comparison.target.label, comparison.methods[0].kept
    ('espresso', 78)
    >>> comparison.verdict
    'PaPr keeps “espresso”, Centre loses it.'

    Raises:
        InvalidInput and its kin, WeightsUnavailable, Stopped: each in one sentence.
    """
    (comparison,) = compare_ratios(
        image,
        [keep_ratio],
        proposal=proposal,
        backbone=backbone,
        methods=methods,
        target=target,
        explain=explain,
        patches=patches,
        fit=fit,
        curve=curve,
        deletion=deletion,
        seed=seed,
        name=name,
        progress=progress,
    )
    return comparison


def compare_ratios(
    image: "str | os.PathLike | bytes | Image.Image | np.ndarray",
    keep_ratios: Sequence[float],
    *,
    proposal: str | Proposal | nn.Module = DEFAULT_PROPOSAL,
    backbone: str | Backbone | nn.Module = DEFAULT_BACKBONE,
    methods: Sequence[str] = DEFAULT_METHODS,
    target: int | str | None = None,
    explain: int | str = "proposal",
    patches: "Sequence[int] | Tensor | np.ndarray | None" = None,
    fit: str = "crop",
    curve: bool = True,
    deletion: bool = False,
    seed: int = 0,
    name: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> "tuple[Comparison, ...]":
    """The same as `compare` at each of these keep ratios, in their order; maps and curve are made once."""
    from papr_core.models.backbones import load_backbone
    from papr_core.models.given import adopted
    from papr_core.models.proposals import load_proposal

    tell = progress or (lambda what, done, of: None)
    names = _method_names(methods, patches)
    proposal, backbone = adopted(proposal, backbone)
    check_sees_pictures(proposal=proposal, backbone=backbone)
    proposal = load_proposal(proposal) if isinstance(proposal, str) else proposal
    backbone = load_backbone(backbone) if isinstance(backbone, str) else backbone
    counts = {ratio: backbone.num_kept(ratio) for ratio in keep_ratios}
    if not counts:
        raise InvalidInput("Give at least one keep ratio.")
    if name is None:
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else "image"
    name = printable(name)
    for method in names:
        if reason := refusal(method, proposal, backbone):
            raise UnsupportedModel(reason)
    watch = any(METHODS[method].kind == "oracle" for method in names)
    picture = read_image(image)
    scene = open_scene(picture, proposal, backbone, target=target, explain=explain, fit=fit, watch=watch)

    def drawing(method: str) -> Callable[[int, int], None]:
        return lambda done, of: tell(METHODS[method].title, done, of)

    maps = {
        method: scene_map(scene, method, seed=seed, patches=patches, progress=drawing(method))
        for method in names
    }
    papr = maps.get("papr") or scene_map(scene, "papr")
    found: dict[tuple[str, int, int], Tensor] = {}
    at_ratio = {}  # apart: a ConvNeXt or Swin takes a ratio stage by stage, so that two may share a count
    along = {step for one in maps.values() for step in one.curve_counts} if curve else set()
    steps = sorted(along - {*counts.values()})
    turned = [one.worst_first for one in maps.values()] if deletion else []
    backward = [one for one in turned if one]
    again = sorted(along) if backward else []
    of = len(counts) + len(steps) + len(again)
    for done, (ratio, count) in enumerate(counts.items()):
        tell("Confidence", done, of)
        at_ratio[ratio] = dict(answers(scene, maps.values(), [count], keep_ratio=ratio))
        found.update(at_ratio[ratio])
    for done, step in enumerate(steps, len(counts)):
        tell("Confidence", done, of)
        here = [one for one in maps.values() if not one.count and step in one.curve_counts]
        found.update(answers(scene, here, [step]))
    worst: dict[tuple[str, int, int], Tensor] = {}
    for done, step in enumerate(again, len(counts) + len(steps)):
        tell("Confidence, worst patches first", done, of)
        worst.update(answers(scene, [one for one in backward if step in one.curve_counts], [step]))
    tell("Confidence", of, of)
    settings = {
        "methods": list(maps),
        "target": target,
        "explain": explain,
        "patches": None if patches is None else list(checked_patches(patches, scene.num_patches)),
        "fit": fit,
        "seed": seed,
        "curve": bool(curve),
        "deletion": bool(deletion),
    }
    return tuple(
        build_comparison(
            scene,
            maps,
            found | at_ratio[ratio],
            ratio,
            papr=papr,
            worst=worst,
            name=name,
            settings=settings,
        )
        for ratio in counts
    )


def _method_names(names: Sequence[str], patches: Patches | None) -> list[str]:
    if isinstance(names, str):
        names = [names]
    chosen = list(dict.fromkeys(find_method(name).name for name in names))
    if patches is not None and "by-hand" not in chosen:
        chosen.append("by-hand")
    if not chosen:
        raise InvalidInput(f"Choose at least one method of {', '.join(METHODS)}.")
    return chosen


def build_comparison(
    scene: Scene,
    maps: Mapping[str, MethodMap],
    found: Found,
    keep_ratio: float,
    *,
    papr: MethodMap,
    worst: Found = types.MappingProxyType({}),
    name: str = "image",
    settings: Mapping[str, Any] = types.MappingProxyType({}),
) -> "Comparison":
    """A Comparison of what was computed in steps: `open_scene`, `scene_map`, `answers`.

    found holds what the maps keep at the ratio, and may hold the full curve, as worst may hold that of the
    maps turned round (`MethodMap.worst_first`): a curve that is not whole is left out. settings: what a
    manifest says of how it was asked; the keep ratio and the device are added.
    """
    proposal, backbone = scene.proposal, scene.backbone
    count = backbone.num_kept(keep_ratio)

    def whole(one: MethodMap, there: Found) -> bool:
        draws = range(len(one.coarse))
        return all((one.name, draw, step) in there for draw in draws for step in one.curve_counts)

    return Comparison(
        image=name,
        crop=scene.crop,
        fine_crop=scene.fine_crop,
        models={"proposal": _model_facts(proposal), "backbone": _model_facts(backbone)},
        keep_ratio=float(keep_ratio),
        grid=scene.grid,
        target=scene.target,
        answer=scene.answer,
        explain=scene.explain,
        full_confidence=scene.full_confidence,
        full_top=top_classes(scene.full_probabilities, backbone.labels),
        proposal_confidence=scene.proposal_confidence,
        proposal_top=top_classes(scene.proposal_probabilities, proposal.labels),
        methods=tuple(
            method_result(
                scene,
                one,
                found,
                count,
                papr=papr,
                curve=one.curve_counts if whole(one, found) else None,
                worst=worst if whole(one, worst) else None,
            )
            for one in maps.values()
        ),
        maps=dict(maps),
        settings={"keep_ratio": float(keep_ratio), **settings, "device": str(scene.features.device)},
        notes=scene_notes(scene, maps.values()),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """One image's comparison, complete in itself: no model is needed to save or show it.

    image: its name; crop; fine_crop: the same at the picture's own resolution, for the eye; scene numbers
    (target, answer, explain, probabilities); methods: a MethodResult each; maps: the MethodMap of each, by
    name; models: facts of both; settings; notes: what a reader must know. measure: what stands where a
    confidence is named, "confidence" in the target or, of a backbone without a classifier, the "cosine" to
    the unpruned embedding; target and answer are None then.
    """

    image: str
    crop: "Image.Image"
    fine_crop: "Image.Image"
    models: dict[str, dict[str, Any]]
    keep_ratio: float
    grid: tuple[int, int]
    target: ClassLabel | None
    answer: ClassLabel | None
    explain: Explained
    full_confidence: float
    full_top: tuple[tuple[str, float], ...]
    proposal_confidence: float | None
    proposal_top: tuple[tuple[str, float], ...]
    methods: tuple[MethodResult, ...]
    maps: dict[str, MethodMap]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = ", ".join(f"{method.title} {self.shown(method.confidence)}" for method in self.methods)
        return f"Comparison({self.image!r}, {self._subject}, keep ratio {self.keep_ratio:g}: {said})"

    @property
    def measure(self) -> str:
        return "confidence" if self.target else "cosine"

    def to_dict(self) -> dict[str, Any]:
        """The object that `compare --json` prints; without classes it says `measure` too."""
        measure = {} if self.target else {"measure": self.measure}
        return measure | {
            "image": self.image,
            "proposal": self.models["proposal"]["name"],
            "backbone": self.models["backbone"]["name"],
            "keep_ratio": self.keep_ratio,
            "target": asdict(self.target) if self.target else None,
            "explain": asdict(self.explain),
            "full": {"confidence": rounded(self.full_confidence), "top": top_dicts(self.full_top)},
            "methods": [method.to_dict() for method in self.methods],
        }

    def manifest(self) -> dict[str, Any]:
        """What makes the result repeatable: versions, models, their weights' hashes, settings, numbers."""
        return {
            "schema": SCHEMA,
            "versions": versions(),
            "models": self.models,
            "settings": self.settings,
            "grid": list(self.grid),
            "answer": asdict(self.answer) if self.answer else None,
            "numbers": self.to_dict(),
            "curves": {method.name: method.curve.to_dict() for method in self.methods if method.curve},
            "curves_worst_first": {
                method.name: method.worst_first.to_dict() for method in self.methods if method.worst_first
            },
            "proposal_answer": {"confidence": self.proposal_confidence, "top": top_dicts(self.proposal_top)},
            "notes": list(self.notes),
        }

    def arrays(self) -> "dict[str, np.ndarray]":
        """The maps as they go into maps.npz: METHOD (D, H, W) on the patch grid, METHOD/coarse (D, h, w),
        METHOD/kept (k,), and the crop (H, W, 3)."""
        import numpy as np

        arrays = {"crop": np.asarray(self.crop)}
        for method in self.methods:
            arrays[method.name] = self.maps[method.name].significance.numpy()
            arrays[f"{method.name}/coarse"] = self.maps[method.name].coarse.numpy()
            arrays[f"{method.name}/kept"] = np.array(method.indices, dtype=np.int64)
        return arrays

    def figure(self, *, paper: "Paper | None" = None, display: "Display | None" = None) -> "Figure":
        """The picture with both confidences, each method's map and what it keeps (the paper's Fig. 7).

        paper: width, size of text, layout (`papr_core.figures.Paper`); display: colours, opacity and scale of
        the maps, look of dropped patches (`papr_core.figures.Display`).
        """
        from papr_core.figures import methods_figure

        note = "" if paper and paper.width else self.caption
        return methods_figure([self.figure_row()], note=note, paper=paper, display=display)

    @property
    def caption(self) -> str:
        """One line for below a figure: the models, the keep ratio and the patches kept."""
        return self.caption_at([self])

    def caption_at(self, comparisons: "Sequence[Comparison]") -> str:
        """The same of this picture's comparisons at several keep ratios."""
        proposal, backbone = self.models["proposal"]["title"], self.models["backbone"]["title"]
        num_patches, said = math.prod(self.grid), []
        for at in comparisons:
            ranking = [m for m in at.methods if m.name != "by-hand" and not METHODS[m.name].whole]
            if ranking:
                count = ranking[0].kept
                said.append(f"{count} of {num_patches} patches kept ({100 * at.keep_ratio:g} %)")
        return (
            ". ".join([f"ConvNet: {proposal}. Pruned: {backbone}", *([_listed(said)] if said else [])]) + "."
        )

    def figure_row(self) -> Any:
        """This comparison as a row of `figures.methods_figure`."""
        import numpy as np

        from papr_core.figures import Panel, Row

        chosen = self.target is not None and self.settings.get("target") is not None
        answer = self.answer if self.answer != self.target else None
        return Row(
            image=np.asarray(self.fine_crop),
            grid=self.grid,
            label=self._subject,
            proposal_confidence=self.proposal_confidence,
            backbone_confidence=self.full_confidence if self.target else None,
            keep=[self.keep_ratio],
            panels=tuple(
                Panel(
                    title=method.title,
                    significance=None
                    if method.name == "by-hand"
                    else self.maps[method.name].significance[0].numpy(),
                    cuts=[self._cut(method, chosen)],
                    note=self._panel_note(method),
                )
                for method in self.methods
            ),
            answer=(short_label(answer.label), self.full_top[0][1]) if answer else None,
            name=self.image,
            chosen=chosen,
        )

    def _cut(self, method: MethodResult, chosen: bool) -> Any:
        import numpy as np

        from papr_core.figures import Cut

        top1 = method.top[0][0] if method.top else ""
        mark = method.kept_answer
        if chosen and self.target is not None:  # then the target's place is what a reader wants to know
            mark = top1 == self.target.label
        about = METHODS[method.name]
        made = method.kept if about.whole else None
        kept = np.array(method.indices)
        return Cut(kept, method.confidence, mark, about.draws, short_label(top1), made)

    def _panel_note(self, method: MethodResult) -> str:
        about = METHODS[method.name]
        if about.draws > 1:
            return f"draw 1; % mean of {about.draws}"
        if about.uses_class:
            return f"explains {short_label(self.explain.label)}"
        return f"{method.kept} patches" if method.name == "by-hand" else ""

    def curve_figure(self, *, paper: "Paper | None" = None) -> "Figure":
        """Confidence against the share of patches kept. Raises InvalidInput where no curve was computed."""
        from papr_core.figures import Line, curve_figure

        lines = [
            Line(
                method.title,
                method.colours[0],
                one.curve.counts,
                one.curve.confidence,
                dashed=method.kind == "control",
            )
            for one in self.methods
            if one.curve and (method := METHODS[one.name])
        ]
        if not lines:
            raise InvalidInput("This comparison has no curve; compare with curve=True.")
        return curve_figure(
            lines,
            num_patches=math.prod(self.grid),
            label=self._subject,
            full_confidence=self.full_confidence,
            keep_ratio=self.keep_ratio,
            measure=self.measure,
            paper=paper,
        )

    @property
    def _subject(self) -> str:
        """What the numbers are about, in a few words."""
        return short_label(self.target.label) if self.target else "the unpruned embedding"

    def save(self, folder: str | os.PathLike) -> Path:
        """Write figure.png, curve.png (where there is one), maps.npz and manifest.json into a folder; give
        its path.

        Files of these names are replaced, others are left alone; all are written beside the folder first, so
        a failure leaves nothing half done.
        """
        import numpy as np

        from papr_core.figures import save_figure

        with saved_folder(folder) as draft:
            save_figure(self.figure(), draft / "figure.png")
            if any(method.curve for method in self.methods):
                save_figure(self.curve_figure(), draft / "curve.png")
            np.savez_compressed(draft / "maps.npz", **self.arrays())  # type: ignore[arg-type]  # no option among them
            manifest = json.dumps(
                self.manifest(), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False
            )
            (draft / "manifest.json").write_text(manifest + "\n", encoding="utf-8")
        return Path(folder)

    @property
    def verdict(self) -> str:
        """One sentence: which methods keep the full model's answer, and which lose it; of a model without
        answers, how near each stays to the unpruned embedding."""
        if self.answer is None:
            near = [f"{method.title} {method.confidence:.3f}" for method in self.methods]
            return f"Cosine to the unpruned embedding: {', '.join(near)}."
        kept = [method.title for method in self.methods if method.kept_answer]
        lost = [method.title for method in self.methods if not method.kept_answer]
        return keepers(f"“{short_label(self.answer.label)}”", kept, lost)

    def shown(self, number: float) -> str:
        """A number as it is written: 93.1 % of confidence, or a cosine of 0.931."""
        return f"{100 * number:.1f} %" if self.target else f"{number:.3f}"

    def _repr_png_(self) -> bytes:
        from papr_core.figures import figure_bytes

        return figure_bytes(self.figure(), "png", dpi=150)

    def _repr_html_(self) -> str:
        import base64
        from html import escape

        marks = {True: "kept", False: "lost", None: ""}
        rows = "".join(
            f"<tr><td>{escape(method.title)}</td><td>{method.kept} of {method.patches}</td>"
            f"<td>{self.shown(method.confidence)}</td><td>{marks[method.kept_answer]}</td></tr>"
            for method in self.methods
        )
        picture = base64.b64encode(self._repr_png_()).decode()
        number = escape(f"{self.measure.capitalize()} {'on' if self.target else 'to'} {self._subject}")
        answer = escape(f"Answer “{short_label(self.answer.label)}”") if self.answer else "Answer"
        return (
            f"<p>{escape(self.verdict)}</p>"
            f'<img alt="Maps and kept patches of each method" style="max-width:100%" '
            f'src="data:image/png;base64,{picture}">'
            f"<table><tr><th>Method</th><th>Patches</th><th>{number}</th><th>{answer}</th></tr>"
            f"{rows}</table>"
        )


def _model_facts(model: Proposal | Backbone) -> dict[str, Any]:
    """What a manifest says of a model: name, title, label set, input size, the weights' origin and hash; and
    the classes, where they were typed."""
    return {
        "name": model.name,
        "title": model.title,
        "labels": model.labels.name,
        **({"classes": list(model.labels.names)} if model.labels.name == "typed" else {}),
        "input_size": list(model.input_size),
        "weights": model.weights.kind if model.weights else "random",
        "sha256": model.sha256,
    }


_IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def keepers(answer: str, kept: Sequence[str], lost: Sequence[str]) -> str:
    """Who keeps the answer and who loses it, in a sentence. The page says the same while its slider moves, in
    a script of its own (static/js/verdict.js): both are held to tests/data/verdicts.json."""

    def count(names: Sequence[str]) -> str:
        return _IN_WORDS[len(names)] if len(names) < len(_IN_WORDS) else str(len(names))

    if not kept and not lost:
        return f"The full model sees {answer}."
    if not lost and len(kept) > 2:
        return f"All {count(kept)} keep {answer}."
    if not kept and len(lost) > 2:
        return f"None of the {count(lost)} keeps {answer}."
    said = []
    if kept:
        said.append(f"{_listed(kept)} {'keeps' if len(kept) == 1 else 'keep'} {answer}")
    if lost:
        said.append(f"{_listed(lost)} {'loses' if len(lost) == 1 else 'lose'} {'it' if kept else answer}")
    return ", ".join(said) + "."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
