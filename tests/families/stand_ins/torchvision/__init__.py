"""In place of torchvision, which spandrel imports for two architectures that do not enlarge.

The real one would change what transformers does in all other tests.
"""
