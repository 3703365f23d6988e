"""Cost: what a configuration saves, how fast it runs here, and the paper's tables beside ours."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.parts import arrival, models, paper, speed
from app.parts.alongside import alongside
from app.parts.direct import direct, newest_of
from app.parts.question import parsed
from app.parts.stage import note
from app.session import Shared, asker, explain_error, said

__all__ = ["build"]

NONE = ""  # in the lists: no proposal; where tokens merge is left to the papers
LAYERS = [("As in the papers", NONE), ("All", "all"), ("The second half", "second_half")]
MOST_MERGED = 64


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    ready = arrival.read(shared.settings)
    shown = {
        "backbone": shared.settings.backbone,
        "proposal": shared.settings.proposal,
        "percent": ready["view"]["percent"],
        "r": 0,
        "layers": NONE,
        "table": "1",
    }
    any_model = {"allow_custom_value": shared.settings.any_model, "interactive": True}
    with gr.Row(elem_id="cost", elem_classes="p-page"):
        with gr.Column(elem_classes="p-rail"):
            with gr.Column(elem_id="cost-models"):
                backbone = gr.Dropdown(
                    [tuple(one) for one in ready["choices"]["backbone"]],
                    value=shown["backbone"],
                    label="Backbone",
                    **any_model,
                )
                proposal = gr.Dropdown(
                    with_none([tuple(one) for one in ready["choices"]["proposal"]]),
                    value=shown["proposal"],
                    label="Proposal ConvNet",
                    **any_model,
                )
            with gr.Column(elem_id="cost-ratio", elem_classes="p-sticky"):
                percent = gr.Slider(
                    1,
                    100,
                    value=shown["percent"],
                    step=1,
                    label="Patches kept, %",
                    buttons=[],
                    interactive=True,
                )
            with gr.Column(elem_id="cost-merging"):
                r = gr.Slider(
                    0,
                    MOST_MERGED,
                    value=0,
                    step=1,
                    label="Merged tokens, r (ToMe)",
                    buttons=[],
                    interactive=True,
                )
                layers = gr.Radio(
                    LAYERS,
                    value=NONE,
                    label="Blocks that merge",
                    info="In the papers: all, and after PaPr the second half",
                    interactive=True,
                )
                note("cost")
        screen = gr.HTML(
            value={"view": shown, "most_merged": MOST_MERGED},
            elem_id="costs",
            html_template='<div class="papr papr-costs"></div>',
            js_on_load='papr.costs.mount({element, props, trigger, watch, server});["measure", "sync"]',
            server_functions=[costs_of(shared), tables_of(shared), newest_of(shared)],
            apply_default_css=False,
        )

    private = {"api_visibility": "private", "show_progress": "hidden"}
    controls = {"backbone": backbone, "proposal": proposal, "percent": percent, "r": r, "layers": layers}
    for name, control in controls.items():
        control.input(None, control, None, js=f"v => papr.costs.set({{{name}: v}})", **private)
    screen.sync(
        None,
        None,
        list(controls.values()),
        js=f"() => {json.dumps(list(controls))}.map((name) => papr.costs.view[name])",
        **private,
    )
    screen.measure(
        measured_of(shared), None, screen, concurrency_id="slow", trigger_mode="multiple", **private
    )
    gr.context.Context.root_block.load(
        lambda: [
            gr.Dropdown(choices=models.titles(shared, "backbone")),
            gr.Dropdown(choices=with_none(models.titles(shared, "proposal"))),
        ],
        None,
        [backbone, proposal],
        queue=False,
        **private,
    )


def with_none(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("None", NONE), *choices]


# Handlers


def asked_of(data: Any) -> dict[str, Any]:
    """What the browser sent, as `Shared.cost` takes it; that function checks it."""
    given = parsed(data)
    given = given if isinstance(given, dict) else {}
    return {
        "backbone": given.get("backbone"),
        "proposal": given.get("proposal") or None,
        "keep": given.get("keep"),
        "tome_r": given.get("r"),
        "tome_layers": given.get("layers") or None,
    }


def costs_of(shared: Shared) -> Callable:
    """A direct call: what `cost --json` prints, with what a reader has to know of the backbone."""

    def costs(data: str) -> dict[str, Any]:
        with said("cost"):
            found = shared.cost(**asked_of(data))
            skeleton = shared.skeleton(found["backbone"])
        return {**found, "title": skeleton.title, "about": skeleton.about_patches}

    return direct(shared, costs)


def tables_of(shared: Shared) -> Callable:
    """A direct call: the paper's rows, and those of other methods."""

    def tables(_: str) -> dict[str, Any]:
        return paper.read()

    return direct(shared, tables)


def measured_of(shared: Shared) -> Callable:
    """A handler that measures and yields {"measured": {seq, progress or found or error}}."""

    def measured(event: gr.EventData) -> Iterator[dict[str, Any]]:
        data = event._data if isinstance(event._data, dict) else {}
        visitor, seq = str(data.get("visitor", ""))[:80], data.get("seq")
        seq = seq if isinstance(seq, int) else 0
        found, gone, there = [], [], asker()

        def stopped() -> bool:
            return bool(gone) or not there() or shared.outdated(visitor, seq)

        def work(tell: Callable[[Any], None]) -> None:
            found.append(speed.measure(shared, asked_of(data), tell, stopped))

        try:
            if not stopped():
                yield {"measured": {"seq": seq, "progress": [0, speed.ROUNDS]}}
                for done in alongside(work, lambda: gone.append(True)):
                    yield {"measured": {"seq": seq, "progress": done}}
                yield {"measured": {"seq": seq, "found": found[0]}}
        except Exception as error:
            if type(error).__name__ != "Stopped":
                yield {"measured": {"seq": seq, "error": explain_error(error)}}

    return measured
