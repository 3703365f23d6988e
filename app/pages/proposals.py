"""Proposals: several ConvNets look at the picture on Compare, a row each (the paper's Fig. 6 and 9 to 11)."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from papr_core.models.embedded import EMBEDDED_PROPOSALS

from ..parts import models, rail
from ..parts.direct import direct, newest_of
from ..parts.looks import Asked, Looks
from ..parts.save import check_kind, save_drawing
from ..parts.streams import download, refused, stream
from ..session import Shared, said

__all__ = ["build"]

FORMATS = ("png", "pdf", "svg")


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    first = shared.settings.proposal
    convnets = list(EMBEDDED_PROPOSALS) if first in EMBEDDED_PROPOSALS else [first]
    # one ConvNet alone has nobody to agree with but its untrained twin
    shown: dict[str, Any] = {"convnets": convnets, "untrained": len(convnets) == 1, "high": 50, "low": 30}
    with gr.Row(elem_id="proposals", elem_classes="p-page"):
        with gr.Column(elem_classes="p-rail"):
            gr.HTML(
                elem_id="convnets",
                html_template='<div class="papr papr-convnets"></div>',
                js_on_load="papr.ready.then(p => p.mountConvnets({element, server}))",
                server_functions=[offer_of(shared)],
                apply_default_css=False,
            )
            with gr.Column(elem_id="proposals-ratios", elem_classes="p-sticky"):
                ratios = {
                    "high": rail.ratio(shown["high"], "Patches kept, third column, %"),
                    "low": rail.ratio(shown["low"], "Patches kept, fourth column, %"),
                }
        screen = gr.HTML(
            value={"view": shown},
            elem_id="looks",
            html_template='<div class="papr papr-looks"></div>',
            js_on_load="papr.ready.then(p => p.mountProposals({element, props, trigger, watch, server}));"
            '["look", "fetch", "save", "sync"]',
            server_functions=[newest_of(shared)],
            apply_default_css=False,
        )

    rail.connect(screen, ratios, page="loadProposals", set="p.proposals.set", view="papr.proposals.view")

    def looks(data: Any) -> Looks:
        return Looks(shared, Asked.read(data, shared))

    streams = {"outputs": screen, "trigger_mode": "multiple", **rail.PRIVATE}
    quick = stream("looks", lambda data: looks(data).quick())
    slow = stream("looks", lambda data: looks(data).slow())
    for event in (
        screen.look(quick, None, concurrency_id="quick", **streams),
        screen.fetch(slow, None, concurrency_id="slow", **streams),
    ):
        refused(event, screen, "looks", "proposals")
    download(
        screen,
        lambda data: save(looks(data)),
        elem_id="saved-proposals",
        script="papr.proposals.saved",
        concurrency_id="slow",
    )


# Handlers


def offer_of(shared: Shared) -> Callable:
    """A direct call: the ConvNets, and where the weights of each are."""

    def offer(_: str) -> dict[str, Any]:
        return {"convnets": models.offered(shared, "proposal")}

    return direct(shared, offer)


def save(looks: Looks) -> str:
    """The figure as `figure proposals` draws it; its path."""
    with said("proposals-save"):
        kind = looks.asked.kind
        check_kind(kind, FORMATS)
        return save_drawing(looks.agreement().figure(display=looks.asked.display), f"papr-proposals.{kind}")
