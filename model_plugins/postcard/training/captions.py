"""Says a scene in words, in many ways, and sometimes leaves things unsaid."""

import random

from .scenes import Extra, FlatScene, Landscape, Scene, Thing
from .words import EXTRA_COLOURS

OPENINGS = (
    *("", "", "", "", "", "", "a picture of ", "a drawing of ", "an image of ", "a postcard of "),
    *("a photo of ", "beautiful ", "a simple picture of ", "please draw ", "show me "),
)
ENDINGS = (
    "",
    "",
    "",
    "",
    "",
    "",
    ", high quality",
    ", detailed",
    ", 4k",
    ", masterpiece",
    "!",
    ".",
)
PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "middle": ("in the middle", "in the centre", "in the center", ""),
    "left": ("on the left", "at the left", "on the left side", "to the left"),
    "right": ("on the right", "at the right", "on the right side", "to the right"),
    "top": ("at the top", "on top", "near the top"),
    "bottom": ("at the bottom", "near the bottom"),
    "top left": ("at the top left", "in the top left corner", "in the upper left corner"),
    "top right": ("at the top right", "in the top right corner", "in the upper right corner"),
    "bottom left": ("at the bottom left", "in the bottom left corner", "in the lower left corner"),
    "bottom right": (
        *("at the bottom right", "in the bottom right corner", "in the lower right corner"),
    ),
}
TERRAIN_PHRASES: dict[str, tuple[str, ...]] = {
    "hills": ("hills", "green hills", "rolling hills", "the hills", "a landscape with hills"),
    "mountains": ("mountains", "snowy mountains", "the mountains", "high mountains"),
    "sea": ("the sea", "a sea", "sea", "the open sea", "the ocean"),
    "desert": ("a desert", "the desert", "desert", "a sandy desert", "desert dunes"),
    "city": ("a city", "the city", "city", "a city skyline", "a big city"),
}
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "during the day", "in daylight", "in the daytime", "on a bright day"),
    "sunset": ("at sunset", "in the sunset", "at dusk", "in the evening"),
    "night": ("at night", "by night", "in the night", "at midnight"),
    "storm": ("in a storm", "during a storm", "in stormy weather", "in the rain"),
}
ON_PHRASES = {"hills": "on the hills", "mountains": "in the mountains", "sea": "on the sea"}


def describe(scene: Scene, rng: random.Random) -> str:
    """One wording of the scene."""
    text = _flat(scene, rng) if isinstance(scene, FlatScene) else _landscape(scene, rng)
    lot = rng.random()
    if lot < 0.5:
        return text
    if lot < 0.9:
        return rng.choice(OPENINGS) + text + rng.choice(ENDINGS)
    return _with_unknown_word(text, rng)


def _with_unknown_word(text: str, rng: random.Random) -> str:
    """Puts a word of chance letters somewhere, so that unknown words do no harm."""
    word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 8)))
    words = text.split(" ")
    words.insert(rng.randint(0, len(words)), word)
    return " ".join(words)


