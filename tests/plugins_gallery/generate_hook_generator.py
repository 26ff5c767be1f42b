"""Writes `generate` as a generator function, which would answer for every family."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def generate(pipeline, task, on_step):
    if task.family == "mine":
        yield from pipeline.generate(task, on_step)
