"""The real server with a second pair of random weights, for load.py and fuzz.py; and what it takes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL

PAIRS = {"embedded": (DEFAULT_PROPOSAL, DEFAULT_BACKBONE), "random": ("random_proposal", "random_backbone")}

# Put first on the server's path: names and addresses outside this machine are refused, and noted.
SPY = """
import os, socket
connect, lookup = socket.socket.connect, socket.getaddrinfo
def note(what):
    with open(os.environ["SPY"], "a") as file:
        file.write(f"{what}\\n")
    raise OSError("this server has no network")
def local(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host in (None, "", "localhost", "0.0.0.0", "127.0.0.1", "::1", socket.gethostname())
def getaddrinfo(host, *more, **others):
    return lookup(host, *more, **others) if local(host) else note(host)
def connected(self, address):
    inside = self.family not in (socket.AF_INET, socket.AF_INET6) or local(address[0])
    return connect(self, address) if inside else note(address)
socket.getaddrinfo, socket.socket.connect = getaddrinfo, connected
"""


class Server:
    """`python app.py` on a free port, its output in a file, its temporary folder inside `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{port}"
        self.temp, self.spied = folder / "temp", folder / "spied.txt"
        (folder / "spy").mkdir()
        (folder / "spy" / "sitecustomize.py").write_text(SPY)
        self.spied.touch()
        write_random_pair(folder / "weights")
        self._output = (folder / "output.txt").open("w+b")
        environment = {
            **os.environ,
            "GRADIO_TEMP_DIR": str(self.temp),
            "PYTHONPATH": str(folder / "spy"),
            "SPY": str(self.spied),
        }
        command = [sys.executable, "app.py", "--port", str(port), "--weights-dir", str(folder / "weights")]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.address, timeout=60) as page:
                    page.read()
                break
            except OSError:
                time.sleep(0.02)
        self.seconds_to_page = time.perf_counter() - began
        with urllib.request.urlopen(f"{self.address}/config") as config:
            self.config = json.load(config)
        self.ids = {one["props"].get("elem_id"): one["id"] for one in self.config["components"]}
        self.events = {  # (component's id, event) -> function
            tuple(target): one["id"] for one in self.config["dependencies"] for target in one["targets"]
        }

    def output(self) -> str:
        self._output.flush()
        return (self.folder / "output.txt").read_text(errors="replace")

    def tracebacks(self) -> list[str]:
        return re.findall(r"Traceback \(most recent call last\):\n(?: .*\n)*\S.*", self.output())

    def megabytes(self) -> float:
        """Memory of the server and of all processes that it has started; what they share is counted once."""
        return sum(map(_proportional, _tree(self.process.pid))) / 1000

    def busy(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> list[Path]:
        """What visitors' work has left on disk."""
        return [path for path in self.temp.rglob("*") if path.is_file()]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._output.close()


def _tree(process: int) -> list[int]:
    found = [process]
    for one in found:  # which grows
        try:
            threads = list(Path(f"/proc/{one}/task").iterdir())
            found += [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except OSError:  # ended meanwhile
            continue
    return found


def _proportional(process: int) -> int:
    """Kilobytes of a process."""
    try:
        return int(re.search(r"Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text())[1])
    except (OSError, TypeError):  # ended meanwhile
        return 0


def write_random_pair(folder: Path) -> None:
    """A proposal and a backbone of 160 px and 12 classes with random weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    for name, architecture in zip(PAIRS["random"], ("test_resnet", "test_vit")):
        torch.manual_seed(0)
        model = timm.create_model(architecture, num_classes=12)
        for parameter in model.parameters():  # random weights answer alike whatever they see; these do not
            torch.nn.init.normal_(parameter, std=0.35) if parameter.ndim > 1 else None
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        config = {
            "architecture": architecture,
            "num_classes": 12,
            "pretrained_cfg": {"num_classes": 12, "crop_pct": 1.0, "input_size": [3, 160, 160]},
            "label_names": [f"thing {i}" for i in range(12)],
        }
        (folder / f"{name}.json").write_text(json.dumps(config))
