"""Letters and signs of many scripts, from the fonts that come with matplotlib."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Characters that a hand may write as some digit: they are no examples of "no digit".
LOOK_ALIKES = set(
    "0123456789oOQDСсCcIilLjJ|!/\\()[]{}ZzSsBbGqgyY.,'`\"-_–—~¡¿·°ΟοΘθΙιΖζΒβςσϛЗзОоБбвВІіЇїЈјЧчУуЅѕ"
)
SCRIPTS = (
    (0x21, 0x7E),  # Latin
    (0xA1, 0x17F),
    (0x391, 0x3C9),  # Greek
    (0x410, 0x44F),  # Cyrillic
    (0x531, 0x586),  # Armenian
    (0x5D0, 0x5EA),  # Hebrew
    (0x621, 0x64A),  # Arabic
    (0x10D0, 0x10F0),  # Georgian
    (0x1401, 0x1520),  # Canadian syllabics
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x25A0, 0x25FF),  # shapes
    (0x2600, 0x26FF),  # symbols
    (0x2D30, 0x2D65),  # Tifinagh
)
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif")


def letter(rng: np.random.Generator) -> Image.Image:
    """Return a character of a font, slanted and stretched: mode L, 96x96, ink 255."""
    names = characters()
    path, character = names[rng.integers(len(names))]
    sheet = Image.new("L", (96, 96))
    ImageDraw.Draw(sheet).text((48, 48), character, 255, _font(path, 60), anchor="mm")
    slant, wide = rng.uniform(-0.3, 0.3), 2.0 ** rng.uniform(-0.4, 0.4)
    turned = sheet.transform(
        (96, 96),
        Image.Transform.AFFINE,
        (wide, slant, 48 * (1 - wide - slant), 0, 1, 0),
        Image.Resampling.BILINEAR,
    )
    return turned.rotate(rng.normal(0, 6), Image.Resampling.BILINEAR)


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@cache
def characters() -> list[tuple[str, str]]:
    """Return font and character of all that is drawn and does not look like a digit."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = []
    for name in FONTS:
        path = str(folder / f"{name}.ttf")
        missing = (
            _font(path, 20).getmask("\uffff").getbbox(),
            bytes(_font(path, 20).getmask("\uffff")),
        )
        for first, last in SCRIPTS:
            for code in range(first, last + 1):
                mask = _font(path, 20).getmask(chr(code))
                drawn = mask.getbbox(), bytes(mask)
                if chr(code) not in LOOK_ALIKES and drawn[0] and drawn != missing:
                    found.append((path, chr(code)))
    return found
