"""Cost: what a configuration saves, its speed here and by batch, cascades, and the paper's tables."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from papr_core.pruning.reductions import REDUCTIONS, Word, asked, reduction_in  # which bring no torch

from ..parts import arrival, cascades, models, paper, rail, speed
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
            '["measure", "speedmap", "sync"]',
            server_functions=[costs_of(shared), tables_of(shared), shipped_of(shared), newest_of(shared)],
            apply_default_css=False,
        )

    controls = {**pickers, "percent": percent, **said_of_reductions}
    rail.connect(screen, controls, page="loadCosts", set="p.costs.set", view="papr.costs.view")
    for listen, key, where, work in (
        (screen.measure, "measured", "speed", measured),
        (screen.speedmap, "mapped", "map", mapped),
    ):
        handler = stream(key, functools.partial(work, shared))
        event = listen(handler, None, screen, concurrency_id="slow", trigger_mode="multiple", **rail.PRIVATE)
        refused(event, screen, key, where)

    def titles(role: str) -> list[tuple[str, str]]:
        listed = models.titles(shared, role)
        return with_none(listed) if role == "proposal" else listed

    rail.fill(rail.on_load(), pickers, titles)


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


def shipped_of(shared: Shared) -> Callable:
    """A direct call: what was measured before, the speed map and the cascades."""

    def shipped(_: str) -> dict[str, Any]:
        titles = {name: title for role in TITLES for title, name in models.titles(shared, role)}
        return {"map": speed.shipped_map(shared), "cascades": cascades.read(titles)}

    return direct(shared, shipped)


def measured(shared: Shared, data: Any) -> Iterator[dict[str, Any]]:
    """Payloads of a measurement: {seq, progress: [rounds done, of]}, then {seq, found}."""

    def work(tell: Callable[[Any], None], gone: Callable[[], bool]) -> dict[str, Any]:
        with said("speed"):
            question = asked_of(data)
        measurement = speed.measure(shared, question, lambda done: tell({"progress": done}), gone)
        reduction = reduction_in(measurement["rows"][0])
        return {"found": {**measurement, "reduction": reduction.label if reduction else None}}

    return asked_for(shared, data, work, speed.ROUNDS)


def mapped(shared: Shared, data: Any) -> Iterator[dict[str, Any]]:
    """Payloads of a speed map: {seq, progress: [batches done, of], so_far}, then {seq, found}."""

    def work(tell: Callable[[Any], None], gone: Callable[[], bool]) -> dict[str, Any]:
        with said("map"):
            question = asked_of(data)

        def tell_more(so_far: dict[str, Any]) -> None:
            tell({"progress": [len(so_far["batches"]), speed.map_batches()], "so_far": so_far})

        return {"found": speed.measure_map(shared, question, tell_more, gone)}

    return asked_for(shared, data, work, speed.map_batches())


def asked_for(
    shared: Shared, data: Any, work: Callable[..., dict[str, Any]], steps: int
) -> Iterator[dict[str, Any]]:
    """Payloads of work(tell, gone) for who asked: what it tells on its way, then what it gives."""
    visitor, seq = read_who(data) or ("", 0)
    asker, found = Asker(shared, visitor, seq), []
    asker.check()
    yield {"seq": seq, "progress": [0, steps]}
    for told in alongside(lambda tell: found.append(work(tell, asker.gone)), asker.leave):
        yield {"seq": seq, **told}
    yield {"seq": seq, **found[0]}
