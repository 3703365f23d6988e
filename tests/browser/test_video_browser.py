"""The Video page and Live in a real browser: what a visitor does, with real clips and a fake camera."""

import io
import json
import re
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import page_server
import pytest
from clip_maker import bad_clips, encode
from page_server import NAMES, OTHER, visitors_files
from PIL import Image

pytest.importorskip("playwright")
from page_visits import hour_passes, queued, quiet
from playwright.sync_api import Page, expect

import papr_core

pytestmark = pytest.mark.browser

DONE = "papr.clip.fresh && !papr.clip.working && papr.clip.exact() && papr.clip.maskedUrl() !== null"
IN_STEP = """() => {
  const [a, b] = papr.clip.player.panes.map(({video}) => video);
  return a.readyState > 1 && b.readyState > 1 && !a.seeking && !b.seeking && a.src !== b.src
    && Math.abs(a.currentTime - b.currentTime) < 0.5 / papr.clip.answer.fps;
}"""
DRAWN_ANEW = """() => [...document.querySelectorAll('.p-strip canvas')].every((canvas, i) => {
  const [, rows, columns] = papr.clip.answer.grid, anew = document.createElement('canvas');
  const how = {rows, columns, cell: canvas.width / columns, look: papr.clip.view.look, dark: false};
  papr.draw.mask(anew, papr.clip.picture(i), papr.clip.kept(i), how);
  return anew.toDataURL() === canvas.toDataURL();
})"""
SLOW_CAMERA = """() => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.cameras = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((done) => setTimeout(done, 500));
    cameras.push(await real(wanted));
    return cameras[cameras.length - 1];
  };
}"""
COVERED = "papr.clip.player.panes.map(({canvas}) => canvas.style.visibility)"


def opened(page: Page) -> Page:
    """The Video page, with the answer about its example."""
    page.get_by_role("tab", name="Video", exact=True).click()
    done(page)
    return page


def done(page: Page) -> None:
    page.wait_for_function("window.papr?.clip?.answer")
    page.wait_for_function(DONE)


def slider(page: Page):
    return page.get_by_role("slider", name=re.compile("range slider for Patches kept of the clip"))


def frames(page: Page):
    return page.get_by_role("listbox", name="Sampled frames").get_by_role("option")


def upload(page: Page, data: bytes, name: str, kind: str = "video/mp4") -> None:
    page.get_by_label("Choose a clip").set_input_files({"name": name, "mimeType": kind, "buffer": data})


def film(folder, count: int = 9) -> bytes:
    pictures = [np.asarray(page_server.picture(i, (96, 80))) for i in range(count)]
    return encode(folder / "film.mp4", pictures, sound=True).read_bytes()


def test_the_example_plays_beside_its_masked_self_and_says_all_there_is_to_say(visit):
    page = opened(visit())
    expect(page.locator("#clip-stage .p-verdict").first).to_have_text(
        re.compile("PaPr (keeps|loses) “.+”\\.")
    )
    basis = page.locator("#clip-stage .p-basis").first
    expect(basis).to_contain_text("1,292 of 3,200 patches kept (40 %), the best of all frames together")
    expect(basis).to_contain_text("32 of 36 frames are seen, from 0.00 to 2.92 s")
    expect(frames(page)).to_have_count(32)
    counts = [
        int(re.search(r": (\d+) of 100", label)[1])
        for label in page.evaluate(
            "[...document.querySelectorAll('.p-strip [role=option]')].map(o => o.getAttribute('aria-label'))"
        )
    ]
    assert sum(counts) == 1292
    assert len(set(counts)) > 1
    assert page.locator(".p-frame-bar").count() == 32
    for words in ("All 3,200", "1,292 of them", "Multiply-accumulates", "1,908 of 3,200", "Time"):
        expect(page.locator(".p-section-numbers")).to_contain_text(words)
    expect(page.locator(".p-section-numbers .p-answer-list").last.locator("li")).to_have_count(5)
    # both are what the server wrote, and play in step
    page.wait_for_function("papr.clip.player.state.playing")
    page.wait_for_function("papr.clip.player.panes.every(({video}) => video.currentTime > 0.4)")
    page.wait_for_function(IN_STEP)
    page.wait_for_function(f"{COVERED}.every((v) => v === 'hidden')")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    # nothing goes on behind another tab
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_function("papr.clip.player.panes.every(({video}) => video.paused)")
    page.get_by_role("tab", name="Video", exact=True).click()
    page.wait_for_function("papr.clip.player.state.playing")


