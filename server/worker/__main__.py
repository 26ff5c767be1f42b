"""The worker process: `python -m server.worker --options JSON`.

Commands come on standard input and messages leave on standard output, as `wire` frames; log
lines go to standard error. `--describe` prints what `darkroom doctor` wants to know, and ends.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import BinaryIO, NoReturn

from server.errors import ConfigurationError
from server.plugins.manager import discover
from server.snapshots import CancelTask, Command, LoadModel, RunTask, UnloadModel, WorkerReady
from server.worker import wire
from server.worker.device import choose, describe
from server.worker.memory_news import MemoryNews
from server.worker.options import WorkerOptions
from server.worker.outbox import Outbox
from server.worker.preview import Previewer
from server.worker.runner import Runner
from server.worker.stdio import claim

log = logging.getLogger("server.worker")


def main() -> None:
    """Read the command line and work until the server goes away or nothing is to do."""
    parser = argparse.ArgumentParser(prog="python -m server.worker", description=__doc__)
    parser.add_argument("--options", default="{}", help="WorkerOptions as JSON")
    parser.add_argument("--describe", action="store_true", help="print the devices as JSON")
    arguments = parser.parse_args()
    options = WorkerOptions.model_validate_json(arguments.options)
    commands, messages = claim()
    if arguments.describe:
        messages.write(json.dumps(describe(options.device)).encode())
        messages.close()
        return
    # A terminal's Ctrl-C and a service manager's stop reach the whole process group; the server
    # decides what ends, and without it this process ends by itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Threads of torch that spin while they wait make an image thirty times slower as soon as
    # something else uses the cores; on an idle machine sleeping costs nothing that shows.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Models come from folders: a library that asks a hub for a file would be a mistake.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.basicConfig(
        level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        serve(commands, Outbox(messages), options)
    except ConfigurationError as error:
        log.critical("%s", error.message)
        _end(1)


def serve(stream: BinaryIO, outbox: Outbox, options: WorkerOptions) -> NoReturn:
    """Run the commands that come on `stream`.

    Raises:
        ConfigurationError: there is no such device.
    """
    folder = Path(options.plugin_folder) if options.plugin_folder else None
    previewer = Previewer(outbox.put, options.preview_interval)
    plugins = discover(folder, options.models)
    device = choose(options.device)
    news = MemoryNews(outbox.put, device.name)
    runner = Runner(plugins, news, previewer, options)
    commands: SimpleQueue[Command] = SimpleQueue()
    Thread(target=_listen, args=(stream, commands, runner), daemon=True).start()
    outbox.put(WorkerReady(os.getpid(), device.name))
    work(commands, runner, options.keep_alive, news.tell)
    runner.close()
    outbox.close()
    _end(0)


def work(
    commands: SimpleQueue[Command],
    runner: Runner,
    keep_alive: float,
    ended: Callable[[], None],
) -> None:
    """Run commands in order until none has come for `keep_alive` seconds (negative: for ever;
    0: a task was run and nothing else waits). `ended` is called after each."""
    limit = None if keep_alive <= 0 else keep_alive
    while True:
        try:
            command = commands.get(timeout=limit)
        except Empty:
            return
        match command:
            case RunTask():
                runner.run(command)
                limit = 0 if keep_alive == 0 else limit
            case LoadModel():
                runner.load(command)
            case UnloadModel():
                runner.unload(command)
        ended()


def _listen(stream: BinaryIO, commands: SimpleQueue[Command], runner: Runner) -> None:
    """Take commands while the main thread computes; when the server is gone, so are we."""
    try:
        while (command := wire.read(stream)) is not None:
            if isinstance(command, CancelTask):
                runner.cancel(command.job_id, command.attempt)
            else:
                commands.put(command)  # type: ignore[arg-type]
    except (wire.ProtocolError, OSError):
        log.exception("what the server sent cannot be read")
    finally:
        _end(0)


def _end(code: int) -> NoReturn:
    """End the process at once: a step in progress is not waited for, nor a blocked reader, which
    an orderly end of the interpreter would trip over."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
