"""Reading pictures of every kind, refusing what is none, and cropping as timm does."""

import functools
import io
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from papr_core import InvalidInput, UnreadableImage, read_image
from papr_core.data import jpeg
from papr_core.data.images import FINEST, FITS, View, fine_image, fit_image, image_tensor


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """48 x 32, smooth, with a red upper left corner."""
    rows, columns = np.mgrid[0:32, 0:48]
    values = np.stack([columns * 5, rows * 7, (rows + columns) * 3], axis=2).astype(np.uint8)
    image = Image.fromarray(values)
    ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill=(255, 0, 0))
    return image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def assert_like(found: Image.Image, expected: Image.Image, within: float) -> None:
    assert found.mode == "RGB"
    assert found.size == expected.size
    difference = np.abs(np.asarray(found, dtype=float) - np.asarray(expected.convert("RGB"), dtype=float))
    assert difference.mean() <= within


@pytest.mark.parametrize(
    ("kind", "options", "within"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("PPM", {}, 0),
        ("JPEG", {"quality": 95}, 4),
        ("WEBP", {"lossless": True}, 0),
        ("AVIF", {"quality": 90}, 6),
        ("GIF", {}, 12),
        ("JPEG2000", {}, 1),
    ],
)
def test_formats(picture, kind, options, within, tmp_path):
    data = encoded(picture, kind, **options)
    assert_like(read_image(data), picture, within)
    path = tmp_path / "a picture"
    path.write_bytes(data)
    assert_like(read_image(path), picture, within)
    assert_like(read_image(str(path)), picture, within)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "LA", "PA", "RGBX", "RGBa"]
)
def test_modes(picture, mode):
    via = {"RGBa": "RGBA", "PA": "P"}.get(mode, "RGB")
    image = Image.new("LAB", (48, 32)) if mode == "LAB" else picture.convert(via).convert(mode)
    found = read_image(image)
    assert found.mode == "RGB"
    assert found.size == (48, 32)
    if mode in ("RGBA", "CMYK", "RGBX", "YCbCr", "HSV"):
        assert_like(found, picture, 12)


def test_cmyk_and_palette_files(picture):
    assert_like(read_image(encoded(picture.convert("CMYK"), "JPEG", quality=95)), picture, 4)
    assert_like(read_image(encoded(picture.convert("CMYK"), "TIFF")), picture, 1)
    assert_like(read_image(encoded(picture.quantize(64), "PNG")), picture.quantize(64), 0)


