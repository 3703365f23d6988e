"""The page without a browser: questions, caches, payloads against the library, the endpoint, the start."""

import io
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import page_server
import pytest
from page_server import BACKBONE, HEADLESS, PROPOSAL
from PIL import Image
from threads import at_once

ROOT = Path(__file__).resolve().parents[2]
METHODS = ["papr", "cam", "grad-cam", "score-cam"]


def question(shared, **change):
    from app.parts.question import Question

    asked = {
        "visitor": "v",
        "seq": 1,
        "picture": "coffee",
        "proposal": PROPOSAL,
        "backbone": BACKBONE,
        "keep_ratio": 0.4,
        "methods": METHODS,
        "target": None,
        "explain": "proposal",
        "patches": [],
    }
    return Question.read({**asked, **change}, shared)


def last(shared, **change):
    return payloads(shared, "slow", **change)[-1]


def payloads(shared, queue: str, **change) -> list[dict]:
    from app.parts import view
    from app.parts.run import Run

    run = Run(shared, question(shared, **change))
    return list(view.payloads(run, getattr(run, queue)()))


def at_rest(shared, **change) -> dict:
    from app.parts import view
    from app.parts.run import Run

    return view.at_rest(Run(shared, question(shared, **change)))


def picture_file(folder: Path, name: str = "picture.png", seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (7, 9, 3), dtype=np.uint8)
    path = folder / name
    Image.fromarray(pixels).resize((220, 180)).save(path)
    return path


# questions

