"""Reading pictures of every kind, refusing what is none, and cropping as timm does."""

import functools
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from papr_core import InvalidInput, UnreadableImage, read_image
from papr_core.data.images import FITS, View, fit_image, image_tensor


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
        "a folder": ("/tmp", "no file 'tmp'"),
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
