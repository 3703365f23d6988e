"""How long a visitor waits: command to page, picture to first card, to four cards, to curves.

    python benchmarks/page.py [--repeats 9] [--json]

Starts `app.py` itself and drives it with Chromium, as a visitor would: each repeat uploads another picture.
Times are medians with their range, of one run on this machine; its load stands beside them.
"""

import argparse
import io
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = sorted((ROOT / "tests" / "data").rglob("*.webp"))
LIMITS = {
    "command to page": 5.0,
    "picture to first card": 0.3,
    "picture to four cards": 1.5,
    "picture to coarse curves": 2.0,
    "picture to full curves": 5.0,
    "a step of the slider": 0.05,
}
# In the page: note when each stage is first drawn after a file was chosen.
WATCH = """name => new Promise(done => {
  const from = performance.now(), times = {};
  const drawn = (what, is) => {
    if (!(what in times) && is) times[what] = (performance.now() - from) / 1000;
  };
  const look = () => {
    const { answer, fresh } = papr.store;
    if (fresh && answer.picture.name === name) {
      const ready = papr.cards().filter(m => papr.now(m).exact).map(m => m.name);
      drawn("picture to first card", ready.includes("papr"));
      drawn("picture to four cards", ready.length === 4);
      const lines = papr.lines();
      drawn("picture to coarse curves", ready.length === 4 && lines.every(m => m.points.length > 8));
      drawn("picture to full curves", lines.every(m => m.complete));
    }
    if (Object.keys(times).length === 4) return done(times);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""

# Milliseconds from a new ratio to the frame that shows it.
STEP = """percent => new Promise(done => {
  const from = performance.now(), channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now() - from);
  papr.controls({percent}); // as the native slider does
  requestAnimationFrame(() => channel.port2.postMessage(0));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in LIMITS}
    for start in range(arguments.starts):
        server, address, seconds = serve()
        times["command to page"].append(seconds)
        try:
            if start == arguments.starts - 1:
                visit(address, arguments.repeats, times)
        finally:
            server.terminate()
            server.wait(20)
    report(times, arguments)


def serve() -> tuple[subprocess.Popen, str, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    command = [sys.executable, "app.py", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=60) as page:
                page.read()
            return server, address, time.perf_counter() - began
        except OSError:
            time.sleep(0.02)
    raise SystemExit("app.py ended before it served its page.")


def visit(address: str, repeats: int, times: dict[str, list[float]]) -> None:
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("Chromium or Chrome is needed (Debian: apt-get install chromium).")
    switches = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=browser, args=switches)
        page = chrome.new_page(viewport={"width": 1440, "height": 1600})
        page.set_default_timeout(300_000)
        page.goto(address)
        page.wait_for_function("window.papr?.store?.answer?.full && papr.draw.picture")
        for i in range(repeats + 1):  # the first loads the models and does not count
            name = f"picture {i}.jpg"
            page.evaluate(f"window.times = ({WATCH})({json.dumps(name)}); 0")
            chosen = {"name": name, "mimeType": "image/jpeg", "buffer": picture(i)}
            page.get_by_label("Choose a picture").set_input_files(chosen)
            found = page.evaluate("window.times")
            for what, seconds in found.items():
                if i:
                    times[what].append(seconds)
        for percent in range(90, 10, -2):
            times["a step of the slider"].append(page.evaluate(STEP, percent) / 1000)
        chrome.close()


def picture(i: int) -> bytes:
    """A photograph of the tests' set, or noise where there is none; another one each time."""
    if PHOTOGRAPHS:
        image = Image.open(PHOTOGRAPHS[(37 * i) % len(PHOTOGRAPHS)]).convert("RGB")
    else:
        noise = np.random.default_rng(i).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((480, 360))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def report(times: dict[str, list[float]], arguments: argparse.Namespace) -> None:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "load": round(load, 1)}
    rows = {
        name: {
            "n": len(values),
            "median_s": round(statistics.median(values), 4),
            "lowest_s": round(min(values), 4),
            "highest_s": round(max(values), 4),
            "limit_s": LIMITS[name],
        }
        for name, values in times.items()
    }
    if arguments.json:
        print(json.dumps({**machine, "times": rows}))
        return
    print(
        "the default pair, four default methods, random in the curve; "
        + ", ".join(f"{k} {v}" for k, v in machine.items())
    )
    for name, row in rows.items():
        print(
            f"{name:24s} n {row['n']:3d}  median {row['median_s']:7.3f} s"
            f"  range {row['lowest_s']:.3f} to {row['highest_s']:.3f}  (meant: {row['limit_s']} s)"
        )


if __name__ == "__main__":
    main()
