"""Strangers' requests: whatever one of them can make grow has a bound; and what other sites cannot do."""

import hashlib
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import page_server
import pytest
from page_server import BACKBONE, PROPOSAL, visitors_files

ROOT = Path(__file__).resolve().parents[2]
PAGE = "/gradio_api/"


@pytest.fixture(scope="module")
def demo(weights_folder):
    """The page on the small random pair, on this machine alone; it looks around more often."""
    from app.gate import crowd

    with pytest.MonkeyPatch.context() as patch, page_server.running(weights_folder) as demo:
        patch.setattr(crowd, "EVERY", 0.2)
        yield demo


def until(true, seconds: float = 20) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.05)
    return true()


def heard_from(connection: socket.socket, words: bytes) -> bool:
    told = b""
    while words not in told and (more := connection.recv(1000)):
        told += more
    return words in told


def raw(demo, *lines: str) -> socket.socket:
    """A connection that has sent these lines."""
    connection = socket.create_connection((demo.server_name, demo.server_port), timeout=30)
    connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
    return connection


# sessions, questions and their answers


@pytest.mark.parametrize("session", ["a" * 65, "a" * 100_000, "", "a b", "../a", "é", None, 5, ["a"], "a\n"])
def test_a_session_has_a_short_name(demo, http, session):
    sessions = set(demo.state_holder.session_data)
    for route, told in {
        "queue/join": {"data": [], "fn_index": 0},
        "component_server": {"data": "{}", "fn_name": "newest", "component_id": 1},
        "cancel": {"fn_index": 0, "event_id": "a"},
    }.items():
        assert http.post(PAGE + route, json={**told, "session_hash": session}).status_code == 400
    if isinstance(session, str) and len(session) < 1000:
        assert http.get(f"{PAGE}queue/data", params={"session_hash": session}).status_code == 400
        assert http.get(f"{PAGE}heartbeat/{quote(session, safe='')}").status_code == 404
    assert set(demo.state_holder.session_data) == sessions
    assert str(session) not in demo._queue.pending_messages_per_session


def ask_cost(http, **more) -> httpx.Response:
    return http.post(f"{PAGE}call/v2/cost", json={"keep_ratio": 0.5, **more})


def test_a_question_is_worked_on_only_while_somebody_listens(demo, http, monkeypatch):
    from app import mailboxes

    monkeypatch.setattr(mailboxes, "PATIENCE", 2)
    monkeypatch.setattr(mailboxes, "UNHEARD", 10)
    worked, cost = [], demo.shared.cost
    monkeypatch.setattr(demo.shared, "cost", lambda *asked: worked.append(asked) or cost(*asked))
    events = [ask_cost(http).json()["event_id"] for _ in range(40)]
    queue = demo._queue
    assert until(lambda: len(queue) <= 10, 2)  # the oldest gave way
    listened = events[-1]
    assert "event: complete" in http.get(f"{PAGE}call/cost/{listened}").text
    assert len(worked) == 1
    assert until(lambda: not len(queue))
    assert not {*events[:-1]} & {*queue.event_ids_to_events, *queue.pending_messages_per_session}
    assert until(lambda: not {*events[:-1]} & {*queue.pending_event_ids_session})
    assert "error" in http.get(f"{PAGE}call/cost/{events[0]}").text  # and not a stream without an end


def test_a_session_asks_a_few_questions_at_a_time(demo, http):
    from app.gate.bodies import AT_ONCE

    function = next(id for id, one in demo.fns.items() if one.api_name == "cost")
    told = {"data": [BACKBONE, PROPOSAL, 0.5, 0, None], "fn_index": function, "session_hash": "many"}
    codes = [http.post(f"{PAGE}queue/join", json=told).status_code for _ in range(AT_ONCE + 3)]
    assert codes == [200] * AT_ONCE + [429] * 3
    demo._queue.pending_messages_per_session.drop("many")