def test_the_first_frame_of_an_animation(picture):
    black = Image.new("RGB", picture.size)
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(picture, kind, save_all=True, append_images=[black, black], **options)
        assert_like(read_image(data), picture, 12 if kind == "GIF" else 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    for scale in (1, 256):  # also a dark picture stays as dark as it is
        dark = values // scale
        found = np.asarray(read_image(encoded(Image.fromarray(dark), kind)))
        assert np.abs(found[..., 0] - dark / 257.0).max() <= 1
        assert (found[..., 0] == found[..., 1]).all()


def test_wide_and_floating_grey():
    ramp = np.linspace(0, 1, 48 * 32).reshape(32, 48)
    for values in (ramp, ramp * 255, ramp * 65535):
        found = np.asarray(read_image(encoded(Image.fromarray(values.astype(np.float32)), "TIFF")))
        assert np.abs(found[..., 0] / 255 - ramp).max() < 0.01
    odd = np.where(ramp > 0.5, np.nan, ramp * 1e9 - 5).astype(np.float32)
    assert read_image(encoded(Image.fromarray(odd), "TIFF")).size == (48, 32)
    wide = (ramp * 2**30).astype(np.int32)
    assert np.asarray(read_image(encoded(Image.fromarray(wide), "TIFF"))).max() == 255


def test_transparency_lies_over_white(picture):
    for mode, color, expected in (
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (100, 255), (100, 100, 100)),
    ):
        found = read_image(encoded(Image.new(mode, (4, 4), color), "PNG"))
        assert max(abs(a - b) for a, b in zip(found.getpixel((1, 1)), expected)) <= 1
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    for kind in ("PNG", "GIF"):
        assert read_image(encoded(palette, kind, transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    grey = Image.new("L", (4, 4), 7)
    assert read_image(encoded(grey, "PNG", transparency=7)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_photograph_stands_upright(picture, turn):
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[turn]
    stored = picture if back is None else picture.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = turn
    assert_like(read_image(encoded(stored, "JPEG", quality=95, exif=exif)), picture, 4)
    assert_like(read_image(encoded(stored, "PNG", exif=exif)), picture, 0)


def test_a_broken_exif_block_is_no_reason_to_refuse(picture):
    exif = b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + b"junk" * 9
    assert_like(read_image(encoded(picture, "JPEG", quality=95, exif=exif)), picture, 4)


def test_a_constant_image_and_a_single_pixel():
    assert read_image(encoded(Image.new("RGB", (9, 9), (1, 2, 3)), "PNG")).getcolors() == [(81, (1, 2, 3))]
    assert read_image(encoded(Image.new("L", (1, 1)), "PNG")).size == (1, 1)


def test_what_is_given_is_not_changed(picture):
    before = picture.tobytes()
    found = read_image(picture)
    found.putpixel((0, 0), (1, 2, 3))
    assert picture.tobytes() == before


def test_arrays(picture):
    array = np.asarray(picture)
    for given in (array, array / 255, array.astype(np.uint16) * 257, np.asfortranarray(array)):
        assert_like(read_image(given), picture, 0)
    assert read_image(array[..., 0]).getpixel((20, 20)) == (array[20, 20, 0],) * 3
    assert read_image(array[..., :1]).getpixel((20, 20)) == (array[20, 20, 0],) * 3
    clear = np.dstack([array, np.zeros((32, 48), np.uint8)])
    assert read_image(clear).getcolors() == [(48 * 32, (255, 255, 255))]


# Refusals


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that announces a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


LONG_TEXT = b"k\0\0" + zlib.compress(bytes(10**8))


@functools.cache
def refused() -> dict[str, tuple[object, str]]:
    image = Image.effect_noise((200, 100), 50).convert("RGB")
    jpeg, gif, whole = encoded(image, "JPEG"), encoded(image, "GIF"), encoded(image, "PNG")
    webp, avif = encoded(image, "WEBP"), encoded(image, "AVIF")
    return {
        "nothing": (b"", "zero bytes"),
        "text": (b"hello, I am a picture", "not an image"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not an image"),
        "pdf": (b"%PDF-1.7 " + bytes(300), "not an image"),
        "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not an image"),
        "zip": (b"PK\x03\x04" + bytes(300), "not an image"),
        "noise": (bytes(range(256)) * 8, "not an image"),
        "heic": (b"\0\0\0\x18ftypheic" + bytes(200), "HEIC"),
        "jpeg, cut": (jpeg[: len(jpeg) // 2], "damaged or cut off"),
        "jpeg, header only": (jpeg[:30], "not an image|damaged"),
        "png, cut": (whole[: len(whole) // 2], "damaged or cut off"),
        "gif, cut": (gif[: len(gif) // 2], "damaged or cut off"),
        "webp, cut": (webp[: len(webp) // 2], "not an image|damaged"),
        "avif, cut": (avif[: len(avif) // 2], "not an image|damaged"),
        "png, short data": (png(10, 10), "damaged or cut off"),
        "bomb, 101 megapixels": (png(10100, 10000), "10100 x 10000 pixels"),
        "bomb, gigantic": (png(2**31 - 1, 2**31 - 1), "over 100 megapixels"),
        "bomb, a thread": (png(1, 2**31 - 1), "megapixels"),
        "bomb of text": (png(9, 9, (b"zTXt", LONG_TEXT)), "not an image|damaged"),
        "no file": ("/no/such/file.png", "no file 'file.png'"),
        "a folder": ("/tmp", "'tmp' is a folder"),
        "a name made to break": ("a\0b", "cannot be opened|no file"),
        "no image at all": (None, "not NoneType"),
        "a number": (7, "not int"),
        "empty array": (np.zeros((0, 3, 3), np.uint8), r"array is \(H, W\)"),
        "array of five": (np.zeros((4, 4, 5), np.uint8), r"array is \(H, W\)"),
        "array beyond 1": (np.full((4, 4), 300.0), "holds uint8"),
        "array of nan": (np.full((4, 4), np.nan), "holds uint8"),
        "array of text": (np.array([["a"]]), "holds uint8"),
    }


@pytest.mark.parametrize("case", refused())
def test_refusals_are_one_sentence(case):
    given, word = refused()[case]
    with pytest.raises(UnreadableImage, match=word) as caught:
        read_image(given)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 250
    assert isinstance(caught.value, (InvalidInput, ValueError))


def test_limits_come_before_decoding(monkeypatch, tmp_path):
    big = tmp_path / "big.jpg"
    with open(big, "wb") as file:
        file.truncate(50_000_001)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(UnreadableImage, match="50.0 MB, over the limit of 50 MB"):
        read_image(big)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    for size in ((10001, 10000), (8000, 40000)):
        with pytest.raises(UnreadableImage, match="megapixels"):
            read_image(png(*size))
    with pytest.raises(UnreadableImage, match="MB, over"):
        read_image(bytes(50_000_001))
    with pytest.raises(UnreadableImage, match="over the limit of 0 megapixels"):
        read_image(Image.new("RGB", (100, 100)), max_pixels=9999)


# Fitting


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (333, 1000), (224, 224), (100, 57), (225, 224)])
@pytest.mark.parametrize(
    ("target", "crop_pct", "interpolation"),
    [
        ((224, 224), 0.9, "bicubic"),
        ((112, 112), 1.0, "bilinear"),
        ((96, 160), 0.875, "bicubic"),
        ((160, 96), 0.95, "bicubic"),
    ],
)
def test_the_crop_is_timm_s_to_the_pixel(size, target, crop_pct, interpolation):
    from timm.data import create_transform

    image = Image.effect_noise(size, 80).convert("RGB")
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    settings = {"crop_pct": crop_pct, "interpolation": interpolation, "mean": mean, "std": std}
    transform = create_transform((3, *target), **settings)
    view = View(target, mean, std, crop_pct, interpolation)
    crop = view.fit(image)
    assert crop.size == target[::-1]
    torch.testing.assert_close(view.tensor(crop), transform(image).unsqueeze(0))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(640, 480), (1, 1), (1, 5000), (5000, 1), (3, 200)])
def test_every_fit_gives_the_size(fit, size):
    found = fit_image(Image.new("RGB", size, (9, 9, 9)), (64, 96), fit=fit, crop_pct=0.9)
    assert found.size == (96, 64)
    if fit != "pad":
        assert found.getcolors() == [(64 * 96, (9, 9, 9))]


def test_a_thread_of_a_picture_is_not_blown_up():
    image = Image.linear_gradient("L").resize((90_000, 2)).convert("RGB")
    assert fit_image(image, (224, 224), crop_pct=0.9).size == (224, 224)


def test_pad_and_squash():
    image = Image.new("RGB", (100, 50), (200, 0, 0))
    padded = np.asarray(fit_image(image, (64, 64), fit="pad"))
    assert (padded[:16] == 128).all()
    assert (padded[16:48] == (200, 0, 0)).all()
    assert (padded[48:] == 128).all()
    assert (np.asarray(fit_image(image, (64, 64), fit="squash")) == (200, 0, 0)).all()


def test_an_unknown_fit_is_refused():
    with pytest.raises(InvalidInput, match="crop, pad, squash"):
        fit_image(Image.new("RGB", (8, 8)), (4, 4), fit="stretch")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1000, 700), (700, 1000), (2000, 640), (1600, 1600)])
@pytest.mark.parametrize(("target", "grid"), [((224, 224), (14, 14)), ((96, 160), (6, 10))])
def test_the_fine_crop_lies_over_the_crop_to_the_pixel(fit, size, target, grid):
    """Of all shifts by a pixel of its own, none is nearer to what the model sees than no shift."""
    image = Image.effect_noise((size[0] // 20, size[1] // 20), 90).resize(size).convert("RGB")
    how = {"fit": fit, "crop_pct": 0.9}
    crop = np.asarray(fit_image(image, target, **how), dtype=np.float32)
    fine = fine_image(image, target, grid=grid, **how)
    cell = fine.height // grid[0]
    assert (fine.height, fine.width) == (cell * grid[0], cell * grid[1])
    assert target[0] < fine.height
    assert max(fine.size) <= FINEST

    def distance(across: int, down: int) -> float:
        moved = Image.fromarray(np.roll(np.asarray(fine), (down, across), (0, 1)))
        seen = np.asarray(moved.resize(target[::-1], Image.Resampling.BICUBIC), dtype=np.float32)
        return float(np.abs(seen - crop)[4:-4, 4:-4].mean())

    steps = range(-1, 2)
    found = {(across, down): distance(across, down) for across in steps for down in steps}
    assert min(found, key=found.get) == (0, 0), found
    assert found[0, 0] < 2


def test_a_fine_crop_is_never_larger_than_the_picture_nor_smaller_than_the_crop():
    def fine(width: int, height: int, **how: Any) -> tuple[int, int]:
        return fine_image(Image.new("RGB", (width, height)), (224, 224), grid=(14, 14), **how).size

    assert fine(4000, 3000) == (896, 896)
    assert fine(500, 400) == (392, 392)  # 28 whole pixels a patch, of 400 / 14
    assert fine(500, 400, crop_pct=0.8) == (308, 308)  # the middle 320 of them
    assert fine(200, 300) == (224, 224)
    assert fine(4000, 3000, most=500) == (490, 490)
    assert fine(500, 400, fit="pad") == (490, 490)
    assert fine(90_000, 2) == (224, 224)
    large = fine_image(Image.new("RGB", (4000, 3000)), (1024, 1024), grid=(64, 64))
    assert large.size == (1024, 1024)
    with pytest.raises(InvalidInput, match="crop, pad, squash"):
        fine(8, 8, fit="stretch")


def test_tensors(picture):
    tensor = image_tensor(picture)
    assert tensor.shape == (1, 3, 32, 48)
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 0, 0].tolist() == [1, 0, 0]
    view = View((32, 48), (0.5, 0.5, 0.5), (0.25, 0.5, 1.0))
    torch.testing.assert_close(view.normalise(tensor)[0, :, 0, 0], torch.tensor([2.0, -1.0, -0.5]))
    assert torch.equal(view.tensor(picture), view.normalise(tensor))
    assert view.tensor(picture, size=(16, 24)).shape == (1, 3, 16, 24)


def test_a_view_survives_odd_settings():
    config = {"mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": None, "interpolation": "random"}
    assert View.of(config, (8, 8)).fit(Image.new("RGB", (20, 10))).size == (8, 8)
    tiny = View.of({**config, "crop_pct": 1e-9}, (8, 8))
    assert tiny.fit(Image.new("RGB", (20, 10))).size == (8, 8)


def timm_configurations() -> dict:
    """(size, mean, std, crop, ...) -> the names of timm's published weights with it."""
    import timm
    from timm.data import resolve_data_config
    from timm.models import get_pretrained_cfg

    found = {}
    for name in timm.list_models(pretrained=True):
        config = resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict())
        found.setdefault(tuple(sorted(config.items())), []).append(name)
    return found


def test_what_a_model_sees_is_timm_s_own_input_for_every_configuration_of_timm():
    from timm.data import create_transform

    from papr_core.models import weights

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (97, 149, 3), np.uint8))
    found = timm_configurations()
    assert {dict(key)["crop_mode"] for key in found} == {"center", "squash", "border"}
    assert sum(map(len, found.values())) > 1800
    for key, names in found.items():
        config = weights.read_config(names[0])["pretrained_cfg"]
        view = View.of(config, config["input_size"][1:])
        expected = create_transform(**dict(key), is_training=False)(picture)
        assert (view.tensor(view.fit(picture))[0] - expected).abs().max() < 1e-5, names[:3]


# As browsers read them


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("size", [(300, 200), (48, 31)])
def test_a_jpeg_that_lacks_only_its_end_is_read_and_a_truncated_one_is_refused(
    progressive, subsampling, size
):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    data = encoded(noise, "JPEG", progressive=progressive, subsampling=subsampling)
    whole = read_image(data)
    for lacking in (1, 2):
        assert np.array_equal(read_image(data[:-lacking]), whole)
    for lacking in (6, 8, 100, len(data) // 2):
        with pytest.raises(UnreadableImage, match="damaged or cut off"):
            read_image(data[:-lacking])


# Colours as they are meant


def profiled(kind: str) -> bytes:
    """A JPEG whose numbers are right only by its profile: of the colour (200, 60, 40) in sRGB."""
    from PIL import ImageCms

    source, mode = {
        "wide": (ImageCms.createProfile("sRGB"), "RGB"),
        "lab": (ImageCms.createProfile("LAB"), "LAB"),
    }[kind]
    srgb = ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(
        Image.new("RGB", (16, 12), (200, 60, 40)), srgb, source, outputMode=mode
    )
    return encoded(image, "TIFF", icc_profile=ImageCms.ImageCmsProfile(source).tobytes())


REPORTS = Path(__file__).resolve().parents[1] / "data" / "colours"


@pytest.mark.parametrize("name", ["p3.jpg", "adobergb.jpg"])
def test_an_embedded_profile_is_converted_to_srgb(name):
    meant = np.asarray(read_image(REPORTS / "srgb.png")).astype(int)
    assert abs(np.asarray(read_image(REPORTS / name)).astype(int) - meant).mean() < 3
    ignored = np.asarray(read_image(REPORTS / name, colour="timm")).astype(int)
    assert np.array_equal(ignored, np.asarray(Image.open(REPORTS / name).convert("RGB")))
    assert abs(ignored - meant).mean() > 3
    with pytest.raises(InvalidInput, match="srgb or timm"):
        read_image(REPORTS / name, colour="best")


def test_lab_and_srgb_and_broken_profiles():
    assert max(abs(a - b) for a, b in zip(read_image(profiled("lab")).getpixel((5, 5)), (200, 60, 40))) <= 3
    plain = Image.effect_noise((30, 20), 90).convert("RGB")
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"nonsense", srgb[:300]):
        assert np.array_equal(read_image(encoded(plain, "PNG", icc_profile=profile)), plain)


FOUR = [(220, 30, 30), (30, 200, 40), (40, 60, 210), (200, 200, 200)]
FOUR_IN_P3 = [(240, 0, 0), (0, 204, 0), (34, 61, 218), (200, 200, 200)]  # by LittleCMS


def four_colours() -> Image.Image:
    return Image.fromarray(np.array(FOUR, np.uint8).reshape(2, 2, 3)).resize(
        (32, 32), Image.Resampling.NEAREST
    )


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    packed = [
        struct.pack(">I", len(told)) + kind + told + struct.pack(">I", zlib.crc32(kind + told))
        for kind, told in chunks
    ]
    return png[:33] + b"".join(packed) + png[33:]


def coded(kind: str, transfer: int, primaries: int) -> bytes:
    """A picture whose file says its coding by the numbers of H.273, without a profile."""
    if kind == "PNG":
        return with_chunks(encoded(four_colours(), "PNG"), (b"cICP", bytes([primaries, transfer, 0, 1])))
    data = bytearray(encoded(four_colours(), "AVIF", quality=100, subsampling="4:4:4"))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "AVIF"])
def test_a_coding_that_a_file_says_without_a_profile(kind):
    found = np.asarray(read_image(coded(kind, 13, 12))).astype(int)[4::16, 4::16].reshape(4, 3)
    assert abs(found - FOUR_IN_P3).max() <= 8
    bright = np.asarray(read_image(coded(kind, 16, 9))).astype(int)[4::16, 4::16].reshape(4, 3)
    assert bright[3].min() > 250  # a PQ code of 200 of 255 is far above white
    for plain in (read_image(coded(kind, 13, 1)), read_image(coded(kind, 13, 12), colour="timm")):
        assert abs(np.asarray(plain).astype(int)[4::16, 4::16].reshape(4, 3) - FOUR).max() <= 4
    with pytest.raises(UnreadableImage):
        read_image(coded(kind, 13, 12)[:41])


def gamma(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", value)


def corners(*values: int) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *values)


ADOBE = corners(31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
IN_ADOBE = [(255, 24, 24), (0, 201, 0), (20, 57, 215), (201, 201, 201)]
LINEAR = [(239, 96, 96), (96, 229, 110), (110, 133, 234), (229, 229, 229)]


@pytest.mark.parametrize(
    ("chunks", "shown"),  # by Chromium
    [
        ([gamma(100_000)], LINEAR),
        ([gamma(45_455), ADOBE], IN_ADOBE),
        ([gamma(45_455)], FOUR),
        ([ADOBE], FOUR),
        ([gamma(100_000), ADOBE, (b"sRGB", b"\0")], FOUR),
        ([gamma(100_000), (b"cICP", bytes([1, 13, 0, 1]))], FOUR),
        ([gamma(100_000), corners(*[0] * 8)], FOUR),
        ([(b"cICP", bytes([1, 8, 0, 1]))], LINEAR),
    ],
)
def test_gamma_and_primaries_in_numbers(chunks, shown):
    data = with_chunks(encoded(four_colours(), "PNG"), *chunks)
    found = np.asarray(read_image(data)).astype(int)[4::16, 4::16].reshape(4, 3)
    assert abs(found - shown).max() <= 2
    assert np.array_equal(read_image(data, colour="timm"), four_colours())


def grey_profile(gamma: float) -> bytes:
    def words(*values):
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    white = words(0.9642, 1, 0.8249)
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + white,
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256)),
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value
    head = struct.pack(">I4sI4s4s4s", 128 + len(table + body), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    return (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + white + bytes(48) + table + body


def test_profiles_of_grey_pictures_of_every_kind():
    grey = four_colours().convert("L")
    profile = {"icc_profile": grey_profile(1.0)}  # its numbers are light itself
    meant = np.asarray(read_image(encoded(grey, "PNG", **profile))).astype(int)
    assert abs(meant - np.asarray(grey)[..., None]).mean() > 30
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for form, picture in (("PNG", grey.convert("LA")), ("PNG", wide), ("TIFF", wide)):
        found = np.asarray(read_image(encoded(picture, form, **profile))).astype(int)
        assert abs(found - meant).max() <= 2


# The picture that is meant


def tiff(*frames: Image.Image, tags: tuple[dict, ...] = ()) -> bytes:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    infos = []
    for given in (*tags, *({},) * (len(frames) - len(tags))):
        info = ImageFileDirectory_v2()
        for key, value in given.items():
            info[key] = value
        infos.append(info)
    first, *others = frames
    for frame, info in zip(frames, infos):
        frame.encoderinfo = {"tiffinfo": info}
    return encoded(first, "TIFF", tiffinfo=infos[0], save_all=True, append_images=others)


def test_a_thumbnail_before_the_picture_is_not_the_picture():
    small, large = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (40, 30), "blue")
    assert read_image(tiff(small, large, tags=({254: 1},))).size == (40, 30)
    assert read_image(tiff(large, small, tags=({}, {254: 1}))).size == (40, 30)
    with pytest.raises(UnreadableImage, match="nothing but a thumbnail"):
        read_image(tiff(small, tags=({254: 1},)))


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {33422: b"\0\1\1\2"}])
def test_a_camera_s_raw_data_are_refused(tags):
    with pytest.raises(UnreadableImage, match="camera's raw data"):
        read_image(tiff(Image.new("RGB", (8, 6), "red"), tags=(tags,)))


