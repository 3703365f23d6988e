"""The components that our own scripts draw: the stage, the picture intake, places for one sentence."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..uploads import MAX_MEGABYTES
from .arrival import VIEW
from .evidence import many
from .pictures import example_buttons

__all__ = ["handles", "intake", "note", "opening", "stage"]


def opening() -> gr.HTML:
    """What PaPr is, what it saves, and the verdict."""
    return gr.HTML(
        value={"many": many()},
        elem_id="opening",
        html_template='<div class="papr papr-opening"></div>',
        js_on_load="papr.ready.then(p => p.mountOpening({element, props}))",
        apply_default_css=False,
        padding=False,
    )


def handles() -> gr.HTML:
    """Beside the slider: play, and what a card shows."""
    return gr.HTML(
        elem_id="handles",
        html_template='<div class="papr papr-handles"></div>',
        js_on_load="papr.ready.then(p => p.mountHandles({element}))",
        apply_default_css=False,
        padding=False,
    )


def stage(value: dict[str, Any], calls: list[Callable]) -> gr.HTML:
    """Cards, curve, table and downloads. value: {"view": what is set on arrival, "answer": payload, "known",
    "runtime": what a browser can compute with, or None}.

    calls: functions that its script calls directly. Its events: ask, finish and save, each with a question;
    pick and sync: the native slider, or all native controls, take the values that the script has.
    """
    return gr.HTML(
        value=value,
        elem_id="stage",
        html_template='<div class="papr papr-stage"></div>',
        # Gradio takes the names of events from the quoted words in here
        js_on_load="papr.ready.then(p => p.mountStage({element, props, trigger, watch, server}));"
        '["ask", "finish", "save", "pick", "sync"]',
        server_functions=calls,
        apply_default_css=False,
    )


def intake() -> gr.HTML:
    """The picture, the ways to bring another, and the examples. captions: what theirs hold for."""
    return gr.HTML(
        value={
            "examples": example_buttons(),
            "captions": f" ({VIEW['percent']}\u00a0% kept, default models)",
            "max_megabytes": MAX_MEGABYTES,
        },
        elem_id="intake",
        html_template='<div class="papr papr-intake"></div>',
        js_on_load="papr.ready.then(p => p.mountIntake({element, props, upload}))",
        apply_default_css=False,
    )


def note(place: str) -> gr.HTML:
    """A place under a control where one sentence can be said."""
    return gr.HTML(
        value={"place": place},
        elem_id=f"note-{place}",
        html_template='<div class="papr papr-place"></div>',
        js_on_load="papr.ready.then(p => p.mountNote({element, props}))",
        apply_default_css=False,
        padding=False,
    )
