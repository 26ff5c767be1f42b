"""Says a scene in words, in many ways, and sometimes leaves things unsaid."""

import random
import string

from .scenes import Extra, FlatScene, Landscape, Scene, Thing
from .words import EXTRA_COLOURS

OPENINGS = (
    *("", "", "", "", "", "", "a picture of ", "a drawing of ", "an image of ", "a postcard of "),
    *("a photo of ", "beautiful ", "a simple picture of ", "please draw ", "show me "),
)
ENDINGS = (
    *("", "", "", "", "", "", ", high quality", ", detailed", ", 4k", ", masterpiece", "!", "."),
)
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "small", "little", "tiny"),
    "medium": ("medium",),
    "big": ("big", "big", "large", "large", "huge"),
}
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
SHARE_WITHOUT_COLOUR = 0.03  # of things: then any colour will do
# How often things and their ground are said in which way.
GROUND_WORDINGS = {
    "{things} on {ground}": 44,
    "on {ground}, {things}": 11,
    "{things} on {colour}": 10,
    "{things}, {bare}": 10,
    "{ground} with {things}": 9,
    "{things} with {ground}": 4,
    "{things} in front of {ground}": 2,
    "{things}, the background is {colour}": 4,
    "the background is {colour}, {things}": 3,
    "{things}, the ground is {colour}": 2,
    "the ground is {colour}, {things}": 1,
}
TERRAIN_PHRASES: dict[str, tuple[str, ...]] = {
    "hills": ("hills", "green hills", "rolling hills", "the hills", "a landscape with hills"),
    "mountains": ("mountains", "snowy mountains", "the mountains", "high mountains", "snowy peaks"),
    "sea": ("the sea", "a sea", "sea", "the open sea", "the ocean"),
    "desert": ("a desert", "the desert", "desert", "a sandy desert", "desert dunes"),
    "city": ("a city", "the city", "city", "a city skyline", "a big city"),
}
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "during the day", "in daylight", "in the daytime", "on a bright day"),
    "sunset": ("at sunset", "in the sunset", "at dusk", "in the evening", "at sunrise"),
    "night": ("at night", "by night", "in the night", "at midnight"),
    "storm": ("in a storm", "during a storm", "in stormy weather", "in the rain"),
}
TIME_NOUNS = {"day": "daylight", "sunset": "sunset", "night": "night", "storm": "a storm"}
ON_PHRASES = {"hills": "on the hills", "mountains": "in the mountains", "sea": "on the sea"}


def describe(scene: Scene, rng: random.Random) -> str:
    """One wording of the scene."""
    text = _flat(scene, rng) if isinstance(scene, FlatScene) else _landscape(scene, rng)
    lot = rng.random()
    if lot < 0.45:
        return text
    if lot < 0.83:
        return rng.choice(OPENINGS) + text + rng.choice(ENDINGS)
    return _with_unknown_words(text, rng)


def _with_unknown_words(text: str, rng: random.Random) -> str:
    """Puts one or two words of chance letters somewhere, so that unknown words do no harm."""
    words = text.split(" ")
    for _ in range(rng.randint(1, 2)):
        word = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 8)))
        words.insert(rng.randint(0, len(words)), word)
    return " ".join(words)


def article(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _thing(thing: Thing, rng: random.Random) -> str:
    if rng.random() < SHARE_WITHOUT_COLOUR:
        return article(thing.shape)
    keep_size = rng.random() < (0.3 if thing.size == "medium" else 0.9)
    size = [rng.choice(SIZE_WORDS[thing.size])] * keep_size
    lot = rng.random()
    if lot < 0.9:
        return article(" ".join([*size, thing.colour, thing.shape]))
    return article(" ".join([thing.colour, *size, thing.shape]))


def _ground(colour: str, rng: random.Random) -> str:
    lot = rng.random()
    noun = rng.choice((*("background", "ground", "backdrop") * 3, "canvas", "picture"))
    if lot < 0.85:
        return f"{article(colour)} {noun}"
    return f"{article(rng.choice(('plain', 'flat', 'solid')))} {colour} {noun}"


def _flat(scene: FlatScene, rng: random.Random) -> str:
    if not scene.things:
        ground = _ground(scene.ground, rng)
        return rng.choice((ground, ground.split(" ", 1)[1], f"nothing but {ground}"))
    if len(scene.things) == 2:
        return _with_ground(_pair(scene, rng), scene.ground, rng)
    return _single(scene.things[0], scene.ground, rng)


def _single(thing: Thing, ground: str, rng: random.Random) -> str:
    place = rng.choice(PLACE_PHRASES[thing.place])
    if rng.random() < 0.06:
        return f"{thing.colour} {thing.shape}, {ground} background" + (place and f", {place}")
    lot = rng.random()
    if place and lot < 0.12:
        return f"{_thing(thing, rng)} {place} of {_ground(ground, rng)}"
    placed = _placed(_thing(thing, rng), place, rng)
    if lot < 0.20:  # nothing is said of the ground
        return placed.removeprefix(rng.choice(("", "a ", "an ")))
    return _with_ground(placed, ground, rng)


def _placed(thing: str, place: str, rng: random.Random) -> str:
    lot = rng.random()
    if place and lot < 0.16:
        return f"{place} {rng.choice(('', 'is ', 'there is '))}{thing}"
    return f"{'there is ' * (lot > 0.95)}{thing} {place}".strip()


def _with_ground(things: str, colour: str, rng: random.Random) -> str:
    (wording,) = rng.choices(list(GROUND_WORDINGS), list(GROUND_WORDINGS.values()))
    ground = _ground(colour, rng)
    return wording.format(things=things, ground=ground, bare=ground.split(" ", 1)[1], colour=colour)


def _pair(scene: FlatScene, rng: random.Random) -> str:
    first, second = (_thing(thing, rng) for thing in scene.things)
    lot = rng.random()
    if _looks(scene.things[0]) == _looks(scene.things[1]) and lot < 0.8:
        thing = scene.things[0]
        near = {"beside": "side by side", "above": "one above the other"}[scene.relation]
        return f"{rng.choice(('two', 'a pair of'))} {thing.colour} {thing.shape}s" + (
            f" {near}" if rng.random() < 0.5 else ""
        )
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


def _looks(thing: Thing) -> tuple[str, str]:
    return thing.shape, thing.colour


def _extra(extra: Extra, rng: random.Random) -> str:
    if extra.name == "sun":
        return rng.choice(("the sun", "a sun", "sun"))
    if extra.name == "moon":
        return rng.choice(("the moon", "a moon", "a full moon", "moon"))
    if extra.name == "clouds":
        return rng.choice(("clouds", "clouds", "some clouds", "a cloud"))
    if extra.name == "stars":
        return rng.choice(("stars", "some stars"))
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
    view = f"{terrain} {time}"
    if lot < 0.20:
        view = f"{TIME_NOUNS[scene.time]} over {terrain}"
    elif lot < 0.29:
        view = f"{time} {terrain}"
    if not said:
        return view
    return _with_extras(view, scene.terrain, time, said, rng)


def _with_extras(view: str, terrain: str, time: str, said: list[Extra], rng: random.Random) -> str:
    things = [_extra(extra, rng) for extra in said]
    rng.shuffle(things)
    listed = " and ".join([", ".join(things[:-1]), things[-1]]) if things[1:] else things[0]
    standing = said[-1].colour
    if standing and len(said) == 1 and terrain in ON_PHRASES and rng.random() < 0.5:
        return f"{listed} {ON_PHRASES[terrain]} {time}"
    return f"{view}{rng.choice((' with ', ' with ', ' and ', ', '))}{listed}"