def test_nobody_cancels_the_question_of_another(demo, http):
    """Its listener got heartbeats and no end."""
    event = ask_cost(http).json()["event_id"]
    for session, status in (("other", 404), (event, 200)):
        told = {"session_hash": session, "fn_index": 0, "event_id": event}
        assert http.post(f"{PAGE}cancel", json=told).status_code == status
        waits = event in demo._queue.event_ids_to_events
        assert waits == (status == 404)
    assert "event: complete" in http.get(f"{PAGE}call/cost/{event}").text


def test_a_stream_that_nothing_is_asked_for_ends(demo, http, monkeypatch):
    """Whatever Gradio's heart says into it."""
    import gradio.utils

    from app import mailboxes

    monkeypatch.setattr(gradio.utils, "get_heartbeat_rate", lambda: 0.2)
    monkeypatch.setattr(mailboxes, "REST", 1)
    boxes = demo._queue.pending_messages_per_session
    event = ask_cost(http).json()["event_id"]
    assert "event: complete" in http.get(f"{PAGE}call/cost/{event}").text
    head = ("HTTP/1.1", f"Host: localhost:{demo.server_port}", "")
    again = raw(demo, f"GET {PAGE}call/cost/{event} {head[0]}", *head[1:])
    assert heard_from(again, b"heartbeat")
    assert until(lambda: event not in boxes, 10)
    again.close()


@pytest.mark.parametrize("patience", [30, 1.5], ids=["closed", "never closed"])
def test_the_next_reply_waits_for_the_end_of_the_stream_before(demo, http, monkeypatch, patience):
    """Gradio's script took a stream whose last word was still on its way for one that brings the next answer:
    it listened to none, and the page waited for ever."""
    from app.gate import closing

    monkeypatch.setattr(closing, "PATIENCE", patience)
    function = next(id for id, one in demo.fns.items() if one.api_name == "cost")
    session = f"next{patience:.0f}"
    told = {"data": [BACKBONE, PROPOSAL, 0.5, 0, None], "fn_index": function, "session_hash": session}
    replies = []

    def ask() -> None:
        event = http.post(f"{PAGE}queue/join", json=told).json()["event_id"]
        replies.append((time.monotonic(), event))

    ask()
    head = (f"Host: localhost:{demo.server_port}", "")
    stream = raw(demo, f"GET {PAGE}queue/data?session_hash={session} HTTP/1.1", *head)
    assert heard_from(stream, b"close_stream")  # has come, and nobody has acted on it yet
    heard, asking = time.monotonic(), threading.Thread(target=ask)
    asking.start()
    time.sleep(0.7)
    assert len(replies) == 1
    if patience == 30:
        stream.close()
    asking.join(60)
    replied, event = replies[1]
    assert 0.7 < replied - heard < 25
    with http.stream("GET", f"{PAGE}queue/data", params={"session_hash": session}) as answers:
        assert any("process_completed" in line and event in line for line in answers.iter_lines())
    stream.close()


def test_answers_that_nobody_takes_have_bounds_in_bytes(demo, monkeypatch):
    from gradio.server_messages import EstimationMessage, ProcessCompletedMessage

    from app import mailboxes

    boxes = demo._queue.pending_messages_per_session
    answer = ProcessCompletedMessage(output={"data": ["a" * 1_000_000]}, success=True)
    monkeypatch.setattr(mailboxes, "SESSION_BYTES", 6_000_000)
    monkeypatch.setattr(mailboxes, "ALL_BYTES", 20_000_000)
    for session in ("first", "second", "third", "greedy"):
        boxes[session] = None
        for _ in range(5 if session == "greedy" else 2):
            boxes[session].put_nowait(answer)
    assert 3_900_000 < boxes["first"].bytes < 4_100_000
    assert until(lambda: "greedy" not in boxes)
    assert {"first", "second", "third"} <= boxes.keys()
    monkeypatch.setattr(mailboxes, "ALL_BYTES", 9_000_000)
    assert until(lambda: "first" not in boxes)
    assert {"second", "third"} <= boxes.keys()
    for rank in range(1000):  # where one stands in the queue: only the last counts
        boxes["second"].put_nowait(EstimationMessage(event_id="a", rank=rank, queue_size=1000))
    assert boxes["second"].qsize() == 3
    monkeypatch.setattr(mailboxes, "FORGET", 0)
    assert until(lambda: not {"second", "third"} & boxes.keys())


