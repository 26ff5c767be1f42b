"""From a site's refusal to an error that says what to do."""

from __future__ import annotations

import json

import httpx

from server.source_errors import (
    EarlyAccess,
    GatedSource,
    SourceFailed,
    SourceMissing,
    SourceRemoved,
    SourceUnauthorized,
)
from server.sources.sites import Site
from server.wording import shown


def refusal(response: httpx.Response, body: bytes, site: Site | None) -> SourceFailed:
    """The error for an answer with a status of 300 to 499.

    Args:
        response: the answer.
        body: (the beginning of) its body.
        site: the site it came from, None when it is another host.
    """
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    address = shown(str(response.url))
    told = _told(body)
    if code == "GatedRepo":
        return GatedSource(_gated(response.url, site))
    if "early access" in told.lower():
        return EarlyAccess(
            f"{address} is in early access: buy it on its page with the account of "
            "CIVITAI_API_KEY, wait until it is free, or name an older version."
        )
    if code == "RepoNotFound":
        hint = "its name is wrong, or it is private: set HF_TOKEN to a token that may read it"
        return SourceMissing(f"{_page(response.url)} does not exist for you: {hint}.")
    if status in (404, 410):
        return _gone(status, address, _quoted(told))
    if status in (401, 403):
        return SourceUnauthorized(f"{address} {_key_needed(status, site)}{_quoted(told)}.")
    return SourceFailed(f"{address} answered {status}{_quoted(told)}. Check the reference.")


def _gone(status: int, address: str, quoted: str) -> SourceMissing:
    if status == 410:
        return SourceRemoved(f"{address} was taken away{quoted}. Name another one.")
    return SourceMissing(f"{address} does not exist{quoted}. Check the reference.")


def _gated(url: httpx.URL, site: Site | None) -> str:
    key = site.key if site else None
    variable = "that HF_TOKEN belongs to" if key else "and set HF_TOKEN to a token of that account"
    accept = "accept its licence with the account" if key else "accept its licence with an account"
    return f"{_page(url)} is gated: open it in a browser, {accept} {variable}, then try again."


def _key_needed(status: int, site: Site | None) -> str:
    if site is None:
        return (
            f"refuses the file to this server (status {status}); download it yourself and name "
            "the local file"
        )
    if site.key is None:
        return f"wants a key: set {site.variable} to one of your account"
    return f"does not accept the key in {site.variable}: it is wrong, or may not read this"


def _page(url: httpx.URL) -> str:
    """The repository's page, from the address of one of its files or of the hub's API."""
    segments = url.path.removeprefix("/api/models").strip("/").split("/")[:2]
    return shown(str(url.copy_with(path="/" + "/".join(segments), query=None)))


def _told(body: bytes) -> str:
    """The site's own words, if it answered with JSON that has any."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    words = told.get("error") or told.get("message") if isinstance(told, dict) else None
    return words[:200] if isinstance(words, str) else ""


def _quoted(words: str) -> str:
    return f" (it says: {words.rstrip('.')})" if words else ""
