"""A refusal of the simulated source, with the codes and texts of the real one."""

from __future__ import annotations

KEYLESS_LIMIT = "1022"
"""The code of the keyless limit, which is served as text."""

_TEXTS: dict[int, tuple[int, str]] = {
    1001: (401, "This API Key is invalid."),
    1002: (401, "API key missing."),
    1003: (402, "Your API Key must be activated. Please go to pro.coinmarketcap.com/account/plan."),
    1004: (402, "Your API Key's subscription plan has expired."),
    1005: (403, "An API Key is required for this call."),
    1006: (403, "Your API Key subscription plan doesn't support this endpoint."),
    1007: (403, "This API Key has been disabled. Please contact support."),
    1008: (429, "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."),
    1009: (429, "You've exceeded your API Key's daily rate limit."),
    1010: (429, "You've exceeded your API Key's monthly rate limit."),
    1011: (429, "You've hit an IP rate limit."),
    1022: (
        429,
        (
            "You've reached the limit for anonymous access. "
            "Sign in to activate a free API plan or upgrade for higher limits."
        ),
    ),
    500: (500, "An internal server error occurred"),
}


class ApiError(Exception):
    """One refusal; nothing is charged for it.

    Args:
        status: the HTTP status.
        code: the source's own code; a string for the keyless limit, as really served.
        message: the source's own text.
    """

    def __init__(self, status: int, code: int | str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def known_error(code: int) -> ApiError:
    """The refusal with one of the source's documented codes (1001 to 1011, the keyless 1022, 500).

    Raises:
        KeyError: the code is not documented.
    """
    status, message = _TEXTS[code]
    return ApiError(status, KEYLESS_LIMIT if str(code) == KEYLESS_LIMIT else code, message)


def bad_request(message: str) -> ApiError:
    """A parameter that the source does not accept."""
    return ApiError(400, 400, message)
