"""Where weights come from: own folder, hub-shaped cache, downloads from a hub made here, broken files."""

import contextlib
import hashlib
import http.server
import importlib.util
import json
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import load_file, save, save_file

from papr_core import (
    InvalidInput,
    Stopped,
    UnknownModel,
    WeightsUnavailable,
    load_backbone,
    load_proposal,
    read_image,
)
from papr_core.models import downloads, weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BACKBONE, PROPOSAL = "test_vit.r160_in1k", "test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An empty hub cache, an empty own folder, no settings."""
    for variable in ("HF_HUB_CACHE", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "PAPR_WEIGHTS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with weights.configured():
        yield


@pytest.fixture(scope="module")
def vit() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_vit").eval()


@pytest.fixture(scope="module")
def state(vit) -> dict:
    return {key: value.contiguous() for key, value in vit.state_dict().items()}


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("PAPR_WEIGHTS", str(folder))
    return folder


def hub_cache(root: Path, repository: str, files: dict[str, bytes]) -> Path:
    """The folder a hub client leaves behind: blobs by hash, refs, snapshots of links."""
    folder = root / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    for name, data in files.items():
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / name).symlink_to(Path("..", "..", "blobs", blob.name))
    return folder


def write_own(folder: Path, name: str, tensors: dict, config: dict | str | None = None) -> Path:
    save_file(tensors, folder / f"{name}.safetensors")
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / f"{name}.json").write_text(text)
    return folder / f"{name}.safetensors"


CONFIG = {
    "architecture": "test_vit",
    "num_classes": 1000,
    "model_args": {},
    "pretrained_cfg": {
        "input_size": [3, 160, 160],
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "license": "cc0-1.0",
    },
}


# The hub's cache


@torch.inference_mode()
@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME"])
@pytest.mark.parametrize("offline", [False, True])
def test_a_cached_hub_model_needs_no_network(vit, state, tmp_path, monkeypatch, variable, offline):
    data = save(state, metadata={"format": "pt"})
    config = json.dumps({"architecture": "test_vit", "num_classes": 1000, "pretrained_cfg": {}}).encode()
    hub_cache(
        tmp_path / "cache" / "hub", f"timm/{BACKBONE}", {"model.safetensors": data, "config.json": config}
    )
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv(variable, str(tmp_path / "cache" / ("hub" if variable == "HF_HUB_CACHE" else "")))
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = weights.locate(BACKBONE)
    assert (source.kind, source.path.name) == ("cached", "model.safetensors")
    assert source.megabytes == pytest.approx(len(data) / 1e6)
    assert weights.known_sha256(source) == hashlib.sha256(data).hexdigest()
    backbone = load_backbone("test_vit")
    assert backbone.name == BACKBONE
    assert backbone.weights == source
    assert backbone.sha256 == hashlib.sha256(data).hexdigest()
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(backbone(images), vit(images))


