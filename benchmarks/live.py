"""Live, and the wait for a clip, in a browser: masked webcam pictures a second, first masks, all numbers.

    python benchmarks/live.py [--seconds 20] [--rounds 5]

It starts the page on the default pair and opens it in Chromium, whose fake camera moves. The time of a
picture is parted: what the models take, what is left for the way there and back, and the work of the browser.
Needs what the browser tests need (requirements-test.txt).
"""

import argparse
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import gradio
from playwright.sync_api import Page, sync_playwright
from screenshot import start

CLIP = Path(gradio.__file__).parent / "media_assets" / "videos" / "b.mp4"
CAMERA = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
# Each round trip as the page sees it, beside what the server says the models took.
TRIPS = """() => {
  window.trips = [];
  const {server} = papr.clip;
  papr.clip.server = {...server, live: async (data) => {
    const begun = performance.now();
    const reply = await server.live(data);
    trips.push([performance.now() - begun, 1000 * reply.seconds, data.length]);
    return reply;
  }};
}"""
# Seconds from now until the clip of this name shows its first masks, and all numbers with its masked clip.
WAIT = """name => { window.waited = new Promise(done => {
  const from = performance.now(), times = [];
  const look = () => {
    const {answer, media, masked, working} = papr.clip;
    if (answer.clip.name === name && answer.method?.order && media?.key === answer.footage) {
      const seconds = (performance.now() - from) / 1000;
      if (!times.length) times.push(seconds);
      if (!working && papr.clip.exact() && papr.clip.maskedUrl()) return done([times[0], seconds]);
    }
    requestAnimationFrame(look);
  };
  look();
}); }"""
DONE = "papr.clip.fresh && !papr.clip.working && papr.clip.exact() && papr.clip.maskedUrl() !== null"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of Live")
    parser.add_argument("--rounds", type=int, default=5, help="of the wait for a clip of five seconds")
    args = parser.parse_args()
    server, address = start()
    try:
        with sync_playwright() as playwright:
            found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
            browser = playwright.chromium.launch(executable_path=next(found), args=CAMERA)
            page = browser.new_context(permissions=["camera"]).new_page()
            page.set_default_timeout(120_000)
            page.goto(f"{address}/?tab=video")
            page.wait_for_function("window.papr?.clip?.answer")
            page.wait_for_function(DONE)
            print(f"{os.cpu_count()} cores; the default pair; Chromium {browser.version} on the same machine")
            wait(page, args.rounds)
            live(page, args.seconds)
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait(page: Page, rounds: int) -> None:
    """A clip as a visitor uploads it; another file in each round, so that no cache holds anything of it."""
    times = []
    for i in range(rounds):
        name = f"round {i}.mp4"
        page.evaluate(WAIT, name)
        page.get_by_label("Choose a clip").set_input_files(
            {"name": name, "mimeType": "video/mp4", "buffer": CLIP.read_bytes() + bytes([i])}
        )
        times.append(page.evaluate("window.waited"))
    masks, everything = zip(*times)
    report("a clip of 5 s, 480 x 270: first masked frames", masks, "s")
    report("  numbers and the masked clip", everything, "s")


def live(page: Page, seconds: float) -> None:
    page.get_by_role("button", name="Live").click()
    page.wait_for_function("papr.clip.liveRate() > 0")
    page.wait_for_timeout(2000)
    page.evaluate(TRIPS)
    begun = page.evaluate("performance.now()")
    page.wait_for_timeout(1000 * seconds)
    trips, now = page.evaluate("[window.trips, performance.now()]")
    rate = 1000 * len(trips) / (now - begun)
    print(f"Live: {rate:.1f} masked pictures a second, n = {len(trips)} over {(now - begun) / 1000:.0f} s")
    whole, models, sizes = zip(*trips)
    report("  a picture, there and back", whole, "ms")
    report("  both models", models, "ms")
    report("  the way: request, JPEG decoded, answer", [a - b for a, b in zip(whole, models)], "ms")
    each = (now - begun) / len(trips)
    print(
        f"  taking, encoding and drawing it in the browser: {each - statistics.mean(whole):.0f} ms on average"
    )
    print(f"  sent: {statistics.mean(sizes) / 1000:.1f} kB a picture")


def report(what: str, values: Sequence[float], unit: str) -> None:
    low, middle, high = statistics.quantiles(values, n=4)
    print(f"{what}: median {middle:.2f} {unit}, middle half {low:.2f} to {high:.2f}, n = {len(values)}")


if __name__ == "__main__":
    main()
