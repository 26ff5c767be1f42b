"""Which previews of a running job become its partial images."""

from __future__ import annotations

from server.snapshots import JobSnapshot


class Partials:
    """Chooses among the previews of one job: of each image so many as are wanted, spread over its
    steps. Of an image that is quicker than its previews there are fewer."""

    def __init__(self, wanted: int) -> None:
        """`wanted`: how many of each image."""
        self._wanted = wanted
        self._image: int | None = None
        self._chosen = 0
        self._last: bytes | None = None

    def choose(self, snapshot: JobSnapshot) -> int | None:
        """The index, from 0, among its image's partial images that the preview of this snapshot is;
        None where it is not one, or was looked at before."""
        if snapshot.image_index != self._image:
            self._image, self._chosen, self._last = snapshot.image_index, 0, None
        if snapshot.preview is None or snapshot.preview is self._last:
            return None
        self._last = snapshot.preview
        is_done = any(image["index"] == self._image for image in snapshot.images)
        if is_done or self._chosen >= self._due(snapshot):
            return None
        self._chosen += 1
        return self._chosen - 1

    def _due(self, snapshot: JobSnapshot) -> int:
        """How many there should have been by now: three divide the steps into four parts."""
        if snapshot.step is None or not snapshot.total_steps:
            return 0
        passed = snapshot.step * (self._wanted + 1) // snapshot.total_steps
        return min(passed, self._wanted)
