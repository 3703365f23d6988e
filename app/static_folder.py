"""`python app.py static --out site`: Compare's core as a folder of files, for any web server.

    index.html, site.css, begin.js     the page; its parts are those of the real one
    scripts/                           static/js, those that are needed
    runtime/                           ONNX Runtime and the exported pair (runtime.py)
    examples/                          of each example the model's own crop (.rgb) and the same for the eye
    site.json                          models, methods, examples (types.d.ts, `Site`)

All that is computed is computed in the visitor's browser. Addresses are relative, so the folder may lie under
any path; it asks nobody else for anything. The folder `runtime` also serves a page (`--runtime`).
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from papr_core import __version__
from papr_core.errors import InvalidInput, PaprError

from . import runtime
from .scripts import modules

__all__ = ["main", "write"]

STATIC = Path(__file__).resolve().parent / "static"
# What needs no more than PaPr's and CAM's map, or no map; in the table's order.
METHODS = ("papr", "cam", "random", "center", "checkerboard", "reversed", "by-hand")
SHOWN = ["papr", "cam", "random", "reversed"]  # on arrival
MADE = {"papr": (0, 1), "cam": (1, 1), "reversed": (0, -1)}  # of which map of the proposal's file, times what
NAMED = re.compile(r'"\./(\w+\.js)"')


def main(words: list[str]) -> None:
    """The command; `words` follow its name."""
    parser = argparse.ArgumentParser(
        prog="app.py static", description="Write Compare's core as a folder for any web server."
    )
    parser.add_argument("--out", default="site", metavar="DIR", help="the folder (default: %(default)s)")
    arguments = parser.parse_args(words)
    try:
        told = write(Path(arguments.out), lambda text: print(f"{text} ...", file=sys.stderr))
    except PaprError as error:
        raise SystemExit(str(error)) from error
    print(
        f"{arguments.out}: {told['files']} files, {told['megabytes']:.1f} MB; a visitor fetches"
        f" {told['fetched']:.1f} MB. Try it: python -m http.server --directory {arguments.out}"
    )


def write(folder: Path, say: Any) -> dict[str, Any]:
    """Write the folder for the default pair; {"files", "megabytes", "fetched"}: of it all, and what a browser
    fetches of networks and runtime. say: told what is being done.

    Raises:
        InvalidInput: what is needed to export is missing, or something else lies in the folder.
    """
    import papr_core

    from .look import style
    from .session import Settings, Shared

    if folder.exists() and any(folder.iterdir()) and not (folder / "site.json").is_file():
        raise InvalidInput(f"{folder} is not empty and was not written by this command; name another.")
    shared = Shared(Settings())
    pair = {
        "proposal": shared.model("proposal", shared.settings.proposal),
        "backbone": shared.model("backbone", shared.settings.backbone),
    }
    assert pair["proposal"].labels == pair["backbone"].labels  # local.js takes them for the same
    about = runtime.write(folder / "runtime", **pair, say=say)
    say("Writing the page")
    (folder / "examples").mkdir(exist_ok=True)
    (folder / "scripts").mkdir(exist_ok=True)
    for old in (*(folder / "scripts").iterdir(), *(folder / "examples").iterdir()):
        old.unlink()
    for name in needed("site.js"):
        (folder / "scripts" / name).write_bytes(modules()[name])
    backbone = pair["backbone"]
    entry = papr_core.BACKBONES[backbone.name], papr_core.PROPOSALS[pair["proposal"].name]
    models = " and ".join(f"{one.title} ({one.licence})" for one in entry)
    page = (STATIC / "site.html").read_text(encoding="utf-8")
    page = page.replace("VERSION", __version__).replace("MODELS", models)
    (folder / "index.html").write_text(page, encoding="utf-8")
    css = style() + (STATIC / "site.css").read_text(encoding="utf-8")
    (folder / "site.css").write_text(css, encoding="utf-8")
    (folder / "begin.js").write_bytes((STATIC / "begin.js").read_bytes())
    site = {**facts(pair), "examples": _examples(folder, backbone), "bytes": _fetched(about)}
    (folder / "site.json").write_text(json.dumps(site, ensure_ascii=False), encoding="utf-8")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "files": len(files),
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        "fetched": sum(_fetched(about).values()) / 1e6,
    }


def needed(*entries: str) -> list[str]:
    """The modules that these name, and those that they name, by import or as a worker."""
    names = list(entries)
    for name in names:  # which grows
        names += [one for one in dict.fromkeys(NAMED.findall(modules()[name].decode())) if one not in names]
    return names


def facts(pair: dict[str, Any]) -> dict[str, Any]:
    """What the scripts need to know before any picture."""
    from papr_core.comparison.maps import coarse_counts, curve_counts
    from papr_core.comparison.saving import gmacs_saved
    from papr_core.methods.controls import center_map, checkerboard_map, shuffled_maps
    from papr_core.methods.table import METHODS as TABLE

    from .parts import view
    from .parts.arrival import VIEW
    from .parts.evidence import many

    backbone = pair["backbone"]
    grid = tuple(backbone.grid)
    draws = shuffled_maps(grid, 0, [""], TABLE["random"].draws)[0]
    maps = {"random": draws[0], "center": center_map(grid), "checkerboard": checkerboard_map(grid)}
    looking, pruned = gmacs_saved(pair["proposal"], backbone)
    coarse = coarse_counts(backbone.num_patches)
    return {
        "grid": list(grid),
        "patches": backbone.num_patches,
        "prefix": backbone.num_prefix_tokens,
        "models": {role: view.model(model) for role, model in pair.items()},
        "saving": {"proposal": looking, "pruned": list(pruned)},
        "many": many(),
        "methods": [
            {
                **{key: getattr(TABLE[name], key) for key in ("name", "title", "kind", "about", "draws")},
                **({"made": MADE[name], "explains": TABLE[name].uses_class} if name in MADE else {}),
                **({"constant": False, **view.ranked(maps[name])} if name in maps else {}),
            }
            for name in METHODS
        ],
        "orders": {"random": [view.ranked(one)["order"] for one in draws]},
        "crop_pct": backbone._view.crop_pct,
        "curve": {
            "coarse": coarse,
            "fine": [k for k in curve_counts(backbone.num_patches) if k not in coarse],
        },
        "view": {**VIEW, **{role: model.name for role, model in pair.items()}, "methods": SHOWN},
    }


def _examples(folder: Path, backbone: Any) -> list[dict[str, str]]:
    """Of each example its button, and its files."""
    import papr_core

    from .parts.pictures import example_buttons
    from .session import examples

    buttons = example_buttons()
    for button in buttons:
        image = papr_core.read_image(examples()[button["id"]].path)
        crop, shown = (f"examples/{button['id']}.{kind}" for kind in ("rgb", "jpg"))
        (folder / crop).write_bytes(backbone.fit(image).tobytes())
        backbone.fine_crop(image).save(folder / shown, "JPEG", quality=90)
        button |= {"crop": crop, "shown": shown}
    return buttons


def _fetched(about: dict[str, Any]) -> dict[str, int]:
    """The bytes of each file of the runtime that counts while it is fetched."""
    return {name: size for name, size in about["bytes"].items() if name.endswith(".gz")}
