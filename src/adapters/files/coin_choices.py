"""Which coin is meant by which symbol, kept on disk so that it never changes silently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from adapters._bases.disk import Disk
from adapters._bases.errors import StateError


class CoinChoices:
    """A JSON file of symbol to CoinMarketCap id, ``{"BTC": 1, "ETH": 1027}``, that people may edit.

    The file and its folder need not exist before the first `save`.
    """

    def __init__(self, *, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, int]:
        """The choices kept so far, empty when there is no file. Reads only.

        Raises:
            StateError: the file cannot be read or is not such an object. Taking it for empty could change the choices.
        """
        try:
            choices = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:
            raise self._unreadable() from exc
        if not isinstance(choices, dict) or not all(_is_id(cmc_id) for cmc_id in choices.values()):
            raise self._unreadable()
        return choices

    def save(self, choices: Mapping[str, int]) -> None:
        """Replace the former choices by these, atomically.

        Raises:
            StateError: the file cannot be written; the former one is untouched.
        """
        text = json.dumps(dict(sorted(choices.items())), indent=2) + "\n"
        try:
            disk = Disk()
            disk.make_folder(self._path.parent)
            disk.replace(self._path, text.encode())
        except OSError as exc:
            raise StateError(
                f"the choice of coins cannot be kept in {self._path}: {exc.strerror or exc}",
                next_step="make room and see to it that this user may write there; DATA_PATH names the folder",
            ) from exc

    def _unreadable(self) -> StateError:
        return StateError(
            f"the choice of coins in {self._path} cannot be read",
            next_step="restore the file, or write the coins' ids into SYMBOLS (such as BTC:1) and move the file away",
        )


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
