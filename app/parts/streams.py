"""Handlers for Gradio's queue, made of work that knows nothing of it: a mistake becomes a sentence."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import gradio as gr

from papr_core.errors import Stopped

from ..session import explain_error
from . import rail, view

__all__ = ["answers", "download", "refused", "stream"]

NEWEST = (1 << 53) - 1  # no question of a browser's has a higher number
REFUSED = "The server did not take this up: too many wait there, or the connection broke. Try again."


def stream(key: str, work: Callable[[Any], Iterable[dict]]) -> Callable:
    """A handler that yields {key: payload} for each payload of work(what the browser sent). The last one is
    {seq, error} where something went wrong; a stop just ends it."""

    def handler(event: gr.EventData) -> Iterator[dict[str, Any]]:
        for payload in _told(event._data, work):
            yield {key: payload}

    return handler


def answers(open: Callable[[Any], Any], steps: Callable[[Any], Iterable[dict]]) -> Callable:
    """The same for a page with a list of target classes, which is the second output: the payloads of
    steps(open(what the browser sent)), and other classes once that run's `labels` are not those on screen."""

    def handler(event: gr.EventData) -> Iterator[tuple[dict[str, Any], Any]]:
        data, runs, told = event._data, [], False
        shown = data.get("labels") if isinstance(data, Mapping) else None

        def work(data: Any) -> Iterator[dict]:
            runs.append(open(data))
            yield from steps(runs[0])

        for payload in _told(data, work):
            classes, labels = gr.skip(), runs[0].labels if runs else None
            if labels is not None and (named := view.labels_hash(labels)) != shown:
                chosen, shown = runs[0].question.target, named
                classes = gr.Dropdown(
                    rail.target_choices(list(labels.names)),
                    value=rail.OWN_ANSWER if chosen is None else chosen,
                )
            yield {"answer": payload}, classes
            told = True
        if not told:  # stopped at once; of a stream that yields nothing Gradio empties the list
            yield gr.skip(), gr.skip()

    return handler


def refused(event: Any, screen: gr.HTML, key: str, where: str) -> None:
    """Where Gradio itself refuses a stream's event (its queue is full, the line broke) no payload comes, and
    what was registered by `then` is not called: the screen gets an error of its own."""
    error = {"seq": NEWEST, "working": None, "error": {"where": where, "text": REFUSED}}
    event.failure(None, None, screen, js=f"() => ({json.dumps({key: error})})", **rail.PRIVATE)


def download(
    screen: gr.HTML, work: Callable[[Any], str], *, elem_id: str, script: str, concurrency_id: str
) -> None:
    """At the screen's event `save`, work(what the browser sent) writes a file and gives its path; the page's
    function `script` takes (file, null), or (null, {where, text}) where there is none."""
    file, failure = gr.File(visible="hidden", elem_id=elem_id), gr.JSON(visible="hidden")

    def save(event: gr.EventData) -> tuple[str | None, dict | None]:
        try:
            return work(event._data), None
        except Exception as error:
            return None, explain_error(error)

    saved = screen.save(save, None, [file, failure], concurrency_id=concurrency_id, **rail.PRIVATE)
    saved.then(None, [file, failure], None, js=f"(file, failure) => {script}(file, failure)", **rail.PRIVATE)
    told = json.dumps({"text": REFUSED})
    saved.failure(None, None, None, js=f"() => {script}(null, {told})", **rail.PRIVATE)


def _told(data: Any, work: Callable[[Any], Iterable[dict]]) -> Iterator[dict]:
    try:
        yield from work(data)
    except Stopped:
        return
    except Exception as error:
        seq = data.get("seq") if isinstance(data, Mapping) else None
        yield {"seq": seq if isinstance(seq, int) else 0, "working": None, "error": explain_error(error)}
