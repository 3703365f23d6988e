"""Reading and writing clips: real clips of every kind, encoded here."""

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clip_maker import encode, encode_sound, number_of, numbered, remux
from PIL import Image

from papr_core import PaprError, UnreadableClip
from papr_core.data import clips, colours
from papr_core.data.clips import _Index, evenly, read_clip, strided, write_clip

FRAMES = [numbered(i) for i in range(30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def plain(folder):
    """30 frames of H.264 at 24 a second, keyframes 6 apart, B-frames between."""
    return encode(folder / "plain.mp4", FRAMES)


KINDS = {
    "h264.mp4": {},
    "sound.mov": {"sound": True},
    "h264.mkv": {"sound": True},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.webm": {"codec": "libsvtav1", "options": {"preset": "10"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"b": "2M"}},
    "mpeg.ts": {},
    "small.gif": {"codec": "gif", "pix_fmt": "gray", "rate": 25},
    "fragments.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
}


# What is read


@pytest.mark.parametrize("name", KINDS)
def test_any_kind_of_clip_gives_the_frames_asked_for(name, folder):
    given = KINDS[name]
    path = encode(folder / name, FRAMES, **given)
    for source in (path, path.read_bytes()):
        clip = read_clip(source, evenly(7))
        wanted = evenly(7)(30)
        assert [number_of(frame) for frame in clip.frames] == wanted
        rate = given.get("rate", 24)
        assert clip.times == pytest.approx([i / rate for i in wanted], abs=0.011)
        assert (clip.info.width, clip.info.height, clip.info.frames) == (96, 64, 30)
        assert clip.info.seconds == pytest.approx(30 / rate, abs=0.05)
        assert clip.exact
        assert all(frame.mode == "RGB" and frame.size == (96, 64) for frame in clip.frames)


def test_what_is_read_is_what_was_encoded(plain):
    frame = np.asarray(read_clip(plain, lambda frames: [17]).frames[0]).astype(int)
    assert np.abs(frame - FRAMES[17]).mean() < 6


def test_every_frame_can_be_reached_in_any_order_of_keyframes(plain):
    for wanted in ([0], [29], [5, 6], [0, 11, 12, 29], list(range(30)), [3, 3, 3, 28]):
        clip = read_clip(plain, lambda frames, wanted=wanted: wanted)
        assert [number_of(frame) for frame in clip.frames] == wanted
        assert clip.times == pytest.approx([i / 24 for i in wanted])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phones_hold_clips_upright(degrees, mirrored, folder):
    path = encode(folder / f"turned-{degrees}-{mirrored}.mp4", FRAMES[:3], orientation=(degrees, mirrored))
    clip = read_clip(path)
    upright = np.rot90(FRAMES[0], degrees // 90)  # counterclockwise, as FFmpeg counts
    upright = upright[:, ::-1] if mirrored else upright
    assert (clip.info.height, clip.info.width) == upright.shape[:2]
    difference = np.abs(np.asarray(clip.frames[0]).astype(int) - upright)
    assert difference.mean() < 8
    other = np.abs(np.asarray(clip.frames[0]).astype(int) - upright[::-1, ::-1])
    assert other.mean() > 30  # or this test could not fail


def test_a_variable_frame_rate_keeps_its_times(folder):
    times = [0, 1, 2, 30, 31, 90, 91, 92, 200]
    path = encode(folder / "variable.mp4", FRAMES[:9], times=times)
    clip = read_clip(path)
    assert [number_of(frame) for frame in clip.frames] == list(range(9))
    assert clip.times == pytest.approx([time / 24 for time in times])


def test_one_frame_is_a_clip(folder):
    clip = read_clip(encode(folder / "one.mp4", FRAMES[4:5]))
    assert [number_of(frame) for frame in clip.frames] == [4]
    assert clip.times == (0.0,)
    assert clip.info.frames == 1
    assert clip.info.seconds > 0


def test_large_frames_come_small_and_square(folder):
    large = encode(
        folder / "large.mp4", [numbered(i, (2160, 3840)) for i in (3, 4)], options={"preset": "ultrafast"}
    )
    clip = read_clip(large, short_side=256)
    assert (clip.info.width, clip.info.height) == (3840, 2160)
    assert clip.frames[0].size == (455, 256)
    assert [number_of(frame) for frame in clip.frames] == [3, 4]
    wide = read_clip(encode(folder / "wide.mp4", FRAMES[:2], aspect=Fraction(2, 1)))
    assert (wide.info.width, wide.info.height) == wide.frames[0].size == (192, 64)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_transparency_lies_over_white(form):
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[8:24, 8:24] = (200, 0, 0, 255)
    first, second = (Image.fromarray(np.roll(picture, shift, axis=1)) for shift in (0, 4))
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=[second], disposal=2 if form == "GIF" else 0)
    clip = read_clip(buffer.getvalue())
    assert len(clip) == 2
    assert clip.frames[0].getpixel((2, 2)) == (255, 255, 255)
    assert clip.frames[0].getpixel((16, 16)) == pytest.approx((200, 0, 0), abs=3)


def test_a_recording_without_length_or_index_is_read(folder, plain):
    """As browsers record the camera: live Matroska, no duration, no cues."""
    path = remux(plain, folder / "live.mkv", live="1")
    clip = read_clip(path, evenly(5))
    assert [number_of(frame) for frame in clip.frames] == evenly(5)(30)


# Which frames


def test_even_frames_stand_in_the_middles_of_equal_parts():
    assert evenly(4)(8) == [1, 3, 5, 7]
    assert evenly(3)(300) == [50, 150, 250]
    assert evenly(32)(5) == [0, 1, 2, 3, 4]


def test_strided_frames_lie_where_they_are_asked_for():
    assert strided(16, 4)(300) == list(range(120, 181, 4))
    assert strided(16, 4, 0.0)(300)[0] == 0
    assert strided(16, 4, 1.0)(300)[-1] == 299
    assert strided(16, 4)(61) == list(range(0, 61, 4))
    assert strided(4, 4)(5) == [0, 1, 3, 4]
    assert strided(4, 4)(1) == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(40))
def test_no_more_is_decoded_than_is_allowed(seed):
    rng = np.random.default_rng(seed)
    frames, count, budget = (int(rng.integers(low, high)) for low, high in ((1, 400), (1, 40), (40, 500)))
    keys = sorted({0, *rng.integers(0, frames, rng.choice([0, 1, 5, 100])).tolist()})
    index = _Index(list(range(frames)), keys, Fraction(1, 24), 1.0)
    wanted = evenly(count)(frames)
    chosen = index.within(wanted, budget)
    assert index._cost(chosen) <= budget
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(frames))
    assert 1 <= len(chosen) <= len(wanted)
    if index._cost(wanted) <= budget:
        assert chosen == wanted
    if len(keys) >= len(wanted) or frames <= budget:
        assert len(chosen) == len(wanted)


