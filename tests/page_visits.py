"""What the browser tests of every page share: the page on a small random pair, and visits that must go well.

conftest.py makes the fixtures `address`, `browser` and `visit` of it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlparse

import page_server
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PATIENCE = 180_000  # milliseconds; a loaded machine is no failure
expect.set_options(timeout=PATIENCE)
DEMO = []
MEDIA = {"color_scheme", "reduced_motion"}  # what any tab can be given
# A tab just opened knows nothing of the visitor before; after a reload it does.
NEW = "if (!sessionStorage.known) { localStorage.clear(); sessionStorage.known = 1; }"


@contextmanager
def served(weights_folder: Path, folder: Path) -> Iterator[str]:
    """The page with the answer for its pair as it would ship, which is written into `folder`: its address."""
    page_server.chromium()
    from app.parts import arrival
    from papr_core.models import weights

    shipped, arrival.FILE = arrival.FILE, folder / "arrival.json"
    with weights.configured():
        arrival.FILE.write_text(json.dumps(arrival.compute(page_server.settings(weights_folder))))
    with page_server.running(weights_folder) as demo:
        arrival.FILE = shipped  # read when the page was built
        with weights.configured():  # what a page sets for good is set for each file anew, by `address`
            arrival.warm_up(demo.shared)
        DEMO[:] = [demo]
        yield demo.address


@contextmanager
def chrome(profile: Path) -> Iterator[Browser]:
    """A browser whose first context keeps what it fetched and compiled in the folder `profile`."""
    with sync_playwright() as playwright:
        kept = playwright.chromium.launch_persistent_context(
            profile, executable_path=page_server.chromium(), args=ARGUMENTS, permissions=["camera"]
        )
        assert kept.browser
        yield kept.browser
        kept.close()


@contextmanager
def visiting(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the page as a new visitor; afterwards nothing outside was asked for and nothing went wrong."""
    pages, contexts, troubles = [], [], []

    def open_page(
        width: int = 1440, height: int = 1000, expected: str | None = None, link: str = "", **options
    ) -> Page:
        media = {name: options.pop(name) for name in MEDIA & options.keys()}
        if options:
            context = browser.new_context(**{"permissions": ["camera"], **options})
            contexts.append(context)
        else:  # a page that was here before is here in half the time
            context = browser.contexts[0]
        page = context.new_page()
        pages.append(page)
        page.add_init_script(NEW)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(**media)
        page.set_default_timeout(PATIENCE)
        page.asked = []  # what was sent to the server after arrival

        def request(sent):
            if urlparse(sent.url).scheme in ("http", "https", "ws", "wss") and not sent.url.startswith(
                address
            ):
                troubles.append(f"asked for {sent.url}")
            if '"speed"' not in (sent.post_data or ""):
                page.asked.append(sent.url)

        page.on("request", request)
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.on(
            "console",
            lambda said: (
                troubles.append(f"console: {said.text} ({said.location.get('url')})")
                if said.type == "error" and not (expected and expected in said.text)
                else None
            ),
        )
        page.goto(f"{address}/{link}")
        page.wait_for_function("document.querySelector('.p-card') && papr.draw.picture")
        page.asked.clear()
        return page

    yield open_page
    for opened in (*pages, *contexts):
        opened.close()
    assert not troubles, "\n".join(troubles)


def hour_passes() -> None:
    """What visitors brought and made is older than an hour now, and the page's sweep comes."""
    from gradio.route_utils import delete_files_created_by_app

    from app.uploads import KEEP, sweep, upload_folder

    assert DEMO[0].delete_cache[1] == 3600
    delete_files_created_by_app(DEMO[0], 0)
    for at, folders, files in os.walk(upload_folder()):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                os.utime(Path(at, name), (0, time.time() - KEEP - 60), follow_symlinks=False)
    sweep(Path(upload_folder()).parent)


def settled(page: Page) -> None:
    page.wait_for_function(
        "!papr.store.working && papr.store.fresh && !papr.ask.busy()"
        " && papr.lines().every(m => m.refused || m.complete)"
    )


@contextmanager
def answered(page: Page) -> Iterator[None]:
    """Do something that asks the server, and wait for the whole answer."""
    before = page.evaluate("papr.store.seq")
    yield
    page.wait_for_function("before => papr.store.seq > before", arg=before)
    settled(page)


def quiet(page: Page) -> bool:
    """Whether nothing is asked although there was time to."""
    page.wait_for_timeout(500)
    return not queued(page)


def queued(page: Page) -> list[str]:
    """Requests that make the server work on a picture; how fast the pair is, is measured beside, once."""
    return [url for url in page.asked if "queue/join" in url or "component_server" in url]


def upload(page: Page, data: bytes, name: str = "mine.png", kind: str = "image/png") -> None:
    page.get_by_label("Choose a picture").set_input_files({"name": name, "mimeType": kind, "buffer": data})
