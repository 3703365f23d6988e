"""What a pass of the embedded backbone takes in a browser, beside PyTorch on the same machine.

    python app.py static --out site
    python benchmarks/browser.py [--site site] [--n 30] [--json]

Serves the folder, opens it in Chromium, and times the large model in ONNX Runtime Web on one thread and in
PyTorch on one thread, in turns. Medians with their range, of one run; the machine's load stands beside them.
"""

import argparse
import functools
import http.server
import json
import os
import platform
import statistics
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# One pass of so many patches, other ones each time: what is known does not run again.
PASS = """async ([k, turn]) => {
  const all = papr.store.answer.patches, patches = [];
  for (let i = 0; i < all; i++) if ((i * 59 + turn * 31) % all < k) patches.push(i);
  await papr.here.shares(patches);
  return papr.here.pass.ms;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", default="site")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    import page_server
    import torch
    from playwright.sync_api import sync_playwright

    import papr_core

    torch.set_num_threads(1)
    backbone = papr_core.load_backbone()
    images = torch.randn(1, *backbone.input_size)
    counts = [backbone.num_patches, backbone.num_kept(0.4)]
    times: dict[str, list[float]] = {f"{by}, k = {k}": [] for by in ("browser", "PyTorch") for k in counts}

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serve = functools.partial(Quiet, directory=arguments.site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=page_server.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(bypass_csp=True)  # or it could not be looked into
        fetched: list[int] = []
        page.on("response", lambda answer: fetched.append(int(answer.headers.get("content-length", 0))))
        began = time.perf_counter()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("papr.here?.on()", timeout=180_000)
        opened = time.perf_counter() - began
        page.evaluate("papr.here.curve = {coarse: [], fine: []}")  # nothing else is computed meanwhile
        page.wait_for_function("papr.lines().every(m => papr.now(m).exact)", timeout=180_000)
        for turn in range(arguments.n):
            for k in counts:
                count = k - 1 if k == backbone.num_patches else k  # of all there is only one choice
                kept = torch.randperm(backbone.num_patches)[:count].sort().values[None]
                times[f"browser, k = {k}"].append(page.evaluate(PASS, [count, turn]))
                start = time.perf_counter()
                with torch.inference_mode():
                    backbone(images, kept)
                times[f"PyTorch, k = {k}"].append(1000 * (time.perf_counter() - start))
        version = browser.version
        browser.close()
        server.shutdown()
    told = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "chromium": version,
        "megabytes": round(sum(fetched) / 1e6, 1),
        "seconds_to_first_answer": round(opened, 2),
        "n": arguments.n,
        "milliseconds": {
            what: [round(value, 1) for value in (statistics.median(some), min(some), max(some))]
            for what, some in times.items()
        },
    }
    if arguments.json:
        print(json.dumps(told))
        return
    values = told.pop("milliseconds")
    print(", ".join(f"{what} {value}" for what, value in told.items()))
    for what, (median, least, most) in values.items():
        print(f"{what}: {median} ms ({least} to {most})")


if __name__ == "__main__":
    main()
