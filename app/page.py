"""The page as a whole: header, the pages that there are, footer. Builds without a server."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from papr_core import __version__

from . import look, mailboxes
from .clips import MAX_MEGABYTES
from .gate import FRAMES, Gate, Sites
from .pages import compare, cost, learn, proposals, video
from .parts import api
from .runtime import Runtime
from .scripts import Scripts
from .session import QUEUES, Settings, Shared

__all__ = ["build", "launch_options", "mcp_refusal", "mount"]

# The tabs, in their order. Compare is open first: the others ask with what it holds.
PAGES = {
    "Compare": compare.build,
    "Proposals": proposals.build,
    "Video": video.build,
    "Cost": cost.build,
    "Learn": learn.build,
}

HEADER = """<header class="papr papr-header">
<svg viewBox="0 0 33 33" width="26" height="26" aria-hidden="true"><g fill="currentColor">
<rect x="12" y="0" width="9" height="9" rx="2"/><rect x="0" y="12" width="9" height="9" rx="2"/>
<rect x="12" y="12" width="9" height="9" rx="2"/><rect x="24" y="12" width="9" height="9" rx="2"/>
<rect x="12" y="24" width="9" height="9" rx="2"/></g><g fill="currentColor" opacity=".22">
<rect x="0" y="0" width="9" height="9" rx="2"/><rect x="24" y="0" width="9" height="9" rx="2"/>
<rect x="0" y="24" width="9" height="9" rx="2"/><rect x="24" y="24" width="9" height="9" rx="2"/></g></svg>
<h1>PaPr</h1>
<nav aria-label="About"><a class="p-linked" href="https://arxiv.org/abs/2403.16020" target="_blank"
rel="noopener">Paper</a><button type="button" class="p-linked p-cite">Cite</button>
<button type="button" class="p-linked p-link">Copy link</button></nav>
<button type="button" class="p-button p-theme" aria-label="Light or dark" title="Light or dark"></button>
</header>"""


def build(settings: Settings | None = None) -> gr.Blocks:
    """The whole page for these settings; `launch` it with `launch_options()`."""
    shared = Shared(settings or Settings())
    with gr.Blocks(title="PaPr", fill_width=True, analytics_enabled=False, delete_cache=(300, 3600)) as demo:
        gr.HTML(
            html_template=HEADER,
            js_on_load="papr.ready.then(p => p.mountHeader({element}))",
            elem_id="header",
            apply_default_css=False,
        )
        with gr.Tabs(elem_id="pages"):
            for title, make in PAGES.items():
                with gr.Tab(title, id=title) as tab:
                    make(shared)
                opened = f"() => papr.ready.then(p => p.pages.opened('{title}'))"
                tab.select(None, None, None, js=opened, api_visibility="private")
        gr.HTML(
            value={"version": __version__, **api.document(shared)},
            html_template='<footer class="papr papr-footer"></footer>',
            js_on_load="papr.ready.then(p => p.mountFooter({element, props}))",
            elem_id="footer",
            apply_default_css=False,
        )
        api.publish(shared)
    for function in demo.fns.values():  # or the default of one listener lowers its queue for all
        function.concurrency_limit = QUEUES.get(function.concurrency_id, function.concurrency_limit)
    demo.queue(max_size=200, api_open=False)  # nothing runs beside the queue
    mailboxes.keep(demo._queue)
    demo.shared = shared
    return demo


def launch_options(sites: Sites | None = None) -> dict[str, Any]:
    """What `launch` is told, made anew each time: Gradio writes into `app_kwargs`."""
    sites = sites or Sites(frames=FRAMES)
    return {
        **look.options(),
        "max_file_size": f"{MAX_MEGABYTES}mb",
        "footer_links": [],  # ours stands below the pages
        "run_history": False,
        "show_error": True,
        "state_session_capacity": 200,  # each takes 100 kB and its last answer; nothing here depends on it
        "app_kwargs": {
            "middleware": [Middleware(Gate, sites=sites), Middleware(Scripts), Middleware(Runtime)]
        },
    }


def mount(application: Any, path: str, settings: Settings) -> gr.Blocks:
    """The page under a path of a FastAPI application; its demo."""
    demo, options = build(settings), launch_options()
    demo.state_session_capacity = options.pop(
        "state_session_capacity"
    )  # which this way of Gradio's does not take
    gr.mount_gradio_app(application, demo, path=path, **options)
    return demo


def mcp_refusal() -> str | None:
    """Why the page cannot serve MCP clients, in a sentence; None where it can.

    Gradio itself prints a line and goes on without, where the package is missing or too new.
    """
    try:
        found = version("mcp")
    except PackageNotFoundError:
        found = "none"
    if found.split(".")[0] == "1":
        return None
    return f"--mcp needs the package mcp below 2 (here: {found}): pip install -r requirements-mcp.txt"
