"""Pictures as strangers send them: every kind, size and damage."""

import base64
import io

import pytest
from PIL import Image

from shared.errors import UnreadablePictureError
from worker.engine.pictures import MAX_SIDE, as_png_url, decode_picture, decode_url

RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(
    mode: str = "RGB",
    color: float | tuple[int, ...] | str = "red",
    size: tuple[int, int] = (60, 40),
) -> bytes:
    return saved(Image.new(mode, size, color), "PNG")


def turned() -> bytes:
    """As a phone that was held upright saves it."""
    exif = Image.Exif()
    exif[0x112] = 6
    return saved(Image.new("RGB", (60, 40), "red"), "JPEG", exif=exif)


def film(kind: str) -> bytes:
    first, second = (Image.new("RGB", (60, 40), color) for color in ("red", "blue"))
    return saved(first, kind, save_all=True, append_images=[second])


def clear_gif() -> bytes:
    return saved(Image.new("P", (60, 40), 0), "GIF", transparency=0)


@pytest.mark.parametrize(
    ("content", "size", "color"),
    [
        (plain(), (60, 40), RED),
        (saved(Image.new("RGB", (60, 40), "red"), "JPEG"), (60, 40), RED),
        (saved(Image.new("CMYK", (60, 40), (0, 255, 255, 0)), "JPEG"), (60, 40), RED),
        (turned(), (40, 60), RED),
        (film("GIF"), (60, 40), RED),
        (film("WEBP"), (60, 40), RED),
        (plain("RGBA", (255, 0, 0, 0)), (60, 40), WHITE),
        (plain("LA", (0, 0)), (60, 40), WHITE),
        (clear_gif(), (60, 40), WHITE),
        (plain("RGBA", (255, 0, 0, 255)), (60, 40), RED),
        (plain("L", 127), (60, 40), (127, 127, 127)),
        (plain("I;16", 2**15), (60, 40), (128, 128, 128)),
        (plain("1", 1), (60, 40), WHITE),
        (plain(size=(1, 1)), (32, 32), RED),
        (plain(size=(4000, 1)), (MAX_SIDE, 48), RED),
        (plain(size=(1, 4000)), (48, MAX_SIDE), RED),
        (plain(size=(5000, 5000)), (MAX_SIDE, MAX_SIDE), RED),
    ],
)
def test_a_picture_becomes_what_people_see_in_a_sane_size(
    content: bytes, size: tuple[int, int], color: tuple[int, int, int]
) -> None:
    image = decode_picture(content)

    assert (image.mode, image.size) == ("RGB", size)
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert all(abs(is_ - should) < 4 for is_, should in zip(pixel, color, strict=True))


NOISE = Image.effect_noise((200, 200), 90)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 20, "is damaged"),
        (b"\xff\xd8\xff", "is damaged"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "is damaged"),
        (saved(NOISE, "PNG")[:-2000], "is damaged"),
        (saved(NOISE, "JPEG")[:-2000], "is damaged"),
        (saved(NOISE, "WEBP")[:-2000], "is damaged"),
        (saved(NOISE, "GIF")[:-2000], "is damaged"),
        (saved(NOISE, "BMP"), "is damaged"),
        (saved(NOISE, "TIFF"), "is damaged"),
        (plain("1", 0, (9000, 8000)), "has 72 million pixels, and I look at 64 million at most"),
        (plain("1", 0, (20000, 20000)), "has too many pixels, and I look at 64 million at most"),
    ],
)
def test_what_cannot_be_shown_says_why(content: bytes, why: str) -> None:
    with pytest.raises(UnreadablePictureError, match=rf"^The picture {why}\. Please") as caught:
        decode_picture(content)

    assert caught.value.why == why


def test_a_data_url_is_read_as_its_picture() -> None:
    again = decode_url(as_png_url(Image.new("RGB", (40, 50), "blue")))

    assert (again.size, again.getpixel((0, 0))) == ((40, 50), (0, 0, 255))
    with pytest.raises(UnreadablePictureError, match="is damaged"):
        decode_url("data:image/png;base64,#" + base64.b64encode(plain()).decode())