# forms


def form(*parts: tuple[str, str | None, bytes]) -> dict:
    """A form's body of (field, file name or None, content)."""
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{field}"'.encode()
        + (f'; filename="{name}"'.encode() if name is not None else b"")
        + b"\r\n\r\n" + content + b"\r\n"
        for field, name, content in parts
    )  # fmt: skip
    return {
        "content": body + b"--edge--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=edge"},
    }


NO_FORMS = {
    "a field": form(("files", "a.png", b"a"), ("text", None, b"a" * 3_000_000)),
    "a field instead of a file": form(("files", None, b"a" * 3_000_000)),
    "another name": form(("video", "a.mp4", b"a")),
    "a thousand files": form(*[("files", "a.png", b"a")] * 1000),
    "long headers": form(("files", "a" * 5000, b"a")),
    "no end": {**form(("files", "a.png", b"a")), "content": form(("files", "a.png", b"a"))["content"][:-10]},
    "no form": {"content": b"a" * 1000, "headers": {"content-type": "multipart/form-data; boundary=edge"}},
    "no boundary": {"content": b"a", "headers": {"content-type": "multipart/form-data"}},
    "JSON": {"json": {"files": ["a"]}},
}


@pytest.mark.parametrize("case", NO_FORMS)
def test_a_form_holds_a_few_files_and_nothing_else(http, case):
    before = visitors_files()
    reply = http.post(f"{PAGE}upload", **NO_FORMS[case])
    assert reply.status_code == 400
    assert reply.json()["error"].endswith((".", "files"))
    assert visitors_files() == before


def test_files_keep_their_name_in_a_place_of_their_own(http):
    told = [
        ("files", "../../a b.png", b"one"),
        ("files", "..", b"two"),
        ("files", "", b""),
        ("files", "ü.png", b"3"),
    ]
    paths = [Path(path) for path in http.post(f"{PAGE}upload", **form(*told)).json()]
    assert [path.name for path in paths] == ["a b.png", "file", "file", "ü.png"]
    assert [path.read_bytes() for path in paths] == [b"one", b"two", b"", b"3"]
    again = Path(http.post(f"{PAGE}upload", **form(told[0])).json()[0])
    assert again.parent != paths[0].parent  # another visitor's
    assert http.get(f"{PAGE}file={again}").content == b"one"


def test_an_upload_that_breaks_off_or_stands_still_leaves_nothing(demo, http, monkeypatch):
    from app.gate import forms
    from app.uploads import SHELF

    assert until(lambda: not forms._slots)  # of the tests before
    before, bytes_before = visitors_files(), SHELF.bytes
    head = ("POST /gradio_api/upload HTTP/1.1", f"Host: localhost:{demo.server_port}",
            "Content-Length: 9000000", "Content-Type: multipart/form-data; boundary=edge", "")  # fmt: skip
    begun = ("--edge", 'Content-Disposition: form-data; name="files"; filename="a.png"', "", "a" * 50_000)
    connection = raw(demo, *head, *begun)
    assert until(lambda: visitors_files() > before)
    connection.close()
    assert until(lambda: visitors_files() == before)
    monkeypatch.setattr(forms, "PATIENCE", 0.5)
    connection = raw(demo, *head, *begun)
    assert b" 408 " in connection.recv(1000)
    assert until(lambda: visitors_files() == before)
    connection.close()
    monkeypatch.setattr(forms, "PATIENCE", 20)
    monkeypatch.setattr(forms, "AT_ONCE", 3)  # those that stand still make room
    waiting = [raw(demo, *head, *begun) for _ in range(3)]
    assert until(lambda: len(forms._slots) == 3)
    time.sleep(2)
    assert http.post(f"{PAGE}upload", **form(("files", "a.png", b"a"))).status_code == 200
    for connection in waiting:
        connection.close()
    assert until(lambda: not forms._slots)
    assert until(lambda: SHELF.bytes == bytes_before + 1)


