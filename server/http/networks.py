"""How much of an address tells one client from another."""

from __future__ import annotations

import ipaddress

#: Bits of an IPv6 address that a provider gives away at once: a single machine has all the rest.
PREFIX = 64


def network_of(address: str) -> str:
    """What an address counts as where clients are counted: itself, or of IPv6 the network."""
    try:
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network((address, PREFIX), strict=False))
    except ValueError:  # no address that has a network
        return address
    return address
