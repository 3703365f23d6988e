"""Start the page: python app.py [--host --port --device --weights-dir --models --downloads --mcp]."""

import argparse
import os
import threading

from app.session import own_temp_folder

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
own_temp_folder()

from app import look, page
from app.session import Settings


def main() -> None:
    arguments = parse()
    settings = settings_of(arguments)
    demo = page.build(settings)
    demo.launch(
        server_name=arguments.host,
        server_port=arguments.port,
        prevent_thread_lock=True,
        mcp_server=arguments.mcp,
        **page.LAUNCH,
        **look.launch_options(),
    )
    threading.Thread(target=demo.shared.warm_up, daemon=True).start()
    demo.block_thread()


def settings_of(arguments: argparse.Namespace) -> Settings:
    """On this machine alone everything is allowed; anywhere else only what the owner says."""
    here = arguments.host in ("127.0.0.1", "localhost", "::1")
    return Settings(
        device=arguments.device,
        weights_dir=arguments.weights_dir,
        any_model=(arguments.models or ("any" if here else "catalogue")) == "any",
        downloads=(arguments.downloads or ("yes" if here else "no")) == "yes",
    )


def parse() -> argparse.Namespace:
    port = os.environ.get("GRADIO_SERVER_PORT")
    parser = argparse.ArgumentParser(description="PaPr in a browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(port) if port else None)
    parser.add_argument("--device", default="cpu", help="such as cpu or cuda")
    parser.add_argument("--weights-dir", help="a folder of weights of your own; also PAPR_WEIGHTS")
    parser.add_argument("--models", choices=("catalogue", "any"), help="default: any on this machine alone")
    parser.add_argument("--downloads", choices=("yes", "no"), help="default: yes on this machine alone")
    parser.add_argument("--mcp", action="store_true", help="serve the API to MCP clients too")
    arguments = parser.parse_args()
    if arguments.mcp and (missing := page.mcp_refusal()):
        parser.error(missing)
    if arguments.weights_dir and not os.path.isdir(os.path.expanduser(arguments.weights_dir)):
        parser.error(f"the weights folder {arguments.weights_dir} does not exist")
    return arguments


if __name__ == "__main__":
    main()
