"""The sites that references lead to, their keys, and what the environment says about them.

The hub's own variables are honoured: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`,
`HF_HUB_CACHE`, `HF_HUB_OFFLINE`. Civitai's key is `CIVITAI_API_KEY`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx

HUB_URL = "https://huggingface.co"
CIVITAI_URL = "https://civitai.com"

_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True)
class Site:
    """A place that may want a key.

    Attributes:
        url: its address, without a slash at the end. The key goes to this origin only.
        variable: the environment variable that holds the key.
        key: what it holds; None when it is not set.
        headers: what every request to this site carries besides.
    """

    url: str
    variable: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def owns(self, url: httpx.URL) -> bool:
        """Whether an address is of this origin: the same scheme, host and port."""
        own = httpx.URL(self.url)
        return (own.scheme, own.host, _port(own)) == (url.scheme, url.host, _port(url))

    @property
    def request_headers(self) -> dict[str, str]:
        """The headers of a request to this site, the key among them."""
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {**self.headers, **key}


@dataclass(frozen=True, slots=True)
class Sites:
    """The hub, civitai, the folder of the hub's own cache, and whether the network is off."""

    hub: Site
    civitai: Site
    hub_cache: Path
    offline: bool = False

    @classmethod
    def from_environment(
        cls, civitai_url: str = CIVITAI_URL, environment: Mapping[str, str] = os.environ
    ) -> Sites:
        """Read the variables.

        Args:
            civitai_url: the setting of this name.
            environment: the variables.
        """
        home = _hub_home(environment)
        hub_url = environment.get("HF_ENDPOINT") or HUB_URL
        cache = environment.get("HF_HUB_CACHE")
        return cls(
            hub=Site(hub_url.rstrip("/"), "HF_TOKEN", _hub_token(environment, home)),
            civitai=Site(
                civitai_url.rstrip("/"),
                "CIVITAI_API_KEY",
                environment.get("CIVITAI_API_KEY", "").strip() or None,
                # Without it civitai redirects to pages for people instead of saying what is wrong.
                MappingProxyType({"Content-Type": "application/json"}),
            ),
            hub_cache=Path(cache).expanduser() if cache else home / "hub",
            offline=any(
                environment.get(name, "").lower() in _TRUE
                for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
            ),
        )

    def of(self, url: httpx.URL) -> Site | None:
        """The site that an address belongs to, if any."""
        return next((site for site in (self.hub, self.civitai) if site.owns(url)), None)


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _hub_home(environment: Mapping[str, str]) -> Path:
    caches = Path(environment.get("XDG_CACHE_HOME") or "~/.cache")
    named = environment.get("HF_HOME")
    return (Path(named) if named else caches / "huggingface").expanduser()


def _hub_token(environment: Mapping[str, str], home: Path) -> str | None:
    """The variable's, else the one that the hub's `login` command stored."""
    if token := environment.get("HF_TOKEN", "").strip():
        return token
    path = Path(environment.get("HF_TOKEN_PATH") or home / "token").expanduser()
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
