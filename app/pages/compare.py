"""Compare: one picture, one pair of models, one card a method. Layout, then events, top to bottom."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.parts import arrival, models, view
from app.parts.direct import direct, newest_of
from app.parts.question import Question
from app.parts.run import Run
from app.parts.save import save
from app.parts.stage import intake, note, stage
from app.session import Shared, asker, examples, explain_error

__all__ = ["build"]

OWN_ANSWER = -1  # in the list of target classes: the full model's own
LOOKS = [("Dimmed", "dim"), ("White", "white"), ("Black", "black"), ("Blurred", "blur")]
SCALES = [("Each map by itself", "image"), ("All maps together", "shared"), ("Raw values, 0 to 1", "raw")]
COLOURS = ["inferno", "viridis", "turbo", "gray"]


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
                    percent = gr.Slider(
                        1,
                        100,
                        value=shown["percent"],
                        step=1,
                        label="Patches kept, %",
                        buttons=[],
                        interactive=True,
                    )
                    note("ratio")
                with gr.Column(elem_id="choices"):
                    target = gr.Dropdown(
                        choices=target_choices(choices["labels"]["names"]),
                        value=OWN_ANSWER,
                        label="Target class",
                        info="The class whose confidence is reported",
                        interactive=True,
                    )
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
                explain = gr.Radio(
                    choices=[("The ConvNet’s own answer", "proposal"), ("The target class", "target")],
                    value="proposal",
                    label="What a CAM explains",
                    info="In real pruning nobody knows the label, so by default it is the ConvNet’s own",
                    interactive=True,
                )
                note("explain")
                with gr.Accordion("Models", open=True):
                    proposal, backbone = (
                        gr.Dropdown(
                            choices=[tuple(choice) for choice in choices[role]],
                            value=shown[role],
                            label=label,
                            allow_custom_value=shared.settings.any_model,
                            interactive=True,
                        )
                        for role, label in (("proposal", "Proposal ConvNet"), ("backbone", "Backbone"))
                    )
                    note("models")
                with gr.Accordion("Display", open=False):
                    look = gr.Dropdown(
                        LOOKS, value=shown["look"], label="Dropped patches look", interactive=True
                    )
                    opacity = gr.Slider(
                        0, 1, value=shown["opacity"], step=0.05, label="Opacity of the map", interactive=True
                    )
                    colours = gr.Dropdown(
                        COLOURS, value=shown["colours"], label="Colours of the map", interactive=True
                    )
                    scale = gr.Dropdown(
                        SCALES, value=shown["scale"], label="Scale of the map", interactive=True
                    )
        known = {
            "pictures": list(examples()),
            "methods": list(choices["methods"]),
            "looks": [value for _, value in LOOKS],
            "scales": [value for _, value in SCALES],
            "colours": COLOURS,
        }
        screen = stage(
            {"view": shown, "answer": ready["answer"], "known": known},
            [numbers_of(shared), newest_of(shared)],
        )
    file = gr.File(visible="hidden", elem_id="saved")
    failure = gr.JSON(visible="hidden")

    # What is set acts in the browser; the script there decides what needs the server, and asks once.
    private = {"api_visibility": "private", "show_progress": "hidden"}
    for name, control in {
        "percent": percent,
        "proposal": proposal,
        "backbone": backbone,
        "explain": explain,
        "look": look,
        "opacity": opacity,
        "colours": colours,
        "scale": scale,
    }.items():
        control.input(None, control, None, js=f"v => papr.controls({{{name}: v}})", **private)
    target.input(
        None, target, None, js=f"v => papr.controls({{target: v === {OWN_ANSWER} ? null : v}})", **private
    )
    gr.on(
        [methods.input, checks.input],
        None,
        [methods, checks],
        None,
        js="(a, b) => papr.controls({methods: [...a, ...b]})",
        **private,
    )
    screen.pick(None, None, percent, js="() => papr.store.view.percent", **private)
    groups = [[name for _, name in chips(*kinds)] for kinds in (("papr", "cam"), ("control", "choice"))]
    screen.sync(
        None,
        None,
        [percent, target, explain, proposal, backbone, look, opacity, colours, scale, methods, checks],
        js="() => { const v = papr.store.view;"
        f" return [v.percent, v.target ?? {OWN_ANSWER}, v.explain, v.proposal, v.backbone, v.look, v.opacity,"
        f" v.colours, v.scale, ...{json.dumps(groups)}.map(g => v.methods.filter(m => g.includes(m)))] }}",
        **private,
    )

    # Quick and slow work queue apart: nobody's PaPr card waits for somebody's Score-CAM.
    streams = {"trigger_mode": "multiple", "outputs": [screen, target], **private}
    screen.ask(stream(shared, Run.quick), None, concurrency_id="quick", **streams)
    screen.finish(stream(shared, Run.slow), None, concurrency_id="slow", **streams)
    screen.save(saved_of(shared), None, [file, failure], concurrency_id="slow", **private).then(
        None, [file, failure], None, js="(file, failure) => papr.saved(file, failure)", **private
    )

    # The lists say what is on this machine as soon as papr_core is imported.
    gr.context.Context.root_block.load(
        lambda: [gr.Dropdown(choices=models.choices(shared, role)) for role in ("proposal", "backbone")],
        None,
        [proposal, backbone],
        queue=False,
        **private,
    )


def target_choices(names: list[str]) -> list[tuple[str, int]]:
    """The classes of a backbone, behind the full model's own answer; without classes there is no choice."""
    if not names:
        return [("No classes: the number is a cosine", OWN_ANSWER)]
    return [("The model’s own answer", OWN_ANSWER), *((name, index) for index, name in enumerate(names))]


# Handlers


def stream(shared: Shared, steps: Callable[[Run], Iterator[dict]]) -> Callable:
    """A handler that works on a question and yields payloads; a mistake becomes a sentence."""

    def handler(event: gr.EventData) -> Iterator[tuple[dict, Any]]:
        data, labels = event._data, None
        seq = data.get("seq", 0) if isinstance(data, dict) else 0
        try:
            question = Question.read(data, shared)
            run = Run(shared, question, asker())
            for answer in steps(run):
                classes = gr.skip()
                if "models" in answer and labels is None:
                    labels = answer["models"]["backbone"]["labels"]
                    if labels != data.get("labels"):  # another set of classes to choose from
                        names = run.scene.backbone.labels.names
                        chosen = OWN_ANSWER if question.target is None else question.target
                        classes = gr.Dropdown(choices=target_choices(list(names)), value=chosen)
                yield {"answer": answer}, classes
        except Exception as error:
            if type(error).__name__ != "Stopped":
                yield {"answer": view.status(seq, error=explain_error(error))}, gr.skip()

    return handler


def numbers_of(shared: Shared) -> Callable:
    """A direct call: the confidences at one ratio, or of patches chosen by hand."""

    def numbers(data: str) -> dict[str, Any]:
        return Run(shared, Question.read(data, shared)).at_hand().at_rest()

    return direct(shared, numbers)


def saved_of(shared: Shared) -> Callable:
    """One file to download, or the sentence that says why there is none."""

    def saved(event: gr.EventData) -> tuple[str | None, dict | None]:
        try:
            question = Question.read(event._data, shared)
            return save(Run(shared, question, asker()), question.kind), None
        except Exception as error:
            return None, explain_error(error)

    return saved
