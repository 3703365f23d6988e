"""Of a file that holds several pictures, the one that is meant; raw formats, which hold a thumbnail first,
refused."""

from typing import TYPE_CHECKING, cast

from papr_core.errors import UnreadableImage

if TYPE_CHECKING:
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

__all__ = ["is_negative", "show_the_picture"]

# tags of TIFF 6.0 and DNG 1.7
_SUBFILE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION, _CFA_PATTERN = 254, 262, 330, 50706, 33422
_REDUCED, _MASK = 1, 4
_YCBCR = 6
_WHITE_IS_ZERO, _OF_A_SENSOR = 0, (32803, 34892)
_RAW = "The file is a camera's raw data, of which only a thumbnail could be shown: develop it to JPEG or PNG."


def show_the_picture(image: "Image.Image", data: bytes) -> None:
    """Turn an opened file to the picture that it is about: not a thumbnail before it, nor what stands in
    for an animation where none is shown.

    Raises:
        UnreadableImage: raw data of a camera, or nothing but thumbnails.
    """
    if image.format == "TIFF":
        image = cast("TiffImageFile", image)
        if data[8:10] == b"CR" or _of_a_sensor(image):
            raise UnreadableImage(_RAW)
        if not _reduced(image):
            _by_libtiff(image)
            return
        for frame in range(1, min(getattr(image, "n_frames", 1), 100)):
            image.seek(frame)
            if not _reduced(image):
                _by_libtiff(image)
                return
        raise UnreadableImage(
            _RAW if _SUB_IFDS in image.tag_v2 else "The TIFF file holds nothing but a thumbnail."
        )
    if image.format == "PNG" and getattr(image, "default_image", False):
        image.seek(1)  # browsers show the animation; the first picture is for those who know none


def is_negative(image: "Image.Image") -> bool:
    """Whether its zero is white, where Pillow leaves it so: grey of more than eight bits."""
    tags = getattr(image, "tag_v2", None)
    return bool(tags and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


def _of_a_sensor(image: "TiffImageFile") -> bool:
    tags = image.tag_v2
    return _DNG_VERSION in tags or _CFA_PATTERN in tags or tags.get(_PHOTOMETRIC) in _OF_A_SENSOR


def _reduced(image: "TiffImageFile") -> bool:
    kind = image.tag_v2.get(_SUBFILE, 0)
    return isinstance(kind, int) and bool(kind & (_REDUCED | _MASK))


def _by_libtiff(image: "TiffImageFile") -> None:
    """Luma and chroma that are not packed: Pillow itself would take them for RGB, the library that it asks
    for packed ones knows them."""
    if image.tag_v2.get(_PHOTOMETRIC) == _YCBCR and not image.use_load_libtiff:
        image.use_load_libtiff = True
        image.tile = [("libtiff", (0, 0, *image.size), 0, ("RGBX", "raw", False, image.tag_v2.offset))]  # type: ignore[list-item]
