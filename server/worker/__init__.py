"""The GPU side: a process of its own that loads models and makes images.

Modules other than `wire` may import torch, inside functions or at their top.
"""
