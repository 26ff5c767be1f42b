"""A family whose pipelines misbehave in the way that the card's id says."""

from PIL import Image

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"

SIZE = (64, 64)


def raises(task, on_step):
    """Raise after the first image."""
    yield Image.new("RGB", SIZE)
    raise RuntimeError("the second image is too hard")


def too_few(task, on_step):
    """Forget the last image."""
    yield from (Image.new("RGB", SIZE) for _ in task.indices[1:])


def too_many(task, on_step):
    """Add one."""
    yield from (Image.new("RGB", SIZE) for _ in (*task.indices, 0))


def no_image(task, on_step):
    """Yield text."""
    yield from ("an image" for _ in task.indices)


def grey(task, on_step):
    """Yield images of another mode."""
    yield from (Image.new("L", SIZE) for _ in task.indices)


def nothing(task, on_step):
    """Forget to return the images."""


FAULTS = {f.__name__: f for f in (raises, too_few, too_many, no_image, grey, nothing)}


class Pipeline:
    """A pipeline with one fault."""

    def __init__(self, fault):
        self.generate = FAULTS[fault]

    def close(self):
        """Nothing is held."""


def load(card, context):
    return Pipeline(card.id)


@hookimpl
def register_model_families():
    cards = tuple(ModelCard(id=name, title=name, source=".") for name in FAULTS)
    return [
        ModelFamily(
            name="generation_faults",
            title="Generation faults",
            params=GenerationParams,
            load="generation_faults:load",
            cards=cards,
        )
    ]