@pytest.mark.parametrize("bits", [8, 16])
def test_negatives_are_shown_as_positives(bits):
    values = np.linspace(0, 2**bits - 1, 12 * 9).reshape(9, 12).astype(f"uint{bits}")
    positive = np.asarray(read_image(encoded(Image.fromarray(values), "TIFF")))
    stored = Image.fromarray(values if bits == 16 else 255 - values)  # Pillow turns 8 bits itself
    data = bytearray(encoded(Image.fromarray(values), "TIFF"))
    place = data.index(struct.pack("<HHI", 262, 3, 1))
    data[place + 8 : place + 10] = b"\0\0"
    negative = np.asarray(read_image(bytes(data)))
    assert np.abs(negative.astype(int) - (255 - positive.astype(int))).max() <= 1
    assert stored.size == (12, 9)


def png_of(depth: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Grey, of 4 x 1 pixels."""
    head = struct.pack(">IIBBBBB", 4, 1, depth, 0, 0, 0, 0)
    told = (*chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    return with_chunks(with_chunks(b"\x89PNG\r\n\x1a\n", (b"IHDR", head)), *told)


def smaller_than_its_canvas() -> bytes:
    data = bytearray(encoded(Image.new("P", (2, 1)), "GIF"))
    data[6:8] = struct.pack("<H", 4)
    return bytes(data)


@pytest.mark.parametrize(
    ("build", "shown"),  # by Chromium; the first pixel of a row of four counts as ink, a later one as nothing
    [
        (lambda: png_of(4, b"\x03\x58", (b"tRNS", b"\0\3")), (0, 255, 85, 136)),
        (lambda: png_of(2, b"\x1b", (b"tRNS", b"\0\2")), (0, 85, 255, 255)),
        (lambda: png_of(16, bytes(8), (b"tRNS", b"\0\1")), (0, 0, 0, 0)),
        (lambda: png_of(16, bytes(6) + b"\x27\x10", (b"tRNS", b"\x27\x10")), (0, 0, 0, 255)),
        (smaller_than_its_canvas, (0, 0, 255, 255)),
    ],
)
def test_what_stands_for_nothing_is_white(build, shown):
    assert tuple(np.asarray(read_image(build()))[0, :, 0].tolist()) == shown


def test_a_colour_that_stands_for_nothing_beside_a_profile():
    profile = Image.open(REPORTS / "p3.jpg").info["icc_profile"]
    data = encoded(four_colours(), "PNG", icc_profile=profile, transparency=FOUR[1])
    found = np.asarray(read_image(data)).astype(int)[4::16, 4::16].reshape(4, 3)
    assert abs(found - [FOUR_IN_P3[0], (255, 255, 255), *FOUR_IN_P3[2:]]).max() <= 8


def test_a_profile_in_a_bitmap():
    profile = Image.open(REPORTS / "p3.jpg").info["icc_profile"]
    pixels = four_colours().transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGR")
    head = struct.pack("<IiiHHIIiiII", 124, 32, 32, 1, 24, 0, len(pixels), 0, 0, 0, 0) + bytes(16) + b"DEBM"
    head += bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 138) + head + pixels + profile
    found = np.asarray(read_image(data)).astype(int)[4::16, 4::16].reshape(4, 3)
    assert abs(found - FOUR_IN_P3).max() <= 8
    assert np.array_equal(read_image(data, colour="timm"), four_colours())


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_luma_and_chroma_in_a_tiff_are_colours(compression):
    data = encoded(four_colours().convert("YCbCr"), "TIFF", compression=compression)
    found = np.asarray(read_image(data)).astype(int)[4::16, 4::16].reshape(4, 3)
    assert abs(found - FOUR).max() <= 3


def test_an_animation_that_is_not_its_stand_in():
    stand_in, first, second = (Image.new("RGB", (20, 10), name) for name in ("red", "lime", "blue"))
    data = encoded(stand_in, "PNG", save_all=True, append_images=[first, second], default_image=True)
    assert read_image(data).getpixel((3, 3)) == (0, 255, 0)


def test_twelve_bits_in_sixteen_can_be_stretched():
    values = np.linspace(0, 4095, 20 * 10).reshape(10, 20).astype(np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert np.asarray(read_image(data)).max() == 16
    stretched = np.asarray(read_image(data, stretch=True))
    assert (stretched.min(), stretched.max()) == (0, 255)


# Very large photographs


def test_a_photograph_of_108_megapixels_is_decoded_smaller():
    wide = Image.new("RGB", (12000, 9000), (200, 60, 40))
    data = encoded(wide, "JPEG", quality=30)
    del wide
    image = read_image(data)
    assert image.size == (3000, 2250)
    assert max(abs(a - b) for a, b in zip(image.getpixel((99, 99)), (200, 60, 40))) < 6


def test_what_cannot_be_decoded_smaller_keeps_the_limit():
    noise = Image.effect_noise((700, 500), 50).convert("RGB")
    for kind, how in (("PNG", {}), ("JPEG", {"progressive": True}), ("JPEG", {})):
        with pytest.raises(UnreadableImage, match="over the limit"):
            read_image(encoded(noise, kind, **how), max_pixels=100_000)
    image = jpeg.opened(encoded(noise, "JPEG"))
    jpeg.make_smaller(image, 50_000_000)
    assert image.size == (700, 500)


def test_heic():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    data = encoded(Image.new("RGB", (64, 48), (200, 60, 40)), "HEIF", quality=90)
    assert max(abs(a - b) for a, b in zip(read_image(data).getpixel((9, 9)), (200, 60, 40))) < 8


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://example.org/cat.jpg", "is an address, and nothing is fetched here: save the picture"),
        ("file:///tmp/cat.jpg", "is a file's address"),
        (".", "is a folder: give the file of one picture"),
        ("", "Nothing is given where a picture is wanted"),
        ("no/such/cat.jpg", "There is no file 'cat.jpg'"),
    ],
)
def test_what_is_no_file_gets_its_own_sentence(source, said):
    with pytest.raises(UnreadableImage, match=said):
        read_image(source)


def test_a_jpeg_is_not_copied_once_more(monkeypatch):
    """A photograph of 12 megapixels would take 48 MB and a moment twice; its file is let go all the same."""
    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(pixels), "JPEG")
    wanted = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    monkeypatch.setattr(Image.Image, "copy", None)
    read = read_image(data)
    assert (read.mode, read.fp) == ("RGB", None)
    monkeypatch.undo()
    assert np.array_equal(np.asarray(read), wanted)
    assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(read))), wanted)
    mine = Image.fromarray(pixels)
    assert read_image(mine) is not mine, "what a caller brings stays the caller's"