BAD = {
    "no object": ([], "stage", "could not be read"),
    "not json": ("{", "stage", "could not be read"),
    "ratio 0": ({"keep_ratio": 0}, "ratio", "above 0"),
    "ratio above 1": ({"keep_ratio": 1.2}, "ratio", "above 0"),
    "ratio not a number": ({"keep_ratio": float("nan")}, "ratio", "above 0"),
    "ratio a text": ({"keep_ratio": "0.4"}, "ratio", "above 0"),
    "unknown method": ({"methods": ["saliency"]}, "stage", "no method 'saliency'"),
    "target a text": ({"target": "<img>"}, "target", "from the list"),
    "no model": ({"backbone": None}, "models", "both models"),
    "explain": ({"explain": "everything"}, "explain", "explains"),
    "patches": ({"patches": ["a"]}, "stage", "whole numbers"),
    "one class": ({"classes": "a dog; a dog"}, "classes", "at least two different classes"),
    "too many classes": ({"classes": ";".join(map(str, range(21)))}, "classes", "at most 20 classes"),
    "a long class": ({"classes": f"a; {'b' * 101}"}, "classes", "at most 100 letters"),
    "a book": ({"classes": "a;" * 50_000}, "classes", "at most 20 classes"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_questions_get_a_sentence_in_its_place(shared, case):
    from app.parts.question import Question
    from app.session import explain_error
    from papr_core import PaprError

    change, where, sentence = BAD[case]
    with pytest.raises(PaprError) as caught:
        question(shared, **change) if isinstance(change, dict) else Question.read(change, shared)
    said = explain_error(caught.value)
    assert (said["where"], sentence in said["text"]) == (where, True)


def test_what_nobody_foresaw_names_a_number_and_nothing_else(caplog):
    from app.session import explain_error

    said = explain_error(OSError("/secret/path is missing"))
    number = said["text"].split()[-1].rstrip(".")
    assert "secret" not in said["text"]
    assert number in caplog.text
    assert "secret" in caplog.text


def test_only_uploads_are_read(shared, tmp_path, tmp_path_factory):
    from papr_core import InvalidInput, UnreadableImage

    elsewhere = picture_file(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(InvalidInput, match="no longer there"):
        shared.receive("/etc/passwd")
    with pytest.raises(InvalidInput, match="no longer there"):
        shared.receive(str(elsewhere))
    with pytest.raises(InvalidInput, match="no longer there"):
        shared.receive(str(tmp_path / ".." / elsewhere.parent.name / elsewhere.name))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UnreadableImage):
        shared.pixels(shared.receive(str(tmp_path / "text.png")))
    assert len(shared.receive(str(picture_file(tmp_path))).id) == 64


def test_models_are_those_that_the_owner_allows(shared, monkeypatch):
    from papr_core import UnknownModel

    assert shared.allowed("backbone", BACKBONE).name == BACKBONE
    with pytest.raises(UnknownModel, match="only the models of the list"):
        shared.allowed("backbone", "test_vit2")
    for name in (
        "../../etc/passwd",
        "hf-hub:someone/model",
        "hf:someone/model",
        "hf:../..",
        "local-dir:/tmp",
        "é" * 200,
        "\0",
        "\ud800",
    ):
        with pytest.raises(UnknownModel):
            shared.allowed("backbone", name)
    monkeypatch.setattr(shared, "settings", replace(shared.settings, any_model=True))
    assert shared.allowed("backbone", "test_vit2").name.startswith("test_vit2")
    for name in ("hf-hub:someone/model", "hf:someone/model"):
        with pytest.raises(UnknownModel):  # a link that names it would fetch it before a click
            shared.allowed("backbone", name)


# caches


def test_a_cache_is_bounded_in_bytes_and_forgets_the_oldest():
    from app.session import Cache

    cache = Cache(10_000)
    for i in range(10):
        cache.put(i, bytes(1000))
        cache.get(0)
    assert cache.bytes <= 10_000
    assert cache.get(0) is not None  # asked for again and again
    assert cache.get(1) is None
    assert cache.get(9) is not None


def test_of_uploads_and_visitors_the_newest_are_known():
    from app.session import Recent

    table = Recent()
    for i in range(10_001):
        table[i] = i
        table[0] = i  # seen again and again
    assert len(table) == 10_000
    assert table[0] == 10_000
    assert 1 not in table
    assert 2 in table


def test_a_value_is_made_once_however_many_ask():
    from app.session import Cache

    cache, made, go = Cache(10_000), [], threading.Event()

    def make():
        go.wait(5)
        made.append(1)
        return b"value"

    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.once("key", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert found == [b"value"] * 8
    assert len(made) == 1
    assert not cache._making
    with pytest.raises(ZeroDivisionError):
        cache.once("other", lambda: 1 / 0)
    assert cache.once("other", lambda: b"later") == b"later"


# numbers


def test_the_page_and_the_library_give_the_same_numbers(shared):
    from papr_core import compare
    from papr_core.comparison.maps import coarse_counts, curve_counts

    answer = last(shared, methods=[*METHODS, "random", "center", "reversed"])
    assert answer["working"] is None
    assert not answer["more"]
    wanted = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=shared.model("backbone", BACKBONE),
        methods=[*METHODS, "random", "center", "reversed"],
    ).to_dict()
    assert answer["full"]["confidence"] == pytest.approx(wanted["full"]["confidence"], abs=2e-6)
    shown = {method["name"]: method for method in answer["methods"]}
    for expected in wanted["methods"]:
        method = shown[expected["name"]]
        points = {point[0]: point for point in method["points"]}
        k, confidence, low, high, kept, top = points[expected["kept"]]
        for ours, theirs in ((confidence, "confidence"), (low, "confidence_low"), (high, "confidence_high")):
            assert ours == pytest.approx(expected[theirs], abs=2e-6)
        assert bool(kept) == expected["kept_answer"]
        assert method["fewest"] == expected["fewest_patches"]
        assert sorted(method["order"][:k]) == expected["indices"]
        labels = [answer["labels"][str(index)] for index, _ in top]
        assert labels == [one["label"].split(",")[0].strip() for one in expected["top"][:3]]
        assert set((coarse_counts if method["draws"] > 1 else curve_counts)(100)) <= set(points)


def test_without_a_classifier_the_number_is_the_cosine(shared):
    from papr_core import compare

    answer = last(shared, backbone=HEADLESS)
    assert (answer["measure"], answer["target"], answer["labels"]) == ("cosine", None, {})
    wanted = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=shared.model("backbone", HEADLESS),
        methods=METHODS,
    ).to_dict()
    shown = {method["name"]: method for method in answer["methods"]}
    for expected in wanted["methods"]:
        points = {point[0]: point for point in shown[expected["name"]]["points"]}
        _, cosine, _, _, kept, top = points[expected["kept"]]
        assert cosine == pytest.approx(expected["confidence"], abs=2e-6)
        assert (kept, top) == (None, [])


def test_classes_are_typed_only_where_the_backbone_reads_texts(shared):
    from papr_core import InvalidInput

    with pytest.raises(InvalidInput, match="takes a CLIP or SigLIP with both towers"):
        last(shared, classes="a dog; a cat")


@pytest.mark.parametrize("keep_ratio", [0.37, 0.5])
def test_by_stage_the_page_and_the_library_give_the_same_numbers(shared, keep_ratio):
    from papr_core import compare, load_backbone

    shared.settings = replace(shared.settings, any_model=True)
    name = shared.allowed("backbone", "test_convnext").name
    backbone = load_backbone(name, pretrained=False)
    shared.models.put(("backbone", name), backbone)
    answer = last(shared, backbone=name, methods=["papr", "random"], keep_ratio=keep_ratio)
    wanted = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=backbone,
        methods=["papr", "random"],
        keep_ratio=keep_ratio,
    ).to_dict()
    assert any("stage 3, 10 x 10" in note for note in answer["notes"])
    shown = {method["name"]: method for method in answer["methods"]}
    for expected in wanted["methods"]:
        points = {point[0]: point for point in shown[expected["name"]]["points"]}
        assert points[expected["kept"]][1] == pytest.approx(expected["confidence"], abs=2e-6)
        assert {k: point[6:] for k, point in points.items() if point[6:]} == {expected["kept"]: [keep_ratio]}


