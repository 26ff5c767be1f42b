"""The model's world: every word that changes a picture, and the numbers behind it."""

from typing import TypeAlias

RGB: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]
Light: TypeAlias = tuple[float, float, float]  # strength of red, green, blue

COLOURS: dict[str, RGB] = {
    "red": (222, 38, 38),
    "orange": (246, 138, 28),
    "yellow": (250, 214, 44),
    "green": (46, 168, 70),
    "cyan": (60, 205, 215),
    "blue": (42, 84, 222),
    "purple": (140, 56, 190),
    "pink": (246, 132, 184),
    "white": (246, 246, 244),
    "black": (22, 22, 26),
}

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring")

# Extent of a shape as a fraction of the frame's shorter side: (least, most).
SIZES: dict[str, tuple[float, float]] = {
    "small": (0.21, 0.26),
    "medium": (0.31, 0.36),
    "big": (0.44, 0.50),
}

# Centre of a shape as fractions of the frame's width and height.
PLACES: dict[str, Point] = {
    "middle": (0.50, 0.50),
    "left": (0.27, 0.50),
    "right": (0.73, 0.50),
    "top": (0.50, 0.27),
    "bottom": (0.50, 0.73),
    "top left": (0.27, 0.27),
    "top right": (0.73, 0.27),
    "bottom left": (0.27, 0.73),
    "bottom right": (0.73, 0.73),
}

TERRAINS = ("hills", "mountains", "sea", "desert", "city")
TIMES = ("day", "sunset", "night", "storm")
EXTRAS = ("sun", "moon", "clouds", "stars", "boat", "house", "tree", "cactus")

# Which extras stand on which terrain, and hang in the sky at which time.
ON_TERRAIN: dict[str, tuple[str, ...]] = {
    "hills": ("house", "tree"),
    "mountains": ("house", "tree"),
    "sea": ("boat",),
    "desert": ("cactus", "house"),
    "city": ("tree",),
}
IN_SKY: dict[str, tuple[str, ...]] = {
    "day": ("sun", "clouds"),
    "sunset": ("sun", "clouds"),
    "night": ("moon", "stars", "clouds"),
    "storm": ("clouds",),
}

# Colours an extra may be named with; the first is what it has when no colour is said.
EXTRA_COLOURS: dict[str, tuple[str, ...]] = {
    "boat": ("white", "red", "yellow", "orange", "green", "blue", "pink", "purple"),
    "house": ("white", "red", "yellow", "orange", "blue", "pink", "purple"),
    "tree": ("green", "red", "orange", "yellow", "pink"),
    "cactus": ("green", "red", "purple", "pink"),
}
