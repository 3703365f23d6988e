"""Which of Gradio's routes there are here: those that this page and its API's callers use."""

import re
from urllib.parse import parse_qs

from ..uploads import upload
from .refused import Refused

__all__ = ["PREFIX", "SESSION", "named_session", "route_of", "told_alike"]

# All of Gradio's own routes stand under this; what it serves elsewhere is the page itself.
PREFIX = "/gradio_api/"
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a browser sends 10 letters, a Python client 36
ROUTES = re.compile(
    r"(upload|component_server|queue/(join|data|status)|run/predict|call/(v2/)?\w{1,40}(/[0-9a-f]{32})?|"
    rf"cancel|reset|heartbeat/{SESSION.pattern}|info|startup-events|app_id|login_check|user|token|"
    r"theme\.css|mcp(/.*)?|file=.+)/?"
)
PAGE = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)/?|/(assets|static|svelte|scripts|runtime)/.+"
)


def route_of(path: str) -> str:
    """The part of a path behind Gradio's prefix, "" for the page itself. Raises Refused."""
    if not path.startswith(PREFIX):
        if not PAGE.fullmatch(path):  # Gradio's own patterns let a line break follow
            raise Refused(404, "There is no such page here.")
        return ""
    route = path.removeprefix(PREFIX)
    if not ROUTES.fullmatch(route):
        raise Refused(404, "This page has no such endpoint.")
    if route.startswith("file=") and upload(route.removeprefix("file=")) is None:
        raise Refused(404, "There is no such file here, or it has been deleted.")
    return route.rstrip("/")  # Gradio has most of them with and without


def named_session(query: bytes) -> str:
    """The session that a stream of answers is asked for. Raises Refused."""
    named = parse_qs(query.decode("latin-1")).get("session_hash", [])
    if len(named) != 1 or not SESSION.fullmatch(named[0]):
        raise Refused(400, "Name the session that asked: letters and digits, 64 at most.")
    return named[0]


def told_alike(route: str, scope: dict, name: str) -> dict:
    """The scope, for what Gradio (6.31) makes once and tells everybody, under the page's own name: the
    first who asked would decide which host the snippets of `info` name."""
    if scope["app"].api_info or (route != "info" and not route.startswith("call/v2/")):
        return scope
    kept = [(key, value) for key, value in scope["headers"] if key not in (b"host", b"x-forwarded-host")]
    return {**scope, "headers": [*kept, (b"host", name.encode())]}
