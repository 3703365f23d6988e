"""Cost: what a configuration saves, how fast it runs here, and the paper's tables beside ours."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from papr_core.pruning.reductions import REDUCTIONS, Word, asked, reduction_in  # which bring no torch

from ..parts import arrival, models, paper, rail, speed
from ..parts.alongside import alongside
from ..parts.direct import direct, newest_of
from ..parts.question import parsed, read_who
from ..parts.stage import note
from ..parts.streams import refused, stream
from ..session import Asker, Shared, said

__all__ = ["build"]

NONE = ""  # in the lists: no proposal; a setting that is left to the papers
TITLES = {"backbone": "Backbone", "proposal": "Proposal ConvNet"}
WORDS = [word for kind in REDUCTIONS.values() for word in kind.words]


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    ready = arrival.read(shared.settings)
    shown = {
        "backbone": shared.settings.backbone,
        "proposal": shared.settings.proposal,
        "percent": ready["view"]["percent"],
        **{word.name: NONE if word.choices else 0 for word in WORDS},
        "table": "1",
    }
    with gr.Row(elem_id="cost", elem_classes="p-page"):
        with gr.Column(elem_classes="p-rail"):
            with gr.Column(elem_id="cost-models"):
                choices = {**ready["choices"], "proposal": with_none(ready["choices"]["proposal"])}
                pickers = rail.pickers(shared, TITLES, choices, shown)
            with gr.Column(elem_id="cost-ratio", elem_classes="p-sticky"):
                percent = rail.ratio(shown["percent"])
            with gr.Column(elem_id="cost-reduction"):
                said_of_reductions = {word.name: control(word) for word in WORDS}
                note("cost")
        screen = gr.HTML(
            value={
                "view": shown,
                "reduction": {word.name: list(word.choices) or word.most for word in WORDS},
            },
            elem_id="costs",
            html_template='<div class="papr papr-costs"></div>',
            js_on_load="papr.ready.then(p => p.mountCosts({element, props, trigger, watch, server}));"
            '["measure", "sync"]',
            server_functions=[costs_of(shared), tables_of(shared), newest_of(shared)],
            apply_default_css=False,
        )

    controls = {**pickers, "percent": percent, **said_of_reductions}
    rail.connect(screen, controls, page="loadCosts", set="p.costs.set", view="papr.costs.view")
    event = screen.measure(
        stream("measured", lambda data: measured(shared, data)),
        None,
        screen,
        concurrency_id="slow",
        trigger_mode="multiple",
        **rail.PRIVATE,
    )
    refused(event, screen, "measured", "speed")

    def titles(role: str) -> list[tuple[str, str]]:
        listed = models.titles(shared, role)
        return with_none(listed) if role == "proposal" else listed

    rail.fill(gr.context.Context.root_block.load, pickers, titles)


def with_none(choices: list) -> list:
    return [("None", NONE), *choices]


def control(word: Word) -> gr.Slider | gr.Radio:
    """What a reader says of a reduction."""
    if not word.choices:
        return rail.whole(0, word.most, 0, word.title)
    choices = [("As in the papers", NONE), *((title, value) for value, title in word.choices.items())]
    info = f"In the papers: {word.unsaid}"
    return gr.Radio(choices, value=NONE, label=word.title, info=info, interactive=True)


# Handlers


def asked_of(data: Any) -> dict[str, Any]:
    """What the browser sent, as `Shared.cost` takes it; that function checks it."""
    given = parsed(data)
    given = given if isinstance(given, dict) else {}
    return {
        "backbone": given.get("backbone"),
        "proposal": given.get("proposal") or None,
        "keep": given.get("keep"),
        "reduction": asked({word.name: given.get(word.name) or None for word in WORDS}),
    }


def costs_of(shared: Shared) -> Callable:
    """A direct call: what `cost --json` prints, with what a reader has to know of the backbone."""

    def costs(data: str) -> dict[str, Any]:
        with said("cost"):
            found = shared.cost(**asked_of(data))
            skeleton = shared.skeleton(found["backbone"])
        reduction = reduction_in(found)
        return {
            **found,
            "title": skeleton.title,
            "about": skeleton.about_patches,
            "reduction": reduction.about if reduction else None,
        }

    return direct(shared, costs)


def tables_of(shared: Shared) -> Callable:
    """A direct call: the paper's rows, and those of other methods."""

    def tables(_: str) -> dict[str, Any]:
        return paper.read()

    return direct(shared, tables)


def measured(shared: Shared, data: Any) -> Iterator[dict[str, Any]]:
    """Payloads of a measurement: {seq, progress: [rounds done, of]}, then {seq, found}."""
    visitor, seq = read_who(data) or ("", 0)
    asker, found = Asker(shared, visitor, seq), []

    def work(tell: Callable[[Any], None]) -> None:
        with said("speed"):
            question = asked_of(data)
        measurement = speed.measure(shared, question, tell, asker.gone)
        reduction = reduction_in(measurement["rows"][0])
        found.append({**measurement, "reduction": reduction.label if reduction else None})

    asker.check()
    yield {"seq": seq, "progress": [0, speed.ROUNDS]}
    for done in alongside(work, asker.leave):
        yield {"seq": seq, "progress": done}
    yield {"seq": seq, "found": found[0]}