def test_uploads_on_disk_are_bounded_and_what_is_in_use_stays(http, monkeypatch):
    from app import uploads

    shelf = uploads.SHELF
    monkeypatch.setattr(shelf, "most_bytes", shelf.bytes + 5_500_000)
    monkeypatch.setattr(shelf, "in_use", 0)  # seconds: nothing is in use any more as soon as it has come

    def sent() -> Path:
        reply = http.post(f"{PAGE}upload", **form(("files", "a.png", b"a" * 2_000_000)))
        assert reply.status_code == 200, reply.text
        return Path(reply.json()[0])

    first, second = sent(), sent()
    assert http.get(f"{PAGE}file={first}").status_code == 200  # used last
    third = sent()
    assert [path.exists() for path in (first, second, third)] == [True, False, True]
    monkeypatch.setattr(shelf, "in_use", 3600)
    reply = http.post(f"{PAGE}upload", **form(("files", "a.png", b"a" * 2_000_000)))
    assert reply.status_code == 503
    assert "Try again" in reply.json()["error"]
    monkeypatch.setattr(shelf, "most_files", 1)
    monkeypatch.setattr(shelf, "in_use", 0)
    fourth = sent()
    assert [path.exists() for path in (first, third, fourth)] == [False, False, True]


def test_upload_ids_are_not_remembered(http):
    from gradio.routes import file_upload_statuses

    for upload_id in ("a", "b" * 1000):
        reply = http.post(f"{PAGE}upload", params={"upload_id": upload_id}, **form(("files", "a.png", b"a")))
        assert reply.status_code == 200
        assert http.get(f"{PAGE}upload_progress", params={"upload_id": upload_id}).status_code == 404
    assert not file_upload_statuses._statuses
    assert not file_upload_statuses._signals


# connections