def test_the_slider_masks_here_and_asks_once_at_rest(visit):
    page = opened(visit())
    frames(page).nth(7).click()
    page.wait_for_function(IN_STEP)
    page.asked.clear()
    slider(page).scroll_into_view_if_needed()
    box = slider(page).bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    pictures = set()
    for step in range(12):
        page.mouse.move(box["x"] + (0.4 - 0.02 * step) * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(30)
        pictures.add(page.evaluate("papr.clip.player.panes[1].canvas.toDataURL()"))
    page.wait_for_function("papr.clip.view.percent < 25")
    assert quiet(page)  # it is held, and so not at rest
    assert len(pictures) > 3
    assert page.evaluate(COVERED)[1] == "visible"  # over a clip that shows other masks
    before = page.evaluate("papr.clip.written[0].url")
    expect(page.locator(".p-section-numbers")).to_contain_text("at 1,292 patches")
    page.mouse.up()
    done(page)
    assert len([url for url in page.asked if "queue/join" in url]) == 1
    assert page.evaluate("papr.clip.written[0].url") != before
    page.wait_for_function(f"{COVERED}[1] === 'hidden'")
    kept = page.evaluate("papr.clip.count()")
    expect(page.locator(".p-section-numbers")).to_contain_text(f"{kept:,} of them")
    slider(page).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"papr.clip.answer.answer.count > {kept}")


