"""How smoothly the page's gallery scrolls with ten thousand images, as a ratio to a hundred.

A browser scrolls 60 pixels with each frame; what is measured is the time between frames. Both
galleries are scrolled in turns, so that what else the machine does meets both alike.

    python benchmarks/gallery_scroll.py [--turns N] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.chromium import launched, visit
from tests.browser.filling import fill
from tests.serving import live_server

FEW, MANY = 100, 10_000
FRAMES = 120

#: Scrolls down for so many frames, and answers with the milliseconds between them.
SCROLL = """
frames => new Promise(resolve => {
  const times = [];
  let last = performance.now();
  const frame = now => {
    times.push(now - last);
    last = now;
    scrollBy(0, 60);
    if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) scrollTo(0, 0);
    if (times.length < frames) requestAnimationFrame(frame);
    else resolve(times.slice(1));
  };
  requestAnimationFrame(frame);
})
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often each is scrolled")
    parser.add_argument("--json", action="store_true", help="print numbers only")
    arguments = parser.parse_args()
    times = measure(arguments.turns)
    found = {str(count): _summary(of) for count, of in times.items()}
    ratio = found[str(MANY)]["p95_ms"] / found[str(FEW)]["p95_ms"]
    if arguments.json:
        print(json.dumps({**found, "ratio_p95": ratio}))
        return
    for count, summary in found.items():
        print(
            f"{count:>6} images: {summary['median_ms']:.1f} ms, 95 of 100 frames "
            f"within {summary['p95_ms']:.1f} ms"
        )
    print(f"ratio of the 95th hundredths: {ratio:.2f}")


def measure(turns: int) -> dict[int, list[float]]:
    """The milliseconds between frames, by how many images there are."""
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(launched())
        pages: dict[int, Page] = {}
        for count in (FEW, MANY):
            data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
            fill(data, count)
            server = stack.enter_context(live_server(data))
            pages[count] = stack.enter_context(visit(browser, server.url, "/#/gallery"))
            pages[count].locator(".tile img").first.wait_for()
        times: dict[int, list[float]] = {count: [] for count in pages}
        for _ in range(turns):
            for count, page in pages.items():
                page.bring_to_front()
                times[count] += page.evaluate(SCROLL, FRAMES)
        return times


def _summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"median_ms": statistics.median(times), "p95_ms": ordered[int(len(ordered) * 0.95)]}


if __name__ == "__main__":
    main()
