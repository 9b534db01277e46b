"""Where in a picture the digit was found: the box that the page draws."""

import numpy as np
import pytest
from PIL import Image
from test_enhanced import drawn

import utils
from enhanced import enhance
from load_mnist_local import Mnist


@pytest.mark.parametrize("side", [0.9, 0.4, 0.08])
@pytest.mark.parametrize("place", [(0.1, 0.2), (0.5, 0.5), (1.0, 0.7)])
@pytest.mark.parametrize("page", [(280, 280), (1500, 1000), (120, 90)])
def test_the_box_is_where_the_digit_was_drawn(
    mnist: Mnist, page: tuple[int, int], place: tuple[float, float], side: float
) -> None:
    inside = (round(0.9 * page[0]), round(0.9 * page[1]))
    picture = Image.new("L", page, 255)
    corner = ((page[0] - inside[0]) // 2, (page[1] - inside[1]) // 2)
    picture.paste(drawn(mnist.test.images[0], inside, max(side * inside[1], 12), place), corner)
    rows, columns = np.nonzero(np.asarray(picture) < 128)
    edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    image, box = utils.located(picture, "enhanced")
    assert np.abs(np.array(box) - edges / np.array([*page, *page])).max() < 0.03
    assert np.array_equal(image, enhance(picture))


def test_other_methods_take_the_whole_picture(mnist: Mnist) -> None:
    picture = drawn(mnist.test.images[0], 28, 20)
    for method in ("basic", "none"):
        image, box = utils.located(picture, method)
        assert box == utils.WHOLE
        assert np.array_equal(image, utils.to_mnist_form(picture, method))
