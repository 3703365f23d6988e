"""Under which names the page is reached, and which other sites may show it or send to it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from .refused import Refused

__all__ = ["FRAMES", "Sites", "is_local"]

LOCAL = ("localhost", "127.0.0.1", "::1")
FRAMES = ("https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space")


@dataclass(frozen=True)
class Sites:
    """names: of hosts under which the page is reached, beside this machine's own; () for any, where it is
    served to others. frames: the sites that may show it in a frame, beside itself."""

    names: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()

    def check(self, scope: dict, listens: str) -> None:
        """Refuse what another site's page sends to one on its visitor's own machine, where it would be
        taken for the owner's, and what comes under a name that is not ours. listens: the host that the page
        listens on. Raises Refused."""
        if not is_local(listens) and not self.names:
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if _name(f"//{host}") not in (*LOCAL, listens, scope["server"][0], *self.names):
            raise Refused(403, "This page does not answer to that name; its owner can add names by --hosts.")
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin and origin.partition("://")[2] != host and _name(origin) not in self.names:
            raise Refused(403, "Other sites cannot send anything here.")
        foreign = headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not origin
        if foreign and headers.get(b"sec-fetch-mode") != b"navigate":
            raise Refused(403, "Other sites cannot use what lies here.")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def is_local(host: str) -> bool:
    """Whether a page that listens there is reached from this machine alone."""
    return host in LOCAL or host == "[::1]"
