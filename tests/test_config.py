"""Settings: typed from the environment, refused by name when they cannot be used."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config

NUMBERS = [field.name for field in fields(config.Settings) if isinstance(field.default, int)]


def variable(name: str) -> str:
    return f"MNIST_{name.upper()}"


def test_without_variables_the_defaults_hold() -> None:
    assert config.settings({"PATH": "/bin", "MNISTPORT": "1"}) == config.Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data_dir", "/srv/digits", Path("/srv/digits")),
        ("model", "other/model.keras", Path("other/model.keras")),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("log_format", "json", "json"),
        ("api_key", "a-Long.one_~+/9==", "a-Long.one_~+/9=="),
        ("cors_origins", "https://a.example", ("https://a.example",)),
        (
            "cors_origins",
            " http://localhost:3000 ,https://[::1]:8080",
            ("http://localhost:3000", "https://[::1]:8080"),
        ),
        *((name, "4711", 4711) for name in NUMBERS),
    ],
)
def test_each_setting_is_taken_from_its_variable(name: str, text: str, value: Any) -> None:
    found = config.settings({variable(name): text})
    assert getattr(found, name) == value
    assert type(getattr(found, name)) is type(value) or isinstance(value, Path)
    rest = asdict(config.Settings()) | {name: value}
    assert asdict(found) == rest


@pytest.mark.parametrize("name", ["MNIST_RATE_LIMIT", "MNIST_PROXIES"])
def test_a_setting_of_an_earlier_version_is_refused_rather_than_ignored(name: str) -> None:
    with pytest.raises(config.ConfigError, match=f"{name} is no longer a setting"):
        config.settings({name: "60/minute"})


def test_the_processs_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_PORT", "8080")
    assert config.settings().port == 8080


@pytest.mark.parametrize("name", [field.name for field in fields(config.Settings)])
@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_an_empty_variable_is_refused(name: str, text: str) -> None:
    with pytest.raises(config.ConfigError, match=f"{variable(name)} is empty"):
        config.settings({variable(name): text})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["five", "1.5", "0", "-3", "1e3", "0x10", "99999999999999", "5 0"])
def test_a_number_that_is_none_or_out_of_range_is_refused(name: str, text: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.settings({variable(name): text})
    message = str(caught.value)
    assert variable(name) in message
    assert repr(text) in message
    assert "whole number from 1 to" in message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("log_format", "JSON", "text or json"),
        ("log_format", "jsonx", "text or json"),
        ("cors_origins", "*", "https://example.org"),
        ("cors_origins", "https://a.example/", "without a path"),
        ("cors_origins", "https://a.example,", "origins"),
        ("cors_origins", "a.example", "origins"),
        ("cors_origins", "https://A.example", "origins"),
        ("api_key", "two words", "letters, digits"),
        ("api_key", "schlüssel", "letters, digits"),
        ("api_key", "a=b", "letters, digits"),
        ("api_key", "key\n", "letters, digits"),
    ],
)
def test_a_text_of_another_form_is_refused(name: str, text: str, words: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.settings({variable(name): text})
    assert variable(name) in str(caught.value)
    assert words in str(caught.value)
    assert (repr(text) in str(caught.value)) == (name not in config.SECRET)


@pytest.mark.parametrize("name", ["port", "page_port"])
def test_ports_end_at_65535(name: str) -> None:
    assert getattr(config.settings({variable(name): "65535"}), name) == 65_535
    with pytest.raises(config.ConfigError, match="from 1 to 65535"):
        config.settings({variable(name): "65536"})


@given(st.sampled_from(NUMBERS), st.text(max_size=12))
def test_any_text_is_a_number_in_range_or_refused_by_name(name: str, text: str) -> None:
    try:
        value = getattr(config.settings({variable(name): text}), name)
    except config.ConfigError as fault:
        assert variable(name) in str(fault)
    else:
        low, high = config.LIMITS.get(name, config.DEFAULT_LIMIT)
        assert low <= value <= high


def test_paths_do_not_depend_on_the_working_directory() -> None:
    for path in (config.DATA_DIR, config.DOCS_DIR, config.MODEL_PATH, config.CHECKPOINT_DIR):
        assert path.is_absolute()
        assert path.is_relative_to(config.ROOT)


def test_the_data_files_are_four_with_a_digest_each() -> None:
    assert len({file.name for file in config.DATA_FILES.values()}) == 4
    assert len({file.sha256 for file in config.DATA_FILES.values()}) == 4
    assert all(len(file.sha256) == 64 for file in config.DATA_FILES.values())


def test_a_config_error_is_a_fault_that_a_person_can_mend() -> None:
    assert issubclass(config.ConfigError, config.ReaderError)
