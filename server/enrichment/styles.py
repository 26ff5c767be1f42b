"""The styles that prompts can be enriched in, and the phrases of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """A way to write a prompt out.

    Attributes:
        name: its name in requests.
        title: its name for people.
        direction: what a language model is told of it.
        slots: what a prompt in this style speaks of, in order; each time one of several phrases
            that say much the same. Phrases of two slots share no word.
    """

    name: str
    title: str
    direction: str
    slots: tuple[tuple[str, ...], ...]


CYBERPUNK = Style(
    "cyberpunk",
    "Cyberpunk",
    "cyberpunk: a dense city of the near future at night, neon, rain, grime and high technology",
    (
        ("cyberpunk aesthetic", "gritty cyberpunk mood", "vivid cyberpunk world", "cyberpunk noir"),
        (
            "neon signs glowing through haze",
            "magenta and cyan neon light",
            "flickering holographic billboards",
            "electric blue and pink illumination",
        ),
        (
            "rain-slicked streets",
            "wet asphalt mirroring every lamp",
            "puddles full of reflections",
            "steam rising from grates",
        ),
        (
            "towering skyscrapers",
            "dense urban sprawl",
            "tangled cables and pipes",
            "crowded rooftops with antennas",
        ),
        ("deep night", "after midnight", "smog-filled darkness", "long shadows"),
        (
            "cinematic composition",
            "low-angle view",
            "anamorphic lens flare",
            "shallow depth of field",
        ),
        (
            "intricate mechanical detail",
            "hyper-detailed textures",
            "razor-sharp focus",
            "polished concept art",
        ),
    ),
)

ANIME = Style(
    "anime",
    "Anime",
    "a hand-drawn Japanese animation: clean lines, cel shading, clear colours, an expressive mood",
    (
        (
            "anime illustration",
            "anime key visual",
            "anime film still",
            "hand-painted anime artwork",
        ),
        ("clean line art", "crisp inked outlines", "delicate linework", "bold confident contours"),
        (
            "soft cel shading",
            "smooth gradients",
            "two-tone shadows",
            "flat colouring with bright highlights",
        ),
        ("vibrant palette", "pastel tones", "saturated hues", "luminous watercolour washes"),
        (
            "warm afternoon sunlight",
            "glowing backlight",
            "dappled light through leaves",
            "sparkling lens flare",
        ),
        (
            "detailed background",
            "sweeping cloudscape",
            "petals drifting on the wind",
            "lush scenic backdrop",
        ),
        (
            "dreamy atmosphere",
            "heartfelt mood",
            "lively sense of motion",
            "gentle nostalgic feeling",
        ),
        (
            "studio-quality finish",
            "polished production design",
            "best quality",
            "highly refined rendering",
        ),
    ),
)

REALISTIC = Style(
    "realistic",
    "Realistic",
    "a photograph: believable light, lens and materials, nothing drawn and nothing exaggerated",
    (
        (
            "realistic photograph",
            "photorealistic",
            "lifelike photography",
            "candid documentary photo",
        ),
        (
            "soft window light",
            "natural daylight",
            "golden hour sun",
            "diffused overcast sky",
        ),
        (
            "full-frame camera",
            "85mm prime lens",
            "35mm f/2 lens",
            "medium format capture",
        ),
        (
            "shallow depth of field",
            "creamy bokeh",
            "gently blurred background",
            "clear subject separation",
        ),
        ("balanced exposure", "neutral tones", "subtle film grain", "wide dynamic range"),
        (
            "tactile textures",
            "authentic materials",
            "fine surface structure",
            "tiny imperfections",
        ),
        ("sharp focus", "high resolution", "8k clarity", "crisp detail"),
    ),
)

FANTASY = Style(
    "fantasy",
    "Fantasy",
    "high fantasy: an ancient, magical, majestic world, painted with rich light and detail",
    (
        (
            "epic fantasy scene",
            "high fantasy world",
            "enchanted fantasy realm",
            "mythic fantasy art",
        ),
        (
            "ornate carvings and runes",
            "ruins overgrown with ivy",
            "slender spires in the distance",
            "moss-covered standing stones",
        ),
        (
            "drifting motes of magic",
            "glowing arcane sigils",
            "shimmering fireflies",
            "swirling spellbound sparks",
        ),
        ("veils of mist", "pale morning haze", "curling fog", "low clouds"),
        (
            "golden light at dusk",
            "moonbeams from above",
            "radiant shafts of sunlight",
            "twilight glow",
        ),
        (
            "majestic grandeur",
            "legendary atmosphere",
            "storybook wonder",
            "solemn and mysterious mood",
        ),
        (
            "painterly brushwork",
            "oil painting",
            "matte painting",
            "richly layered digital painting",
        ),
        (
            "intricate detail",
            "sweeping composition",
            "lavish ornamentation",
            "masterful rendering",
        ),
    ),
)

SCI_FI = Style(
    "sci-fi",
    "Science fiction",
    "science fiction: a far future of advanced technology, space, scale and clean engineering",
    (
        (
            "sci-fi concept art",
            "epic sci-fi vision",
            "sci-fi film still",
            "far-future sci-fi world",
        ),
        (
            "sleek advanced technology",
            "brushed metal and glass",
            "modular machinery",
            "luminous control panels",
        ),
        (
            "vast star field beyond",
            "distant planets on the horizon",
            "orbital structures overhead",
            "alien sky with twin moons",
        ),
        (
            "cool volumetric lighting",
            "glowing energy conduits",
            "pulsing blue accents",
            "hard rim light",
        ),
        (
            "enormous scale",
            "quiet cosmic awe",
            "sterile futuristic calm",
            "tense exploratory mood",
        ),
        (
            "wide cinematic shot",
            "dramatic perspective",
            "symmetrical framing",
            "panoramic composition",
        ),
        (
            "intricate engineering detail",
            "crisp high-resolution render",
            "physically based materials",
            "precise fine textures",
        ),
    ),
)

ENHANCE = Style(
    "enhance",
    "Enhance",
    "no style of its own: keep the medium and the mood, and improve light, composition and detail",
    (
        (
            "balanced composition",
            "strong focal point",
            "thoughtful framing",
            "clear visual hierarchy",
        ),
        (
            "beautiful lighting",
            "soft directional light",
            "gentle interplay of light and shadow",
            "luminous highlights",
        ),
        ("harmonious palette", "rich tonal range", "cohesive hues", "nuanced colours"),
        (
            "convincing depth",
            "layered foreground and background",
            "pleasing sense of space",
            "atmospheric perspective",
        ),
        (
            "intricate detail",
            "finely rendered textures",
            "carefully observed surfaces",
            "crisp edges",
        ),
        ("high quality", "professional finish", "masterpiece", "exceptional craftsmanship"),
    ),
)

#: Every style by its name, in the order in which they are listed.
STYLES: dict[str, Style] = {
    style.name: style for style in (CYBERPUNK, ANIME, REALISTIC, FANTASY, SCI_FI, ENHANCE)
}

#: The style of requests that name none.
DEFAULT = ENHANCE.name
