"""Take the picture of the README: the page as it is on arrival, from a browser.

    python docs/screenshot.py [--dark] [--width 1440] [--out docs/compare.png]

Needs what the browser tests need: requirements-test.txt and a Chromium or Chrome on the machine.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "compare.png")
    args = parser.parse_args()
    server, address = start()
    try:
        with sync_playwright() as playwright:
            found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
            browser = playwright.chromium.launch(executable_path=next(found), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": args.width, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(address + ("/?__theme=dark" if args.dark else "/?__theme=light"))
            page.wait_for_function("window.papr && papr.draw && papr.draw.picture !== null")
            page.locator(".p-card").nth(3).wait_for()
            page.wait_for_timeout(1500)  # fonts, and the curve's last points
            page.screenshot(path=args.out, full_page=True)
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
    print(f"{args.out} ({args.out.stat().st_size // 1000} kB)")


def start() -> tuple[subprocess.Popen, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [sys.executable, ROOT / "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    for line in server.stdout:
        if address := re.search(r"http://[\d.]+:\d+", line):
            return server, address[0]
    raise SystemExit("The page did not start.")


if __name__ == "__main__":
    main()
