"""Pictures that people attach, decoded for a model: upright, without transparency, of a sane size.

They come from strangers: only four decoders read them, and only so many pixels are unpacked.
"""

import base64
import binascii
import io

from PIL import Image, ImageOps

from shared.errors import UnreadablePictureError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
MAX_PIXELS = 64_000_000
"""Of a file, which has 190 MB once it is unpacked; phones of 50 million pixels are in use."""
MAX_SIDE = 1536
"""Pixels; larger ones are scaled down. More is of no use to most models, and 12 million pixels of a
phone are 15,000 tokens for some."""
MAX_SIDE_ON_CPU = 768
"""Pixels: a processor computes a picture's tokens some fifty times slower than a GPU."""
MIN_SIDE = 32
"""A patch of most models; smaller ones are scaled up."""
MAX_RATIO = 32
"""Between the sides; models refuse a line of pixels. The rest is filled with white."""
SAMPLE_URL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAgMAAADXB5lNAAAADFBMVEX/AAAAoAAAAP///wBaBG4RAAAAH0lEQVR4"
    "2mNkgIJQKM3EgAZGBUayAOOq0fQxKoBbAACS2AHTHuthXAAAAABJRU5ErkJggg=="
)
"""Four squares of four colours, to try a model with."""
WIDE_LEVELS = 256
"""Levels of 16 bits to one of eight."""


def decode_picture(content: bytes, max_side: int = MAX_SIDE) -> Image.Image:
    """The first frame of a picture, in RGB.

    Args:
        content: a PNG, JPEG, GIF or WebP file.
        max_side: the longest side of what is returned, in pixels.

    Raises:
        UnreadablePictureError: it is damaged or too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _require_bounds(image.width * image.height)
            image.draft("RGB", (2 * max_side, 2 * max_side))  # a JPEG is unpacked no larger
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _of_sane_size(_flat(upright), max_side)
    except Image.DecompressionBombError as error:
        raise _too_large(None) from error
    except UnreadablePictureError:
        raise
    except Exception as error:  # whatever a decoder raises for a damaged file
        raise UnreadablePictureError("is damaged") from error


def decode_url(url: str, max_side: int = MAX_SIDE) -> Image.Image:
    """The picture of a ``data:`` URL. See ``decode_picture``."""
    try:
        content = base64.b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise UnreadablePictureError("is damaged") from error
    return decode_picture(content, max_side)


def as_png_url(image: Image.Image) -> str:
    """A picture as a ``data:`` URL."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _require_bounds(num_pixels: int) -> None:
    """Check that a picture may be unpacked.

    Raises:
        UnreadablePictureError: it has too many pixels.
    """
    if num_pixels > MAX_PIXELS:
        raise _too_large(num_pixels)


def _too_large(num_pixels: int | None) -> UnreadablePictureError:
    many = "too many" if num_pixels is None else f"{num_pixels / 1e6:,.0f} million"
    return UnreadablePictureError(
        f"has {many} pixels, and I look at {MAX_PIXELS / 1e6:,.0f} million at most"
    )


def _flat(image: Image.Image) -> Image.Image:
    """In RGB; what is transparent is white, as people see it."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda level: level / WIDE_LEVELS).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def _of_sane_size(image: Image.Image, max_side: int) -> Image.Image:
    image.thumbnail((max_side, max_side))
    longest = max(image.size)
    if longest < MIN_SIDE:
        times = -(-MIN_SIDE // longest)
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
        longest *= times
    shortest = max(MIN_SIDE, longest // MAX_RATIO)
    size = max(image.width, shortest), max(image.height, shortest)
    if size == image.size:
        return image
    ground = Image.new("RGB", size, "white")
    ground.paste(image, (0, 0))
    return ground
