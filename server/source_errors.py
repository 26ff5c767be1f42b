"""Why weights could not be brought to this machine: a branch of the tree in `server.errors`.

SourceFailed                       source_failed
├── SourceMissing                  source_missing
├── GatedSource                    gated_source
├── SourceUnauthorized             source_unauthorized
├── EarlyAccess                    early_access
├── NotAWeightsFile                not_a_weights_file
├── UnsafeFile                     unsafe_file
├── HashMismatch                   hash_mismatch
├── SizeMismatch                   size_mismatch
├── DiskFull                       disk_full
├── OfflineSource                  offline_source
├── SourceUnreachable              source_unreachable
└── ForbiddenAddress               forbidden_address
"""

from __future__ import annotations

from server.errors import JobFailure


class SourceFailed(JobFailure):
    """Weights could not be brought to this machine, for a reason that no other code describes."""

    code = "source_failed"
    title = "The weights could not be fetched"


class SourceMissing(SourceFailed):
    """The place that the reference names has no such weights."""

    code = "source_missing"
    title = "No such weights"


class GatedSource(SourceFailed):
    """The hub wants the model's licence accepted first."""

    code = "gated_source"
    title = "The model's licence must be accepted first"


class SourceUnauthorized(SourceFailed):
    """The site wants a key, or does not accept the one it got."""

    code = "source_unauthorized"
    title = "The site wants a key"


class EarlyAccess(SourceFailed):
    """Only those who bought early access may download this version now."""

    code = "early_access"
    title = "Early access only"


class NotAWeightsFile(SourceFailed):
    """What the address gives is a web page, or another thing than its name says."""

    code = "not_a_weights_file"
    title = "Not a file of weights"


class UnsafeFile(SourceFailed):
    """The file is a pickle, which runs code when it is loaded; none is ever used."""

    code = "unsafe_file"
    title = "Pickle files are not used"


class HashMismatch(SourceFailed):
    """The file's SHA-256 is not the one that its site tells."""

    code = "hash_mismatch"
    title = "The file is not what its site says"


class SizeMismatch(SourceFailed):
    """The file's size is not the one that its site tells."""

    code = "size_mismatch"
    title = "The file has another size than its site says"


class DiskFull(SourceFailed):
    """The weights do not fit on the disk. `needed` and `free` are bytes, None when unknown."""

    code = "disk_full"
    title = "Disk full"

    def __init__(
        self, message: str = "", *, needed: int | None = None, free: int | None = None
    ) -> None:
        super().__init__(message)
        self.needed = needed
        self.free = free


class OfflineSource(SourceFailed):
    """The weights are not on this machine, and `HF_HUB_OFFLINE` forbids to fetch them."""

    code = "offline_source"
    title = "Offline"


class SourceUnreachable(SourceFailed):
    """The site does not answer, or only with errors of its own, after several tries; or it sends so
    little that the download would not end."""

    code = "source_unreachable"
    title = "The site cannot be reached"


class ForbiddenAddress(SourceFailed):
    """The address, or one it redirects to, is not on the public internet or not https."""

    code = "forbidden_address"
    title = "Address not allowed"