@torch.inference_mode()
def test_a_cached_pickle_of_plain_tensors_loads_too(vit, state, tmp_path):
    torch.save(state, tmp_path / "pytorch_model.bin")
    files = {"pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes()}
    hub_cache(tmp_path / "hub", f"timm/{BACKBONE}", files)
    assert weights.locate(BACKBONE).path.name == "pytorch_model.bin"
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(load_backbone(BACKBONE)(images), vit(images))


@torch.inference_mode()
def test_a_model_of_the_hub_by_its_address(vit, state, tmp_path, monkeypatch):
    """As transformers' TimmWrapper is pushed there."""
    wrapped = {f"timm_model.{key}": value.clone() for key, value in state.items()}
    config = {
        "architecture": "test_vit",
        "num_classes": 1000,
        "model_type": "timm_wrapper",
        "pretrained_cfg": {},
    }
    files = {"model.safetensors": save(wrapped), "config.json": json.dumps(config).encode()}
    hub_cache(tmp_path / "hub", "someone/cats", files)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    backbone = load_backbone("hf-hub:someone/cats")
    assert (backbone.title, backbone.weights.kind) == ("cats", "cached")
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(backbone(images), vit(images))
    with pytest.raises(WeightsUnavailable, match="not on this machine, and downloads are off"):
        load_backbone("hf-hub:someone/dogs")


def test_a_half_downloaded_blob_is_never_taken_for_a_file(state, tmp_path):
    folder = hub_cache(tmp_path / "hub", f"timm/{BACKBONE}", {"config.json": b"{}"})
    (folder / "blobs" / ("0" * 64 + ".incomplete")).write_bytes(save(state)[:1000])
    assert weights.locate(BACKBONE).kind == "download"


def test_a_cached_proposal_is_merged(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("mobileone_s0", num_classes=1000).eval()
    data = save({key: value.contiguous() for key, value in model.state_dict().items()})
    hub_cache(tmp_path / "hub", "timm/mobileone_s0.apple_in1k", {"model.safetensors": data})
    proposal = load_proposal("mobileone_s0")
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(proposal(images), model(images), rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_a_plain_address_is_found_in_torch_s_cache(tmp_path, monkeypatch, state, vit):
    config = weights.read_config(BACKBONE)
    config["pretrained_cfg"].update(hf_hub_id=None, url="https://example.org/files/test_vit-0123abcd.pth")
    monkeypatch.setattr(weights, "read_config", lambda name: config)
    assert weights.locate(BACKBONE).kind == "download"
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"state_dict": state}, folder / "test_vit-0123abcd.pth")
    assert weights.locate(BACKBONE).kind == "cached"
    model, _ = weights.create(BACKBONE)
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(model(images), vit(images))


def test_a_plain_address_is_downloaded_and_its_hash_checked(hub, tmp_path, monkeypatch, state):
    torch.save(state, tmp_path / "file")
    data = (tmp_path / "file").read_bytes()
    name = f"test_vit-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    hub.files = {f"/{name}": data}
    config = weights.read_config(BACKBONE)
    config["pretrained_cfg"].update(hf_hub_id=None, url=f"{huggingface_hub.constants.ENDPOINT}/{name}")
    monkeypatch.setattr(weights, "read_config", lambda name: config)
    part = tmp_path / "torch" / "hub" / "checkpoints" / f"{name}.papr.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(data)  # whole but never renamed: the server has nothing behind it
    assert weights.fetch(weights.locate(BACKBONE)).path.read_bytes() == data
    hub.files = {f"/{name}": data[:-1] + b"?"}
    part.with_name(name).unlink()
    with pytest.raises(WeightsUnavailable, match="not what the server announced"):
        weights.fetch(weights.locate(BACKBONE))
    assert not part.exists()


# Downloads, from a hub of our own


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as its client asks for, with the troubles of a line."""

    files: dict[str, bytes] = {}
    ranges: list[str | None] = []  # what each download asked for
    budget: int | None = None  # bytes until the line goes dead for good
    at_most: int | None = None  # bytes until each connection ends
    deaf = falsify = False  # to Range; the contents

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        data = self.files.get(self.path)
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and body and not self.deaf else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if not body:
            return
        self.ranges.append(wanted)
        left = min(n for n in (self.budget, self.at_most, len(data)) if n is not None)
        sent = data[start : start + left]
        self.wfile.write(bytes(len(sent)) if self.falsify else sent)
        if self.budget is not None:
            Hub.budget -= len(sent)
        self.close_connection = start + len(sent) < len(data)


@pytest.fixture
def hub(monkeypatch, state):
    Hub.files = {f"/timm/{BACKBONE}/resolve/main/model.safetensors": save(state)}
    Hub.budget, Hub.at_most, Hub.deaf, Hub.falsify, Hub.ranges = None, None, False, False, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    template = huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE
    address = template.replace(
        huggingface_hub.constants._HF_DEFAULT_ENDPOINT, huggingface_hub.constants.ENDPOINT
    )
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    monkeypatch.setattr(downloads, "_CHUNK", 50_000)
    yield Hub
    server.shutdown()
    server.server_close()


@torch.inference_mode()
def test_a_download_with_progress(hub, vit):
    seen = []
    backbone = load_backbone(BACKBONE, progress=lambda done, total: seen.append((done, total)))
    size = len(hub.files[f"/timm/{BACKBONE}/resolve/main/model.safetensors"])
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert backbone.weights.kind == "cached"
    assert backbone.weights.megabytes == pytest.approx(size / 1e6)
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(backbone(images), vit(images))
    assert weights.locate(BACKBONE).kind == "cached"  # from now on without the network
    hub.files = {}
    load_backbone(BACKBONE)


def test_a_stopped_download_goes_on_in_the_next_call(hub, vit):
    data = next(iter(hub.files.values()))

    def stop(done: int, total: int) -> None:
        if done > 400_000:
            raise Stopped

    with pytest.raises(Stopped):
        weights.fetch(weights.locate(BACKBONE), progress=stop)
    assert weights.locate(BACKBONE).kind == "download"
    hub.ranges.clear()
    first = []
    source = weights.fetch(weights.locate(BACKBONE), progress=lambda done, total: first.append(done))
    assert source.path.read_bytes() == data
    assert hub.ranges == [f"bytes={first[0]}-"]
    assert first[0] > 400_000


def test_a_broken_line_leaves_nothing_half_and_the_next_try_goes_on(hub):
    data = next(iter(hub.files.values()))
    hub.budget = 600_000
    with pytest.raises(WeightsUnavailable, match="could not be downloaded") as caught:
        load_backbone(BACKBONE)
    assert "try again" in str(caught.value)
    assert weights.locate(BACKBONE).kind == "download"
    hub.budget, hub.ranges[:] = None, []
    assert load_backbone(BACKBONE).weights.path.read_bytes() == data
    assert hub.ranges == ["bytes=600000-"]


def test_a_line_that_stutters_is_taken_up_again(hub):
    hub.at_most = 300_000
    assert weights.fetch(weights.locate(BACKBONE)).path.read_bytes() == next(iter(hub.files.values()))
    assert len(hub.ranges) == 5


def test_what_is_not_what_was_announced_is_thrown_away(hub):
    hub.falsify = True
    with pytest.raises(WeightsUnavailable, match="not what the server announced"):
        load_backbone(BACKBONE)
    hub.falsify = False
    load_backbone(BACKBONE)


def test_a_server_that_cannot_go_on_begins_anew(hub):
    hub.budget = 600_000
    with pytest.raises(WeightsUnavailable):
        load_backbone(BACKBONE)
    hub.budget, hub.deaf = None, True
    assert load_backbone(BACKBONE).weights.path.read_bytes() == next(iter(hub.files.values()))


def test_two_at_once_fetch_once(hub):
    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(weights.fetch, [weights.locate(BACKBONE)] * 4))
    assert len({source.path for source in sources}) == 1
    assert len(hub.ranges) == 1


def test_the_safe_file_comes_first_and_the_other_is_tried(hub, state, tmp_path):
    torch.save(state, tmp_path / "x.bin")
    hub.files = {f"/timm/{BACKBONE}/resolve/main/pytorch_model.bin": (tmp_path / "x.bin").read_bytes()}
    assert load_backbone(BACKBONE).weights.path.name == "pytorch_model.bin"


def test_what_the_hub_does_not_have(hub):
    hub.files = {}
    with pytest.raises(WeightsUnavailable, match="could not be downloaded"):
        load_backbone(BACKBONE)


def test_no_network_says_what_to_do():
    with pytest.raises(WeightsUnavailable, match=r"put test_vit.r160_in1k.safetensors .* weights folder"):
        load_backbone(BACKBONE)


def test_offline_mode_is_obeyed(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set"):
        load_backbone(BACKBONE)


def test_downloads_can_be_off():
    weights.configure(downloads=False)
    with pytest.raises(WeightsUnavailable, match="downloads are off"):
        load_backbone(BACKBONE)


def test_a_model_nobody_published_is_said_to_be_so():
    with pytest.raises(WeightsUnavailable, match="timm knows no weights"):
        load_backbone("vit_small_patch16_36x1_224")


# The own folder


@torch.inference_mode()
def test_an_own_model_has_its_config_s_labels_licence_and_input(own, vit):
    torch.manual_seed(1)
    model = timm.create_model("test_vit", num_classes=3, img_size=96).eval()
    config = {
        **CONFIG,
        "num_classes": 3,
        "model_args": {"img_size": 96},
        "label_names": ["cat", "dog, hound", "bird"],
        "label_set": "pets",
    }
    path = write_own(own, "my pets", dict(model.state_dict()), config)
    assert weights.own_models() == ("my pets",)
    backbone = load_backbone("my pets")
    assert backbone.labels.names == ("cat", "dog, hound", "bird")
    assert backbone.labels.name == "pets"
    assert backbone.input_size == (3, 96, 96)
    assert backbone.grid == (6, 6)
    assert backbone.weights.kind == "local"
    assert backbone.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    images = torch.randn(1, 3, 96, 96)
    assert torch.equal(backbone(images), model(images))
    again = load_backbone("my pets", pretrained=False)
    assert again.labels == backbone.labels
    assert not torch.equal(again(images), model(images))


def test_an_own_file_comes_before_the_hub_s(own, tmp_path, state):
    hub_cache(tmp_path / "hub", f"timm/{BACKBONE}", {"model.safetensors": save(state)})
    assert weights.locate(BACKBONE).kind == "cached"
    write_own(own, BACKBONE, state)  # timm knows what this is: no JSON needed
    assert weights.locate(BACKBONE).kind == "local"
    weights.configure(weights_dir=tmp_path)
    assert weights.locate(BACKBONE).kind == "cached"
    with pytest.raises(InvalidInput, match="does not exist"):
        weights.configure(weights_dir=tmp_path / "nowhere")


def test_settings_for_a_block_end_with_it(own, tmp_path, state):
    write_own(own, "mine", state, {"architecture": "test_vit", "num_classes": 1000})
    for error in (None, KeyError):
        with contextlib.suppress(KeyError), weights.configured(weights_dir=tmp_path, downloads=False):
            assert not weights.is_own("mine")
            with pytest.raises(WeightsUnavailable, match="downloads are off"):
                weights.fetch(weights.locate("resnet18.a1_in1k"))
            weights.configure(weights_dir=own)
            if error:
                raise error
        assert weights.is_own("mine")
        with (
            pytest.raises(InvalidInput),
            weights.configured(weights_dir=tmp_path / "nowhere", downloads=False),
        ):
            pass
        assert weights.is_own("mine")


@torch.inference_mode()
def test_halves_become_floats(own, state, vit):
    halves = {key: value.half() for key, value in state.items()}
    write_own(own, "halves", halves, CONFIG)
    backbone = load_backbone("halves")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    images = torch.randn(1, 3, 160, 160)
    torch.testing.assert_close(backbone(images), vit(images), rtol=1e-2, atol=1e-2)
    assert torch.equal(backbone.model.head.weight, halves["head.weight"].float())


def test_without_names_a_thousand_classes_are_imagenet_s_and_others_numbers(own):
    write_own(own, "thousand", dict(timm.create_model("test_vit").state_dict()), CONFIG)
    seven = timm.create_model("test_vit", num_classes=7).state_dict()
    write_own(own, "seven", dict(seven), {**CONFIG, "num_classes": 7})
    assert load_backbone("thousand").labels.name == "imagenet-1k"
    assert load_backbone("seven").labels.names == tuple(f"class {i}" for i in range(7))


@torch.inference_mode()
def test_pth_files_of_the_usual_forms(own, state, vit):
    images = torch.randn(1, 3, 160, 160)
    for name, content in {
        "bare": state,
        "nested": {"state_dict": state, "epoch": 3},
        "averaged": {"model": {key: value * 0 for key, value in state.items()}, "model_ema": state},
        "parallel": {f"module.{key}": value for key, value in state.items()},
    }.items():
        torch.save(content, own / f"{name}.pth")
        (own / f"{name}.json").write_text(json.dumps(CONFIG))
        assert torch.equal(load_backbone(name)(images), vit(images)), name


@torch.inference_mode()
def test_another_size_resamples_the_position_embedding(own, state, vit):
    write_own(own, "resized", state, CONFIG)
    backbone = load_backbone("resized", img_size=(96, 128))
    plain = timm.create_model("test_vit").eval()
    plain.load_state_dict(state)
    plain.set_input_size((96, 128))
    images = torch.randn(1, 3, 96, 128)
    torch.testing.assert_close(backbone(images), plain(images), rtol=1e-4, atol=1e-5)


class Evil:
    """What a pickle may do to whoever opens it."""

    def __reduce__(self):
        return os.system, ("touch papr-was-here",)


def broken_files(state: dict, folder: Path) -> dict[str, tuple[bytes, str]]:
    """suffix and bytes, and the word that the refusal must hold."""
    good = save(state)
    few = {key: value for key, value in state.items() if not key.startswith("blocks.0")}
    wide = {**state, "head.weight": torch.zeros(1000, 3)}
    torch.save({**state, "evil": Evil()}, folder / "evil")
    torch.save([1, 2, 3], folder / "list")
    torch.save({"state_dict": {"x": 1}}, folder / "numbers")
    torch.save(timm.create_model("test_vit"), folder / "whole")
    huge = (2**62).to_bytes(8, "little") + b"{}"
    return {
        "empty.safetensors": (b"", "damaged"),
        "cut.safetensors": (good[: len(good) // 2], "damaged"),
        "noise.safetensors": (os.urandom(4096), "damaged"),
        "header.safetensors": (huge, "damaged"),
        "text.safetensors": (b"<!doctype html><title>404</title>" * 10, "damaged"),
        "missing.safetensors": (save(few), "not those of"),
        "shape.safetensors": (save(wide), "not those of"),
        "more.safetensors": (save({**state, "extra.weight": torch.zeros(3)}), "not those of"),
        "evil.pth": ((folder / "evil").read_bytes(), "run code"),
        "raw.pth": (pickle.dumps(Evil()), "run code"),
        "whole.pth": ((folder / "whole").read_bytes(), "run code"),
        "cut.pth": ((folder / "evil").read_bytes()[:5000], "damaged"),
        "list.pth": ((folder / "list").read_bytes(), "damaged"),
        "numbers.pth": ((folder / "numbers").read_bytes(), "is no tensor"),
        "empty.pth": (b"", "damaged"),
        "disguised.safetensors": ((folder / "evil").read_bytes(), "damaged"),
    }


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_broken_and_hostile_files_are_refused_in_one_sentence(own, state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file, (data, word) in broken_files(state, tmp_path).items():
        name = file.replace(".", "_")
        (own / f"{name}{Path(file).suffix}").write_bytes(data)
        (own / f"{name}.json").write_text(json.dumps(CONFIG))
        with pytest.raises(WeightsUnavailable, match=word) as caught:
            load_backbone(name)
        assert str(caught.value).startswith(f"{name}{Path(file).suffix} is refused: "), file
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
    assert not (tmp_path / "papr-was-here").exists()


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        {},
        {"architecture": "test_vit", "pretrained_cfg": 3},
        {"architecture": 7, "pretrained_cfg": {}},
        {"architecture": "no_such_net", "pretrained_cfg": {}},
        {"architecture": "hf-hub:timm/test_vit.r160_in1k", "pretrained_cfg": {}},
        {"architecture": "../test_vit", "pretrained_cfg": {}},
        {**CONFIG, "num_classes": "many"},
        {**CONFIG, "model_args": [1]},
        {**CONFIG, "model_args": {"no_such_argument": 1}},
        {**CONFIG, "model_args": {"img_size": [1, 2, 3]}},
        {**CONFIG, "model_args": {"checkpoint_path": "/etc/passwd"}},
        {**CONFIG, "model_args": {"pretrained": False}},
        {**CONFIG, "model_args": {"in_chans": 1}},
        {**CONFIG, "model_args": {"features_only": True}},
        {**CONFIG, "pretrained_cfg": {"mean": "grey"}},
        {**CONFIG, "pretrained_cfg": {"std": [1, 2]}},
        {**CONFIG, "pretrained_cfg": {"input_size": [3, "big", 9]}},
        {**CONFIG, "pretrained_cfg": {"crop_pct": "most"}},
        {**CONFIG, "label_names": ["one"]},
        {**CONFIG, "label_names": 5},
    ],
)
def test_broken_configurations_are_refused_in_one_sentence(own, state, config):
    write_own(own, "mine", state, config)
    with pytest.raises((WeightsUnavailable, InvalidInput)) as caught:
        load_backbone("mine")
    assert "\n" not in str(caught.value)


def test_a_configuration_cannot_send_the_loader_to_the_network(own, state):
    config = {
        **CONFIG,
        "pretrained_cfg": {**CONFIG["pretrained_cfg"], "source": "hf-hub", "hf_hub_id": "some/body"},
    }
    write_own(own, "mine", state, config)
    assert load_backbone("mine").weights.kind == "local"


@pytest.mark.parametrize(
    "name", ["../own/mine", "/etc/passwd", "own/mine", "mine\0", "", ".", "..", "C:mine", "hf-hub:a/b/c"]
)
def test_a_name_is_never_a_path(own, state, name):
    write_own(own, "mine", state, CONFIG)
    assert not weights.is_own(name)
    with pytest.raises(UnknownModel):
        load_backbone(name)


def test_an_own_file_that_nobody_explains(own, state):
    write_own(own, "mystery", state)
    with pytest.raises(WeightsUnavailable, match="needs mystery.json beside it"):
        load_backbone("mystery")
    assert weights.own_models() == ()


def test_a_device_that_is_not_there():
    with pytest.raises(InvalidInput, match="cannot be used here"):
        load_backbone("test_vit", pretrained=False, device="warp:9")


def test_random_weights_are_random_and_file_weights_draw_nothing(own, state):
    write_own(own, "mine", state, CONFIG)
    first, second = (load_backbone("test_vit", pretrained=False).model.head.weight for _ in range(2))
    assert not torch.equal(first, second)
    load_backbone("mine")
    torch.manual_seed(5)
    truth = torch.rand(3)
    torch.manual_seed(5)
    load_backbone("mine")
    assert torch.equal(torch.rand(3), truth)


def test_the_hash_follows_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert weights.sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"other")
    assert weights.sha256(path) == hashlib.sha256(b"other").hexdigest()


# Real files


@torch.inference_mode()
def test_the_default_pair_knows_a_lion():
    gradio = importlib.util.find_spec("gradio").submodule_search_locations[
        0
    ]  # found, not imported: that takes long
    image = read_image(Path(gradio, "media_assets", "images", "lion.jpg"))
    backbone = load_backbone("vit_tiny_patch16_224")
    proposal = load_proposal()
    crop = backbone.fit(image)
    features = proposal.features(proposal.view(crop))
    lion = backbone.labels.find("lion, king of beasts, Panthera leo")
    assert int(proposal.logits(features).argmax()) == lion
    view = backbone.view(crop)
    for ratio in (1, 0.5, 0.4, 0.3):
        assert int(backbone(view, backbone.select(features.mean(1), ratio)).argmax()) == lion
    stored = load_file(backbone.weights.path)
    assert torch.equal(backbone.model.head.weight, stored["head.weight"].float())
