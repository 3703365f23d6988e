"""The public endpoints: what scripts and other programs may call, and how that is told to people.

Each is a function whose signature and docstring are its documentation, in Gradio's own schema, for MCP and
behind the footer's link (`document`). All else on the page is private.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import gradio as gr

from papr_core.pruning.reductions import asked

from ..clips import clip_models, receive_clip
from ..decoding import decoding
from ..session import Asker, Shared, explain_error, printable
from .question import read_classes

__all__ = ["ENDPOINTS", "PYTHON", "SHELL", "document", "publish"]

METHODS = ["papr", "cam", "grad-cam", "score-cam"]


def compare_of(shared: Shared) -> Callable:
    """The main job: the object that `compare --json` prints, always complete."""
    settings = shared.settings

    def compare(
        image: gr.FileData,
        proposal: str = settings.proposal,
        backbone: str = settings.backbone,
        keep_ratio: float = 0.4,
        methods: list[str] = METHODS,
        target: str | None = None,
        explain: str = "proposal",
        patches: list[int] | None = None,
        deletion: bool = False,
        classes: str | None = None,
    ) -> dict:
        """Prune one image by several methods and see what the backbone still says.

        Args:
            image: the picture, uploaded; addresses are not fetched
            proposal: a ConvNet by its name
            backbone: a vision transformer by its name
            keep_ratio: share of the tokens that stay, above 0 and at most 1
            methods: papr, cam, grad-cam, score-cam, grad-cam++, layer-cam, eigen-cam; as pytorch-grad-cam has
                them hires-cam, grad-cam-elementwise, xgrad-cam, eigen-grad-cam, seg-eigen-cam, ablation-cam,
                finer-cam, shapley-cam, kpca-cam, fem; the ViT's own attention and rollout; the controls
                smaller, random, center, checkerboard, edges, reversed
            target: the class whose confidence is reported, index or name; None is the full model's top-1
            explain: the class that a CAM explains: proposal (its own top-1), target, or a class
            patches: patches of your own choice, which add the method by-hand
            deletion: also the area while the worst patches stay, for as many passes again as the curve takes
            classes: of your own, divided by semicolons, for a CLIP or SigLIP with both towers

        Returns:
            target: {index, label} of the class whose confidence is reported; null for a backbone without a
                classifier: then measure is cosine, and each confidence the cosine between the pruned and the
                full embedding
            explain: {mode, index, label} of the ConvNet's class that a CAM explains
            full: {confidence, top: [{label, probability}, ...]} of the backbone with all patches
            methods: a list of {name, kept, patches, indices, confidence, confidence_low, confidence_high,
                top, kept_answer, seconds, overlap_with_papr, fewest_patches, areas}; areas: {insertion,
                deletion}, the mean confidence over keep ratios, best or worst patches first; null without an
                order of patches
            image, proposal, backbone, keep_ratio: what was asked
        """
        with _sentences():
            core = shared.core()
            from papr_core.models.catalog import check_sees_pictures

            file = _file(core, image, "picture")
            if not isinstance(methods, list) or not all(isinstance(name, str) for name in methods):
                raise core.InvalidInput("The methods are a list of names.")
            check_sees_pictures(proposal=proposal, backbone=backbone)
            asker = Asker(shared)
            picture, there = shared.receive(file["path"]), _while_there(asker)
            texts = read_classes(core, classes)
            result = core.compare(
                shared.pixels(picture, asker.gone, patient=True),
                proposal=shared.model("proposal", proposal, partial(there, "")),
                backbone=shared.typed(backbone, texts, fetch=True)
                if texts
                else shared.model("backbone", backbone, partial(there, "")),
                keep_ratio=keep_ratio,
                methods=methods[:50],
                target=target,
                explain=explain,
                patches=patches,
                deletion=deletion is True,
                name=printable(str(file.get("orig_name") or "image")[:200]),
                progress=there,
            )
            return result.to_dict()

    return compare


def video_of(shared: Shared) -> Callable:
    """The same for a clip: the object that `video --json` prints."""
    settings = shared.settings

    def video(
        clip: gr.FileData,
        proposal: str | None = None,
        backbone: str = settings.backbone,
        keep_ratio: float = 0.4,
        method: str = "papr",
        target: str | None = None,
        explain: str = "proposal",
    ) -> dict:
        """Prune one clip by one method and see what the backbone still says.

        Args:
            clip: the clip, uploaded; addresses are not fetched
            proposal: a ConvNet by its name; None is the page's own, or X3D-S for a backbone of clips
            backbone: a vision transformer of pictures, which sees frame by frame, or of clips, by its name
            keep_ratio: share of the tokens of the whole clip that stay, above 0 and at most 1
            method: papr, cam, grad-cam, random, center or reversed
            target: the class whose confidence is reported, index or name; None is the full model's top-1
            explain: the class that a CAM explains: proposal (its own top-1), target, or a class

        Returns:
            frames: a list of {time, kept}, one a sampled frame: its second, and how many patches it keeps
            full: {confidence, top: [{label, probability}, ...]} of the backbone with all patches
            pruned: {confidence, confidence_low, confidence_high, kept_answer, top} with those that stay
            patches, kept: of the whole clip
            gmacs_full, gmacs_pruned: billions of multiply-accumulates, the proposal's among the latter
            seconds: map and pruned answer
            source, grid, notes: what the file holds, the patches (T, rows, columns), what a reader must know
            clip, proposal, backbone, method, keep_ratio, target, explain: what was asked
        """
        with _sentences():
            core = shared.core()
            from papr_core.comparison.video import DEFAULT_CLIP_PROPOSAL, find_pair
            from papr_core.models.catalog import sees_clips

            file = _file(core, clip, "clip")
            of_clips = sees_clips(backbone, "backbone")
            proposal = proposal or (DEFAULT_CLIP_PROPOSAL if of_clips else settings.proposal)
            asker = Asker(shared)
            there = _while_there(asker)
            _, path = receive_clip(file["path"])
            looking, pruned = clip_models(shared, proposal, backbone, there)
            pick = find_pair(looking, pruned).pick
            return core.prune_clip(
                decoding().clip(path, pick, gone=asker.gone),
                proposal=looking,
                backbone=pruned,
                keep_ratio=keep_ratio,
                method=method,
                target=target,
                explain=explain,
                name=printable(str(file.get("orig_name") or "clip")[:200]),
                progress=there,
            ).to_dict()

    return video


def _file(core: Any, given: object, what: str) -> dict[str, Any]:
    """What Gradio hands over for a FileData."""
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise core.InvalidInput(f"Send the {what} as an uploaded file.")
    return given


def _while_there(asker: Asker) -> Callable[[str, int, int], None]:
    """A progress function that ends the work once the caller is gone."""
    return lambda what, done, of: asker.check()


def models_of(shared: Shared) -> Callable:
    """The rows of `models --json`."""

    def models() -> list[dict]:
        """List the models of the catalogue and of the owner's folder, and where their weights are.

        Returns:
            list: one object a model: {name, role, title, paper, architecture, input_size, labels, classes,
                licence, source, weights, megabytes, sha256, reason}; weights are embedded, local, cached,
                download or missing
        """
        with _sentences():
            shared.core()
            from papr_core.models.listing import model_rows

            return model_rows()

    return models


def cost_of(shared: Shared) -> Callable:
    """The object that `cost --json` prints."""
    settings = shared.settings

    def cost(
        backbone: str = settings.backbone,
        proposal: str | None = settings.proposal,
        keep_ratio: float = 0.4,
        tome_r: int = 0,
        tome_layers: str | None = None,
    ) -> dict:
        """Count what a configuration costs, in billions of multiply-accumulates, without weights.

        Args:
            backbone: the model that is pruned, by its name
            proposal: the ConvNet that looks first; None counts none
            keep_ratio: share of the tokens that stay, above 0 and at most 1
            tome_r: tokens that ToMe merges in each block
            tome_layers: the blocks that merge, all or second_half; None is the papers' choice

        Returns:
            gmacs_full: of the plain backbone
            gmacs_backbone: of the backbone as it is pruned
            gmacs_proposal: of one pass of the proposal, 0 at keep_ratio 1, where none looks
            gmacs_pruned: of both together, pruned
            patches, kept: how many there are, and how many stay
            backbone, proposal, keep, tome_r, tome_layers: what was asked
        """
        with _sentences():
            reduction = asked({"tome_r": tome_r, "tome_layers": tome_layers})
            return shared.cost(backbone, proposal, keep_ratio, reduction)

    return cost


@contextmanager
def _sentences() -> Iterator[None]:
    """A mistake becomes one sentence for the caller; the unforeseen goes to the log under a number."""
    try:
        yield
    except Exception as error:
        raise gr.Error(explain_error(error)["text"].split("\n")[-1], print_exception=False) from None


# name -> (the function for a page, its queue)
ENDPOINTS: dict[str, tuple[Callable[[Shared], Callable], str]] = {
    "compare": (compare_of, "slow"),
    "video": (video_of, "slow"),
    "models": (models_of, "quick"),
    "cost": (cost_of, "quick"),
}


def publish(shared: Shared) -> None:
    """Publish the endpoints, inside a Blocks context."""
    for name, (make, queue) in ENDPOINTS.items():
        gr.api(make(shared), api_name=name, concurrency_id=queue)


# What people copy. ADDRESS is the page's own, PICTURE and CLIP are files; a test runs both as they stand.
PYTHON = """\
from gradio_client import Client, handle_file

