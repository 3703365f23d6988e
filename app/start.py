"""Starting the page: `python app.py` in the repository and on a Space, `papr-page` where it is installed.

A Space or a container says what the options say by GRADIO_SERVER_NAME, GRADIO_SERVER_PORT, PAPR_DEVICE,
PAPR_WEIGHTS, PAPR_MODELS and PAPR_DOWNLOADS. Nothing here imports Gradio before the environment is set.
"""

import argparse
import ctypes
import os
import signal
import threading
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .uploads import own_temp_folder, remove_temp_folder

if TYPE_CHECKING:
    from .session import Settings

__all__ = ["main", "parse", "settings_of"]

# What the owner may say; the first is the rule on this machine alone, the second anywhere else.
OWNER = {"models": ("any", "catalogue"), "downloads": ("yes", "no")}


def main() -> None:
    if find_spec("gradio") is None:
        raise SystemExit("The page needs more than the library: pip install 'papr-patches[page]'.")
    signal.signal(signal.SIGTERM, end)
    prepare()
    arguments = parse()
    from . import page
    from .parts import arrival

    demo = page.build(settings_of(arguments))
    demo.launch(
        server_name=arguments.host,
        server_port=arguments.port,
        prevent_thread_lock=True,
        mcp_server=arguments.mcp,
        **page.launch_options(),
    )
    threading.Thread(target=arrival.warm_up, args=(demo.shared,), daemon=True).start()
    demo.block_thread()


def prepare() -> None:
    """What Gradio and torch read as they are imported."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")  # statistics nobody reads here
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's waiting threads leave their core to others
    with suppress(AttributeError, OSError, TypeError):  # where there is no glibc
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX: a heap a thread would hold on to what was freed
    own_temp_folder()


def end(*_: object) -> None:
    """Stopped from outside: the visitors' files go; threads amid a computation are not waited for."""
    remove_temp_folder()
    os._exit(0)


def settings_of(arguments: argparse.Namespace) -> "Settings":
    """On this machine alone everything is allowed; anywhere else only what the owner says."""
    from .session import Settings

    elsewhere = arguments.host not in ("127.0.0.1", "localhost", "::1")
    models, downloads = (getattr(arguments, option) or OWNER[option][elsewhere] for option in OWNER)
    return Settings(
        device=arguments.device,
        weights_dir=arguments.weights_dir,
        any_model=models == "any",
        downloads=downloads == "yes",
    )


def parse() -> argparse.Namespace:
    port = os.environ.get("GRADIO_SERVER_PORT")
    parser = argparse.ArgumentParser(description="PaPr in a browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(port) if port else None)
    parser.add_argument("--device", default=os.environ.get("PAPR_DEVICE", "cpu"), help="such as cpu or cuda")
    parser.add_argument("--weights-dir", help="a folder of weights of your own; also PAPR_WEIGHTS")
    for option, choices in OWNER.items():
        words = {"choices": choices, "help": f"default: {choices[0]} on this machine alone"}
        parser.add_argument(f"--{option}", default=os.environ.get(f"PAPR_{option.upper()}"), **words)
    parser.add_argument("--mcp", action="store_true", help="serve the API to MCP clients too")
    arguments = parser.parse_args()
    for option, choices in OWNER.items():
        if getattr(arguments, option) not in (None, *choices):  # argparse looks at no default
            parser.error(f"PAPR_{option.upper()} is one of {', '.join(choices)}")
    if arguments.mcp:
        from .page import mcp_refusal

        if missing := mcp_refusal():
            parser.error(missing)
    if arguments.weights_dir and not os.path.isdir(os.path.expanduser(arguments.weights_dir)):
        parser.error(f"the weights folder {arguments.weights_dir} does not exist")
    return arguments
