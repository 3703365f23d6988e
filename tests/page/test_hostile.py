"""Visitors who mean no good: broken files, changed requests, routes that are not ours; and who leaves."""

import http.client as http_client
import json
import random
import sys
import threading
import time
from pathlib import Path

import httpx
import mutations
import page_server
import pytest
from page_server import BACKBONE, PROPOSAL, SECOND

ROOT = Path(__file__).resolve().parents[2]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def demo(weights_folder):
    """The page on the small random pair, as it is served to others."""
    with page_server.running(weights_folder) as demo:
        demo.shared.warm_up()
        yield demo


@pytest.fixture
def changed(demo):
    """Changed requests to it (benchmarks/fuzz.py)."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import fuzz

    config = httpx.get(f"{demo.address}/config", timeout=60).json()
    return fuzz.Requests(demo.address, config, (PROPOSAL, BACKBONE), (str(ROOT),))


def sent(http, name: str = "a.png", data: bytes | None = None) -> str:
    files = {"files": (name, data or page_server.png(), "application/octet-stream")}
    return http.post("/gradio_api/upload", files=files).json()[0]


# what nobody meant to send


def test_broken_pictures_are_read_or_refused_in_a_sentence():
    from papr_core import UnreadableImage, read_image

    whole, rng = mutations.pictures(), random.Random(1)
    assert len(whole) > 20
    told = {"read": 0, "refused": 0}
    for data in whole:
        assert read_image(data).mode == "RGB"
    for _ in range(800):
        try:
            image = read_image(mutations.broken(rng.choice(whole), whole, rng))
            assert image.mode == "RGB"
            told["read"] += 1
        except UnreadableImage as error:
            sentence = str(error)
            told["refused" if sentence.endswith(".") and "\n" not in sentence else sentence] += 1
    assert min(told.values()) > 50  # they are neither whole nor all rubbish


def test_changed_requests_leave_no_trace(changed, capfd):
    assert not [found for found in map(changed.send, range(150)) if found]
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err
    assert changed.proper() is None  # and a proper question is answered


# what is not reached


NOT_OURS = {
    "an address": ("GET", "/gradio_api/file=https://huggingface.co/robots.txt"),
    "a file": ("GET", "/gradio_api/file=/etc/hostname"),
    "a file of the project": ("GET", f"/gradio_api/file={ROOT / 'app.py'}"),
    "a way out of the folder": ("GET", "/gradio_api/file=FOLDER/../../etc/hostname"),
    "the proxy": ("GET", "/gradio_api/proxy=https://huggingface.co/"),
    "ffmpeg": ("POST", "/gradio_api/process_recording"),
    "beside the queue": ("POST", "/gradio_api/run/compare"),
    "the old name of that": ("POST", "/gradio_api/api/compare"),
    "monitoring": ("GET", "/monitoring"),
    "deep links": ("GET", "/gradio_api/deep_link?session_hash=a"),
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_what_the_page_does_not_use_is_not_there(http, case):
    from app.uploads import upload_folder

    method, path = NOT_OURS[case]
    reply = http.request(method, path.replace("FOLDER", upload_folder()))
    assert reply.status_code == 404
    assert "error" in reply.json()


@pytest.mark.parametrize(
    "path", ["https://huggingface.co/robots.txt", "/etc/hostname", "FOLDER/../x", "a\0b"]
)
@pytest.mark.parametrize("route", ["call/compare", "call/v2/compare", "queue/join", "component_server"])
def test_no_path_or_address_is_read(http, route, path):
    from app.uploads import upload_folder

    file = {"path": path.replace("FOLDER", upload_folder()), "meta": {"_type": "gradio.FileData"}}
    reply = http.post(f"/gradio_api/{route}", json={"data": [file], "image": file, "fn_index": 0})
    assert reply.status_code == 400
    assert "uploaded file" in reply.json()["error"]


def test_a_file_is_what_gradio_calls_one(http):
    file = {"path": sent(http), "size": "large", "meta": {"_type": "gradio.FileData"}}
    assert http.post("/gradio_api/call/v2/compare", json={"image": file}).status_code == 400


def test_bodies_have_bounds(demo, http):
    from app.gate import FORM_BYTES, JSON_BYTES

    def post(route: str, content) -> int:
        return http.post(f"/gradio_api/{route}", content=content, headers=JSON).status_code

    assert post("component_server", b'{"data": "' + b"a" * JSON_BYTES + b'"}') == 413
    assert post("queue/join", (b"a" * 100_000 for _ in range(20))) == 413  # whose length nobody said
    assert post("queue/join", b'{"data": ' + b"[" * 500 + b"]" * 500 + b"}") == 400

    connection = http_client.HTTPConnection(http.base_url.host, http.base_url.port, timeout=60)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=a")
    connection.putheader("Content-Length", str(demo.max_file_size + FORM_BYTES + 1))
    connection.endheaders()  # and not a byte of it
    assert connection.getresponse().status == 413


def test_a_page_of_a_visitors_own_is_not_shown_as_one(http):
    for name in ("a.html", "a.svg"):
        path = sent(http, name, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
        reply = http.get(f"/gradio_api/file={path}")
        assert reply.status_code == 200
        assert "attachment" in reply.headers["content-disposition"]


def test_nothing_runs_beside_its_queue(demo, http):
    for id, function in demo.fns.items():
        told = {"data": [None] * len(function.inputs), "fn_index": id, "session_hash": "a"}
        route = "run/predict" if function.queue else "queue/join"
        for end in ("", "/"):
            assert http.post(f"/gradio_api/{route}{end}", json=told).status_code in (400, 404)
    loads = [id for id, one in demo.fns.items() if not one.queue and one.fn and one.outputs]
    assert loads
    for id in loads:
        told = {"data": [], "fn_index": id, "session_hash": "a"}
        assert http.post("/gradio_api/run/predict", json=told).status_code == 200


# what is bounded


def test_what_gradio_keeps_of_visitors_is_bounded(demo, http):
    assert demo.state_holder.capacity == 200
    assert demo._queue.max_size == 200
    assert not demo.api_open
    event = http.post("/gradio_api/call/models", json={"data": []}).json()["event_id"]
    assert "event: complete" in http.get(f"/gradio_api/call/models/{event}").text
    queues = demo._queue.event_queue_per_concurrency_id
    assert queues["quick"].concurrency_limit == 2  # as it was before an endpoint shared it


def test_a_direct_call_does_no_slow_work(demo, http, monkeypatch):
    from app.parts import view
    from app.parts.question import Question
    from app.parts.run import Run
    from papr_core.methods import cams

    monkeypatch.setattr(cams, "score_cam", lambda *_, **__: pytest.fail("Score-CAM ran outside its queue"))
    asked = {
        "visitor": "v", "seq": 1, "upload": sent(http, data=page_server.png(31)), "proposal": PROPOSAL,
        "backbone": BACKBONE, "keep_ratio": 0.4, "methods": ["papr", "score-cam"], "explain": "proposal",
    }  # fmt: skip
    told = view.at_rest(Run(demo.shared, Question.read(asked, demo.shared)).at_hand())
    assert set(told["points"]) == {"papr"}
    assert told["again"]


def test_a_large_picture_pushes_nothing_out(demo):
    from app.session import Cache

    cache = Cache(10_000)
    cache.put("small", bytes(1000))
    assert len(cache.once("large", lambda: bytes(50_000), most=5000)) == 50_000
    assert cache.get("large") is None
    assert cache.get("small")


def test_a_caller_who_leaves_frees_the_machine(demo, http, endless_score_cam):
    began, stopped = endless_score_cam
    file = {"path": sent(http, data=page_server.png(32)), "meta": {"_type": "gradio.FileData"}}
    asked = {"image": file, "methods": ["score-cam"]}
    event = http.post("/gradio_api/call/v2/compare", json=asked).json()["event_id"]
    with http.stream("GET", f"/gradio_api/call/compare/{event}"):
        assert began.wait(60)
    left = time.monotonic()
    assert stopped.wait(60)
    assert time.monotonic() - left < 5  # a second at most on a machine with nothing else to do


def join(demo, http, component: str, event: str, question: dict) -> dict:
    """Ask as the page's script does: {the query of the stream of answers, the direct call of a stop}."""
    config = http.get("/config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    target = [ids[component], event]
    (function,) = (one["id"] for one in config["dependencies"] if target in one["targets"])
    session = {"session_hash": question["visitor"].replace(" ", "-")}
    asked = {"data": [], "event_data": question, "fn_index": function, "trigger_id": target[0], **session}
    assert http.post("/gradio_api/queue/join", json=asked).status_code == 200
    stop = {"fn_name": "newest", "component_id": ids[component], **session}
    stop["data"] = json.dumps({**question, "seq": question["seq"] + 1})
    return {"stream": session, "stop": stop}


def test_questions_whose_answers_nobody_fetches_stop_nobody(demo, http, endless_score_cam, monkeypatch):
    """Gradio's queue ended for good when it forgot a visitor whose question still waited."""
    began, _ = endless_score_cam
    monkeypatch.setattr(demo._queue.pending_messages_per_session, "max_size", 8)
    file = {"path": sent(http, data=page_server.png(34)), "meta": {"_type": "gradio.FileData"}}

    def ask(name: str, **asked) -> str:
        return http.post(f"/gradio_api/call/v2/{name}", json=asked).json()["event_id"]

    first = ask("compare", image=file, methods=["score-cam"])
    with http.stream("GET", f"/gradio_api/call/compare/{first}"):
        assert began.wait(60)
        waiting = ask("compare", image=file, methods=["score-cam"])
        with http.stream("GET", f"/gradio_api/call/compare/{waiting}"):
            for _ in range(12):
                last = ask("cost", keep_ratio=0.5)
            assert "complete" in http.get(f"/gradio_api/call/cost/{last}").text
            assert waiting in demo._queue.event_ids_to_events
        assert not demo._queue.stopped


@pytest.mark.parametrize("way", ["closes the tab", "stops"])
@pytest.mark.parametrize("page", ["Proposals", "Cost"])
def test_a_visitor_who_leaves_another_page_frees_the_machine(demo, http, monkeypatch, page, way):
    from app.parts import speed
    from papr_core import Stopped, bench
    from papr_core.comparison import agreement

    began, left, ended, looked = threading.Event(), threading.Event(), threading.Event(), []
    look, measure = agreement.look, bench.bench

    def looking(*args, **kwargs):  # the second look lasts until the visitor has left, and a little longer
        looked.append(args)
        if len(looked) == 2:
            began.set()
            left.wait(60)
            time.sleep(1)
            ended.set()
        return look(*args, **kwargs)

    def measuring(*args, progress, **kwargs):
        try:
            return measure(*args, progress=lambda *told: (began.set(), progress(*told)), **kwargs)
        except Stopped:
            ended.set()
            raise

    monkeypatch.setattr(agreement, "look", looking)
    monkeypatch.setattr(bench, "bench", measuring)
    monkeypatch.setattr(speed, "ROUNDS", 1_000_000)
    picture = "cheetah" if way == "stops" else "chelsea"  # its rows are not in the cache
    rows = [PROPOSAL, f"untrained:{PROPOSAL}", SECOND, f"untrained:{SECOND}"]
    visitor = {"visitor": f"{page} {way}", "seq": 1, "backbone": BACKBONE}
    component, event, question = {
        "Proposals": ("looks", "look", {"picture": picture, "convnets": rows}),
        "Cost": ("costs", "measure", {"proposal": PROPOSAL, "keep": 0.5, "r": 0, "layers": ""}),
    }[page]
    asked = join(demo, http, component, event, {**visitor, **question})
    with http.stream("GET", "/gradio_api/queue/data", params=asked["stream"]) as answers:
        assert began.wait(60)
        if way == "stops":
            assert http.post("/gradio_api/component_server", json=asked["stop"]).json() is True
            left.set()
            assert '"where"' not in answers.read().decode()  # no error is told
    left.set()
    assert ended.wait(10)  # a second at most on a machine with nothing else to do
    if page == "Proposals":
        time.sleep(0.5)
        assert len(looked) == 2  # and not the other two


# the folder


def test_what_is_old_is_swept_and_nothing_else(tmp_path):
    import fcntl
    import os

    from app import uploads

    old, elsewhere = time.time() - uploads.KEEP - 60, tmp_path / "elsewhere"
    page, killed, linked = (tmp_path / f"papr-page-{name}" for name in ("living", "killed", "linked"))
    for folder in (page / "a", killed / "b", elsewhere):
        folder.mkdir(parents=True)
        (folder / "old.png").touch()
        (folder / "new.png").touch()
    linked.symlink_to(elsewhere)
    (page / "a" / "link.png").symlink_to(elsewhere / "old.png")
    for path in (*page.rglob("old.png"), *elsewhere.iterdir()):
        os.utime(path, (old, old))
    lock = os.open(page, os.O_RDONLY)  # as the page holds it that lives
    fcntl.flock(lock, fcntl.LOCK_EX)
    uploads.sweep(tmp_path)
    assert sorted(path.name for path in page.rglob("*")) == ["a", "link.png", "new.png"]
    assert not killed.exists()  # new as its files are
    assert len(list(elsewhere.iterdir())) == 2
    os.close(lock)
    uploads.sweep(tmp_path)
    assert not page.exists()


def test_only_what_gradio_named_is_an_upload(tmp_path, monkeypatch):
    from app import uploads

    folder = tmp_path / "uploads"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b.png").touch()
    (tmp_path / "c.png").touch()
    (folder / "link.png").symlink_to(tmp_path / "c.png")
    monkeypatch.setattr(uploads, "upload_folder", lambda: str(folder))
    assert uploads.upload(f"{folder}/a/b.png") == folder / "a" / "b.png"
    for path in (
        f"{folder}/../c.png", f"{folder}/a/../a/b.png", f"{folder}/a//b.png", f"{folder}/link.png", "a/b.png",
        f"{tmp_path}/c.png", f"{folder}/a", str(folder), f"{folder}-other/a", "", "\0", f"{folder}/a/\0",
        "\ud800", f"{folder}/\ud800", f"{folder}/{'a' * 5000}", f"file://{folder}/a/b.png", None, 5, ["a"],
    ):  # fmt: skip
        assert uploads.upload(path) is None, path
