"""Ends the program when it is imported."""

import sys

__version__ = "9.8.7"

sys.exit("this plugin needs a licence key")
