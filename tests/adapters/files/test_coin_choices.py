"""The choice of coins on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.coin_choices import CoinChoices


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    """The choices come back, from a folder that did not exist and over a former file; nothing else is left there."""
    choices = CoinChoices(path=tmp_path / "data" / "coins.json")
    assert choices.load() == {}
    choices.save({"ETH": 1027})
    choices.save({"ETH": 1027, "BTC": 1})
    assert choices.load() == {"BTC": 1, "ETH": 1027}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["coins.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b'{"BTC": 1', b"[]", b'{"BTC": "1"}', b'{"BTC": true}', b'{"BTC": 0}', b"\xff\xfe\x00", b"[" * 99999],
)
def test_an_unreadable_file_is_not_taken_for_an_empty_one(tmp_path: Path, content: bytes) -> None:
    """The error names the file and the next step, and the file is as it was."""
    path = tmp_path / "coins.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"coins\.json") as caught:
        CoinChoices(path=path).load()
    assert "SYMBOLS" in caught.value.next_step
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    """A failed save is an error of ours, and leaves no scrap behind."""
    (tmp_path / "coins.json").mkdir()
    with pytest.raises(StateError, match="cannot be kept"):
        CoinChoices(path=tmp_path / "coins.json").save({"BTC": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["coins.json"]


def test_a_folder_that_is_a_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """Neither reading nor writing there raises anything else."""
    (tmp_path / "data").write_text("")
    choices = CoinChoices(path=tmp_path / "data" / "coins.json")
    with pytest.raises(StateError):
        choices.load()
    with pytest.raises(StateError):
        choices.save({"BTC": 1})
