"""Why weights could not be brought to this machine: a branch of the tree in `server.errors`.

SourceFailed                       source_failed
├── SourceMissing                  source_missing
│   ├── SourceRemoved              source_removed
│   └── SourceAmbiguous            source_ambiguous
├── GatedSource                    gated_source
├── SourceUnauthorized             source_unauthorized
├── EarlyAccess                    early_access
├── NotAWeightsFile                not_a_weights_file
├── NotALora                       not_a_lora
├── UnsafeFile                     unsafe_file
├── HashMismatch                   hash_mismatch
├── SizeMismatch                   size_mismatch
├── FileTooLarge                   file_too_large
├── DiskFull                       disk_full
├── OfflineSource                  offline_source
├── SourceUnreachable              source_unreachable
└── ForbiddenAddress               forbidden_address
"""

from __future__ import annotations

from server.errors import JobFailure
from server.wording import plain


class SourceFailed(JobFailure):
    """Weights could not be brought to this machine, for a reason that no other code describes."""

    code = "source_failed"
    title = "The weights could not be fetched"

    def __init__(self, message: str = "") -> None:
        # It may quote what a site says.
        super().__init__(plain(message))


class SourceMissing(SourceFailed):
    """The place that the reference names has no such weights."""

    code = "source_missing"
    title = "No such weights"


class SourceRemoved(SourceMissing):
    """There was such a thing, and its author or its site has taken it away."""

    code = "source_removed"
    title = "Taken away from its site"


class SourceAmbiguous(SourceMissing):
    """The place has several files that could be meant; the message names them."""

    code = "source_ambiguous"
    title = "Several files to choose from"


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


class NotALora(SourceFailed):
    """A LoRA was asked for, and what is there is a checkpoint, an embedding or another thing."""

    code = "not_a_lora"
    title = "Not a LoRA"


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


class FileTooLarge(SourceFailed):
    """The file has more bytes than a setting allows to download (`max_lora_bytes`)."""

    code = "file_too_large"
    title = "The file is too large"


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
