"""Starting the page: `python app.py` in the repository and on a Space, `papr-page` where it is installed.

A Space or a container says what the options say by GRADIO_SERVER_NAME, GRADIO_SERVER_PORT, PAPR_DEVICE,
PAPR_WEIGHTS, PAPR_MODELS, PAPR_DOWNLOADS, PAPR_HOSTS, PAPR_FRAMES and PAPR_RUNTIME. Nothing here imports
Gradio before the environment is set. `python app.py static` writes a folder in its place (static_folder.py).
"""

import argparse
import ctypes
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .decoding import decoding
from .runtime import default_folder
from .uploads import own_temp_folder, remove_temp_folder

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .gate import Sites
    from .session import Settings, Shared

__all__ = ["main", "mount", "parse", "settings_of", "sites_of"]

FILES = 16_384  # that may be open at once

SITE = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d+)?")

LARGE = 16_000_000  # bytes; Pillow takes a large picture's memory in blocks of 16 MiB

# Of each cache of pictures and clips, bytes that stay when nobody has used them for so many seconds.
EASED, UNUSED, EVERY = 100_000_000, 45, 10

# What the owner may say; the first is the rule on this machine alone, the second anywhere else.
OWNER = {"models": ("any", "catalogue"), "downloads": ("yes", "no")}


def main() -> None:
    if find_spec("gradio") is None:
        raise SystemExit("The page needs more than the library: pip install 'papr-patches[page]'.")
    if threading.current_thread() is not threading.main_thread():
        return  # `gradio app.py` runs the file a second time, in a thread beside the page
    end_on_signals()
    prepare()
    if sys.argv[1:2] == ["static"]:
        from . import static_folder

        static_folder.main(sys.argv[2:])
        return
    arguments = parse()
    for plugin in arguments.plugin:  # before the page is built: its lists and colours hold these methods
        from papr_core.errors import PaprError
        from papr_core.methods.own import load_plugin

        try:
            load_plugin(plugin)
        except PaprError as error:
            raise SystemExit(str(error)) from error
    from . import page
    from .parts import arrival

    demo = page.build(settings_of(arguments))
    demo.launch(
        server_name=arguments.host,
        server_port=arguments.port,
        prevent_thread_lock=True,
        mcp_server=arguments.mcp,
        root_path=arguments.root_path,
        **page.launch_options(sites_of(arguments)),
    )
    shared: Shared = demo.shared  # type: ignore[attr-defined]  # by page.build
    threading.Thread(target=arrival.warm_up, args=(shared,), daemon=True).start()
    threading.Thread(target=keep_easing, args=(shared,), daemon=True).start()
    demo.block_thread()


def mount(
    application: Any,
    path: str = "/papr",
    *,
    models: str = "catalogue",
    downloads: str = "no",
    device: str = "cpu",
    weights_dir: str | None = None,
    runtime: str | None = None,
) -> Any:
    """The page under a path of another FastAPI application, which is given back.

    Import this before Gradio, and call it before the application starts. models, downloads, device,
    weights_dir, runtime: as the options of those names.
    """
    prepare()
    from . import page
    from .session import Settings

    settings = Settings(
        device=device,
        weights_dir=weights_dir,
        any_model=models == "any",
        downloads=downloads == "yes",
        runtime=runtime or default_folder(),
    )
    page.mount(application, path, settings)
    return application


def prepare() -> None:
    """What Gradio and torch read as they are imported."""
    from .session import QUEUES

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")  # statistics nobody reads here
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's waiting threads leave their core to others
    # A share of the cores for each question that is worked on at once. Where OpenMP has more threads than
    # cores they sleep at every step: two a question made a ConvNet's pass on 2 cores three times as slow.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // QUEUES["quick"])))
    with suppress(AttributeError, OSError, TypeError):  # where there is no glibc
        malloc = ctypes.CDLL(None).mallopt
        malloc(-8, 2)  # M_ARENA_MAX: a heap a thread would hold on to what was freed
        # M_MMAP_THRESHOLD, which grows by itself: then what came later holds a freed picture
        malloc(-3, LARGE)
        malloc(-1, 4 * LARGE)  # M_TRIM_THRESHOLD: what may lie free at the heap's end
    if resource is not None:  # a connection is an open file; 1024 is a usual bound
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    own_temp_folder()


