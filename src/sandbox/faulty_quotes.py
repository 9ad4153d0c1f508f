"""Faults of single coins in an answer that is otherwise honest; the same for quotes/latest and historical."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.answer import Answer
from sandbox.bodies import JsonObject
from sandbox.fault_queue import Fault
from sandbox.market import iso


def null_price(coin_id: int) -> Fault:
    """The coin is there, its price is null."""
    return odd_price(coin_id, None)


def nan_price(coin_id: int) -> Fault:
    """The price is the word NaN, which is not JSON but which many parsers let through."""
    return odd_price(coin_id, float("nan"))


def odd_price(coin_id: int, price: Any) -> Fault:
    """Any value as the coin's price: infinite, zero, negative, tiny, huge, a text."""
    return _each_quote(f"price {price!r}", coin_id, lambda quote: quote.update(price=price))


def odd_fields(coin_id: int, **values: Any) -> Fault:
    """Any values in fields of the coin or of its quotes, wherever it has them."""

    def spoil(coin: JsonObject) -> None:
        for part in (coin, *_quotes(coin)):
            part.update({name: value for name, value in values.items() if name in part})

    return _each_coin(f"odd {', '.join(values)}", coin_id, spoil)


def frozen_quote(coin_id: int, updated_at: datetime) -> Fault:
    """The coin was last updated at that aware instant: before its death, or in the future."""

    def spoil(coin: JsonObject) -> None:
        stamp = iso(updated_at.timestamp())
        for part in (coin, *_quotes(coin)):
            if "last_updated" in part:
                part["last_updated"] = stamp
        for row in coin.get("quotes", ()):
            row["timestamp"] = stamp
            row["quote"]["USD"]["timestamp"] = stamp

    return _each_coin("frozen quote", coin_id, spoil)


def renamed(coin_id: int, symbol: str, *, name: str = "Renamed (simulated)") -> Fault:
    """The id is the coin's, symbol and name are another's."""
    return _each_coin("renamed", coin_id, lambda coin: coin.update(symbol=symbol, name=name))


def left_out(coin_id: int) -> Fault:
    """The coin is silently missing."""
    return _coin_list("left out", lambda coins: [coin for coin in coins if coin["id"] != coin_id])


def duplicated(coin_id: int) -> Fault:
    """The coin (its quotes, where the data is keyed by id) is there twice, the second time 1 % dearer."""

    def twice(coins: list[JsonObject]) -> list[JsonObject]:
        return coins + [_dearer(coin) for coin in coins if coin["id"] == coin_id]

    def alter(answer: Answer, now: datetime) -> Answer:
        data = answer.document.get("data")
        if isinstance(data, list):
            return _coin_list("", twice).alter(answer, now)
        return _each_coin("", coin_id, lambda coin: coin["quotes"].extend(_dearer(coin)["quotes"])).alter(answer, now)

    return Fault("duplicated", alter)


def _dearer(coin: JsonObject) -> JsonObject:
    changed = copy.deepcopy(coin)
    for quote in _quotes(changed):
        quote["price"] *= 1.01
    return changed


def _each_quote(name: str, coin_id: int, spoil: Callable[[JsonObject], None]) -> Fault:
    def spoil_coin(coin: JsonObject) -> None:
        for quote in _quotes(coin):
            spoil(quote)

    return _each_coin(name, coin_id, spoil_coin)


def _each_coin(name: str, coin_id: int, spoil: Callable[[JsonObject], None]) -> Fault:
    def change(coins: list[JsonObject]) -> list[JsonObject]:
        for coin in coins:
            if coin["id"] == coin_id:
                spoil(coin)
        return coins

    return _coin_list(name, change)


def _coin_list(name: str, change: Callable[[list[JsonObject]], list[JsonObject]]) -> Fault:
    """A fault that changes the coins of an answer; a refusal, which has none, is left as it is."""

    def alter(answer: Answer, _: datetime) -> Answer:
        document = copy.deepcopy(answer.document)
        data = document.get("data")
        if isinstance(data, list):
            document["data"] = change(data)
        elif isinstance(data, dict):
            document["data"] = {str(coin["id"]): coin for coin in change(list(data.values()))}
        return replace(answer, document=document)

    return Fault(name, alter)


def _quotes(coin: JsonObject) -> Iterator[JsonObject]:
    """The parts of a coin that hold a price: of ``quote`` (latest) or ``quotes`` (historical)."""
    yield from coin.get("quote", ())
    for row in coin.get("quotes", ()):
        yield from row["quote"].values()
