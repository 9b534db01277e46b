"""What `make hostile` sends is what it is called, and harmless; what it promises is checked."""

import asyncio
import contextlib
import json
import random
import re
import struct
import sys
import time

import event_loop
import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import attack_bodies
import attacks
from attack_bodies import FLAT, HUGE, KINDS
from honest_clients import Record, percentile
from hostile_clients import Run, is_flat, promises, unexpected
from http_client import in_chunks, multipart

import config
from containers import MARKER, take_apart
from decoding import PictureError, decode

MOST_SECONDS = 1.0  # of the processor
SMALL = (640, 500)


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def outcome_of(picture: bytes) -> str:
    """Decode, within the time that is promised; return "read" or the refusal."""
    begun = time.process_time()
    try:
        decode(picture)
        outcome = "read"
    except PictureError as fault:
        outcome = str(fault)
    assert time.process_time() - begun < MOST_SECONDS
    return outcome


@pytest.mark.parametrize("kind", FLAT)
def test_a_flat_picture_holds_49_million_pixels_in_few_bytes(kind: str) -> None:
    content = FLAT[kind](HUGE)
    assert take_apart(content).size == HUGE
    assert 40_000_000 < HUGE[0] * HUGE[1] <= config.Settings.max_pixels
    assert len(content) < 64 * 1024
    picture = decode(FLAT[kind](SMALL))
    assert picture.size == SMALL
    assert picture.convert("L").getextrema() == (250, 250)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_pictures_state_a_large_size_and_are_refused(kind: str) -> None:
    assert take_apart(attack_bodies.with_size(kind)).size == HUGE
    content = attack_bodies.with_size(kind, SMALL)
    assert outcome_of(content[: len(content) * 2 // 3]) != "read"
    outcome_of(attack_bodies.flipped(content, random.Random(1)))


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bits_leave_the_markers_of_a_jpeg(seed: int) -> None:
    content = attack_bodies.with_size("JPEG", SMALL)
    damaged = attack_bodies.flipped(content, random.Random(seed), 20)
    assert damaged != content
    markers = [[(m.start(), m[0]) for m in MARKER.finditer(each)] for each in (content, damaged)]
    assert markers[0] == markers[1]
    outcome_of(damaged)


def test_jpegs_of_other_processes_are_headers_only() -> None:
    contents = attack_bodies.refused_jpegs()
    frames = {content[3] for content in contents}
    assert frames == set(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
    for content in contents:
        (length,) = struct.unpack_from(">H", content, 4)
        assert len(content) == 4 + length  # nothing after it: no scan
        assert outcome_of(content) != "read"


def test_every_light_request_states_its_length() -> None:
    light = attack_bodies.light()
    assert len(light["fuzz corpus"]) == len(list(attack_bodies.CORPUS.iterdir()))
    for kind, requests in light.items():
        assert requests, kind
        for request in requests:
            first, headers, body = parts(request)
            assert re.fullmatch(r"POST /\S+ HTTP/1.1", first)
            assert int(headers["Content-Length"]) == len(body) <= attack_bodies.BODY


def test_the_forms_of_a_request_hold_what_they_should() -> None:
    picture = FLAT["WEBP"](SMALL)
    body = json.loads(parts(attack_bodies.in_json(*[picture] * 20))[2])
    assert [decode(text).size for text in body["images"]] == [SMALL] * 20
    assert parts(attack_bodies.in_form(picture, picture))[2].count(picture) == 2
    assert multipart([b"x"] * 5000)[0].count(b"filename") == 5000
    assert b"".join(in_chunks(b"abcde", 3)) == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    for request in attack_bodies.many_numbers(5_000):
        content = parts(request)[2]
        assert 4_990 < len(content) <= 5_000
        assert json.loads(content)
    assert len(json.loads(parts(attack_bodies.many_keys(1_000))[2])) == 1_000


def test_each_false_tensor_contradicts_itself_or_holds_no_image() -> None:
    for request in attack_bodies.false_tensors():
        _, headers, body = parts(request)
        length = int(headers["Inference-Header-Content-Length"])
        if length > len(body):
            continue
        (tensor,) = json.loads(body[:length])["inputs"]
        binary = body[length:]
        size = tensor["parameters"]["binary_data_size"]
        if size == len(binary) and tensor["name"] == "images":
            needed = 4 * tensor["shape"][0] * config.IMAGE_SIZE**2
            assert needed != size or set(binary) == {0xFF}  # no numbers
        elif size == len(binary):
            assert set(binary[4:]) == {0} or b"\xff" * 4 in binary  # empty, or beyond the end


def recorded(outcome: str = "right", seconds: float = 0.01, form: str = "raw") -> Record:
    record = Record(seconds=[seconds] * 100, health={"/healthz": [seconds] * 100})
    record.small[outcome] += 100
    if outcome != "right":
        record.failures.append((50.0, form, outcome))
    return record


def seen(attacked: Record) -> Run:
    return Run(
        quiet=recorded(),
        attacked=attacked,
        killed=recorded(),
        whole=recorded(),
        memory=[(10.0 * number, 400.0) for number in range(9)],
        kills=5,
        is_whole=True,
    )


def broken(run: Run, kills: tuple[float, ...] = ()) -> int:
    return sum(not holds for holds in promises(run, list(kills)).values())


def test_a_good_run_holds_every_promise_and_each_fault_breaks_one() -> None:
    assert broken(seen(recorded())) == 0
    assert broken(seen(recorded("503"))) == 1  # also when asked again
    assert broken(seen(recorded("wrong"))) == 1
    assert broken(seen(recorded("broken off")), (49.0,)) == 0  # in the hand of a killed worker
    assert broken(seen(recorded("broken off")), (10.0,)) == 1
    assert broken(seen(recorded(seconds=0.099))) == 0
    assert broken(seen(recorded(seconds=0.2))) == 2  # small requests and health checks
    run = seen(recorded(seconds=0.2))
    run.busy = 1.0
    assert broken(run) == 1  # health checks may take longer where all cores are busy
    for outcome in ("500", "503 without Retry-After", "unanswered for 75 s"):
        run = seen(recorded())
        run.attack["outcomes"]["fuzz corpus"] = {"422": 9, outcome: 1}
        assert broken(run) == 1
    run = seen(recorded())
    run.attack["outcomes"]["uploads in chunks"] = {"200": 16, "503": 24}
    run.lost, run.log, run.is_whole, run.ended = [3.0], "Traceback (most", False, True
    run.memory = [(10.0 * number, 100.0 * number) for number in range(9)]
    assert broken(run) == 6


def test_a_failed_health_check_is_a_failure() -> None:
    record = recorded()
    record.health_failures.append((50.0, "/healthz", "503"))
    assert unexpected(record, []) == [(50.0, "/healthz", "503")]


def test_memory_that_settles_is_flat_and_one_that_grows_is_not() -> None:
    def by_time(*sizes: float) -> list[tuple[float, float]]:
        return [(10.0 * number, size) for number, size in enumerate(sizes)]

    assert is_flat(by_time(60, 400, 900, 300, 410, 380, 500))
    assert not is_flat(by_time(60, 400, 500, 600, 700, 800, 900))


def test_percentiles() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([5], 1) == 5
    assert percentile([], 0.99) == 0


CLOSED_AFTER = 30  # responses of the stand-in on one connection


async def stand_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with 200 and nothing else, as a server of HTTP would."""
    with contextlib.suppress(EOFError, OSError):
        for number in range(1, CLOSED_AFTER + 1):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            if length and int(length[1]) > attack_bodies.BODY:
                writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
                break
            await reader.readexactly(int(length[1]) if length else 0)
            if b"transfer-encoding" in head:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            close = b"connection: close\r\n" if number == CLOSED_AFTER else b""
            writer.write(b"HTTP/1.1 200 OK\r\n" + close + b"content-length: 0\r\n\r\n")
    writer.close()


def test_every_act_comes_to_an_end_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "AWAITED", 1.0)
    monkeypatch.setattr(attacks, "PAUSE", 0.01)

    async def attempted(acts: tuple[attacks.Act, ...]) -> dict[str, dict[str, int]]:
        server = await asyncio.start_server(stand_in, "127.0.0.1", 0, limit=2**20)
        async with server:
            port = server.sockets[0].getsockname()[1]
            attacker = attacks.Attacker(port, time.monotonic() + 60)
            await asyncio.gather(*(attacker.attempt(*named) for named in attacks.named(acts)))
            assert len(attacker.floods) == 1
        return {name: dict(counts) for name, counts in attacker.outcomes.items()}

    acts = (*attacks.SLOW_ACTS, *attacks.LIGHT_ACTS, *attacks.BURST_ACTS)
    assert event_loop.run(attempted(acts)) == {
        "stated above the limit": {"413": 1},
        "stated and idle": {"held open": 1},
        "chunked and idle": {"held open": 1},
        "body byte by byte": {"held open": 1},
        "head byte by byte": {"held open": 1},
        "responses never read": {"not read": 1},
        "half closed": {"200": 1},
        "gone after sending": {"gone": 10},
        "underscored headers": {"200": 1},
        "many headers": {"200": 1},
        "pipelined": {"200": 20},
        "http 1 0 kept": {"200": CLOSED_AFTER},
        "flood of gets": {"200": 4 * CLOSED_AFTER},
        "uploads in chunks": {"200": attacks.BURST},
        "flood of requests": {"200": attacks.FLOOD},
    }
