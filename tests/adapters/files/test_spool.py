"""The spool: what was put is there, whole and in order, until it is removed."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import StateError
from adapters.files.spool import Spool
from tests.support.mortal_disk import ENDINGS, Died, Ending, MortalDisk

NOBODY = 65534
COLUMNS = ("symbol", "price", "name")
values = st.one_of(st.none(), st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9))
rows = st.lists(st.tuples(values, values, values), min_size=1, max_size=5)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@given(rows)
def test_batch_is_read_back_exactly(batch: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        read = spool.read(spool.put(COLUMNS, batch))
    assert read.damage is None
    assert [tuple(record.values()) for record in read.records] == batch


@pytest.mark.parametrize("ending", ENDINGS)
def test_batch_is_complete_or_absent_wherever_the_disk_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        folder.mkdir()
        disk = MortalDisk(folder, monkeypatch)
        spool = Spool(folder / "spool")
        spool.put(COLUMNS, [("BTC", 1.0, "")])
        disk.steps_left = steps
        died = True
        with suppress(Died):
            spool.put(COLUMNS, [("ETH", 2.0, "")])
            died = False
        disk.restart(ending)
        spool.put(COLUMNS, [("SOL", 3.0, "")])
        batches = [spool.read(path) for path in spool.waiting()]
        assert [batch.damage for batch in batches] == [None] * len(batches)
        found = [batch.records[0]["symbol"] for batch in batches]
        assert found in [["BTC", "ETH", "SOL"]] + [["BTC", "SOL"]] * died
        monkeypatch.undo()
        if not died:
            break
        steps += 1
    assert steps == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_removed_and_rejected_batches_do_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    disk = MortalDisk(tmp_path, monkeypatch)
    spool = Spool(tmp_path / "spool")
    stored, damaged = (spool.put(COLUMNS, [(name, 1.0, "")]) for name in ("BTC", "ETH"))
    assert spool.settle(stored)
    disk.restart(ending)
    assert spool.waiting() == [damaged]
    assert spool.settle(damaged, "torn")
    disk.restart(ending)
    assert spool.waiting() == []
    [target] = spool.rejected.waiting()
    assert [record["symbol"] for record in spool.read(target).records] == ["ETH"]
    assert target.with_name(f"{target.name}.reason").read_text() == "torn\n"


@given(st.data())
def test_damage_is_detected_and_intact_records_are_kept(data: st.DataObject) -> None:
    batch = [(f"S{number}", number / 3, "Näme\n") for number in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        path = spool.put(COLUMNS, batch)
        whole = path.read_bytes()
        path.write_bytes(data.draw(damaged(whole)))
        read = spool.read(path)
    found = [tuple(record.values()) for record in read.records]
    assert set(found) <= set(batch)
    assert found == batch or read.damage is not None


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """The content with one kind of damage."""
    place = st.integers(0, len(whole) - 1)
    flipped = st.builds(
        lambda at, bit: whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :], place, st.integers(0, 7)
    )
    return st.one_of(
        place.map(lambda at: whole[:at]),
        place.map(lambda at: whole[:at] + bytes(len(whole) - at)),
        flipped,
        st.just(b""),
        st.just(bytes(len(whole))),
    )


def test_removed_file_reads_as_an_empty_batch(tmp_path: Path) -> None:
    """A reader beside a job may find a file gone: its rows have been stored."""
    spool = Spool(tmp_path)
    path = spool.put(["symbol"], [("BTC",)])
    assert spool.settle(path)
    assert spool.read(path) == (path, [], None)


@pytest.mark.parametrize("record", [None, b"", b'["ETH",2.0]', b'["ETH",2.0,"",1]', b'{"symbol":"ETH"}', b'"ETH"'])
def test_record_of_another_form_is_damage(spool: Spool, record: bytes | None) -> None:
    """Also with a checksum that matches, as that of nothing does."""
    path = spool.put(COLUMNS, [("BTC", 1.0, ""), ("ETH", 2.0, "")])
    header, first, _ = path.read_bytes().splitlines()
    last = [] if record is None else [b"%08x %s" % (zlib.crc32(record), record)]
    path.write_bytes(b"\n".join([header, first, *last]))
    read = spool.read(path)
    assert [record["symbol"] for record in read.records] == ["BTC"]
    assert read.damage == "1 of 2 records are damaged or missing"


def test_batch_of_an_earlier_release_is_read(spool: Spool) -> None:
    """What waits while the checkout is updated is loaded: letters beyond ASCII stood there as escapes."""
    path = spool.put(COLUMNS, [])
    header = {"format": 1, "columns": list(COLUMNS), "records": 3}
    batch = [["BTC", 87000.123456789, "Bitcoin"], ["₿", 1e-9, "币安"], ["X", 5e300, "\ud800"]]
    texts = [json.dumps(record, separators=(",", ":")).encode() for record in (header, *batch)]
    path.write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts))
    assert b"\\u20bf" in path.read_bytes()
    assert spool.read(path) == (path, [dict(zip(COLUMNS, record, strict=True)) for record in batch], None)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_number_is_read_back_as_none(spool: Spool, price: float) -> None:
    read = spool.read(spool.put(COLUMNS, [("BTC", price, "Bitcoin"), ("ETH", 2.5, "Ether")]))
    assert [record["price"] for record in read.records] == [None, 2.5]
    assert read.damage is None


@pytest.mark.parametrize(
    "header",
    [
        '{"format":1,"columns":["symbol"]}', '{"format":1,"records":1}',
        '{"format":1,"columns":[["symbol"]],"records":1}', '{"format":1,"columns":["symbol"],"records":"one"}',
        '{"format":2,"columns":["symbol"],"records":1}', '["format",1]', "",
    ],
)  # fmt: skip
def test_incomplete_header_is_damage(spool: Spool, header: str) -> None:
    path = spool.put(COLUMNS, [("BTC", 1.0, "")])
    record = path.read_bytes().splitlines()[1]
    path.write_bytes(b"%08x %s\n%s\n" % (zlib.crc32(header.encode()), header.encode(), record))
    assert spool.read(path) == (path, [], "its first line is not a spool header")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unlistable_folder_keeps_its_batches() -> None:
    """What waits there unseen is never replaced: the rows are refused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waiting = Spool(folder).put(COLUMNS, [("BTC", 1.0, "")])
        os.chown(folder, NOBODY, NOBODY)
        folder.chmod(0o300)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(StateError, match="cannot be written: Permission denied"):
                Spool(folder).put(COLUMNS, [("ETH", 2.0, "")])
        finally:
            os.seteuid(0)
        assert [record["symbol"] for record in Spool(folder).read(waiting).records] == ["BTC"]


def test_rejected_file_is_never_replaced(spool: Spool) -> None:
    """A new one gets a number beyond all that are there, and its reason beside it."""
    for name in ("first", "second", "third"):
        assert spool.settle(spool.put(COLUMNS, [(name, 1.0, "")]), name)
        if name == "second":
            spool.rejected.waiting()[0].unlink()
    assert spool.waiting() == []
    assert [spool.read(path).records[0]["symbol"] for path in spool.rejected.waiting()] == ["second", "third"]
    reasons = sorted((spool.folder / "rejected").glob("*.reason"))
    assert [path.read_text() for path in reasons] == ["first\n", "second\n", "third\n"]
