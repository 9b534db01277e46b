"""Every setting of the project in one place: paths, data digests, presets, limits.

Constants hold the defaults. What a deployer changes is read from the environment by
`settings()`, and a flag of a script overrides both. Importing this module does nothing.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
DATA_DIR = ROOT / "data"
DOCS_DIR = ROOT / "docs"
MODEL_PATH = ROOT / "models" / "mnist_cnn.keras"
CHECKPOINT_DIR = ROOT / "models" / "checkpoints"
EXPORT_DIR = ROOT / "exports"

IMAGE_SIZE = 28  # side of the field, pixels
DIGIT_BOX = 20  # side of the box a digit is scaled into (LeCun et al. 1998)
CLASSES = 10

# Below it an answer's `is_digit` says: not one digit. The threshold chosen on validation is
# folded into the model when it is trained (its logit is shifted), so that it is this for all.
IS_DIGIT_THRESHOLD = 0.5

VALIDATION_SIZE = 5_000  # images held out of the 60,000, 500 or so a class
SPLIT_SEED = 20_240_501

PREPROCESSING_METHODS = ("enhanced", "basic", "none")
DEFAULT_PREPROCESSING = "enhanced"


class ReaderError(Exception):
    """A fault that a person can mend; its message says what is wrong and what would be right."""


class ConfigError(ReaderError):
    """A setting in the environment has a value that cannot be used."""


@dataclass(frozen=True)
class DataFile:
    """One IDX file of MNIST: its name, its shape once read, and the SHA-256 of its plain bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str


