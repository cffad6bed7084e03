"""The frames of images, from their numbers or names."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.readers.nested import shown

_NUMBERED = re.compile(r"(.*?)(\d{1,18})", re.ASCII | re.DOTALL)
# In a date with the time of day, or in seconds with a fraction, the last number is not a frame number.
_TIME = re.compile(
    r"(.*\D)?(\d{4}[-_.]?\d\d[-_.]?\d\d[T_ -]?\d\d[-_:.]?\d\d[-_:.]?\d\d([.,]\d+)?|\d{9,}[.,]\d+)", re.ASCII
)


def frame_numbers(images: Iterable[tuple[Any, str]]) -> list[int]:
    r"""The frame of each image.

    An image is a number, or a name that ends in one (`"clip_000012.jpg"`); all names must begin with the same
    text. If all names are times (`"2026-01-01T12_00_00.033.png"`), frames are counted in their natural order.

    Args:
        images: Each image with its location in the file, for errors.

    Raises:
        ValueError: If an image is neither a number nor such a name, or the images belong to several series.
    """
    images = list(images)
    if images and all(isinstance(image, str) and _TIME.fullmatch(_stem(image)) for image, _ in images):
        order = sorted({image for image, _ in images}, key=natural)
        place = {image: number for number, image in enumerate(order)}
        return [place[image] for image, _ in images]
    series: str | None = None
    numbers = []
    for image, where in images:
        found = _NUMBERED.fullmatch(_stem(image)) if isinstance(image, str) else None
        if isinstance(image, float) and image.is_integer():
            image = int(image)
        if found is None and (type(image) is not int or image < 0):
            raise ValueError(f"{where} {shown(image)}, expected a number, or a name that ends in one")
        name, number = found.groups() if found else ("", image)
        series = name if series is None else series
        if name != series:
            raise ValueError(f"{where} {shown(image)}, expected all frames to belong to {shown(series)}")
        numbers.append(int(number))
    return numbers


def _stem(name: str) -> str:
    path = Path(name)
    return path.name if path.suffix[1:].isdecimal() else path.stem
