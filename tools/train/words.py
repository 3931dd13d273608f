"""What prompts are made of: lists written for this project, so that plots, names and things vary.
prompt(seed, i) is the i-th request; the same for ever. Read write.py next."""
import random
import re

GIRLS = """Ada Anna Carla Clara Daisy Ella Emma Fay Freda Hana Ida Ivy Jill Juno Kim Lara Lea Lily Lucy Mara Mia
Mina Molly Nell Nina Nora Ola Paula Pia Rita Rosa Ruby Sara Sue Tara Tina Una Vera Yuki Zoe""".split()

BOYS = """Amir Ben Billy Dan Eli Finn Gus Hugo Jack Jan Joe Kai Leo Lou Luis Max Nico Noah Omar Oscar Otto Ravi Sam
Sid Ted Theo Tim Toby Tom Will""".split()

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

TREATS = """apples|berries|bread|candy|cheese|cookies|honey|jam|milk|nuts|pancakes|pears|pizza|popcorn|rice|
soup|strawberries""".replace("\n", "").split("|")

DEEDS = """bake a cake|build a boat|catch a fish|climb a tree|draw a picture|dance|feed the ducks|fly a kite|
fly to the moon|go to the zoo|help {other_friend}|make a friend|paint a house|pick flowers|plant a seed|play ball|
read a book|ride a bike|ride a horse|see the sea|sing a song|swim in the lake|take a nap|win a race""".replace(
    "\n", "").split("|")

FEELINGS = "happy|sad|hungry|tired|afraid|excited|angry|bored|sick|proud|surprised|lonely".split("|")

WEATHER = """It was a sunny day.|It was a rainy day.|It was very cold outside.|The wind was strong.|The sun was shining.|
The snow was deep.|It was late at night.|The moon was in the sky.|It was early in the morning.""".replace(
    "\n", "").split("|")

MORALS = """being brave|being honest|being kind|being patient|helping others|listening|making friends|
never giving up|saying sorry|sharing|telling the truth|trying new things|working together""".replace(
    "\n", "").split("|")

ASKED = [
    "Tell a story for small children, in short sentences with easy words.",
    "Write a simple story about {moral} for small children. Use short sentences.",
    "Write a story with the words {other_thing}, {other_animal} and {treat}. Use easy words.",
    "Tell a bedtime story in very easy words. It has a happy end.",
    "Write a story for a four year old child in which somebody wants to {deed}.",
    "Write a short story in which two friends talk about a {other_thing}."]

OPENINGS = [
    "Once upon a time, there was a {quality} {animal} named {hero}. {hero} lived {place}.",
    "Once upon a time, there was a little {child} named {hero}. {He} loved to play with {his} {quality} {thing}.",
    "Once upon a time, {place}, there lived a {animal}. The {animal} was very {feeling}.",
    "Once upon a time,",
    "One day, {hero} and {his} mom went to the {shop}. {hero} saw a {quality} {thing}.",
    "One day, {hero} went out to play with {friend}. {He} had a {thing}.",
    "One day, a {animal} and a {other_animal} met {place}. The {animal} said,",
    "One day,",
    "{hero} was a little {child}. {He} liked to play {place}. One day,",
    "{hero} and {other_hero} were best friends. They liked to play {place}.",
    "{hero} wanted to {deed}. {He} asked {friend} for help.",
    "{hero} had a {quality} {thing}. It was {his} favorite thing.",
    "{weather} {hero} was {feeling}. {He} looked at {his} {thing} and",
    "{weather} A {quality} {animal} wanted to {deed}.",
    "There was once a {quality} {animal} who wanted a {thing}.",
    "In a small house lived {friend} and a {animal}. Every day they",
    '"Look!" said {hero}. "I see a {quality} {animal}!"',
    '"Can I have some {treat}?" asked {hero}. {His} {relative} said,',
    "{hero} was {feeling}. {He} could not find {his} {thing}.",
    "A {quality} {thing} stood {place}. Nobody knew that it could talk."]

QUESTIONS = {
    "What is a {thing}?": "A {thing} is",
    "What does a {animal} eat?": "A {animal} eats",
    "Where does a {animal} live?": "A {animal} lives",
    "Why do people need a {thing}?": "People need a {thing} because",
    "What can I do with a {thing}?": "You can",
    "Why is {moral} good?": "It is good because",
    "How do I {deed}?": "First, you",
    "Why am I {feeling}?": "You are {feeling} because",
    "What is the difference between a {animal} and a {other_animal}?": "A {animal} is"}

SHOPS = "beach|market|park|zoo|library|farm|toy shop|bakery|doctor|lake".split("|")
RELATIVES = "mom|dad|grandma|grandpa|sister|brother|aunt|uncle".split("|")
ORDERS = ("You tell very simple stories to small children.",
          "You answer in a few short sentences, in simple words that a small child knows.")
TEMPERATURES = [0.5, 0.6, 0.7, 0.8]
QUESTION_SHARE = 0.12


def choices(r):
    """A word for every field of the sentences above."""
    girl = r.random() < 0.5
    heroes = r.sample(GIRLS if girl else BOYS, 1) + [r.choice(GIRLS + BOYS)]
    animals, things, friends = r.sample(ANIMALS, 2), r.sample(THINGS, 2), r.sample(FRIENDS, 2)
    words = {"hero": heroes[0], "other_hero": heroes[1], "child": "girl" if girl else "boy",
             "He": "She" if girl else "He", "his": "her" if girl else "his", "His": "Her" if girl else "His",
             "animal": animals[0], "other_animal": animals[1], "thing": things[0], "other_thing": things[1],
             "friend": friends[0], "other_friend": friends[1]}
    for name, of in (("quality", QUALITIES), ("place", PLACES), ("moral", MORALS), ("treat", TREATS),
                     ("feeling", FEELINGS), ("weather", WEATHER), ("shop", SHOPS), ("relative", RELATIVES)):
        words[name] = r.choice(of)
    return words | {"deed": r.choice(DEEDS).format(**words)}


def prompt(seed, i):
    """A row of `mote run --raw --jsonl`; how its answer begins; the question it answers (a story: None).

    The model goes on from a beginning in simple words: asked without one it writes for grown people."""
    r = random.Random(seed * 1_000_003 + i)
    is_story, words = r.random() >= QUESTION_SHARE, choices(r)
    if is_story:
        asked, begin = r.choice(ASKED), r.choice(OPENINGS)
    else:
        asked, begin = r.choice(sorted(QUESTIONS.items()))
    asked, begin = (re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", t.format(**words)) for t in (asked, begin))
    text = (f"<|im_start|>system\n{ORDERS[not is_story]}<|im_end|>\n<|im_start|>user\n{asked}<|im_end|>\n"
            f"<|im_start|>assistant\n{begin}")
    row = {"prompt": text, "seed": r.getrandbits(32), "temperature": r.choice(TEMPERATURES),
           "max_tokens": 320 if is_story else 96}
    return row, begin, None if is_story else asked