def test_frames_near_keyframes_stand_in_where_the_way_is_long(plain, monkeypatch):
    from papr_core.data import clips

    monkeypatch.setattr(clips, "_DECODED_PIXELS", 96 * 64 * 12)
    monkeypatch.setattr(clips, "_DECODED_FRAMES", 1)
    clip = read_clip(plain, evenly(5))  # wanted: 3, 9, 15, 21, 27: 3 to 4 frames each from keyframes
    assert not clip.exact
    found = [number_of(frame) for frame in clip.frames]
    assert len(set(found)) == 5
    assert all(abs(near - wanted) <= 3 for near, wanted in zip(found, evenly(5)(30)))
    assert clip.times == pytest.approx([i / 24 for i in found])
    clip = read_clip(plain, evenly(5), exact=True)  # as `evaluate` reads
    assert clip.exact
    assert [number_of(frame) for frame in clip.frames] == evenly(5)(30)


# What is refused


def still(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, form)
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return buffer.getvalue()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
NO_CLIP = "not a clip that can be read here"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "zero bytes"),
        (b"hello world " * 500, NO_CLIP),
        (PLAYLIST, NO_CLIP),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", NO_CLIP),
        (np.random.default_rng(0).bytes(50_000), NO_CLIP),
        (still("JPEG"), "a picture, not a clip"),
        (still("PNG"), "a picture, not a clip"),
        (still("WEBP"), "a picture, not a clip"),
        (still("AVIF"), "a picture, not a clip"),
        (sound(), "only sound"),
        (7, "a file or its bytes, not int"),
        ("no/such/clip.mp4", "There is no file 'clip.mp4'"),
        ("http://127.0.0.1/clip.mp4", "is an address, and nothing is fetched here"),
        (".", "is a folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_what_is_no_clip_gets_one_sentence(data, words):
    refused(data, words)


def refused(data, words, **limits):
    with pytest.raises(UnreadableClip, match=words) as caught:
        read_clip(data, **limits)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert isinstance(caught.value, PaprError)


def test_sound_alone_is_refused(folder):
    refused(encode_sound(folder / "sound.m4a"), "only sound")


def test_a_text_renamed_and_a_clip_renamed(folder, plain):
    text = folder / "text.mp4"
    text.write_text("no clip at all\n" * 100)
    refused(text, NO_CLIP)
    renamed = folder / "clip.txt"
    renamed.write_bytes(plain.read_bytes())
    assert len(read_clip(renamed, evenly(3))) == 3  # what is in a file counts, not what it is called


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_clips_that_are_cut_off_are_refused(share, folder, plain):
    whole = plain.read_bytes()
    refused(whole[: int(len(whole) * share)], "damaged or cut off")  # its index is at the end
    first = remux(plain, folder / "first.mp4", movflags="+faststart").read_bytes()
    assert first.index(b"moov") < first.index(b"mdat")
    refused(
        first[: first.index(b"mdat") + int((len(first) - first.index(b"mdat")) * share)], "cut off|no frames"
    )
    other = remux(plain, folder / "cut.mkv").read_bytes()
    if share >= 0.5:
        refused(other[: int(len(other) * 0.5)], "damaged or cut off")


def test_an_encrypted_clip_is_refused(folder, plain):
    keys = {"encryption_key": "00" * 16, "encryption_kid": "11" * 16}
    path = remux(plain, folder / "locked.mp4", encryption_scheme="cenc-aes-ctr", **keys)
    refused(path, "encrypted")


def test_an_unknown_codec_is_refused(plain):
    data = plain.read_bytes()
    place = data.rindex(b"avc1")  # in the description of the track
    refused(data[:place] + b"zzzz" + data[place + 4 :], "not known here")
    refused(data[:place] + b"encv" + data[place + 4 :], "not known here")


def test_frames_that_cannot_be_decoded_are_refused(plain):
    data = plain.read_bytes()
    place = data.index(b"mdat") + 4
    size = int.from_bytes(data[place - 8 : place - 4], "big") - 8
    refused(data[:place] + bytes(size) + data[place + size :], "damaged")


def test_absurd_sizes_and_lengths_are_refused(folder, plain):
    refused(plain, "96 x 64 pixels, over the limit", max_pixels=6000)
    refused(plain, "minutes, over the limit", max_seconds=1)
    refused(plain, "MB, over the limit", max_bytes=1000)
    late = encode(folder / "late.mp4", FRAMES[:2], times=[0, 24 * 40_000])
    refused(late, "666.7 minutes, over the limit of 120")
    gif = bytearray(encode(folder / "huge.gif", FRAMES[:2], codec="gif", pix_fmt="rgb8").read_bytes())
    gif[6:10] = b"\xff\xff\xff\xff"
    refused(bytes(gif), "missing or impossible")


def test_damaged_bytes_give_frames_or_a_sentence(folder, plain):
    rng = np.random.default_rng(0)
    sources = [plain, *(folder / name for name in ("h264.mkv", "vp9.webm", "small.gif"))]
    sources = [source.read_bytes() for source in sources if source.exists()]
    refusals = 0
    for _ in range(80):
        data = bytearray(sources[rng.integers(len(sources))])
        for _ in range(rng.choice([1, 5, 50])):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            assert len(read_clip(bytes(data), evenly(4))) >= 1
        except PaprError:
            refusals += 1
    assert 0 < refusals < 80


# What is written


@pytest.mark.parametrize("size", [(64, 96), (63, 95), (1, 1), (112, 112)])
def test_what_is_written_is_what_browsers_play(size, tmp_path):
    import av

    frames = [Image.fromarray(numbered(i, size)) for i in range(12)]
    path = write_clip(frames, tmp_path / "written.mp4", 6.4)
    assert list(tmp_path.iterdir()) == [path]
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert (context.height, context.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert (stream.frames, len(container.streams)) == (12, 1)
        assert float(stream.average_rate) == pytest.approx(6.4)
    if min(size) > 32:
        clip = read_clip(path)
        assert [number_of(frame) for frame in clip.frames] == list(range(12))
        assert clip.times == pytest.approx([i / 6.4 for i in range(12)], abs=1e-3)
        written = np.asarray(clip.frames[3]).astype(int)[: size[0], : size[1]]
        assert np.abs(written - numbered(3, size)).mean() < 4  # colours too


def test_the_same_frames_give_the_same_file(tmp_path):
    one, two = (write_clip(FRAMES[:5], tmp_path / name, 8).read_bytes() for name in ("one.mp4", "two.mp4"))
    assert one == two


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    with pytest.raises(PaprError, match="at least one picture"):
        write_clip([], tmp_path / "none.mp4", 5)
    with pytest.raises(PaprError, match="one size"):
        write_clip([FRAMES[0], FRAMES[1][:32]], tmp_path / "sizes.mp4", 5)
    with pytest.raises(PaprError, match="cannot be written"):
        write_clip(FRAMES[:2], tmp_path / "missing" / "clip.mp4", 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
def test_chromium_plays_what_is_written(tmp_path):
    import base64

    from page_server import chromium
    from playwright.sync_api import sync_playwright

    path = write_clip(FRAMES[:10], tmp_path / "played.mp4", 20)
    data = base64.b64encode(path.read_bytes()).decode()
    start = """source => {
        const video = window.video = document.createElement('video');
        video.muted = true; video.src = source; document.body.append(video); video.play(); }"""
    look = """() => {
        const canvas = document.createElement('canvas');
        canvas.width = video.videoWidth; canvas.height = video.videoHeight;
        const drawing = canvas.getContext('2d'); drawing.drawImage(video, 0, 0);
        return {seconds: video.duration, error: video.error && video.error.message,
                green: [...drawing.getImageData(8, 8, 1, 1).data]}; }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.evaluate(start, f"data:video/mp4;base64,{data}")
        page.wait_for_function("video.ended || video.error", timeout=60_000)
        found = page.evaluate(look)
        browser.close()
    assert found["error"] is None
    assert found["seconds"] == pytest.approx(0.5, abs=0.01)
    assert found["green"] == pytest.approx([0, 200, 0, 255], abs=12)


# Frames asked for are the frames that come, whatever the container says of times

MANY = [numbered(i) for i in range(24)]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("b.avi", {"gop": 12, "options": {"bf": "3"}}),
        ("b.mkv", {"gop": 12, "options": {"bf": "3"}}),
        ("open.mp4", {"gop": 8, "options": {"bf": "3", "x264-params": "open-gop=1"}}),
        ("mpeg4.avi", {"codec": "mpeg4", "gop": 12, "options": {"bf": "2", "b": "2M"}}),
        ("mjpeg.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("varying.mp4", {"times": [i * i for i in range(24)], "gop": 5}),
        ("varying.mkv", {"times": [i * i for i in range(24)], "gop": 5}),
        ("bare.h264", {"gop": 12, "options": {"bf": "3"}}),
        ("bare.m2v", {"codec": "mpeg2video", "gop": 12, "options": {"bf": "2", "b": "4M"}}),
        ("bare.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("bare.y4m", {"codec": "wrapped_avframe"}),
        ("a.apng", {"codec": "apng", "pix_fmt": "rgb24"}),
    ],
)
def test_the_frames_that_are_asked_for_come(tmp_path, name, how):
    path = encode(tmp_path / name, MANY, **how)
    for wanted in (list(range(24)), [3, 10, 17, 22], [13, 14], [23]):
        clip = read_clip(path, lambda frames, wanted=wanted: wanted, exact=True)
        assert [number_of(frame) for frame in clip.frames] == wanted
        assert clip.info.frames == 24
        if not name.startswith("bare"):  # these say nothing of their rate
            shown = how.get("times", range(24))
            assert clip.times == pytest.approx([shown[i] / 24 for i in wanted], abs=0.02)


def test_a_long_avi_is_counted_from_keyframes(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "_DECODED_PIXELS", 0)
    monkeypatch.setattr(clips, "_DECODED_FRAMES", 8)
    path = encode(tmp_path / "b.avi", MANY, gop=6, options={"bf": "3"})
    clip = read_clip(path, lambda frames: [3, 13, 20], exact=True)
    assert [number_of(frame) for frame in clip.frames] == [3, 13, 20]


def test_a_clip_without_its_beginning_says_that_others_stand_in(tmp_path):
    """Cut between keyframes, as recorders do: what cannot be decoded is not passed off as asked for."""
    whole, path = encode(tmp_path / "whole.mp4", MANY, gop=12), tmp_path / "cut.ts"
    with av.open(str(whole)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in list(given.demux(given.streams.video[0]))[4:-1]:
            packet.stream = stream
            container.mux(packet)
    clip = read_clip(path, lambda frames: [0, 8, 15])
    assert number_of(clip.frames[0]) == 12
    assert not clip.exact
    assert read_clip(path, lambda frames: [frames - 1]).exact


def test_times_that_do_not_begin_at_zero_or_begin_anew(tmp_path):
    encode(tmp_path / "late.mkv", MANY, times=range(100, 124))
    clip = read_clip(tmp_path / "late.mkv", lambda frames: [0, 23])
    assert [number_of(frame) for frame in clip.frames] == [0, 23]
    encode(tmp_path / "one.ts", MANY)
    (tmp_path / "two.ts").write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    refused(tmp_path / "two.ts", "times begin anew in its middle")


@pytest.mark.parametrize(
    ("kind", "how"), [("WEBP", {"lossless": True}), ("AVIF", {}), ("GIF", {}), ("PNG", {})]
)
def test_animated_pictures_of_every_kind_are_clips(tmp_path, kind, how):
    first, *others = (Image.fromarray(array) for array in MANY)
    path = tmp_path / "animated"
    first.save(path, kind, save_all=True, append_images=others, duration=[40] * 20 + [200] * 4, **how)
    clip = read_clip(path, lambda frames: [0, 7, 22])
    assert [number_of(frame) for frame in clip.frames] == [0, 7, 22]
    assert clip.times == pytest.approx([0, 0.28, 1.2], abs=0.03)
    assert (clip.info.frames, clip.info.width, clip.info.height) == (24, 96, 64)
    assert clip.info.seconds == pytest.approx(1.6, abs=0.2)
    small = read_clip(path.read_bytes(), short_side=32)
    assert small.frames[0].size == (48, 32)
    if kind in ("WEBP", "AVIF"):
        refused(path.read_bytes()[:400], "damaged or cut off")


def test_pictures_of_several_pages_are_pictures(tmp_path):
    first, *others = (Image.fromarray(array) for array in MANY[:3])
    first.save(tmp_path / "pages.tiff", save_all=True, append_images=others)
    refused(tmp_path / "pages.tiff", "picture, not a clip: it can be compared")


# Colours


def solid(path: Path, height: int, colour: tuple[int, int, int], **tags: int) -> Path:
    """Two frames of one colour, coded by BT.709 whatever is said of it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, height, "yuv420p"
        for key, value in tags.items():
            setattr(stream.codec_context, key, value)
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(np.full((height, 64, 3), colour, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            frame.colorspace = tags.get("colorspace", 2)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_large_clips_that_do_not_say_it_are_bt_709_as_in_browsers(tmp_path):
    red = (200, 30, 30)
    large = read_clip(solid(tmp_path / "large.mp4", 720, red)).frames[0].getpixel((9, 9))
    assert max(abs(a - b) for a, b in zip(large, red)) < 6
    small = read_clip(solid(tmp_path / "small.mp4", 576, red)).frames[0].getpixel((9, 9))
    assert max(abs(a - b) for a, b in zip(small, red)) > 8  # read as BT.601
    said = read_clip(solid(tmp_path / "said.mp4", 576, red, colorspace=1)).frames[0].getpixel((9, 9))
    assert max(abs(a - b) for a, b in zip(said, red)) < 6


def hdr(path: Path, transfer: int, light: np.ndarray) -> Path:
    """A clip of BT.2020 and 10 bits whose colours, linear light with white 1 (H, W, 3), are shown at 203
    cd/m2."""
    into = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    wide = light @ into.T
    if transfer == colours.PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = np.clip(wide * 203 / 10_000, 0, 1) ** m1
        code = ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    else:
        scene = np.clip(wide, 0, None) * 0.26496
        code = np.where(
            scene <= 1 / 12,
            np.sqrt(3 * scene),
            0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
        )
    array = np.round(np.clip(code, 0, 1) * 65535).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx265", rate=24, options={"x265-params": "log-level=none:bframes=0", "crf": "5"}
        )
        stream.height, stream.width = array.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = (
            9,
            1,
            9,
            transfer,
        )
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(array, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace="BT2020", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("transfer", [colours.PQ, colours.HLG])
def test_clips_of_high_dynamic_range_come_in_their_colours(tmp_path, transfer):
    """Written here from the standards' formulas, the other way round."""
    codes = np.array(
        [[220, 30, 30], [30, 200, 40], [30, 40, 210], [240, 220, 40], [128, 128, 128], [20, 20, 20]]
    )
    light = np.where(codes <= 10.31475, codes / 255 / 12.92, ((codes / 255 + 0.055) / 1.055) ** 2.4)
    picture = light.repeat(64, axis=0).reshape(1, 384, 3).repeat(64, axis=0)
    picture[:, 320:] = 4.0  # a lamp, four times as bright as white
    frame = np.asarray(read_clip(hdr(tmp_path / "hdr.mp4", transfer, picture)).frames[0]).astype(int)
    for place, code in enumerate(codes[:5]):
        assert abs(frame[32, 64 * place + 32] - code).max() <= 6
    assert frame[32, 350].min() > 240
    assert Image.fromarray(frame.astype(np.uint8)).size == (384, 64)


def test_highlights_are_rolled_off_in_order():
    light = np.linspace(0, 6, 500)
    rolled = colours._rolled_off(light)
    assert (np.diff(rolled) >= 0).all()
    assert np.array_equal(rolled[light < 0.8], light[light < 0.8])
    assert rolled.max() == 1