DATA_FILES = {
    "train_images": DataFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train_labels": DataFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "test_images": DataFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "test_labels": DataFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


@dataclass(frozen=True)
class Augmentation:
    """How far training images are bent. Every number is the largest amount drawn; 0 is off.

    Lengths are pixels of the 28x28 field, angles degrees, shares probabilities an image.
    """

    rotation: float = 0.0  # degrees either way
    shift: float = 0.0  # pixels either way
    scale: float = 0.0  # log2 of the factor, each axis on its own, either way
    shear: float = 0.0  # tangent of the slant, either way
    perspective: float = 0.0  # keystone: relative change of scale across the field
    elastic: float = 0.0  # pixels, standard deviation of the displacement's knots
    thickness: float = 0.0  # share of images with a stroke thinned or thickened
    added_strokes: float = 0.0  # share of ones given a foot; twice it a flag; 1.5 of 7s a bar
    rough: float = 0.0  # share of images each: low resolution, hard edges, blur, noise, dry ink
    varied: float = 0.0  # how much less an image may be bent than another: 1, not at all


@dataclass(frozen=True)
class PoolRecipe:
    """How many training images of each kind are made beforehand; see training_pool.py."""

    bent: int  # MNIST's digits, bent
    sheets: int  # the same on canvases and paper, brought back through `enhanced`
    strokes: int  # digits written anew in other people's shapes, likewise
    none: int  # pictures of no digit, likewise
    augmentation: Augmentation
    seed: int = 1


@dataclass(frozen=True)
class Preset:
    """One training recipe: the network's widths, the schedule and the augmentation."""

    filters: tuple[int, int, int, int, int]
    epochs: int
    augmentation: Augmentation
    batch_size: int = 128
    learning_rate: float = 3e-3  # the peak of the one-cycle schedule
    weight_decay: float = 1e-2
    dropout: float = 0.2
    label_smoothing: float = 0.0
    train_images: int | None = None  # None: all of the training split
    seed: int = 1
    pool: PoolRecipe | None = None  # None: MNIST's digits, bent anew in every epoch
    parts: int = 1  # of the pool, one an epoch
    fresh: float = 0.0  # share of a batch that is MNIST, bent anew, in place of the pool's
    last: bool = False  # keep the last epoch, not the best on validation: it is to be averaged
    start: str | None = None  # of the teachers: the model whose weights are gone on from
    # Whose answers are learnt: models in models/checkpoints/teachers, or the shipped one.
    teachers: tuple[str, ...] = ()
    taught: float = 0.7  # share of an answer that the teachers give; the label gives the rest
    smoothed: float = 0.02  # share of an answer spread over all digits, where no teacher knows
    doubt: float = 0.2  # weight of "it could be any digit" for no digit (Hendrycks et al. 2019)


MILD = Augmentation(rotation=10, shift=1.5, scale=0.15, shear=0.15)
STRONG = Augmentation(
    rotation=15,
    shift=2.0,
    scale=0.3,
    shear=0.35,
    perspective=0.15,
    elastic=0.7,
    thickness=0.5,
    added_strokes=0.25,
    rough=0.08,
)

# Most people's digits are near MNIST's: each is bent by its own share of what may be.
VARIED = replace(STRONG, added_strokes=0.15, varied=1.0)

POOL = PoolRecipe(bent=300_000, sheets=90_000, strokes=60_000, none=90_000, augmentation=STRONG)
LATER_POOL = PoolRecipe(
    bent=0, sheets=80_000, strokes=60_000, none=110_000, augmentation=VARIED, seed=2
)

STANDARD = Preset((32, 48, 64, 96, 96), 45, STRONG, weight_decay=2e-2)
BROAD = replace(
    STANDARD,
    filters=(32, 56, 80, 128, 128),
    epochs=64,
    pool=POOL,
    parts=8,
    teachers=("standard", "wide", "pooled"),
)
MIXED = replace(
    BROAD,
    epochs=15,
    augmentation=VARIED,
    learning_rate=1.5e-3,
    pool=LATER_POOL,
    parts=1,
    fresh=0.5625,
    last=True,
    start="broad",
    teachers=("standard", "wide", "broad"),
)

BEST = replace(
    MIXED,
    epochs=6,
    learning_rate=1e-3,
    fresh=0.6875,
    start="mixed",
    taught=0.3,
    smoothed=0.0,
    doubt=0.05,
)
TINY = replace(
    BEST,
    filters=(16, 32, 40, 56, 64),
    epochs=30,
    learning_rate=3e-3,
    weight_decay=1e-2,
    dropout=0.1,
    last=False,
    start=None,
    teachers=(MODEL_PATH.stem,),
    taught=0.5,
)

PRESETS = {
    # Seconds: proves that the path works, says nothing about accuracy.
    "smoke": Preset((8, 16, 16, 16, 16), 3, MILD, train_images=2_000),
    # The default: a few minutes on two cores, at least 99.4% on the test set.
    "quick": Preset((16, 32, 32, 64, 64), 7, MILD, dropout=0.1),
    # At least 99.6% on the test set, and other people's pens: a teacher of `best`.
    "standard": STANDARD,
    # Two more teachers: a wider network, and one that has seen all that a reader meets.
    "wide": replace(STANDARD, filters=(32, 64, 96, 128, 128), epochs=20, seed=2),
    "pooled": replace(
        STANDARD, epochs=16, seed=3, pool=POOL, parts=8, teachers=("standard", "wide")
    ),
    # What the shipped model begins with: that pool, and what three teachers say of it.
    "broad": BROAD,
    # MNIST bent anew in every epoch, beside pictures that `broad` has not seen; three runs, of
    # seeds 1 to 3, are averaged.
    "mixed": MIXED,
    # The shipped model, again the average of three: the labels count for more, and what is no
    # digit is the eleventh logit's business alone.
    "best": BEST,
    # For a microcontroller: what the shipped model knows, in less than 100 kB of 8-bit numbers.
    "tiny": TINY,
}
DEFAULT_PRESET = "quick"

CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """What a deployer may change, each by `MNIST_<FIELD>` in the environment."""

    data_dir: Path = DATA_DIR
    model: Path = MODEL_PATH
    host: str = "127.0.0.1"
    port: int = 5000
    page_port: int = 7860
    workers: int = CORES  # processes that answer requests
    max_queue: int = 128  # requests waiting beyond which a further one is answered 503
    max_seconds: int = 30  # for a request's body to come, and then for its answer to be made
    max_bytes: int = 16 * 1024 * 1024  # of one request's body
    max_pixels: int = 50_000_000  # of one decoded picture
    max_batch: int = 64  # pictures a request
    rate_limit: str = ""  # of one client's requests, such as 60/minute; none if empty
    proxies: int = 0  # in front that add to X-Forwarded-For, by which a client is then told
    log_format: str = "text"
    # What callers must show; none is asked for if empty. Not in repr, which may be logged.
    api_key: str = field(default="", repr=False)
    cors_origins: tuple[str, ...] = ()  # whose pages in a browser may ask; commas between them
    api_url: str = ""  # of a running API that reads for the page, in place of a model of its own
    page_pictures: int = 1_000  # in one batch on the page
    page_bytes: int = 256 * 1024 * 1024  # of one batch's pictures, those in a zip file unpacked


LOG_FORMATS = ("text", "json")
TEXTS = {  # the settings whose text must be of a form: that, in words, and an example
    "rate_limit": (
        r"[1-9][0-9]{0,6}/(second|minute|hour|day)",
        "a number of requests a second, minute, hour or day",
        "60/minute",
    ),
    "log_format": ("|".join(LOG_FORMATS), " or ".join(LOG_FORMATS), "json"),
    "api_key": (  # RFC 6750: what a header can carry
        r"[A-Za-z0-9._~+/-]+=*",
        "letters, digits and . _ ~ + / - with = at the end only",
        "a long random text",
    ),
    "cors_origins": (
        r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?",
        "origins as a browser sends them, without a path, such as https://example.org",
        "https://example.org",
    ),
    "api_url": (
        r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?",
        "the API's address, http or https, without a query or a name and password",
        "http://127.0.0.1:5000",
    ),
}
SECRET = ("api_key",)  # never shown, not even when it is refused
LIMITS = {"port": (1, 65_535), "page_port": (1, 65_535), "proxies": (0, 16)}
DEFAULT_LIMIT = (1, 2**31 - 1)


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, with `MNIST_<FIELD>` of the environment in place of a default.

    Raises ConfigError, naming the variable, for a value that is malformed or out of range.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    for known in fields(Settings):
        variable = f"MNIST_{known.name.upper()}"
        if variable in environ:
            given[known.name] = _parse(variable, environ[variable], known.name, known.default)
    return Settings(**given)


def _parse(variable: str, text: str, name: str, default: Any) -> Any:
    if not text.strip():
        example = TEXTS[name][2] if name in TEXTS else default
        raise ConfigError(f"{variable} is empty: unset it, or give a value such as {example}")
    if isinstance(default, int):
        return whole_number(variable, name)(text)
    if isinstance(default, Path):
        return Path(text)
    parts = tuple(part.strip() for part in text.split(",")) if default == () else (text,)
    for part in parts if name in TEXTS else ():
        check_text(variable, name, part, text)
    return parts if default == () else text


def check_text(label: str, name: str, part: str, whole: str) -> None:
    """Raise ConfigError unless a part of the whole text is of the form of the setting `name`."""
    form, expected, _ = TEXTS[name]
    port = re.search(r":([0-9]+)(/|$)", part) if "://" in part else None
    if not re.fullmatch(form, part) or (port and not 0 < int(port[1]) <= 65_535):
        what = "cannot be used" if name in SECRET else f"is {whole!r}"
        raise ConfigError(f"{label} {what}: expected {expected}")


def whole_number(label: str, name: str) -> Callable[[str], int]:
    """Return a parser of whole numbers within the limits of the setting `name`."""
    low, high = LIMITS.get(name, DEFAULT_LIMIT)

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ConfigError(
                f"{label} is {text!r}: it must be a whole number from {low} to {high}"
            )
        return value

    return parse
