"""``python -m model_plugins.postcard.training``."""

import os

# Their notices (of torchvision, which is not needed, and of each file loaded) hide the log.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from .cli import main

main()
