"""All faults that tests can inject: ``stand_in.faults.push(faults.null_price(1))``."""

from __future__ import annotations

from sandbox.fault_queue import Fault, FaultQueue
from sandbox.faulty_answers import (
    busy_keyless,
    empty_data,
    gateway_error,
    html_page,
    json_body,
    no_data,
    plain_body,
    refused,
    text_code,
    truncated_json,
    wrong_types,
)
from sandbox.faulty_quotes import (
    duplicated,
    frozen_quote,
    left_out,
    nan_price,
    null_price,
    odd_fields,
    odd_price,
    renamed,
)
from sandbox.faulty_wires import gzip_bomb, hang, huge_body, redirect, reset_before_answer, reset_in_body, slow_drip

__all__ = [
    "Fault",
    "FaultQueue",
    "busy_keyless",
    "duplicated",
    "empty_data",
    "frozen_quote",
    "gateway_error",
    "gzip_bomb",
    "hang",
    "html_page",
    "huge_body",
    "json_body",
    "left_out",
    "nan_price",
    "no_data",
    "null_price",
    "odd_fields",
    "odd_price",
    "plain_body",
    "redirect",
    "refused",
    "renamed",
    "reset_before_answer",
    "reset_in_body",
    "slow_drip",
    "text_code",
    "truncated_json",
    "wrong_types",
]