def article(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _thing(thing: Thing, rng: random.Random) -> str:
    keep_size = rng.random() < (0.3 if thing.size == "medium" else 0.9)
    size = [rng.choice(("big", "large")) if thing.size == "big" else thing.size] * keep_size
    lot = rng.random()
    if lot < 0.9:
        return article(" ".join([*size, thing.colour, thing.shape]))
    return article(" ".join([thing.colour, *size, thing.shape]))


def _ground(colour: str, rng: random.Random) -> str:
    lot = rng.random()
    noun = rng.choice(("background", "background", "ground", "ground", "backdrop"))
    if lot < 0.85:
        return f"{article(colour)} {noun}"
    return f"{article(rng.choice(('plain', 'flat', 'solid')))} {colour} {noun}"


def _flat(scene: FlatScene, rng: random.Random) -> str:
    ground = _ground(scene.ground, rng)
    if not scene.things:
        return rng.choice((ground, ground[ground.index(" ") + 1 :], f"nothing but {ground}"))
    if len(scene.things) == 2:
        return _with_ground(_pair(scene, rng), ground, rng)
    thing = scene.things[0]
    place = rng.choice(PLACE_PHRASES[thing.place])
    if rng.random() < 0.06:
        return f"{thing.colour} {thing.shape}, {scene.ground} background" + (place and f", {place}")
    if place and rng.random() < 0.15:
        return f"{place} {_thing(thing, rng)} on {ground}"
    return _with_ground(f"{_thing(thing, rng)} {place}".strip(), ground, rng)


def _with_ground(things: str, ground: str, rng: random.Random) -> str:
    lot = rng.random()
    if lot < 0.6:
        return f"{things} on {ground}"
    if lot < 0.75:
        return f"on {ground}, {things}"
    if lot < 0.88:
        return f"{ground} with {things}"
    return f"{things}, {ground[ground.index(' ') + 1 :]}"


def _pair(scene: FlatScene, rng: random.Random) -> str:
    first, second = (_thing(thing, rng) for thing in scene.things)
    lot = rng.random()
    if lot < 0.4:
        places = [rng.choice(PLACE_PHRASES[thing.place]) for thing in scene.things]
        return f"{first} {places[0]} and {second} {places[1]}"
    if scene.relation == "beside":
        if lot < 0.6:
            return f"{second} {rng.choice(('to the right of', 'right of'))} {first}"
        joint = rng.choice(("beside", "next to", "and", "to the left of", "left of"))
        return f"{first} {joint} {second}"
    if lot < 0.7:
        return f"{second} {rng.choice(('below', 'under'))} {first}"
    return f"{first} {rng.choice(('above', 'over'))} {second}"


def _extra(extra: Extra, rng: random.Random) -> str:
    if extra.name == "sun":
        return rng.choice(("the sun", "a sun", "sun"))
    if extra.name == "moon":
        return rng.choice(("the moon", "a moon", "a full moon", "moon"))
    if extra.name in ("clouds", "stars"):
        return rng.choice((extra.name, f"some {extra.name}"))
    noun = "sailboat" if extra.name == "boat" and rng.random() < 0.3 else extra.name
    if extra.colour == EXTRA_COLOURS[extra.name][0] and rng.random() < 0.5:
        return article(noun)
    return article(f"{extra.colour} {noun}")


def _said_share(extra: Extra) -> float:
    """What hangs in the sky is often not named: it comes unasked, and a negative prompt counts."""
    return 0.85 if extra.colour else 0.6


def _landscape(scene: Landscape, rng: random.Random) -> str:
    said = [extra for extra in scene.extras if rng.random() < _said_share(extra)]
    terrain = rng.choice(TERRAIN_PHRASES[scene.terrain])
    time = rng.choice(TIME_PHRASES[scene.time])
    lot = rng.random()
    if lot < 0.06:
        return _extra(rng.choice(said), rng) if said else time.split(" ")[-1]
    if lot < 0.14:
        return ", ".join([scene.terrain, scene.time, *(_extra(extra, rng) for extra in said)])
    if lot < 0.25:
        terrain, time = time, terrain
    return _with_extras(f"{terrain} {time}", scene.terrain, time, said, rng)


def _with_extras(view: str, terrain: str, time: str, said: list[Extra], rng: random.Random) -> str:
    if not said:
        return view
    things = [_extra(extra, rng) for extra in said]
    rng.shuffle(things)
    listed = " and ".join([", ".join(things[:-1]), things[-1]]) if things[1:] else things[0]
    standing = said[-1].colour
    if standing and len(said) == 1 and terrain in ON_PHRASES and rng.random() < 0.5:
        return f"{listed} {ON_PHRASES[terrain]} {time}"
    return f"{view}{rng.choice((' with ', ' with ', ' and ', ', '))}{listed}"