def end_on_signals() -> None:
    for name in ("SIGTERM", "SIGHUP"):  # the second when a terminal is closed
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)


def keep_easing(shared: "Shared") -> None:
    """After a crowd, what nobody has used for a while goes, and the memory with it."""
    while True:
        time.sleep(EVERY)
        for cache in shared.caches:
            cache.ease(EASED, UNUSED)
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)


def end(*_: object) -> None:
    """Stopped from outside: the visitors' files go; threads amid a computation are not waited for."""
    remove_temp_folder()
    decoding().close()
    os._exit(0)


def settings_of(arguments: argparse.Namespace) -> "Settings":
    """On this machine alone everything is allowed; anywhere else only what the owner says."""
    from .gate import is_local
    from .session import Settings

    elsewhere = not is_local(arguments.host)
    models, downloads = (getattr(arguments, option) or OWNER[option][elsewhere] for option in OWNER)
    return Settings(
        device=arguments.device,
        weights_dir=arguments.weights_dir,
        any_model=models == "any",
        downloads=downloads == "yes",
        runtime=arguments.runtime,
    )


def sites_of(arguments: argparse.Namespace) -> "Sites":
    """Under which names the page is reached, and who may frame it: on this machine alone nobody, unless the
    owner says so."""
    from .gate import FRAMES, Sites, is_local

    frames = () if is_local(arguments.host) else FRAMES
    if arguments.frames is not None:
        frames = tuple(arguments.frames.split())
    return Sites(tuple(arguments.hosts.lower().split()), frames)


def parse() -> argparse.Namespace:
    port = os.environ.get("GRADIO_SERVER_PORT")
    parser = argparse.ArgumentParser(description="PaPr in a browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(port) if port else None)
    below = "the path below which another server shows the page, such as /papr; also GRADIO_ROOT_PATH"
    parser.add_argument("--root-path", default=os.environ.get("GRADIO_ROOT_PATH"), help=below)
    parser.add_argument("--device", default=os.environ.get("PAPR_DEVICE", "cpu"), help="such as cpu or cuda")
    parser.add_argument("--weights-dir", help="a folder of weights of your own; also PAPR_WEIGHTS")
    browsers = "with what `static` wrote for browsers that compute themselves; also PAPR_RUNTIME"
    parser.add_argument("--runtime", default=default_folder(), metavar="DIR", help=browsers)
    for option, choices in OWNER.items():
        words: dict[str, Any] = {"choices": choices, "help": f"default: {choices[0]} on this machine alone"}
        parser.add_argument(f"--{option}", default=os.environ.get(f"PAPR_{option.upper()}"), **words)
    own = "a Python file that registers methods of your own (papr_core.register_method); may be repeated"
    parser.add_argument("--plugin", metavar="FILE", action="append", default=[], help=own)
    sites = "names under which the page is reached; default: any, and on this machine alone only its own"
    parser.add_argument(
        "--hosts", default=os.environ.get("PAPR_HOSTS", ""), help=f"with spaces between: {sites}"
    )
    frames = "sites that may frame the page; default: Hugging Face's, and on this machine alone none"
    parser.add_argument(
        "--frames", default=os.environ.get("PAPR_FRAMES"), help=f"with spaces between: {frames}"
    )
    parser.add_argument("--mcp", action="store_true", help="serve the API to MCP clients too")
    arguments = parser.parse_args()
    for option, choices in OWNER.items():
        if getattr(arguments, option) not in (None, *choices):  # argparse looks at no default
            parser.error(f"PAPR_{option.upper()} is one of {', '.join(choices)}")
    if not all(SITE.fullmatch(site) for site in (arguments.frames or "").split()):
        parser.error("--frames takes sites such as https://example.org, with spaces between them")
    if arguments.mcp:
        from .page import mcp_refusal

        if missing := mcp_refusal():
            parser.error(missing)
    if arguments.weights_dir and not os.path.isdir(os.path.expanduser(arguments.weights_dir)):
        parser.error(f"the weights folder {arguments.weights_dir} does not exist")
    return arguments
