"""A request that waits for its job ends without it.

DarkroomError
├── GenerationTimeout         504  generation_timeout
└── ClientGone                499  client_gone
"""

from __future__ import annotations

from server.errors import DarkroomError


class GenerationTimeout(DarkroomError):
    """The job took longer than `generation_timeout`. It goes on, if it has begun."""

    code = "generation_timeout"
    status = 504
    title = "The image took too long"


class ClientGone(DarkroomError):
    """The client went away; nobody reads the answer."""

    code = "client_gone"
    status = 499
    title = "The client went away"
