"""What prompts are made of: lists written for this project, so that plots, names and things vary.
prompt(seed, i) is the i-th request; the same for ever. Read write.py next."""
import random
import re

NAMES = """Ada Amir Anna Ben Billy Carla Clara Daisy Dan Eli Ella Emma Fay Finn Freda Gus Hana Hugo Ida Ivy Jack
Jan Jill Joe Juno Kai Kim Lara Lea Leo Lily Lou Lucy Luis Mara Max Mia Mina Nell Nico Nina Noah Nora Ola Omar Oscar
Otto Paula Pia Ravi Rita Rosa Ruby Sam Sara Sid Sue Tara Ted Theo Tim Tina Tom Una Vera Will Yara Yuki Zoe""".split()

ANIMALS = """ant bear bee bird cat cow crab dog duck elephant fish fox frog goat goose hamster hen horse kitten lamb
lion mole monkey mouse owl penguin pig pony puppy rabbit seal sheep snail spider squirrel swan tiger turtle
whale worm""".split()

THINGS = """apple|ball|balloon|basket|bell|bike|blanket|boat|book|bottle|box|bridge|brush|bucket|button|cake|candle|
candy|chair|clock|coat|coin|cookie|cup|door|dress|drum|egg|feather|flag|flower|flute|garden|gate|gift|glove|hat|jar|
key|kite|ladder|lamp|leaf|letter|map|mirror|mitten|necklace|nest|paintbrush|pear|pebble|pen|picture|pillow|pumpkin|
puzzle|ribbon|ring|robot|rope|sandcastle|scarf|seed|shell|ship|shoe|sled|soap|sock|song|spoon|star|stick|stone|swing|
table|tent|toy car|train|tree|truck|umbrella|wagon|watch|wheel|whistle|window""".replace("\n", "").split("|")

QUALITIES = """big blue brave bright broken brown clean cold cozy dark dirty empty fast funny fuzzy gentle golden green
heavy hot huge kind little lonely long lost loud lucky muddy new old orange pink pretty proud purple quiet red round
sad shiny shy silly silver sleepy slow small soft sour strange strong sweet tall tiny warm wet white wild wise
yellow young""".split()

PLACES = """at school|at the beach|at the farm|at the lake|at the market|at the zoo|behind the house|by the river|
in a boat|in a cave|in a small town|in a tall tree|in the attic|in the forest|in the garden|in the kitchen|
in the library|in the meadow|in the mountains|in the park|in the rain|in the snow|in the street|on a bus|on a hill|
on a train|on an island|on the roof|under a bridge|under the bed""".replace("\n", "").split("|")

FRIENDS = """a baker|a big sister|a brother|a captain|a cook|a farmer|a grandfather|a grandmother|a little sister|
a mother|a neighbor|a new friend|a painter|a teacher|an uncle|an aunt|an old man|an old woman|a father""".replace(
    "\n", "").split("|")

DEEDS = """builds|breaks|cleans|draws|drops|feeds|finds|fixes|follows|forgets|gives away|helps to carry|hides|
is afraid of|learns about|loses|looks for|makes|paints|plays with|shares|sings about|takes care of|trades|
wants to keep|wishes for""".replace("\n", "").split("|")

MORALS = """being brave|being honest|being kind|being patient|helping others|listening|making friends|
never giving up|saying sorry|sharing|telling the truth|trying new things|working together""".replace(
    "\n", "").split("|")

OPENINGS = ["Once upon a time", "One day", "One morning", "It was a sunny day", "There was once", "Every evening",
            "On a rainy day", "Long ago"]

STORIES = [
    "Write a short story for small children. {hero} {deed} a {quality} {thing} {place}.",
    "Tell me a simple story about {hero}, {friend} and a {quality} {thing}. It happens {place}.",
    "Write a story in very simple words: {hero} meets a {quality} {animal} {place}.",
    "Write a children's story about {moral}. {hero} {deed} a {thing}, and a {animal} helps.",
    "Tell a bedtime story about a {quality} {animal} that {deed} a {thing} {place}.",
    "Write a story with the words {thing}, {animal} and {quality}. {hero} is in it."]

QUESTIONS = ["What is a {thing}?", "What does a {animal} eat?", "Where does a {animal} live?",
             "Why do people need a {thing}?", "What can I do with a {quality} {thing}?", "Why is {moral} good?"]
HOW = " Answer in a few short sentences, in simple words that a small child knows."

TEMPERATURES = [0.5, 0.6, 0.7, 0.8, 0.9]
QUESTION_SHARE = 0.15


def prompt(seed, i):
    """A row of `mote run --jsonl`, and the question it asks (a story: None)."""
    r = random.Random(seed * 1_000_003 + i)
    is_story = r.random() >= QUESTION_SHARE
    words = {"hero": r.choice(NAMES), "animal": r.choice(ANIMALS), "thing": r.choice(THINGS),
             "quality": r.choice(QUALITIES), "place": r.choice(PLACES), "friend": r.choice(FRIENDS),
             "deed": r.choice(DEEDS), "moral": r.choice(MORALS)}
    text = r.choice(STORIES if is_story else QUESTIONS).format(**words)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    row = {"prompt": text + (f' Use short sentences. Begin with "{r.choice(OPENINGS)}".' if is_story else HOW),
           "seed": r.getrandbits(32), "temperature": r.choice(TEMPERATURES), "max_tokens": 224 if is_story else 112}
    return row, None if is_story else text