def test_quick_work_comes_first_and_slow_work_says_how_far_it_is(shared):
    quick = payloads(shared, "quick")
    first, after = quick[0], quick[-1]
    states = {method["name"]: bool(method.get("points")) for method in first["methods"]}
    assert states["papr"]
    assert not states["score-cam"]
    assert after["more"]
    assert after["working"] == "Waiting for the machine"  # which may be a minute, behind another's work
    assert all(m.get("points") for m in after["methods"] if m["name"] in ("papr", "cam", "grad-cam"))
    slow = payloads(shared, "slow")
    assert slow[-1]["working"] is None
    again = payloads(shared, "quick")
    assert not again[-1]["more"]  # everything is in the cache
    assert again[-1]["key"] == slow[-1]["key"]


def test_a_new_target_runs_nothing_again(shared, monkeypatch):
    from papr_core.comparison import scene

    last(shared)
    monkeypatch.setattr(scene, "answers", lambda *_, **__: pytest.fail("the backbone ran again"))
    answer = last(shared, target=3)
    assert answer["target"]["index"] == 3


def test_classes_of_another_name_are_sent_although_their_set_is_called_alike():
    from app.parts import streams, view
    from papr_core.models.labels import Labels

    sets = Labels("own-2", ("cat", "dog")), Labels("own-2", ("cup", "jar"))
    for labels in sets:
        run = SimpleNamespace(labels=labels, question=SimpleNamespace(target=None))
        handler = streams.answers(lambda _, run=run: run, lambda _: [{}])
        ((_, told),) = handler(SimpleNamespace(_data={"labels": view.labels_hash(sets[0])}))
        names = [name for name, _ in getattr(told, "choices", [])][1:]
        assert names == ([] if labels is sets[0] else ["cup", "jar"])


def test_a_question_stopped_before_its_first_payload_leaves_the_list_of_classes_alone():
    """Of a stream that yields nothing Gradio sends None, and the list stands empty."""
    import gradio as gr

    from app.parts import streams
    from papr_core import Stopped

    def stopped(_):
        raise Stopped
        yield

    handler = streams.answers(lambda _: SimpleNamespace(labels=None), stopped)
    assert list(handler(SimpleNamespace(_data={}))) == [(gr.skip(), gr.skip())]


def test_an_outdated_question_stops(shared):
    from app.parts.run import Run
    from papr_core import Stopped

    steps = Run(shared, question(shared, visitor="w", seq=4, picture="chelsea")).slow()
    next(steps)
    shared.newest("w", 5)
    with pytest.raises(Stopped):
        list(steps)
    assert not shared.outdated("w", 5)
    assert not shared.outdated("somebody else", 1)


def test_points_at_rest_and_by_hand(shared):
    from papr_core import compare

    told = at_rest(shared, keep_ratio=0.33, methods=["papr", "random"])
    assert {point[0] for point in told["points"].values()} == {33}
    chosen = at_rest(shared, methods=["by-hand"], patches=[1, 2, 50])
    expected = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=shared.model("backbone", BACKBONE),
        methods=["by-hand"],
        patches=[1, 2, 50],
        curve=False,
    ).methods[0]
    assert chosen["points"]["by-hand"][:2] == [3, pytest.approx(expected.confidence, abs=2e-6)]
    mixed = at_rest(shared, methods=["papr", "by-hand"], patches=[1, 2, 50])
    assert mixed["points"] == chosen["points"]


