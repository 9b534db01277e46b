"""The pictures of one request: what they may cost together, and where they are decoded."""

import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageDraw

import config
from api.picture_reader import PictureReader
from api.problems import TooManyPixels
from decoding_process import LARGE_PIXELS
from utils import UnreadablePicture

SETTINGS = config.Settings(max_pixels=4_000_000, max_total_pixels=6_000_000)


def picture(side: int, kind: str = "PNG") -> bytes:
    image = Image.new("L", (side, side), 255)
    ImageDraw.Draw(image).line([(side // 2, side // 5), (side // 2, side // 2)], 0, side // 9)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


class Remote:
    """Calls functions in this process, and counts the calls and their costs."""

    def __init__(self) -> None:
        self.costs: list[int] = []

    def __call__(self, cost: int, seconds: float, function: Any, *args: Any) -> Any:
        self.costs.append(cost)
        return function(*args)


@pytest.mark.parametrize("kind", ["PNG", "WebP", "GIF", "BMP", "JPEG"])
def test_the_pixels_that_headers_state_are_added_up_and_bounded(
    kind: str, request_at_hand: None
) -> None:
    content = picture(1800, kind)
    with pytest.raises(TooManyPixels, match="6,480,000 pixels in total: at most 6,000,000"):
        PictureReader(SETTINGS).read([content, content], "enhanced")
    assert PictureReader(SETTINGS).read([content], "enhanced").shape == (1, 28, 28, 1)


def test_base64_is_no_way_round_it(request_at_hand: None) -> None:
    text = base64.b64encode(picture(1800)).decode()
    with pytest.raises(TooManyPixels):
        PictureReader(SETTINGS).read([text, f"data:image/png;base64,{text}"], "enhanced")


def test_one_picture_above_its_own_limit_is_refused_for_that(request_at_hand: None) -> None:
    with pytest.raises(UnreadablePicture, match=r"2 of 2: .* at most 4,000,000 are accepted"):
        PictureReader(SETTINGS).read([picture(100), picture(2500)], "enhanced")


def test_what_costs_much_together_is_decoded_elsewhere(request_at_hand: None) -> None:
    remote = Remote()
    reader = PictureReader(SETTINGS, remote)
    side = int(LARGE_PIXELS**0.5)
    reader.read([picture(side)], "enhanced")
    assert remote.costs == []
    reader.read([picture(side), picture(20)], "enhanced")
    assert remote.costs == [side * side, 400]