def test_a_frame_is_seen_large_by_mouse_and_keyboard(visit):
    page = opened(visit())
    at = page.locator(".p-at")
    frames(page).nth(10).click()
    expect(at).to_contain_text("Frame 11 of 32, ")
    page.wait_for_function(IN_STEP)
    assert not page.evaluate("papr.clip.player.state.playing")
    frame = page.evaluate("Math.floor(papr.clip.player.panes[1].video.currentTime * papr.clip.answer.fps)")
    assert frame == 10
    expect(frames(page).nth(10)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(at).to_contain_text("Frame 13 of 32")
    expect(frames(page).nth(12)).to_have_attribute("aria-selected", "true")
    expect(frames(page).nth(12)).to_be_focused()
    page.keyboard.press("End")
    expect(at).to_contain_text("Frame 32 of 32")
    box = page.locator(".p-timeline").bounding_box()
    page.mouse.click(box["x"] + 34 + (box["width"] - 38) * 4.5 / 32, box["y"] + 60)
    expect(at).to_contain_text("Frame 5 of 32")


def test_another_method_target_look_and_pair(visit):
    page = opened(visit())
    page.get_by_role("radio", name="Random", exact=True).check()
    page.wait_for_function("papr.clip.answer.method.name === 'random'")
    done(page)
    expect(page.locator("#clip-stage .p-verdict").first).to_contain_text("Random")
    expect(page.locator(".p-section-numbers")).to_contain_text("mean of 5")
    expect(page.locator(".p-section-numbers")).to_contain_text("no ConvNet needed")
    page.evaluate("papr.clip.controls({target: 5, method: 'cam', explain: 'target'})")
    page.wait_for_function("papr.clip.answer.target?.index === 5 && papr.clip.answer.method.name === 'cam'")
    done(page)
    expect(page.locator(".p-saved")).to_contain_text("Confidence on “thing 5”")
    full, pruned = page.evaluate("[papr.clip.answer.full, papr.clip.answer.answer]")
    first = pruned["top"][0][0] == "thing 5"
    assert pruned["first"] == first
    share = f"CAM ({100 * pruned['confidence']:.1f}\u00a0%)"
    head = page.locator("#clip-stage .p-section-verdict")
    expect(head).to_contain_text(f"{share} {'puts' if first else 'does not put'} “thing 5” first.")
    expect(head).to_contain_text(f"Unpruned, “thing 5” has {100 * full['confidence']:.1f}\u00a0%")
    badge = page.locator(".p-section-numbers .p-answer-list:visible .p-badge").last
    expect(badge).to_have_text("First" if first else "Not first")
    url = page.evaluate("papr.clip.maskedUrl()")
    page.evaluate("papr.clip.controls({look: 'black'})")
    page.wait_for_function("before => papr.clip.maskedUrl() && papr.clip.maskedUrl() !== before", arg=url)
    # the map over the frames, drawn here as on Compare; it asks nothing
    done(page)
    page.asked.clear()
    right = "papr.clip.player.panes[1].canvas.toDataURL()"
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator(".p-pane figcaption").nth(1)).to_have_text("Map")
    page.wait_for_function(f"{COVERED}[1] === 'visible'")
    before = page.evaluate(right)
    page.evaluate("papr.clip.player.pause(); papr.clip.controls({opacity: 0.2})")
    page.wait_for_function(f"before => {right} !== before", arg=before)
    assert quiet(page)
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator(".p-pane figcaption").nth(1)).to_have_text("Kept patches")
    # what fails on the way leaves all as it was: these labels have nothing in common with the ConvNet's
    before = page.evaluate("JSON.stringify([papr.clip.answer.answer, papr.clip.answer.full])")
    page.evaluate(f"papr.clip.controls({{backbone: '{OTHER}'}})")
    expect(page.locator("#note-clip-explain .p-says")).not_to_have_text("")
    done(page)
    assert page.evaluate("JSON.stringify([papr.clip.answer.answer, papr.clip.answer.full])") == before
    assert page.evaluate("papr.clip.view.backbone") != OTHER
    page.evaluate(f"papr.clip.controls({{backbone: '{OTHER}', method: 'papr'}})")
    page.wait_for_function(f"papr.clip.answer.models.backbone.name === '{OTHER}'")
    done(page)
    assert page.evaluate("papr.clip.answer.full.label") in ("alpha", "beta", "gamma", "delta")
    page.get_by_label("Target class of the clip").first.click()
    expect(page.get_by_role("option", name="gamma", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    # a model of clips brings the other one with it; without weights here both are refused in words
    page.evaluate("papr.clip.controls({backbone: 'videomae-base-finetuned-kinetics'})")
    expect(page.locator("#note-clip-models .p-says")).to_contain_text("not on this machine")
    assert page.evaluate("papr.clip.view.backbone") == OTHER
    assert page.evaluate("papr.clip.answer.models.backbone.name") == OTHER


def gated(gate: threading.Event, after: int, real):
    """A step of the library's that waits after so many frames; it raises Stopped once the visitor stops."""

    def slow(*given, progress, **more):
        def told(what, done, of):
            progress(what, done, of)
            while done >= after and not gate.wait(0.05):
                progress(what, done, of)

        return real(*given, progress=told, **more)

    return slow


def test_frames_stream_in_and_stop_works_in_between(visit, monkeypatch):
    from papr_core.comparison import video

    gates = {"open_footage": threading.Event(), "full_answer": threading.Event()}
    for (name, gate), after in zip(gates.items(), (8, 16)):
        monkeypatch.setattr(video, name, gated(gate, after, getattr(video, name)))
    asked, reading, read = threading.Event(), threading.Event(), papr_core.read_clip

    def slow_to_read(clip, pick, **more):
        while "progress" in more and asked.is_set() and not reading.wait(0.05):
            more["progress"](0, 100)  # it raises Stopped once the visitor stops
        return read(clip, pick, **more)

    monkeypatch.setattr(papr_core, "read_clip", slow_to_read)
    page = visit()
    page.get_by_role("tab", name="Video", exact=True).click()
    working = page.locator("#clip-stage .p-working")
    asked.set()
    page.get_by_role("button", name="Example clip: A football in a crowd").click()
    # nothing of it is there yet: what goes on after a stop, or with another look, is still this clip
    expect(working).to_contain_text("Reading the clip")
    page.evaluate("papr.clip.controls({explain: 'target'})")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(working).to_contain_text("Stopped")
    reading.set()
    page.get_by_role("button", name="Continue").click()
    # the ConvNet has seen the first frames: they have a map, and no patch is chosen yet
    page.wait_for_function("papr.clip.answer?.clip.id === 'meadow' && papr.clip.seen() === 8")
    expect(working).to_contain_text("ConvNet")
    expect(frames(page)).to_have_count(32)
    page.wait_for_function("papr.clip.picture(31)")
    assert page.evaluate("[papr.clip.kept(0), papr.clip.map(8)]") == [None, None]
    assert page.evaluate("papr.clip.map(7).length") == 100
    expect(page.locator(".p-section-frames")).to_contain_text("The ConvNet has seen 8 of 32 frames")
    expect(page.locator(".p-pane").nth(1)).to_contain_text("Map; patches are chosen when all frames have one")
    assert (
        page.evaluate(
            "[...document.querySelectorAll('.p-seen')].filter(b => +b.getAttribute('height')).length"
        )
        == 8
    )
    gates["open_footage"].set()
    # all are seen: masks are there, and the full model's answer from its first frames
    page.wait_for_function("papr.clip.kept(0) && papr.clip.answer.so_far.full?.frames === 16")
    expect(working).to_contain_text("Full model")
    assert page.evaluate("document.querySelector('#clip-stage progress').value") == pytest.approx(0.5)
    expect(page.locator(".p-section-numbers")).to_contain_text("All 3,200, the first 16 frames")
    expect(page.locator(".p-seen")).to_have_count(0)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(working).to_contain_text("Stopped. What was computed stays.")
    gates["full_answer"].set()
    page.get_by_role("button", name="Continue").click()
    done(page)
    expect(page.locator("#clip-intake .p-name")).to_have_text("A football in a crowd")
    assert page.evaluate("papr.clip.answer.so_far") == {}
    assert page.evaluate(DRAWN_ANEW)  # nothing of the map is left where masks are now


def test_a_clip_of_ones_own_and_broken_ones(visit, tmp_path):
    page = opened(visit())
    says = page.locator("#clip-intake .p-says")
    name = page.locator("#clip-intake .p-name")
    answer = "JSON.stringify(papr.clip.answer.answer)"
    before = page.evaluate(answer)
    for case, (path, words) in bad_clips(tmp_path).items():
        upload(page, path.read_bytes(), path.name)
        expect(says).to_contain_text("is empty" if case == "empty" else words)
        page.wait_for_function("papr.clip.fresh && !papr.clip.working")
        assert page.evaluate(answer) == before, case
        expect(name).to_have_text("A football before a pagoda")
    hostile = "${1+1}<img src=x onerror=alert(1)>.mp4"
    upload(page, film(tmp_path), hostile)
    expect(name).to_have_text(hostile)
    done(page)
    expect(says).to_have_text("")
    expect(frames(page)).to_have_count(9)
    shown = " ".join(page.locator(".p-section-numbers .p-label").all_text_contents())
    assert any(label.split(",")[0] in shown for label in NAMES)
    page.wait_for_timeout(400)
    assert "clip=" not in page.url
    page.get_by_role("button", name="Example clip: A football before a pagoda").focus()
    page.keyboard.press("Enter")
    expect(name).to_have_text("A football before a pagoda")
    done(page)
    assert page.evaluate(answer) == before


def test_what_is_on_its_way_gives_way_to_what_came_later(visit, tmp_path):
    page, held = opened(visit()), []
    page.route("**/upload*", lambda route: held.append(route))
    upload(page, film(tmp_path), "late.mp4")
    expect(page.locator("#clip-intake")).to_contain_text("Sending")
    # the frames of a clip come, though another pair is asked for in between, which is refused
    page.route("**/component_server/", lambda route: hold(route, held, "frames"))
    page.get_by_role("button", name="Example clip: A cup before leaves").click()
    expect(page.locator("#clip-intake .p-name")).to_have_text("A cup before leaves")
    expect(page.locator("#clip-intake")).not_to_contain_text("Sending")
    done(page)
    page.unroute("**/component_server/")
    page.route("**/queue/join*", lambda route: held.append(route))
    page.evaluate("papr.clip.controls({backbone: 'videomae-base-finetuned-kinetics'})")

    def those(part: str) -> list:
        return [route for route in held if part in route.request.url]

    while not (those("/upload") and those("/component_server") and those("/queue/join")):
        page.wait_for_timeout(50)
    page.unroute("**/queue/join*")
    with page.expect_response("**/component_server/"):
        for frames in those("/component_server"):
            frames.continue_()
    page.wait_for_function("papr.clip.picture(15)")
    for asked in those("/queue/join"):
        asked.continue_()
    expect(page.locator("#note-clip-models .p-says")).to_contain_text("not on this machine")
    page.wait_for_function("papr.clip.picture(31) && papr.clip.media.url")
    # and the file that was sent before the example was chosen changes nothing
    page.asked.clear()
    with page.expect_response("**/upload*"):
        those("/upload")[0].continue_()
    assert quiet(page)
    expect(page.locator("#clip-intake .p-name")).to_have_text("A cup before leaves")


def hold(route, held: list, name: str) -> None:
    """Keep a direct call of this name, and let the others pass."""
    if f'"{name}"' in (route.request.post_data or ""):
        held.append(route)
    else:
        route.continue_()


def test_downloads_are_what_papr_video_writes_and_gone_after_an_hour(visit, tmp_path):
    others = visitors_files()  # of pages served before
    page = opened(visit())
    upload(page, film(tmp_path), "to be deleted.mp4")
    expect(page.locator("#clip-intake .p-name")).to_have_text("to be deleted.mp4")
    done(page)
    begins = {"masked": b"ftyp", "original": b"ftyp", "png": b"\x89PNG", "json": b"{"}
    for kind, head in begins.items():
        with page.expect_download() as waiting:
            page.locator(f"#clip-stage [data-save={kind}]").click()
        waiting.value.save_as(tmp_path / kind)
        assert head in (tmp_path / kind).read_bytes()[:12]
    left = {path.name for path in visitors_files()}
    assert any("deleted" in name for name in left)
    assert {"papr-masked.mp4", "papr-frames.mp4", "papr-clip.png", "papr-clip.json"} <= left
    hour_passes()
    assert visitors_files() <= others
    page.evaluate("papr.clip.controls({percent: 33})")
    expect(page.locator("#clip-intake .p-says")).to_contain_text("deleted here; choose it again")


def test_a_link_opens_the_same_view(visit):
    page = opened(visit())
    page.evaluate("papr.clip.controls({percent: 23, method: 'reversed', look: 'blur'})")
    done(page)
    page.wait_for_function("location.search.includes('clip-look')")
    link = {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}
    assert link == {"tab": "video", "clip-keep": "23", "clip-method": "reversed", "clip-look": "blur"}
    other = visit(link=f"?{urlparse(page.url).query}&clip=meadow&clip-target=99999&clip-explain=%3Cscript%3E")
    other.wait_for_function("window.papr?.clip?.seq > 0")
    expect(slider(other)).to_have_value("23")
    assert other.evaluate("papr.clip.view.clip") == "meadow"
    assert other.evaluate("papr.clip.view.explain") == "auto"
    expect(other.locator("#note-clip-target .p-says")).to_contain_text("99999")  # no such class, in words


def test_live_masks_the_webcam_with_the_ratio_under_the_finger(visit):
    page = opened(visit())
    page.evaluate(SLOW_CAMERA)
    page.asked.clear()
    page.get_by_role("button", name="Live").dblclick()  # twice while the browser still asks
    expect(page.get_by_role("button", name="Stop the camera")).to_be_focused()
    live = page.locator(".p-section-live")
    expect(live.locator(".p-basis")).to_contain_text("40 of 100 patches kept")
    page.wait_for_function("papr.clip.liveRate() > 0")
    expect(live.locator(".p-basis")).to_contain_text(re.compile(r"[\d.]+ pictures a second"))
    expect(page.locator(".p-section-players")).to_be_hidden()
    of_clips = [
        page.get_by_label(name).first for name in ("Another method beside it", "Target class of the clip")
    ]
    for control in of_clips:  # what does nothing here is not offered
        expect(control).to_be_hidden()
    shown = "document.querySelectorAll('.p-section-live canvas')[1].toDataURL()"
    before = page.evaluate(shown)
    page.wait_for_function(f"before => {shown} !== before", arg=before)  # the fake camera moves
    slider(page).fill("15")
    expect(live.locator(".p-basis")).to_contain_text("15 of 100 patches kept")
    page.get_by_role("radio", name="CAM", exact=True).check()
    # the unpruned answer stands beside the pruned one
    lists = live.locator(".p-answer-list")
    expect(lists.nth(0)).to_contain_text("All 100 patches")
    expect(lists.nth(1)).to_contain_text("15 patches")
    expect(lists.nth(1).locator(".p-badge")).to_have_attribute("data-state", re.compile("kept|lost"))
    assert all(text for one in lists.all() for text in one.locator(".p-label").all_text_contents())
    assert not [url for url in page.asked if "queue/join" in url]
    page.get_by_role("button", name="Stop the camera").press("Enter")
    expect(live).to_be_hidden()
    expect(page.get_by_role("button", name="Live")).to_be_focused()
    for control in of_clips:
        expect(control).to_be_visible()
    assert page.evaluate("cameras.map((one) => one.getTracks().map((track) => track.readyState))") == [
        ["ended"]
    ]
    done(page)  # the clip is back, with what was set meanwhile
    assert page.evaluate("papr.clip.answer.answer.count") == page.evaluate("papr.clip.count()")
    assert page.evaluate("papr.clip.answer.method.name") == "cam"


DROPPED = """() => {  // brightness of a dropped patch of the masked clip, as it is seen
  const {clip} = papr, [, {video, canvas}] = clip.player.panes;
  const frame = Math.floor(video.currentTime * clip.answer.fps + 0.02);
  const [, rows, columns] = clip.answer.grid, kept = clip.kept(frame);
  const lost = [...Array(rows * columns).keys()].find(patch => !kept.includes(patch));
  const surface = document.createElement('canvas');
  [surface.width, surface.height] = [columns, rows];
  const at = surface.getContext('2d');
  at.drawImage(canvas.style.visibility === 'hidden' ? video : canvas, 0, 0, columns, rows);
  const [r, g, b] = at.getImageData(lost % columns, Math.floor(lost / columns), 1, 1).data;
  return (r + g + b) / 3;
}"""


def test_the_masked_clip_follows_light_and_dark(visit):
    page = opened(visit(link="?__theme=dark"))
    frames(page).nth(7).click()
    page.wait_for_function(IN_STEP)
    page.wait_for_function(f"{COVERED}[1] === 'hidden'")  # what is seen is what the server wrote
    assert page.evaluate(DROPPED) < 90
    written = page.evaluate("papr.clip.written[0].url")
    page.locator(".p-theme").click()
    page.wait_for_function(f"({DROPPED})() > 190")  # drawn here at once
    page.wait_for_function("before => papr.clip.maskedUrl() && papr.clip.maskedUrl() !== before", arg=written)
    page.wait_for_function(f"{COVERED}[1] === 'hidden'")
    assert page.evaluate(DROPPED) > 190


def test_two_methods_stand_beside_each_other_and_the_timeline_names_what_is_lost(visit):
    page = opened(visit())
    said = page.evaluate("papr.clip.answer.answer.frames")
    lost = sum(full != kept for full, kept, _ in said)
    losses = page.get_by_role("status", name="Where the answer is lost")
    words = (
        f"PaPr loses the answer in {lost} of 32 frames" if lost else "PaPr keeps the answer in each of the 32"
    )
    expect(losses.locator("li").first).to_contain_text(words)
    expect(page.locator(".p-timeline .p-lost-here")).to_have_count(lost)
    expect(page.locator(".p-panes figure:visible")).to_have_count(2)
    page.get_by_role("combobox", name="Another method beside it").click()
    page.get_by_role("option", name="PaPr reversed").click()
    page.wait_for_function("papr.clip.answer.beside?.masked === null && papr.clip.maskedUrl(1) !== null")
    done(page)
    expect(page.locator(".p-panes figure:visible")).to_have_count(3)
    expect(page.locator(".p-panes figcaption").nth(2)).to_have_text("PaPr reversed: kept patches")
    expect(page.locator("#clip-stage .p-verdict").first).to_contain_text("PaPr reversed")
    assert page.evaluate("[0, 1].map(i => papr.clip.kept(5, i)).every(k => k)")
    assert page.evaluate("papr.clip.kept(5, 0).join() !== papr.clip.kept(5, 1).join()")
    expect(losses.locator("li")).to_have_count(2)
    other = sum(full != kept for full, kept, _ in page.evaluate("papr.clip.answer.beside.answer.frames"))
    expect(page.locator(".p-timeline .p-lost-here")).to_have_count(lost + other)
    first = next((i for i, (full, kept, _) in enumerate(said) if full != kept), None)
    if first is not None:
        expect(losses.locator("li").first).to_contain_text(f"“{said[first][0]}” becomes “{said[first][1]}”")
    page.wait_for_function(
        "papr.clip.player.panes.length === 3"
        " && papr.clip.player.panes.every(({video}) => video.currentTime > 0.3)"
    )
    page.wait_for_function("location.search.includes('clip-beside=reversed')")
    slider(page).fill("20")
    page.wait_for_function("papr.clip.view.percent === 20 && papr.clip.exact(1) && papr.clip.maskedUrl(1)")
    done(page)
    count, saved = page.evaluate("papr.clip.count()"), {}
    for kind in ("json", "png", "masked"):  # hold what the screen showed: both
        with page.expect_download() as waiting:
            page.locator(f"#clip-stage [data-save={kind}]").click()
            if kind == "json":  # what is asked meanwhile does not stop the file
                slider(page).fill("60")
        saved[kind] = Path(waiting.value.path()).read_bytes()
    told = json.loads(saved["json"])
    assert [part["method"] for part in (told, told["beside"])] == ["papr", "reversed"]
    assert {part["kept"] for part in (told, told["beside"])} == {count}
    wide, high = Image.open(io.BytesIO(saved["png"])).size
    assert high > 0.4 * wide  # three rows of eight frames
    masked = papr_core.read_clip(saved["masked"]).frames[0]
    assert masked.width == 2 * masked.height  # side by side
    page.get_by_role("combobox", name="Another method beside it").click()
    page.get_by_role("option", name="none").click()
    done(page)
    expect(page.locator(".p-panes figure:visible")).to_have_count(2)


def test_a_clip_is_recorded_with_the_camera(visit):
    page = opened(visit())
    page.get_by_role("button", name="Record").click()
    dialog = page.get_by_role("dialog", name="Record a clip")
    dialog.get_by_role("button", name="Start recording").click()
    page.wait_for_timeout(1500)
    dialog.get_by_role("button", name="Stop and use it").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("#clip-intake .p-name")).to_have_text(re.compile("^recording\\."))
    done(page)
    assert page.evaluate("papr.clip.answer.times.length") > 3
    assert queued(page)


def test_the_page_fits_a_phone_and_keeps_its_slider_in_sight(visit):
    page = opened(visit(width=390, height=844))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    order = page.evaluate(
        "['#clip-intake', '#clip-ratio', '#clip-stage', '#clip-rail-rest']"
        ".map(id => document.querySelector(id).getBoundingClientRect().top)"
    )
    assert order == sorted(order)
    page.evaluate("window.scrollTo(0, 900)")
    expect(slider(page)).to_be_in_viewport()
    page.get_by_role("button", name="Live").click()
    page.wait_for_function("papr.clip.liveRate() > 0")
    for screen in page.locator(".p-section-live .p-screen").all():  # what was asked for is what is seen
        expect(screen).to_be_in_viewport(ratio=1)
    headings = page.locator("#clip-stage").get_by_role("heading").all()
    assert [one.evaluate("node => node.tagName") for one in headings] == ["H2", "H3", "H3"]