def test_sixteen_visitors_at_once_get_what_each_would_get_alone(shared, tmp_path):
    from app.session import Shared

    files = [picture_file(tmp_path, f"{seed}.png", seed=seed) for seed in range(8)]
    asked = [
        {"visitor": str(i), "picture": None, "upload": str(files[i % 8]), "name": f"{i}.png",
         "methods": ["papr", "cam", "grad-cam", "random"][: 2 + i % 3], "keep_ratio": 0.2 + 0.05 * (i % 5)}
        for i in range(16)
    ]  # fmt: skip
    alone = Shared(shared.settings)
    expected = [at_rest(alone, **one) for one in asked]
    found = at_once(lambda one: at_rest(shared, **one), asked)
    for one, answer, right in zip(asked, found, expected):
        assert set(answer["points"]) == set(one["methods"])
        _same(answer["points"], right["points"], one["name"])


def test_names_stay_with_those_who_gave_them(shared, tmp_path):
    one = picture_file(tmp_path, "a.png")
    mine = last(shared, picture=None, upload=str(one), name="mine.png")
    assert mine["picture"]["name"] == "mine.png"
    theirs = last(shared, picture=None, upload=str(one), name="secret of another.png")
    assert theirs["picture"]["id"] == mine["picture"]["id"]
    again = last(shared, picture=mine["picture"]["id"], name="mine.png")
    assert again["picture"]["name"] == "mine.png"


def test_the_crop_is_sent_once(shared):
    answer = last(shared)
    assert answer["picture"]["src"].startswith("data:image/jpeg;base64,")
    again = last(shared, has=answer["picture"]["crop"], target=2)
    assert again["picture"]["src"] is None


def test_a_payload_is_plain_data(shared):
    text = json.dumps(last(shared), allow_nan=False)
    assert len(text) < 120_000
    assert "/tmp" not in text


def test_a_constant_picture_says_so(shared, tmp_path):
    path = tmp_path / "grey.png"
    Image.new("RGB", (200, 200), (127, 127, 127)).save(path)
    answer = last(shared, picture=None, upload=str(path), name="grey.png")
    assert any("one colour" in note for note in answer["notes"])


def test_every_download_is_written(shared):
    from app.parts.run import Run
    from app.parts.save import KINDS, PAPER, save
    from papr_core import InvalidInput

    def saved(paper=None, **change) -> Path:
        return Path(save(Run(shared, question(shared, **change)), {"paper": paper}, lambda q: Run(shared, q)))

    for kind in KINDS:
        file = saved(methods=["papr", "cam"], kind=kind)
        assert file.stat().st_size > 500
        assert list(file.parent.iterdir()) == [file]
    paper = {
        "layout": "rows",
        "width": 8.25,
        "text": 6,
        "second": 0.2,
        "numbers": True,
        "pictures": [{"picture": "chelsea", "name": "a cat"}],
    }
    for kind, name in PAPER.items():
        file = saved(paper, methods=["papr", "cam"], kind=kind)
        assert file.name == name
        if kind == "figure-pdf":
            assert b"/MediaBox [ 0 0 233.8" in file.read_bytes()  # 8.25 cm in points
        if kind == "table-csv":
            lines = file.read_text().splitlines()
            assert len(lines) == 1 + 2 * (1 + 2 * 2)  # two pictures, two methods, two ratios
            assert sum(line.startswith("Chelsea") for line in lines) == 5
    for wrong in (
        {"kind": "exe"},
        {"kind": "figure-pdf", "paper": {**paper, "layout": "spiral"}},
        {"kind": "figure-pdf", "paper": {**paper, "width": "wide"}},
        {"kind": "figure-pdf", "paper": {**paper, "second": 7}},
        {"kind": "figure-pdf", "paper": {**paper, "pictures": [{"picture": "coffee"}] * 20}},
    ):
        with pytest.raises(InvalidInput):
            saved(wrong.pop("paper", None), **wrong)
    for wrong in ({"look": "gone"}, {"opacity": "much"}, {"colours": "jet"}, {"scale": "log"}):
        with pytest.raises(InvalidInput):
            question(shared, **wrong)


# what ships


def test_the_lists_that_ship_are_the_librarys():
    from app.parts import arrival
    from papr_core import BACKBONES, METHODS, PROPOSALS

    choices = json.loads(arrival.FILE.read_text(encoding="utf-8"))["choices"]
    assert choices["proposal"] == [[one.title, name] for name, one in PROPOSALS.items() if not one.sees_clips]
    assert choices["backbone"] == [[one.title, name] for name, one in BACKBONES.items() if not one.sees_clips]
    assert choices["methods"] == {
        name: {"title": one.title, "kind": one.kind, "colours": list(one.colours)}
        for name, one in METHODS.items()
    }


