"""Compare: one picture, one pair of models, one card a method. Layout, then events, top to bottom."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import gradio as gr

from ..parts import arrival, models, rail, view
from ..parts.direct import direct, newest_of
from ..parts.question import Question
from ..parts.run import Run, Step
from ..parts.save import save
from ..parts.stage import handles, intake, note, opening, stage
from ..parts.streams import answers, download, refused
from ..runtime import offered
from ..session import Shared, examples

__all__ = ["build"]

# The list of methods in groups: the first stands on top, that of the library is folded away.
FIRST = ("papr", "cam", "own")
GROUPS = {
    "The ViT’s own attention, at the cost of a full pass": ("oracle",),
    "Controls, not in the paper": ("control", "choice"),
    "More CAMs (pytorch-grad-cam)": ("library",),
}


def build(shared: Shared) -> None:
    """The page, inside a Blocks or Tab context."""
    ready = arrival.read(shared.settings)
    choices, shown = ready["choices"], ready["view"]

    def chips(*kinds: str) -> list[tuple[str, str]]:
        return [(one["title"], name) for name, one in choices["methods"].items() if one["kind"] in kinds]

    with gr.Row(elem_id="compare"):
        with gr.Column(elem_id="rail"):
            intake()
            with gr.Column(elem_id="choices"):
                methods = gr.CheckboxGroup(
                    choices=chips(*FIRST), value=shown["methods"], label="Methods", interactive=True
                )
                lists = [methods]
                for label, kinds in GROUPS.items():
                    with gr.Accordion(label, open=False) if kinds == ("library",) else nullcontext():
                        group = gr.CheckboxGroup(
                            choices=chips(*kinds),
                            value=[],
                            label=label,
                            show_label=kinds != ("library",),
                            interactive=True,
                        )
                        lists.append(group)
                target = rail.target(choices["labels"]["names"])
                note("target")
                explain = rail.explain()
                note("explain")
            with gr.Column(elem_id="rail-rest"):
                with gr.Accordion("Models", open=True):
                    titles = {"proposal": "Proposal ConvNet", "backbone": "Backbone"}
                    pickers = rail.pickers(shared, titles, choices, shown)
                    note("classes")
                    note("models")
                with gr.Accordion("Display", open=False):
                    look = rail.look(shown["look"])
                    opacity = rail.opacity(shown["opacity"])
                    colours = rail.colours(shown["colours"])
                    scale = gr.Dropdown(
                        rail.SCALES, value=shown["scale"], label="Scale of the map", interactive=True
                    )
                    stretch = gr.Checkbox(
                        shown["stretch"],
                        label="Stretch a picture of 16 bits",
                        info="Where 12 bits lie in 16, it is all but black",
                        interactive=True,
                    )
        with gr.Column(elem_id="main"):
            opening()
            with gr.Row(elem_id="bar"):
                with gr.Column(elem_id="ratio"):
                    percent = rail.ratio(shown["percent"])
                    note("ratio")
                handles()
            known = {
                "pictures": list(examples()),
                "methods": list(choices["methods"]),
                "looks": [value for _, value in rail.LOOKS],
                "scales": [value for _, value in rail.SCALES],
                "colours": rail.COLOURS,
            }
            screen = stage(
                {
                    "view": shown,
                    "answer": ready["answer"],
                    "known": known,
                    "runtime": offered(shared.settings.runtime),
                },
                [numbers_of(shared), crop_of(shared), speed_of(shared), newest_of(shared)],
            )

    # What is set acts in the browser; the script there decides what needs the server, and asks once.
    controls = {
        "percent": percent,
        "target": target,
        "explain": explain,
        **pickers,
        "look": look,
        "opacity": opacity,
        "colours": colours,
        "scale": scale,
        "stretch": stretch,
    }
    rail.connect(screen, controls, set="p.controls", view="papr.store.view")
    gr.on(
        [one.input for one in lists],
        None,
        lists,
        None,
        js="(...lists) => papr.ready.then(p => p.controls({methods: lists.flat()}))",
        **rail.PRIVATE,
    )
    groups = [[name for _, name in chips(*kinds)] for kinds in (FIRST, *GROUPS.values())]
    screen.sync(
        None,
        None,
        lists,
        js=f"() => {json.dumps(groups)}.map(g => papr.store.view.methods.filter(m => g.includes(m)))",
        **rail.PRIVATE,
    )
    screen.pick(None, None, percent, js="() => papr.store.view.percent", **rail.PRIVATE)

    # Quick and slow work queue apart: nobody's PaPr card waits for somebody's Score-CAM.
    def run(data: Any) -> Run:
        return Run(shared, Question.read(data, shared))

    def told(steps: Callable[[Run], Iterator[Step]]) -> Callable:
        return answers(run, lambda run: view.payloads(run, steps(run)))

    streams = {"trigger_mode": "multiple", "outputs": [screen, target], **rail.PRIVATE}
    for event in (
        screen.ask(told(Run.quick), None, concurrency_id="quick", **streams),
        screen.finish(told(Run.slow), None, concurrency_id="slow", **streams),
    ):
        refused(event, screen, "answer", "stage")
    download(
        screen,
        lambda data: save(run(data), data, lambda question: Run(shared, question)),
        elem_id="saved",
        script="papr.store.saved",
        concurrency_id="slow",
    )

    # The lists say what is on this machine as soon as papr_core is imported.
    rail.fill(rail.on_load(), pickers, lambda role: models.choices(shared, role))


# Handlers


def numbers_of(shared: Shared) -> Callable:
    """A direct call: the confidences at one ratio, or of patches chosen by hand."""

    def numbers(data: str) -> dict[str, Any]:
        return view.at_rest(Run(shared, Question.read(data, shared)).at_hand())

    return direct(shared, numbers)


def crop_of(shared: Shared) -> Callable:
    """A direct call: what a browser needs of the picture to compute the numbers itself."""

    def crop(data: str) -> dict[str, Any]:
        return view.taken(Run(shared, Question.read(data, shared)).at_hand())

    return direct(shared, crop)


def speed_of(shared: Shared) -> Callable:
    """A direct call: how many times as fast the pair is at the question's ratio, on this machine."""

    def speed(data: str) -> dict[str, Any]:
        return {"times": round(Run(shared, Question.read(data, shared)).at_hand().speedup(), 3)}

    return direct(shared, speed)