page = Client("ADDRESS")
picture = handle_file("PICTURE")
result = page.predict(image=picture, keep_ratio=0.4, methods=["papr", "random"], api_name="/compare")
for method in result["methods"]:
    print(method["name"], method["confidence"], method["kept_answer"])

clip = page.predict(clip=handle_file("CLIP"), keep_ratio=0.3, api_name="/video")
print(clip["pruned"]["top"][0], [frame["kept"] for frame in clip["frames"]])

print(page.predict(keep_ratio=0.5, api_name="/cost")["gmacs_pruned"])
print([model["name"] for model in page.predict(api_name="/models")])
"""
SHELL = """\
page=ADDRESS/gradio_api
json='Content-Type: application/json'
file=$(curl -sf -F 'files=@PICTURE' $page/upload | cut -d '"' -f 2)
asked='{"image": {"path": "'$file'", "meta": {"_type": "gradio.FileData"}}, "methods": ["papr", "random"]}'
call=$(curl -sf $page/call/v2/compare -H "$json" -d "$asked" | cut -d '"' -f 4)
curl -sfN $page/call/compare/$call
"""


def document(shared: Shared) -> dict[str, Any]:
    """What the footer's dialog shows: the endpoints in words, and the two snippets."""
    return {
        "endpoints": [_words(name, make(shared)) for name, (make, _) in ENDPOINTS.items()],
        "python": PYTHON,
        "shell": SHELL,
    }


