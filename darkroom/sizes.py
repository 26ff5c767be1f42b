"""Sizes that many families are good at, for `ModelFamily.aspect_ratios`."""

from types import MappingProxyType

#: About a megapixel, in steps of 16 pixels.
MEGAPIXEL = MappingProxyType(
    {
        "1:1": (1024, 1024),
        "4:3": (1152, 864),
        "3:4": (864, 1152),
        "3:2": (1248, 832),
        "2:3": (832, 1248),
        "16:9": (1344, 768),
        "9:16": (768, 1344),
        "21:9": (1536, 640),
    }
)
