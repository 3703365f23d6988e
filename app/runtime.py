"""What a browser needs to compute the numbers itself: ONNX Runtime and the exported pair, in one folder.

    ort.js, ort.wasm.gz                of the npm package onnxruntime-web, for one thread
    proposal.onnx.gz, backbone.onnx.gz  what `papr_core.export.export_parts` writes
    labels.json                         the backbone's classes by their short names
    about.json                          what `read` gives

`write` makes it, as a part of the static folder (static_folder.py). A page that finds one serves it under an
address that its content decides, and offers "Run it here" (static/js/run_here.js). The large files are packed
and unpacked by the browser's script, so that they are small on any server.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from papr_core.errors import InvalidInput

from .scripts import FOR_GOOD

__all__ = ["FILES", "VERSION", "Runtime", "default_folder", "offered", "read", "write"]

VERSION = "1.30.0"  # of onnxruntime-web, as package.json has it
PACKAGE = {"ort.js": "ort.wasm.bundle.min.mjs", "ort.wasm.gz": "ort-wasm-simd-threaded.wasm"}
FILES = (*PACKAGE, "proposal.onnx.gz", "backbone.onnx.gz", "labels.json")
ADDRESS = re.compile(r"/runtime/([0-9a-f]{16})/([a-z.]+)")
KINDS = {".js": b"text/javascript", ".json": b"application/json"}
CHUNK = 1 << 18
ROOT = Path(__file__).resolve().parent.parent


def default_folder() -> str:
    """Where a page looks: PAPR_RUNTIME, or what `python app.py static` writes in the repository."""
    return os.environ.get("PAPR_RUNTIME") or str(ROOT / "site" / "runtime")


def read(folder: str | os.PathLike | None) -> dict[str, Any] | None:
    """{"hash", "proposal", "backbone": {name, title, sha256}, "bytes": of each file} of a whole folder of
    this version; None of anything else."""
    try:
        about = json.loads(Path(folder or "", "about.json").read_text(encoding="utf-8"))
        there = all(Path(folder or "", name).stat().st_size == about["bytes"][name] for name in FILES)
        return about if there and about["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, proposal: Any, backbone: Any, say: Callable[[str], None]) -> dict[str, Any]:
    """Write the folder for a loaded pair, and give what `read` gives. say: told what is being done.

    Raises:
        InvalidInput: the npm package or packages for the export are missing, each with the way to get it.
        UnsupportedModel: the pair cannot be exported in parts.
    """
    from papr_core.export import PARTS, export_parts
    from papr_core.models.labels import short_label
    from papr_core.models.pruned import Pruned

    package = _package()
    folder.mkdir(parents=True, exist_ok=True)
    say("Exporting both networks, and checking them against PyTorch")
    with tempfile.TemporaryDirectory() as drafts:
        export_parts(Pruned(backbone, proposal), drafts)
        say("Packing")
        for name in PARTS:
            _pack(Path(drafts, name), folder / f"{name}.gz")
    for name, source in PACKAGE.items():
        if name.endswith(".gz"):
            _pack(package / "dist" / source, folder / name)
        else:
            shutil.copyfile(package / "dist" / source, folder / name)
    names = [short_label(name) for name in backbone.labels.names]
    (folder / "labels.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    whole = hashlib.sha256()
    for name in FILES:
        whole.update((folder / name).read_bytes())
    about = {
        "version": VERSION,
        "hash": whole.hexdigest()[:16],
        **{
            role: {"name": model.name, "title": model.title, "sha256": model.sha256}
            for role, model in (("proposal", proposal), ("backbone", backbone))
        },
        "bytes": {name: (folder / name).stat().st_size for name in FILES},
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    return about


def offered(folder: str | None) -> dict[str, Any] | None:
    """What the page's scripts are told of the folder; None where there is none."""
    about = read(folder)
    if about is None:
        return None
    return {
        "address": f"./runtime/{about['hash']}/",
        **{key: about[key] for key in ("proposal", "backbone", "bytes")},
    }


class Runtime:
    """An ASGI middleware that answers requests for the files of the folder that the page's settings name."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        from anyio import to_thread  # comes with Gradio; who has none gets a sentence from start.py

        http = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        path = _asked(scope) if http else None
        if path is None:
            return await self.app(scope, receive, send)
        headers = [
            (b"content-type", KINDS.get(path.suffix, b"application/octet-stream")),
            (b"content-length", str(path.stat().st_size).encode()),
            (b"cache-control", FOR_GOOD),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "GET":
            with open(path, "rb") as file:
                while part := await to_thread.run_sync(file.read, CHUNK):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return None


def _asked(scope: dict) -> Path | None:
    """The file that a request asks for, of the folder as it is now; None where it is none of them."""
    found = ADDRESS.search(scope["path"])
    if found is None or found[2] not in FILES:
        return None
    folder = scope["app"].get_blocks().shared.settings.runtime
    about = read(folder)
    return Path(folder, found[2]) if about and about["hash"] == found[1] else None


def _package() -> Path:
    """The npm package, of this version."""
    for place in (ROOT, Path.cwd()):
        package = place / "node_modules" / "onnxruntime-web"
        if not (package / "package.json").is_file():
            continue
        found = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
        if found == VERSION:
            return package
        raise InvalidInput(
            f"{package} is version {found}, and {VERSION} was tested: npm install onnxruntime-web@{VERSION}."
        )
    raise InvalidInput(
        "ONNX Runtime for browsers is not here: npm ci in the repository, elsewhere"
        f" npm install onnxruntime-web@{VERSION}."
    )


def _pack(source: Path, file: Path) -> None:
    file.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))
