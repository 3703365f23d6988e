"""Video: one clip, one pair of models, one method. Layout, then events, top to bottom."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app.clips import MADE, MAX_MEGABYTES, Clips, example_clips
from app.pages.compare import LOOKS, OWN_ANSWER, target_choices
from app.parts import arrival, models, view
from app.parts.clip_run import ClipRun
from app.parts.direct import direct, newest_of
from app.parts.live import live
from app.parts.pictures import jpeg
from app.parts.question import Question
from app.parts.stage import note
from app.session import Shared, asker, explain_error
from app.uploads import upload_folder

__all__ = ["build"]

METHODS = ("papr", "cam", "grad-cam", "random", "center", "reversed")  # papr_core.video's; a test compares
VIEW: dict[str, Any] = {
    "clip": MADE,
    "percent": 40,
    "method": "papr",
    "target": None,
    "explain": "proposal",
    "look": "dim",
}
SAVED = {  # kind of a download -> its name, and the file that PrunedClip.save writes
    "masked": ("papr-masked.mp4", "masked.mp4"),
    "original": ("papr-frames.mp4", "original.mp4"),
    "png": ("papr-clip.png", "figure.png"),
    "json": ("papr-clip.json", "video.json"),
}


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    clips = Clips()
    choices = arrival.read(shared.settings)["choices"]
    shown = {**VIEW, "proposal": shared.settings.proposal, "backbone": shared.settings.backbone}

    with gr.Row(elem_id="video", elem_classes="p-page"):
        with gr.Column(elem_id="clip-rail", elem_classes="p-rail"):
            with gr.Column(elem_id="clip-rail-first"):
                gr.HTML(
                    value={"max_megabytes": MAX_MEGABYTES},
                    elem_id="clip-intake",
                    html_template='<div class="papr papr-intake"></div>',
                    js_on_load="papr.clip.intake({element, props, upload})",
                    apply_default_css=False,
                )
                with gr.Column(elem_id="clip-ratio", elem_classes="p-sticky"):
                    percent = gr.Slider(
                        1,
                        100,
                        value=shown["percent"],
                        step=1,
                        label="Patches kept of the clip, %",
                        buttons=[],
                        interactive=True,
                    )
                    note("clip-ratio")
                method = gr.Radio(
                    choices=[(choices["methods"][name]["title"], name) for name in METHODS],
                    value=shown["method"],
                    label="Method",
                    info="Random, Centre and PaPr reversed are controls, not in the paper",
                    interactive=True,
                )
                note("clip-method")
            with gr.Column(elem_id="clip-rail-rest"):
                target = gr.Dropdown(
                    choices=target_choices(choices["labels"]["names"]),
                    value=OWN_ANSWER,
                    label="Target class of the clip",
                    info="The class whose confidence is reported",
                    interactive=True,
                )
                note("clip-target")
                explain = gr.Radio(
                    choices=[("The ConvNet’s own answer", "proposal"), ("The target class", "target")],
                    value=shown["explain"],
                    label="What a CAM explains in the clip",
                    interactive=True,
                )
                note("clip-explain")
                with gr.Accordion("Models", open=True):
                    proposal, backbone = (
                        gr.Dropdown(
                            choices=[tuple(choice) for choice in choices[role]],
                            value=shown[role],
                            label=label,
                            allow_custom_value=shared.settings.any_model,
                            interactive=True,
                        )
                        for role, label in (
                            ("proposal", "Proposal ConvNet for clips"),
                            ("backbone", "Backbone for clips"),
                        )
                    )
                    note("clip-models")
                with gr.Accordion("Display", open=False):
                    look = gr.Dropdown(
                        LOOKS, value=shown["look"], label="Dropped patches of the clip look", interactive=True
                    )
        known = {
            "clips": list(example_clips()),
            "methods": list(METHODS),
            "looks": [value for _, value in LOOKS],
            "labels": choices["labels"]["name"],
        }
        screen = gr.HTML(
            value={"view": shown, "known": known},
            elem_id="clip-stage",
            html_template='<div class="papr papr-stage"></div>',
            # Gradio takes the names of events from the quoted words in here
            js_on_load="papr.clip.mount({element, props, trigger, watch, server});"
            '["ask", "save", "sync", "arrive"]',
            server_functions=[
                arrive_of(shared, clips),
                frames_of(shared, clips),
                newest_of(shared),
                live_of(shared),
            ],
            apply_default_css=False,
        )
    file = gr.File(visible="hidden", elem_id="clip-saved")
    failure = gr.JSON(visible="hidden")

    # What is set acts in the browser; the script there decides what needs the server, and asks once.
    private = {"api_visibility": "private", "show_progress": "hidden"}
    controls = {
        "percent": percent,
        "method": method,
        "explain": explain,
        "proposal": proposal,
        "backbone": backbone,
        "look": look,
    }
    for name, control in controls.items():
        control.input(None, control, None, js=f"v => papr.clip.controls({{{name}: v}})", **private)
    target.input(
        None,
        target,
        None,
        js=f"v => papr.clip.controls({{target: v === {OWN_ANSWER} ? null : v}})",
        **private,
    )
    screen.sync(
        None,
        None,
        [*controls.values(), target],
        js=f"() => {{ const v = papr.clip.view; return [...{json.dumps(list(controls))}.map(n => v[n]),"
        f" v.target ?? {OWN_ANSWER}] }}",
        **private,
    )
    screen.ask(
        stream(shared, clips),
        None,
        [screen, target],
        trigger_mode="multiple",
        concurrency_id="clips",
        **private,
    )
    screen.save(saved_of(shared, clips), None, [file, failure], concurrency_id="clips", **private).then(
        None, [file, failure], None, js="(file, failure) => papr.clip.saved(file, failure)", **private
    )
    screen.arrive(
        lambda: [gr.Dropdown(choices=models.clip_choices(shared, role)) for role in ("proposal", "backbone")],
        None,
        [proposal, backbone],
        queue=False,
        **private,
    )


# Handlers


def stream(shared: Shared, clips: Clips) -> Callable:
    """A handler that works on a question and yields payloads; a mistake becomes a sentence."""

    def handler(event: gr.EventData) -> Iterator[tuple[dict, Any]]:
        data, labels = event._data, None
        seq = data.get("seq", 0) if isinstance(data, dict) else 0
        try:
            question = Question.read(data, shared)
            run = ClipRun(shared, clips, question, asker())
            for answer in run.steps():
                classes = gr.skip()
                if "models" in answer and labels is None:
                    labels = answer["models"]["backbone"]["labels"]
                    if labels != data.get("labels"):  # another set of classes to choose from
                        names = run.pair.backbone.labels.names
                        chosen = OWN_ANSWER if question.target is None else question.target
                        classes = gr.Dropdown(choices=target_choices(list(names)), value=chosen)
                yield {"answer": answer}, classes
        except Exception as error:
            if type(error).__name__ != "Stopped":
                yield {"answer": view.status(seq, error=explain_error(error))}, gr.skip()

    return handler


def arrive_of(shared: Shared, clips: Clips) -> Callable:
    """A direct call: the examples with a picture each, and which models look at clips."""

    def examples(data: str) -> dict[str, Any]:
        from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
        from papr_core.video import DEFAULT_VIDEO_PROPOSAL
        from papr_core.video_catalog import VIDEO_BACKBONES, VIDEO_PROPOSALS

        return {
            "examples": clips.cache.once(("examples",), lambda: _examples(shared, clips)),
            "ofClips": [*VIDEO_PROPOSALS, *VIDEO_BACKBONES],
            "partners": {
                "clips": {"proposal": DEFAULT_VIDEO_PROPOSAL, "backbone": next(iter(VIDEO_BACKBONES))},
                "pictures": {"proposal": DEFAULT_PROPOSAL, "backbone": DEFAULT_BACKBONE},
            },
        }

    return direct(shared, examples)


def _examples(shared: Shared, clips: Clips) -> list[dict[str, str]]:
    from PIL import ImageOps

    buttons = []
    for clip in example_clips().values():
        read = shared.core().read_clip(clips.source(shared, clip), lambda frames: [frames // 2])
        src = jpeg(ImageOps.fit(read.frames[0], (128, 128)), 80)
        buttons.append({"id": clip.id, "title": clip.name, "credit": clip.credit, "src": src})
    return buttons


def frames_of(shared: Shared, clips: Clips) -> Callable:
    """A direct call: the sampled frames, and the clip that is written of them."""

    def frames(data: str) -> dict[str, Any]:
        return ClipRun(shared, clips, Question.read(data, shared)).frames()

    return direct(shared, frames)


def live_of(shared: Shared) -> Callable:
    """A direct call: one picture of the webcam."""
    call = partial(live, shared)
    call.__name__ = "live"
    return direct(shared, call)


def saved_of(shared: Shared, clips: Clips) -> Callable:
    """One file to download, or the sentence that says why there is none."""

    def saved(event: gr.EventData) -> tuple[str | None, dict | None]:
        try:
            question = Question.read(event._data, shared)
            if question.kind not in SAVED:
                raise shared.core().InvalidInput(f"A download is one of {', '.join(SAVED)}.")
            name, part = SAVED[question.kind]
            result = ClipRun(shared, clips, question, asker()).everything()
            folder = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder()))
            made = result.save(folder / "all")
            shutil.move(made / part, folder / name)
            shutil.rmtree(made)
            return str(folder / name), None
        except Exception as error:
            return None, explain_error(error)

    return saved
