"""What is meant by which symbol, kept on disk so that it never changes silently."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

from adapters._bases.durable import Disk
from adapters._bases.errors import StateError

ChoiceT = TypeVar("ChoiceT")


class Choices(ABC, Generic[ChoiceT]):
    """A JSON file of symbol to what it means, that people may edit.

    The file and its folder need not exist before the first `save`.

    Attributes:
        what: is chosen, for messages, such as ``coins``.
        remedy: what to do about a file that cannot be read.
    """

    what: str
    remedy: str

    def __init__(self, *, path: Path) -> None:
        self._path = path

    @abstractmethod
    def read(self, value: object) -> ChoiceT | None:
        """What a JSON value of the file means; None where it means nothing."""

    @abstractmethod
    def written(self, choice: ChoiceT) -> object:
        """The JSON value that stands for a choice."""

    def load(self) -> dict[str, ChoiceT]:
        """The choices kept so far, empty when there is no file. Reads only.

        Raises:
            StateError: the file cannot be read or is not such an object. Taking it for empty could change the choices.
        """
        try:
            kept = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:
            raise self._unreadable() from exc
        read = {symbol: self.read(value) for symbol, value in kept.items()} if isinstance(kept, dict) else {"": None}
        choices = {symbol: choice for symbol, choice in read.items() if choice is not None}
        if len(choices) < len(read):
            raise self._unreadable()
        return choices

    def save(self, choices: Mapping[str, ChoiceT]) -> None:
        """Replace the former choices by these, atomically.

        Raises:
            StateError: the file cannot be written; the former one is untouched.
        """
        kept = {symbol: self.written(choice) for symbol, choice in sorted(choices.items())}
        text = json.dumps(kept, indent=2) + "\n"
        try:
            disk = Disk()
            disk.make_folder(self._path.parent)
            disk.replace(self._path, text.encode())
        except OSError as exc:
            raise StateError(
                f"the choice of {self.what} cannot be kept in {self._path}: {exc.strerror or exc}",
                next_step="make room and see to it that this user may write there; DATA_PATH names the folder",
            ) from exc

    def _unreadable(self) -> StateError:
        return StateError(f"the choice of {self.what} in {self._path} cannot be read", next_step=self.remedy)
