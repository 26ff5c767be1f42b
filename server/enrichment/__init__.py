"""Prompts written out: a few words become a prompt with a style, light, detail and composition."""
