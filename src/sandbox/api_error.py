"""A refusal of the simulated source, with the codes and texts of the real one."""

from __future__ import annotations

KEYLESS_LIMIT = "1022"
"""The code of the keyless limit, which is served as text."""

_ANONYMOUS_LIMIT = (
    "You've reached the limit for anonymous access. Sign in to activate a free API plan or upgrade for higher limits."
)
_TEXTS: dict[int, tuple[int, str]] = {
    1001: (401, "This API Key is invalid."),
    1002: (401, "API key missing."),
    1008: (429, "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."),
    1010: (429, "You've exceeded your API Key's monthly rate limit."),
    1022: (429, _ANONYMOUS_LIMIT),
}


class ApiError(Exception):
    """One refusal, free of charge, with the source's own code and text.

    Args:
        code: a string for the keyless limit, as really served.
    """

    def __init__(self, status: int, code: int | str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def known_error(code: int) -> ApiError:
    """The refusal with one of the codes above."""
    status, message = _TEXTS[code]
    return ApiError(status, KEYLESS_LIMIT if str(code) == KEYLESS_LIMIT else code, message)


def bad_request(message: str) -> ApiError:
    """A parameter that the source does not accept."""
    return ApiError(400, 400, message)