def test_connections_that_ask_nothing_are_closed(demo, monkeypatch):
    from app.gate import crowd

    monkeypatch.setattr(crowd, "IDLE", 1)
    httpx.get(f"{demo.address}/robots.txt", timeout=60)  # it watches since the first request
    for said in ((), ("GET / HTTP/1.1", "Host: localhost")):
        connection = raw(demo, *said)
        assert connection.recv(100) == b""
    monkeypatch.setattr(crowd, "IDLE", 1000)
    monkeypatch.setattr(crowd, "CONNECTIONS", 5)
    many = [raw(demo) for _ in range(5)]
    assert until(lambda: len(demo.server.server_state.connections) == 5)
    time.sleep(0.5)  # it has seen them
    many += [raw(demo) for _ in range(3)]
    time.sleep(0.5)
    assert until(lambda: len(demo.server.server_state.connections) == 5)  # the oldest gave way
    many[-1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        many[-1].recv(100)
    for connection in many:
        connection.close()


def test_an_answer_that_is_not_taken_is_given_up(demo, monkeypatch, caplog):
    import app.gate as gate

    monkeypatch.setattr(gate, "UNTAKEN", 1)
    monkeypatch.setattr(gate.crowd, "IDLE", 1)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((demo.server_name, demo.server_port))
    ask = f"GET /config HTTP/1.1\r\nHost: localhost:{demo.server_port}\r\n\r\n"
    connection.sendall(ask.encode() * 20)
    connections = demo.server.server_state.connections
    assert until(lambda: any(one.cycle and not one.cycle.response_complete for one in connections))
    assert until(lambda: not any(one.cycle and not one.cycle.response_complete for one in connections), 30)
    connection.close()
    assert all(len(record.getMessage()) < 400 and not record.exc_info for record in caplog.records)


def test_streams_at_once_have_bounds(demo, http, monkeypatch):
    from app.gate import crowd

    for kind in ("heartbeat", "queue/data"):
        monkeypatch.setitem(crowd.MOST, kind, 2)
    head = f"HTTP/1.1\r\nHost: localhost:{demo.server_port}\r\n"
    hearts = []
    for name in "abc":
        hearts.append(raw(demo, f"GET /gradio_api/heartbeat/{name} {head}"))
        assert heard_from(hearts[-1], b"ALIVE")
    assert heard_from(hearts[0], b"0\r\n\r\n")  # the oldest is over, the others are not
    hearts[2].settimeout(0.2)
    with pytest.raises(TimeoutError):
        hearts[2].recv(1000)
    demo._queue.pending_messages_per_session["open"] = None
    streams = [raw(demo, f"GET /gradio_api/queue/data?session_hash=open {head}") for _ in range(2)]
    assert until(lambda: demo._queue.pending_messages_per_session["open"].heard)
    time.sleep(0.2)
    assert http.get(f"{PAGE}queue/data", params={"session_hash": "open"}).status_code == 503
    for connection in (*hearts, *streams):
        connection.close()


# the log


BAD = {
    "a long key": {"data": [], "fn_index": 0, "session_hash": "a", "k" * 150_000: 1},
    "a long key of the API's": {"k" * 150_000: 1},
    "a key that is none of the API's": {"k" * 190: 1},
    "an integer of 65 bits": {
        "data": [1 << 64],
        "fn_index": 0,
        "session_hash": "a",
        "event_data": {"seq": 1 << 64},
    },
    "null": [None],
    "many values": {"data": [[]] * 40_000, "fn_index": 0, "session_hash": "a"},
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_writes_a_short_line_at_most(http, capfd, caplog, case):
    for route in ("queue/join", "call/v2/cost", "component_server"):
        assert http.post(PAGE + route, json=BAD[case]).status_code in (400, 413)
    told = capfd.readouterr()
    written = told.out + told.err + caplog.text
    assert len(written) < 3 * 700
    assert "Traceback" not in written


def test_a_request_without_a_host_leaves_no_trace(demo, caplog, capfd):
    """Gradio's own look at `Origin` stands before ours, and stumbles over this one."""
    connection = raw(demo, "GET / HTTP/1.0", "Origin: https://example.org", "")
    assert b" 500 " in connection.recv(1000)
    connection.close()
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err + caplog.text
    assert all(not record.exc_info for record in caplog.records if record.levelno >= logging.WARNING)


@pytest.mark.parametrize("target", ["9" * 5000, "-" + "9" * 5000, 10**18])
def test_a_target_of_thousands_of_digits_gets_a_sentence(http, capfd, caplog, target):
    path = http.post(f"{PAGE}upload", **form(("files", "a.png", page_server.png(41)))).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    asked = {"image": file, "target": target, "proposal": PROPOSAL, "backbone": BACKBONE, "methods": ["papr"]}
    event = http.post(f"{PAGE}call/v2/compare", json=asked).json()["event_id"]
    told = http.get(f"{PAGE}call/compare/{event}").text
    assert "event: error" in told
    assert "server's log" not in told
    written = capfd.readouterr()
    assert "Traceback" not in written.out + written.err + caplog.text


# other sites, on a page of this machine alone


HERE, THERE = "localhost:PORT", "https://evil.example"
ASKED = {
    "foreign host": ({"host": "evil.example"}, 403),
    "foreign host, rebound": ({"host": "evil.example:PORT", "origin": "http://evil.example:PORT"}, 403),
    "foreign origin": ({"host": HERE, "origin": THERE}, 403),
    "no origin that can be named": ({"host": HERE, "origin": "null"}, 403),
    "another page of this machine": ({"host": HERE, "origin": "http://localhost:1"}, 403),
    "from within another site": (
        {"host": HERE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        403,
    ),
    "a link to the page": ({"host": HERE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    "itself": ({"host": HERE, "origin": f"http://{HERE}", "sec-fetch-site": "same-origin"}, 200),
    "by number": ({"host": "127.0.0.1:PORT", "origin": "http://127.0.0.1:PORT"}, 200),
    "a script": ({"host": HERE}, 200),
}


@pytest.mark.parametrize("case", ASKED)
def test_other_sites_have_no_say_on_ones_own_machine(demo, http, case):
    headers, code = ASKED[case]
    headers = {name: value.replace("PORT", str(demo.server_port)) for name, value in headers.items()}
    assert http.get("/", headers=headers).status_code == code
    newest = {"fn_name": "newest", "session_hash": "a", "data": json.dumps({"visitor": "a", "seq": 1})}
    newest["component_id"] = next(id for id, one in demo.blocks.items() if one.elem_id == "stage")
    reply = http.post(f"{PAGE}component_server", json=newest, headers=headers)
    assert reply.status_code == code
    if code == 403:
        assert "error" in reply.json()


def test_json_is_asked_for_as_json(http):
    told = json.dumps({"data": "{}", "fn_name": "newest", "session_hash": "a", "component_id": 1})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""):
        for route in ("component_server", "queue/join", "call/cost", "call/v2/cost", "cancel", "run/predict"):
            headers = {"content-type": kind} if kind else {}
            assert http.post(PAGE + route, content=told, headers=headers).status_code == 415


@pytest.mark.parametrize("names", [(), ("papr.example.org",)])
def test_elsewhere_any_name_will_do_unless_the_owner_says_which(names):
    from app.gate import Refused, Sites

    def answers(local: bool, **headers: str) -> bool:
        told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        try:
            listens = "127.0.0.1" if local else "0.0.0.0"
            Sites(names).check({"headers": told, "server": (listens, 7860)}, listens)
        except Refused:
            return False
        return True

    own = {"host": "papr.example.org", "origin": "https://papr.example.org"}
    assert answers(False, **own)
    assert answers(True, **own) == bool(names)
    assert answers(True, host="127.0.0.1:7860", origin="https://papr.example.org") == bool(names)  # a proxy's
    assert answers(False, host="other.example.org") == (not names)
    assert answers(False, host="localhost:7860", origin=THERE) == (not names)


def test_a_link_downloads_nothing_before_a_click(demo, monkeypatch):
    from app.clips import Clips
    from app.parts.clip_run import ClipRun
    from app.parts.looks import Asked, Looks
    from app.parts.question import Question
    from app.parts.run import Run
    from papr_core import InvalidInput, WeightsUnavailable
    from papr_core.models import weights

    asked = {
        "visitor": "v", "seq": 1, "picture": "coffee", "proposal": "resnet18", "backbone": BACKBONE,
        "keep_ratio": 0.4, "methods": ["papr"], "explain": "proposal", "convnets": ["resnet18"], "name": "a",
    }  # fmt: skip
    monkeypatch.setattr(demo.shared, "settings", replace(demo.shared.settings, downloads=True))
    began = []

    def fetch(*told, **more):
        began.append(told)
        raise WeightsUnavailable("No network here.")

    monkeypatch.setattr(weights, "fetch", fetch, raising=False)

    def outcome(chosen: list[str], work) -> str:
        try:
            return str(work({**asked, "chosen": chosen}))
        except (InvalidInput, WeightsUnavailable) as error:
            return str(error)

    def compare(question: dict) -> None:
        run = Run(demo.shared, Question.read(question, demo.shared))
        for _ in run.quick():
            pass
        for _ in run.slow():
            pass

    def video(question: dict) -> None:
        clip = next(iter(__import__("app.clips").clips.example_clips()))
        read = Question.read({**question, "picture": clip}, demo.shared)
        for _ in ClipRun(demo.shared, Clips(), read).steps():
            pass

    def rows(question: dict) -> list:
        return [told["rows"] for told in Looks(demo.shared, Asked.read(question, demo.shared)).slow()][-1]

    for work in (compare, video, rows):
        assert "resnet18 has to be downloaded first" in outcome([], work)
        assert "has to be downloaded first" not in outcome(["resnet18"], work)


# what a browser is told


def test_what_a_browser_may_do_with_the_page(demo, http):
    from app.scripts import boot

    reply = http.get("/", headers={"origin": demo.address})
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert policy["frame-ancestors"].split() == [
        "'self'", "https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space",
    ]  # fmt: skip
    scripts = policy["script-src"].split()
    assert "'unsafe-inline'" not in scripts
    inline = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", reply.text, re.DOTALL)
    assert len(inline) > 3
    for script in (*inline, boot()):
        assert f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in scripts
    assert not [one for one in scripts if one.startswith("http")]
    assert policy["object-src"] == "'none'"
    for path in ("/", "/config", f"{PAGE}info", "/robots.txt", "/nothing", f"{PAGE}nothing"):
        reply = http.get(path)
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
    assert "sandbox" in http.get(f"{PAGE}info").headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["monitoring/summary", "monitoring/summary%0a", "openapi.json", "openapi.json%0a", "docs",
     "gradio_api/openapi.json", "redoc", "pwa_icon/99999", "config%0a", "login", "gradio_api/info%0a",
     "gradio_api/upload_progress"],
)  # fmt: skip
def test_routes_that_are_not_the_pages_answer_nothing(http, path):
    for method in ("GET", "POST"):
        reply = http.request(method, f"/{path}")
        assert reply.status_code == 404
        assert reply.json()["error"]


def test_nobody_decides_which_host_the_others_are_told_of(demo, http):
    demo.app.api_info = None  # as before the first who asks
    foreign = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    for headers in (foreign, {}):
        told = http.get(f"{PAGE}info", headers=headers).text
        assert "evil.example" not in told
        assert f"localhost:{demo.server_port}" in told
    demo.app.api_info = None
    assert http.post(f"{PAGE}call/v2/models", json={}, headers=foreign).status_code == 200
    assert "evil.example" not in http.get(f"{PAGE}info").text


# what is whose


def test_an_id_cannot_be_made_from_the_picture(demo, http):
    from app.clips import receive_clip

    data = page_server.png(42)
    paths = [http.post(f"{PAGE}upload", **form(("files", "a.png", data))).json()[0] for _ in range(2)]
    picture, again = (demo.shared.receive(path) for path in paths)
    assert picture.id == again.id  # known once, for all
    plain = {hashlib.new(name, data).hexdigest() for name in ("sha256", "sha1", "md5", "blake2b")}
    assert picture.id not in plain
    assert receive_clip(paths[0])[0] not in plain
    code = "import sys; from app.uploads import received; from papr_core import InvalidInput\n" \
           "from app import uploads; uploads.upload = lambda path: path\n" \
           "print(received(sys.argv[1], 'picture', 50, InvalidInput)[0])"  # fmt: skip
    other = subprocess.run([sys.executable, "-c", code, paths[0]], cwd=ROOT, capture_output=True, text=True)
    assert len(other.stdout.strip()) == 64, other.stderr
    assert other.stdout.strip() != picture.id  # another process: another salt


# an end that nobody planned


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_however_a_page_ends_its_uploads_go(tmp_path, name):
    from app import uploads

    code = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from app import start, uploads\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # these tests may be run by nohup
        "start.end_on_signals()\n"
        "uploads.own_temp_folder()\n"
        "Path(uploads._made[0], 'a.png').touch()\n"
        "print('there', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {"GRADIO_TEMP_DIR": str(tmp_path), "PATH": ""}
    page = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert page.stdout.readline() == b"there\n"
    uploads.sweep(tmp_path)  # another page starts beside it
    assert len(list(tmp_path.rglob("a.png"))) == 1
    page.send_signal(getattr(signal, name))
    page.wait(20)
    page.stdout.close()
    if name == "SIGKILL":
        uploads.sweep(tmp_path)  # the next page starts
    assert not list(tmp_path.iterdir())


def test_requests_at_the_same_time_are_told_apart(http):
    """Nothing of one request is kept where another finds it."""
    found = {}

    def ask(number: int) -> None:
        keep = round(0.1 + number / 100, 2)
        event = ask_cost(http, keep_ratio=keep).json()["event_id"]
        found[keep] = f'"keep": {keep}' in http.get(f"{PAGE}call/cost/{event}").text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert all(found.values())