def test_the_methods_on_arrival_are_the_librarys():
    from app.parts import api, arrival
    from papr_core.methods.table import DEFAULT_METHODS

    assert arrival.VIEW["methods"] == api.METHODS == list(DEFAULT_METHODS)


def test_the_answer_on_arrival_is_what_the_library_computes_now():
    from app.parts import arrival
    from app.session import Settings

    shipped = json.loads(arrival.FILE.read_text(encoding="utf-8"))
    settings = Settings()
    if shipped["answer"]["models"]["backbone"]["name"] != settings.backbone:
        pytest.fail("The answer on arrival belongs to another pair: run python -m app.parts.arrival.")
    now = arrival.compute(settings)
    assert shipped["choices"] == now["choices"]
    ours, theirs = shipped["lesson"], now["lesson"]
    assert ours.keys() == theirs.keys()
    for name in ("key", "size", "channels", "steps"):
        assert ours[name] == theirs[name], name
    # on another machine two channels that vary alike may change places
    assert np.mean(np.array(ours["shown"]) == np.array(theirs["shown"])) > 0.8
    for name in ("means", "quantiles"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-2, atol=1e-3)
    _same(ours["answer"], theirs["answer"], "lesson")
    shipped, now = shipped["answer"], now["answer"]
    for name in ("picture", "grid", "models", "target", "explain", "labels"):
        ours, theirs = (
            {**answer[name], "src": ""} if name == "picture" else answer[name] for answer in (shipped, now)
        )
        assert ours == theirs, name
    assert not shipped["working"]
    assert not shipped["more"]
    _same(shipped["full"], now["full"], "full")
    for method, again in zip(shipped["methods"], now["methods"], strict=True):
        assert method["name"] == again["name"]
        if "map" not in method:
            continue
        np.testing.assert_allclose(method["map"], again["map"], rtol=1e-3, atol=1e-4)
        ours, theirs = ({point[0]: point[1] for point in m["points"]} for m in (method, again))
        assert ours.keys() == theirs.keys()
        away = np.abs([ours[k] - theirs[k] for k in ours])
        # on another machine two patches may tie within rounding and change places
        assert (away < 1e-3).mean() > 0.9, method["name"]
        assert away.max() < 0.15, method["name"]


def _same(a, b, where):
    """Equal but for what another machine rounds otherwise."""
    assert type(a) is type(b) or {type(a), type(b)} == {int, float}, where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b)):
            _same(one, other, f"{where}[{i}]")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-3), where
    else:
        assert a == b, where


def test_the_colour_maps_are_matplotlibs():
    import base64

    import matplotlib

    from app.parts.rail import COLOURS

    module = (ROOT / "app" / "static" / "js" / "colour_maps.js").read_text()
    maps = json.loads(module[module.index("{\n") :].rstrip(";\n"))
    assert list(maps) == COLOURS
    for name, data in maps.items():
        table = np.frombuffer(base64.b64decode(data), np.uint8).reshape(256, 3)
        assert np.array_equal(table, np.round(matplotlib.colormaps[name](np.arange(256))[:, :3] * 255))


# the start


