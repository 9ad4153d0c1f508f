"""One line of a check: what was looked at, how it is, what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        subject: what was looked at, such as ``ClickHouse``.
        state: ``ok``; ``warn`` when a person should know; ``fail`` when the main job cannot do without.
        detail: how it is, in one line.
        next_step: what to do; empty when there is nothing to do.
    """

    subject: str
    state: State
    detail: str
    next_step: str = ""
