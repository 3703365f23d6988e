"""Video: one clip, one pair of models, one method or two. Layout, then events, top to bottom."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..clips import MAX_MEGABYTES, Clips, example_clips, made
from ..parts import arrival, clip_view, models, rail
from ..parts.clip_run import ClipRun
from ..parts.direct import direct, newest_of
from ..parts.live import live
from ..parts.pictures import button
from ..parts.question import Question
from ..parts.save import check_kind, save_part
from ..parts.stage import note
from ..parts.streams import answers, download, refused
from ..session import Shared

__all__ = ["build"]

METHODS = ("papr", "cam", "grad-cam", "random", "center", "reversed")  # as the library's; a test compares
VIEW: dict[str, Any] = {
    "clip": next(iter(example_clips())),
    "percent": 40,
    "method": "papr",
    "beside": "",
    "target": None,
    "explain": "auto",
    "look": "dim",
    "show": "kept",
    "opacity": 0.6,
    "colours": "inferno",
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
    shared.caches.append(clips.cache)
    choices = arrival.read(shared.settings)["choices"]
    shown = {**VIEW, "proposal": shared.settings.proposal, "backbone": shared.settings.backbone}

    with gr.Row(elem_id="video", elem_classes="p-page"):
        with gr.Column(elem_id="clip-rail", elem_classes="p-rail"):
            with gr.Column(elem_id="clip-rail-first"):
                gr.HTML(
                    value={"max_megabytes": MAX_MEGABYTES},
                    elem_id="clip-intake",
                    html_template='<div class="papr papr-intake"></div>',
                    js_on_load="papr.ready.then(p => p.mountClipIntake({element, props, upload}))",
                    apply_default_css=False,
                )
                with gr.Column(elem_id="clip-ratio", elem_classes="p-sticky"):
                    percent = rail.ratio(shown["percent"], "Patches kept of the clip, %")
                    note("clip-ratio")
                method = gr.Radio(
                    choices=[(choices["methods"][name]["title"], name) for name in METHODS],
                    value=shown["method"],
                    label="Method",
                    info="Random, Centre and PaPr reversed are controls, not in the paper",
                    interactive=True,
                )
                beside = gr.Dropdown(
                    choices=[("none", ""), *((choices["methods"][name]["title"], name) for name in METHODS)],
                    value=shown["beside"],
                    label="Another method beside it",
                    elem_classes="p-of-clip",
                    interactive=True,
                )
                note("clip-method")
            with gr.Column(elem_id="clip-rail-rest"):
                with gr.Column(elem_classes="p-of-clip"):
                    target = rail.target(choices["labels"]["names"], "Target class of the clip")
                    note("clip-target")
                    explain = rail.explain("What a CAM explains in the clip")
                    note("clip-explain")
                with gr.Accordion("Models", open=True):
                    titles = {"proposal": "Proposal ConvNet for clips", "backbone": "Backbone for clips"}
                    pickers = rail.pickers(shared, titles, choices, shown)
                    note("clip-models")
                with gr.Accordion("Display", open=False):
                    look = rail.look(shown["look"], "Dropped patches of the clip look")
                    with gr.Column(elem_classes="p-of-clip"):
                        opacity = rail.opacity(shown["opacity"], "Opacity of the clip’s map")
                        colours = rail.colours(shown["colours"], "Colours of the clip’s map")
        known = {
            "clips": list(example_clips()),
            "methods": list(METHODS),
            "looks": [value for _, value in rail.LOOKS],
            "colours": rail.COLOURS,
            "labels": choices["labels"]["hash"],
        }
        screen = gr.HTML(
            value={"view": shown, "known": known},
            elem_id="clip-stage",
            html_template='<div class="papr papr-stage"></div>',
            # Gradio takes the names of events from the quoted words in here
            js_on_load="papr.ready.then(p => p.mountClip({element, props, trigger, watch, server}));"
            '["ask", "save", "sync", "arrive"]',
            server_functions=[
                arrive_of(shared, clips),
                frames_of(shared, clips),
                newest_of(shared),
                live_of(shared),
            ],
            apply_default_css=False,
        )

    # What is set acts in the browser; the script there decides what needs the server, and asks once.
    controls = {
        "percent": percent,
        "method": method,
        "beside": beside,
        "target": target,
        "explain": explain,
        **pickers,
        "look": look,
        "opacity": opacity,
        "colours": colours,
    }
    rail.connect(screen, controls, page="loadVideo", set="p.clip.controls", view="papr.clip.view")

    def run(data: Any) -> ClipRun:
        return ClipRun(shared, clips, Question.read(data, shared))

    event = screen.ask(
        answers(run, lambda run: clip_view.payloads(run, run.steps())),
        None,
        [screen, target],
        trigger_mode="multiple",
        concurrency_id="clips",
        **rail.PRIVATE,
    )
    refused(event, screen, "answer", "stage")
    download(
        screen,
        lambda data: save(run(data)),
        elem_id="clip-saved",
        script="papr.clip.saved",
        concurrency_id="clips",
    )
    rail.fill(screen.arrive, pickers, lambda role: models.clip_choices(shared, role))


# Handlers


def arrive_of(shared: Shared, clips: Clips) -> Callable:
    """A direct call: the examples with a picture each, and which models look at clips."""

    def examples(data: str) -> dict[str, Any]:
        from papr_core.comparison.video import DEFAULT_CLIP_PROPOSAL
        from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL

        core = shared.core()
        of_clips = [one for one in (core.PROPOSALS | core.BACKBONES).values() if one.sees_clips]
        return {
            "examples": clips.cache.once(("examples",), _examples),
            "ofClips": [one.name for one in of_clips],
            "partners": {
                "clips": {
                    "proposal": DEFAULT_CLIP_PROPOSAL,
                    "backbone": next(one.name for one in of_clips if one.role == "backbone"),
                },
                "pictures": {"proposal": DEFAULT_PROPOSAL, "backbone": DEFAULT_BACKBONE},
            },
        }

    return direct(shared, examples)


def _examples() -> list[dict[str, str]]:
    middles = ((clip, made(clip.id, frames=3).frames[1]) for clip in example_clips().values())
    return [button(clip, middle.resize((128, 128))) for clip, middle in middles]


def frames_of(shared: Shared, clips: Clips) -> Callable:
    """A direct call: the sampled frames, and the clip that is written of them."""

    def frames(data: str) -> dict[str, Any]:
        return ClipRun(shared, clips, Question.read(data, shared)).frames()

    return direct(shared, frames)


def live_of(shared: Shared) -> Callable:
    """A direct call: one picture of the webcam."""

    def call(data: str) -> dict[str, Any]:
        return live(shared, data)

    call.__name__ = "live"
    return direct(shared, call)


def save(run: ClipRun) -> str:
    """One file to download; its path."""
    check_kind(run.question.kind, SAVED)
    name, part = SAVED[run.question.kind]
    first = run.everything()
    second = run.second and run.second.result
    return save_part(first, part, name, look=run.question.look, beside=second)
