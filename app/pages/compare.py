"""Compare: one picture, one pair of models, one card a method. Layout, then events, top to bottom."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ..parts import arrival, models, rail, view
from ..parts.direct import direct, newest_of
from ..parts.evidence import many
from ..parts.question import Question
from ..parts.run import Run, Step
from ..parts.save import save
from ..parts.stage import intake, note, stage
from ..parts.streams import answers, download, refused
from ..session import Shared, examples

__all__ = ["build"]

SCALES = [("Each map by itself", "image"), ("All maps together", "shared"), ("Raw values, 0 to 1", "raw")]


def build(shared: Shared) -> None:
    """The page, inside a Blocks or Tab context."""
    ready = arrival.read(shared.settings)
    choices, shown = ready["choices"], ready["view"]

    def chips(*kinds: str) -> list[tuple[str, str]]:
        return [(one["title"], name) for name, one in choices["methods"].items() if one["kind"] in kinds]

    with gr.Row(elem_id="compare"):
        with gr.Column(elem_id="rail"):
            with gr.Column(elem_id="rail-first"):
                intake()
                with gr.Column(elem_id="ratio"):
                    percent = rail.ratio(shown["percent"])
                    note("ratio")
                with gr.Column(elem_id="choices"):
                    target = rail.target(choices["labels"]["names"])
                    note("target")
                    methods = gr.CheckboxGroup(
                        choices=chips("papr", "cam"),
                        value=shown["methods"],
                        label="Methods",
                        interactive=True,
                    )
            with gr.Column(elem_id="rail-rest"):
                checks = gr.CheckboxGroup(
                    choices=chips("control", "choice"),
                    value=[],
                    label="Controls, not in the paper",
                    interactive=True,
                )
                explain = rail.explain(
                    info="In real pruning nobody knows the label, so by default it is the ConvNet’s own"
                )
                note("explain")
                with gr.Accordion("Models", open=True):
                    titles = {"proposal": "Proposal ConvNet", "backbone": "Backbone"}
                    pickers = rail.pickers(shared, titles, choices, shown)
                    note("models")
                with gr.Accordion("Display", open=False):
                    look = rail.look(shown["look"])
                    opacity = rail.opacity(shown["opacity"])
                    colours = rail.colours(shown["colours"])
                    scale = gr.Dropdown(
                        SCALES, value=shown["scale"], label="Scale of the map", interactive=True
                    )
        known = {
            "pictures": list(examples()),
            "methods": list(choices["methods"]),
            "looks": [value for _, value in rail.LOOKS],
            "scales": [value for _, value in SCALES],
            "colours": rail.COLOURS,
        }
        screen = stage(
            {"view": shown, "answer": ready["answer"], "known": known, "many": many()},
            [numbers_of(shared), newest_of(shared)],
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
    }
    rail.connect(screen, controls, set="p.controls", view="papr.store.view")
    gr.on(
        [methods.input, checks.input],
        None,
        [methods, checks],
        None,
        js="(a, b) => papr.ready.then(p => p.controls({methods: [...a, ...b]}))",
        **rail.PRIVATE,
    )
    groups = [[name for _, name in chips(*kinds)] for kinds in (("papr", "cam"), ("control", "choice"))]
    screen.sync(
        None,
        None,
        [methods, checks],
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
        lambda data: save(run(data)),
        elem_id="saved",
        script="papr.store.saved",
        concurrency_id="slow",
    )

    # The lists say what is on this machine as soon as papr_core is imported.
    rail.fill(gr.context.Context.root_block.load, pickers, lambda role: models.choices(shared, role))


# Handlers


def numbers_of(shared: Shared) -> Callable:
    """A direct call: the confidences at one ratio, or of patches chosen by hand."""

    def numbers(data: str) -> dict[str, Any]:
        return view.at_rest(Run(shared, Question.read(data, shared)).at_hand())

    return direct(shared, numbers)
