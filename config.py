"""Every setting of the project in one place: paths, data digests, limits.

Constants hold the defaults. What a deployer changes is read from the environment by
`settings()`, and a flag of a script overrides both. Importing this module does nothing.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
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
    max_queue: int = 256  # requests waiting beyond which a further one is answered 503
    max_seconds: int = 30  # for a request's body to come, and then for its answer to be made
    max_bytes: int = 16 * 1024 * 1024  # of one request's body
    max_pixels: int = 50_000_000  # of one decoded picture
    max_total_pixels: int = 200_000_000  # of all pictures of a request
    max_batch: int = 64  # pictures a request
    log_format: str = "text"
    # What callers must show; none is asked for if empty. Not in repr, which may be logged.
    api_key: str = field(default="", repr=False)
    cors_origins: tuple[str, ...] = ()  # whose pages in a browser may ask; commas between them
    api_url: str = ""  # of a running API that reads for the page, in place of a model of its own
    page_pictures: int = 1_000  # in one batch on the page
    page_bytes: int = 256 * 1024 * 1024  # of one batch's pictures, those in a zip file unpacked


LOG_FORMATS = ("text", "json")
TEXTS = {  # the settings whose text must be of a form: that, in words, and an example
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
REMOVED = {  # settings of earlier versions, and what takes their place
    "MNIST_RATE_LIMIT": "limit requests in the proxy in front, see docs/security.md",
    "MNIST_PROXIES": "the server no longer reads X-Forwarded-For",
}
SECRET = ("api_key",)  # never shown, not even when it is refused
LIMITS = {"port": (1, 65_535), "page_port": (1, 65_535)}
DEFAULT_LIMIT = (1, 2**31 - 1)


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, with `MNIST_<FIELD>` of the environment in place of a default.

    Raises ConfigError, naming the variable, for a value that is malformed or out of range.
    """
    environ = os.environ if environ is None else environ
    for variable, instead in REMOVED.items():
        if variable in environ:
            raise ConfigError(f"{variable} is no longer a setting: unset it; {instead}")
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
