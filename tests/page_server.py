"""A small pair with random weights, the page on it, and a browser: shared by the tests of the page."""

import io
import json
import os
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

PROPOSAL, BACKBONE, OTHER, HEADLESS = "tiny_proposal", "tiny_backbone", "tiny_other", "tiny_headless"
SECOND = "tiny_second"  # another ConvNet
HOSTILE = ("${1+1}", "<img src=x onerror=alert(1)>, markup", "{{value}}")
NAMES = (*HOSTILE, *(f"thing {i}, kind {i}" for i in range(3, 12)))
OTHER_NAMES = ("alpha", "beta", "gamma", "delta")


def write_pair(folder: Path) -> Path:
    """test_resnet and test_vit of timm (160 px, 10 x 10 patches) with random weights, another of each, and a
    ViT without a classifier."""
    import timm
    import torch
    from safetensors.torch import save_file

    for name, architecture, labels in (
        (PROPOSAL, "test_resnet", NAMES),
        (BACKBONE, "test_vit", NAMES),
        (OTHER, "test_vit", OTHER_NAMES),
        (HEADLESS, "test_vit", ()),
        (SECOND, "test_efficientnet", OTHER_NAMES),
    ):
        torch.manual_seed(0)
        model = timm.create_model(architecture, num_classes=len(labels))
        for parameter in model.parameters():  # random weights answer alike whatever they see; these do not
            torch.nn.init.normal_(parameter, std=0.35) if parameter.ndim > 1 else None
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        config = {
            "architecture": architecture,
            "num_classes": len(labels),
            "pretrained_cfg": {"num_classes": len(labels), "crop_pct": 1.0, "input_size": [3, 160, 160]},
            "label_names": list(labels),
        }
        (folder / f"{name}.json").write_text(json.dumps(config))
    return folder


def picture(seed: int = 0, size: tuple[int, int] = (200, 180)):
    """Smooth noise, another for each seed."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def png(seed: int = 0, size: tuple[int, int] = (200, 180)) -> bytes:
    stream = io.BytesIO()
    picture(seed, size).save(stream, "PNG")
    return stream.getvalue()


def chromium() -> str:
    """The browser's path. Without one: an error in CI, a skip elsewhere."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI") == "true":
        pytest.fail("The tests of the page need Chromium or Chrome (Debian: apt-get install chromium).")
    pytest.skip("no Chromium or Chrome on this machine (Debian: apt-get install chromium)")


def settings(folder: Path):
    """The page's, for the small pair in this folder."""
    from app.session import Settings

    return Settings(proposal=PROPOSAL, backbone=BACKBONE, weights_dir=str(folder))


def visitors_files() -> set[Path]:
    """What lies on disk here of what visitors brought and made, while the page deletes some of it."""
    from app.uploads import upload_folder

    return {Path(at, name) for at, _, names in os.walk(upload_folder()) for name in names}


def free_port() -> int:
    """One that the system gives: Gradio's own search begins at the same one for all who test at once."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def client(address: str):
    """Of gradio_client; its own five seconds are few where other tests run beside it."""
    from gradio_client import Client

    return Client(address, verbose=False, httpx_kwargs={"timeout": 60})


@contextmanager
def running(folder: Path | None, *, given=None, **more):
    """The page on the small pair in this folder (or with the settings given), on a free port of this
    machine: the demo, which has its `address`."""
    from papr_core.models import weights

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from app.uploads import own_temp_folder

    own_temp_folder()
    from app import page

    with weights.configured():  # a page sets its folder for good
        demo = page.build(given or settings(folder))
        _, url, _ = demo.launch(
            server_name="127.0.0.1",
            server_port=free_port(),
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            **page.launch_options(),
            **more,
        )
        demo.address = url.rstrip("/")
        yield demo
        demo.close()