def _words(name: str, function: Callable) -> dict[str, Any]:
    """A function's signature and docstring as plain data."""
    text = inspect.getdoc(function) or ""
    about, *sections = re.split(r"\n\n(Args|Returns):\n", text)
    told = {title: _entries(body) for title, body in zip(sections[::2], sections[1::2])}
    inputs = [
        {
            "name": parameter.name,
            "type": _type(parameter.annotation),
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
            "about": told["Args"][parameter.name],
        }
        for parameter in inspect.signature(function).parameters.values()
    ]
    outputs = [{"name": key, "about": value} for key, value in told["Returns"].items()]
    return {"name": name, "about": " ".join(about.split()), "inputs": inputs, "outputs": outputs}


def _entries(body: str) -> dict[str, str]:
    """The entries of a Google section; what has no name stands under ''."""
    found: dict[str, str] = {}
    for line in re.sub(r"\n {5,}", " ", body).splitlines():
        match = re.fullmatch(r" {4}([\w, ]+): (.+)", line)
        key, words = match.groups() if match else ("", line.strip())
        found[key] = words
    return found


def _type(annotation: Any) -> str:
    if annotation is gr.FileData:
        return "file"
    return (
        annotation.__name__
        if isinstance(annotation, type) and not hasattr(annotation, "__args__")
        else str(annotation)
    )
