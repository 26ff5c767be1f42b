"""Darkroom's server: jobs, previews, plugins and the HTTP API."""

__version__ = "0.1.0"
