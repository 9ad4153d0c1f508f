"""Replicas of a cluster behind a round robin, played by databases of one engine.

Each request goes to the next replica. What is sent ON CLUSTER happens on all of them; what is inserted into one comes
to the others, at once or when they catch up. The engines are plain ones, and are called Replicated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.support.clickhouse_front import ClickHouseFront, as_called, without_call

CLUSTER = "pair"
_ON_CLUSTER = f" ON CLUSTER `{CLUSTER}`"
_ENGINE_SHOWN = "name, replaceRegexpOne(engine, '(Replacing)?MergeTree', 'Replicated\\\\0')"


@dataclass
class ReplicatedFront(ClickHouseFront):
    """A server whose requests go to replicas in turn."""

    database: str = ""  # that of the program
    replicas: tuple[str, ...] = ()  # the databases that play it
    lagging: bool = False  # whether what is inserted comes to the other replicas only with `catch_up`
    down: set[str] = field(default_factory=set)  # they answer no request; what is sent ON CLUSTER is kept for them
    _asked: int = 0
    _kept: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)

    def execute(self, statement: str, body: bytes, parameters: dict[str, str]) -> bytes:
        up = [one for one in self.replicas if one not in self.down]
        replica = up[self._asked % len(up)]
        self._asked += 1
        others = [one for one in self.replicas if one != replica]
        if without_call(statement).startswith("SELECT (SELECT engine FROM system.databases"):
            listed = f"[('{CLUSTER}', 1, {len(self.replicas)}, 1)]"
            clusters = f"CAST({listed}, 'Array(Tuple(String, UInt64, UInt32, UInt8))')"
            statement = as_called(f"SELECT 'Atomic', '0', 1, {clusters}, 0, [] FORMAT Native", statement)
        answer = self._on(replica, statement, body, parameters)
        if _ON_CLUSTER in statement or statement.lstrip().startswith("INSERT"):
            for other in others:
                if other in self.down or (self.lagging and _ON_CLUSTER not in statement):
                    self._kept.append((other, statement, body, parameters))
                else:
                    self._on(other, statement, body, parameters)
        return answer

    def catch_up(self) -> None:
        self.lagging, self.down = False, set()
        while self._kept:
            self._on(*self._kept.pop(0))

    def _on(self, replica: str, statement: str, body: bytes, parameters: dict[str, str]) -> bytes:
        here = statement.replace(_ON_CLUSTER, "").replace("ENGINE = Replicated", "ENGINE = ")
        here = re.sub(rf"\b{self.database}\b", replica, here).replace("name, engine,", f"{_ENGINE_SHOWN},")
        bound = {
            name: re.sub(rf"\b{self.database}\b", replica, value) if name.startswith("param_") else value
            for name, value in parameters.items()
        }
        return super().execute(here, body, bound)
