"""How often something may be done, as the configuration says it: `10/minute; 100/hour`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from limits import RateLimitItem, parse_many
from pydantic import BeforeValidator

from server.callers import Tier

#: Without a limit.
UNLIMITED = ""

#: The limits of each tier. A tier that is not named has none.
RateLimits = Mapping[Tier, str]


def parse(text: str) -> tuple[RateLimitItem, ...]:
    """The limits in a text, all of which hold; none in an empty one.

    Raises:
        ValueError: it is none of the form `10/minute; 100/hour`.
    """
    if not text.strip():
        return ()
    try:
        return tuple(parse_many(text))
    except ValueError:
        raise ValueError(f"{text!r} is no rate limit; write `10/minute; 100/hour`, say") from None


def _read(value: Any) -> Any:
    """One text for all tiers, a table of tiers, or `false`."""
    if value is False:
        value = UNLIMITED
    table = dict.fromkeys(Tier, value) if isinstance(value, str) else value
    if isinstance(table, Mapping):
        table = {tier: UNLIMITED if text is False else text for tier, text in table.items()}
        for text in table.values():
            parse(str(text))
    return table


#: As a setting.
RateLimitSetting = Annotated[dict[Tier, str], BeforeValidator(_read)]
