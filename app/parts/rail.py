"""The controls that several pages have in their rail: they tell the page's script, and follow it."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr

from papr_core.figures import display  # the names alone, without matplotlib

from ..session import Shared

__all__ = [
    "COLOURS",
    "EXPLAINS",
    "LOOKS",
    "OWN_ANSWER",
    "PRIVATE",
    "SCALES",
    "colours",
    "connect",
    "explain",
    "fill",
    "look",
    "on_load",
    "opacity",
    "pickers",
    "ratio",
    "target",
    "target_choices",
    "whole",
]

OWN_ANSWER = -1  # in the list of target classes: the full model's own; null in the scripts
EXPLAINS = [
    ("The target, where you chose one", "auto"),
    ("The ConvNet’s own answer", "proposal"),
    ("The target class", "target"),
]
_SHOWN = {
    "dim": "Dimmed",
    "white": "White",
    "black": "Black",
    "blur": "Blurred",
    "image": "Each map by itself",
    "shared": "All maps together",
    "raw": "Raw values, 0 to 1",
}
LOOKS = [(_SHOWN[name], name) for name in display.LOOKS]
SCALES = [(_SHOWN[name], name) for name in display.SCALES]
COLOURS = list(display.COLOURS)
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}  # how an event of the page itself listens


def whole(lowest: int, highest: int, value: int, label: str) -> gr.Slider:
    """A whole number."""
    return gr.Slider(lowest, highest, value=value, step=1, label=label, buttons=[], interactive=True)


def ratio(value: int, label: str = "Patches kept, %") -> gr.Slider:
    """The keep ratio, in percent."""
    return whole(1, 100, value, label)


def target(names: list[str], label: str = "Target class") -> gr.Dropdown:
    """The class whose confidence is reported, of these."""
    return gr.Dropdown(
        target_choices(names),
        value=OWN_ANSWER,
        label=label,
        info="The class whose confidence is reported",
        interactive=True,
    )


def target_choices(names: list[str]) -> list[tuple[str, int]]:
    """The classes of a backbone, behind the full model's own answer; without classes there is no choice."""
    if not names:
        return [("No classes: the number is a cosine", OWN_ANSWER)]
    return [("The model’s own answer", OWN_ANSWER), *((name, index) for index, name in enumerate(names))]


def explain(label: str = "What a CAM explains") -> gr.Radio:
    """The class that a CAM explains (decision 8)."""
    return gr.Radio(
        EXPLAINS,
        value="auto",
        label=label,
        info="In real pruning nobody knows the label: then it is the ConvNet’s own answer",
        interactive=True,
    )


def look(value: str, label: str = "Dropped patches look") -> gr.Dropdown:
    return gr.Dropdown(LOOKS, value=value, label=label, interactive=True)


def opacity(value: float, label: str = "Opacity of the map") -> gr.Slider:
    return gr.Slider(0, 1, value=value, step=0.05, label=label, interactive=True)


def colours(value: str, label: str = "Colours of the map") -> gr.Dropdown:
    return gr.Dropdown(COLOURS, value=value, label=label, interactive=True)


def pickers(
    shared: Shared, labels: Mapping[str, str], choices: Mapping[str, Iterable], shown: Mapping[str, Any]
) -> dict[str, gr.Dropdown]:
    """A list of models for each role in `labels`, in that order."""
    return {
        role: gr.Dropdown(
            [tuple(choice) for choice in choices[role]],
            value=shown[role],
            label=label,
            allow_custom_value=shared.settings.any_model,
            interactive=True,
        )
        for role, label in labels.items()
    }


def on_load() -> Callable:
    """The page's own event of being opened, for whom is built inside it."""
    root = gr.context.Context.root_block
    if root is None:
        raise RuntimeError("A page is built inside a gr.Blocks.")
    return root.load


def fill(
    event: Callable, pickers: Mapping[str, gr.Dropdown], choices: Callable[[str], list[tuple[str, str]]]
) -> None:
    """At this event the pickers get the choices of their roles; those on arrival know no weights."""
    event(
        lambda: [gr.Dropdown(choices=choices(role)) for role in pickers],
        None,
        list(pickers.values()),
        queue=False,
        **PRIVATE,
    )


def connect(
    screen: gr.HTML, controls: Mapping[str, Any], *, set: str, view: str, page: str | None = None
) -> None:
    """What is set acts in the browser, by the script's function `set`, which decides what needs the server;
    at the screen's event `sync` the controls take what stands in the script's `view`. Both know the controls
    by the names here. page: of main.js, whose `p` holds `set`; without one it is main.js itself."""
    loaded = f"papr.ready.then(p => p.{page}())" if page else "papr.ready"
    for name, control in controls.items():
        value = f"v === {OWN_ANSWER} ? null : v" if name == "target" else "v"
        js = f"v => {loaded}.then(p => {set}({{{name}: {value}}}))"
        control.input(None, control, None, js=js, **PRIVATE)
    held = f"() => {json.dumps(list(controls))}.map(name => {view}[name] ?? {OWN_ANSWER})"
    screen.sync(None, None, list(controls.values()), js=held, **PRIVATE)
