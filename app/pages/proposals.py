"""Proposals: several ConvNets look at the picture on Compare, a row each (the paper's Fig. 6 and 9 to 11)."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.parts import models
from app.parts.direct import direct, newest_of
from app.parts.looks import Asked, Looks
from app.parts.save import save_drawing
from app.session import Shared, asker, explain_error, said

__all__ = ["build"]

FORMATS = ("png", "pdf", "svg")


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    shown = {"convnets": [shared.settings.proposal], "untrained": True, "high": 50, "low": 30}
    with gr.Row(elem_id="proposals", elem_classes="p-page"):
        with gr.Column(elem_classes="p-rail"):
            gr.HTML(
                elem_id="convnets",
                html_template='<div class="papr papr-convnets"></div>',
                js_on_load="papr.proposals.list({element, server})",
                server_functions=[offer_of(shared)],
                apply_default_css=False,
            )
            with gr.Column(elem_id="proposals-ratios", elem_classes="p-sticky"):
                ratios = {
                    name: gr.Slider(
                        1, 100, value=shown[name], step=1, label=label, buttons=[], interactive=True
                    )
                    for name, label in (
                        ("high", "Patches kept, third column, %"),
                        ("low", "Patches kept, fourth column, %"),
                    )
                }
        screen = gr.HTML(
            value={"view": shown},
            elem_id="looks",
            html_template='<div class="papr papr-looks"></div>',
            js_on_load="papr.proposals.mount({element, props, trigger, watch, server});"
            '["look", "fetch", "save", "sync"]',
            server_functions=[newest_of(shared)],
            apply_default_css=False,
        )
    file = gr.File(visible="hidden", elem_id="saved-proposals")
    failure = gr.JSON(visible="hidden")

    private = {"api_visibility": "private", "show_progress": "hidden"}
    for name, control in ratios.items():
        control.input(None, control, None, js=f"v => papr.proposals.set({{{name}: v}})", **private)
    screen.sync(
        None,
        None,
        list(ratios.values()),
        js="() => [papr.proposals.view.high, papr.proposals.view.low]",
        **private,
    )
    streams = {"outputs": screen, "trigger_mode": "multiple", **private}
    screen.look(stream(shared, Looks.quick), None, concurrency_id="quick", **streams)
    screen.fetch(stream(shared, Looks.slow), None, concurrency_id="slow", **streams)
    screen.save(saved_of(shared), None, [file, failure], concurrency_id="slow", **private).then(
        None, [file, failure], None, js="(file, failure) => papr.proposals.saved(file, failure)", **private
    )


# Handlers


def offer_of(shared: Shared) -> Callable:
    """A direct call: the ConvNets, and where the weights of each are."""

    def offer(_: str) -> dict[str, Any]:
        return {"convnets": models.offered(shared, "proposal")}

    return direct(shared, offer)


def stream(shared: Shared, steps: Callable[[Looks], Iterator[dict]]) -> Callable:
    """A handler that yields {"looks": payload}; a mistake becomes a sentence."""

    def handler(event: gr.EventData) -> Iterator[dict[str, Any]]:
        data = event._data
        try:
            for told in steps(Looks(shared, Asked.read(data, shared), asker())):
                yield {"looks": told}
        except Exception as error:
            if type(error).__name__ != "Stopped":
                seq = data.get("seq", 0) if isinstance(data, dict) else 0
                yield {"looks": {"seq": seq, "error": explain_error(error)}}

    return handler


def saved_of(shared: Shared) -> Callable:
    """The figure as `figure proposals` draws it, or the sentence that says why there is none."""

    def saved(event: gr.EventData) -> tuple[str | None, dict | None]:
        try:
            with said("proposals-save"):
                asked = Asked.read(event._data, shared)
                if asked.kind not in FORMATS:
                    raise shared.core().InvalidInput(f"A figure is one of {', '.join(FORMATS)}.")
                figure = Looks(shared, asked).agreement().figure()
                return save_drawing(figure, f"papr-proposals.{asked.kind}"), None
        except Exception as error:
            return None, explain_error(error)

    return saved
