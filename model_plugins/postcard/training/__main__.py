"""``python -m model_plugins.postcard.training``."""

from .cli import main

main()