def test_the_page_builds_without_torch():
    """That is what makes it served within seconds."""
    code = (
        "import sys; from app import page; from app.session import Settings;"
        "page.build(Settings()); page.launch_options();"
        "print([name for name in ('torch', 'timm', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


# the endpoint


@pytest.fixture(scope="module")
def client(weights_folder):

    with page_server.running(weights_folder) as demo:
        yield page_server.client(demo.address)


def test_the_endpoint_gives_what_the_command_prints(client, tmp_path):
    from gradio_client import handle_file

    from papr_core import compare, load_backbone, load_proposal

    file = picture_file(tmp_path)
    told = client.predict(
        image=handle_file(str(file)), methods=["papr", "cam"], patches=[3, 4], api_name="/compare"
    )
    expected = compare(
        file,
        proposal=load_proposal(PROPOSAL),
        backbone=load_backbone(BACKBONE),
        methods=["papr", "cam"],
        patches=[3, 4],
        name=file.name,
    ).to_dict()
    for method in (*told["methods"], *expected["methods"]):
        method.pop("seconds")
    _same(told, expected, "compare")


def test_the_endpoint_gives_a_cosine_where_there_is_no_classifier(client, tmp_path):
    from gradio_client import handle_file

    from papr_core import compare, load_backbone, load_proposal

    file = picture_file(tmp_path)
    asked = {"methods": ["papr", "random"], "keep_ratio": 0.3}
    told = client.predict(image=handle_file(str(file)), backbone=HEADLESS, **asked, api_name="/compare")
    pair = {"proposal": load_proposal(PROPOSAL), "backbone": load_backbone(HEADLESS)}
    expected = compare(file, **pair, **asked, name=file.name).to_dict()
    assert (told["measure"], told["target"], told["full"]) == ("cosine", None, expected["full"])
    for method in (*told["methods"], *expected["methods"]):
        method.pop("seconds")
        assert (method["kept_answer"], method["top"]) == (None, [])
    _same(told, expected, "compare")


BAD_CALLS = {
    "ratio": ({"keep_ratio": 0}, "keep ratio must be above 0"),
    "ratio above 1": ({"keep_ratio": 1.5}, "keep ratio must be above 0"),
    "method": ({"methods": ["saliency"]}, "no method 'saliency'"),
    "model": ({"backbone": "../../etc/passwd"}, "no backbone"),
    "class": ({"target": "wardrobe malfunction"}, "wardrobe malfunction"),
    "patch": ({"methods": ["papr"], "patches": [100]}, "from 0 to 99"),
    "classes": ({"classes": "a dog; a cat"}, "takes a CLIP or SigLIP with both towers"),
    "too many classes": ({"classes": "; ".join(map(str, range(21)))}, "at most 20 classes"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_gets_a_sentence(client, tmp_path, case):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    change, sentence = BAD_CALLS[case]
    with pytest.raises(AppError, match=sentence) as caught:
        client.predict(image=handle_file(str(picture_file(tmp_path))), api_name="/compare", **change)
    assert "Traceback" not in str(caught.value)
    assert str(ROOT) not in str(caught.value)


@pytest.mark.parametrize(
    "image",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {
            "path": "http://127.0.0.1:1/a.png",
            "url": "http://127.0.0.1:1/a.png",
            "meta": {"_type": "gradio.FileData"},
        },
        "picture.png",
        None,
    ],
)
def test_the_endpoint_reads_uploads_only(client, image):
    import httpx

    asked = {"data": [image, PROPOSAL, BACKBONE, 0.4, ["papr"], None, "proposal", None, False, None]}
    call = httpx.post(f"{client.src}gradio_api/call/compare", json=asked, timeout=60)
    if call.status_code == 200:  # no path, but no picture either
        event = call.json()["event_id"]
        told = httpx.get(f"{client.src}gradio_api/call/compare/{event}", timeout=60).text
        assert "event: error" in told
    else:
        assert call.status_code == 400
        told = call.text
    assert "uploaded file" in told
    assert "root:" not in told
    assert "Traceback" not in told


def test_a_broken_upload_gets_a_sentence(client, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    for data, sentence in ((b"no picture", "not an image"), (b"", "empty")):
        file = tmp_path / "file.png"
        file.write_bytes(data)
        with pytest.raises(AppError, match=sentence):
            client.predict(image=handle_file(str(file)), api_name="/compare")


def test_all_else_is_private(client):
    from app.parts import api

    info = client.view_api(return_format="dict", print_info=False)
    assert list(info["named_endpoints"]) == [f"/{name}" for name in api.ENDPOINTS]
    assert not info["unnamed_endpoints"]


def test_a_bomb_is_refused_before_it_is_decoded(shared, tmp_path):
    from papr_core import UnreadableImage

    stream = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(stream, "PNG")
    (tmp_path / "bomb.png").write_bytes(stream.getvalue())
    with pytest.raises(UnreadableImage, match="megapixels"):
        shared.pixels(shared.receive(str(tmp_path / "bomb.png")))


def test_a_stretched_picture_is_another_crop(shared, tmp_path):
    """12 bits in 16: all but black as they lie. The browser has to be sent the crop anew."""
    dark = np.linspace(0, 4095, 160 * 160).reshape(160, 160).astype(np.uint16)
    path = tmp_path / "dark.png"
    Image.fromarray(dark).save(path)
    plain = last(shared, upload=str(path), picture=None, methods=["papr"])["picture"]
    stretched = last(shared, picture=plain["id"], has=plain["crop"], methods=["papr"], stretch=True)[
        "picture"
    ]
    assert stretched["stretch"]
    assert stretched["crop"] != plain["crop"]
    assert stretched["src"] not in (None, plain["src"])
