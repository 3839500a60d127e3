"""Three kinds of work in which an answer repeats much, some, or little of what was said."""

from __future__ import annotations

from benchmarking.prompts import QUESTIONS, Prompts
from benchmarking.text import SYSTEM_PROMPT, TEXT
from bot.prompting.prompt import Message

_PARAGRAPHS = TEXT.strip().split("\n\n")
_WITH_MISTAKES = (
    "Yesterday we whent to the lighthouse at the end of the harbor. The keeper, an old man with a white beerd, showed "
    "us the lamp and the big lense. He sayed that the light can be seen from thirty kilometres away, and that it "
    "burned every nite for more than a hundred years. From the top we saw too ships and a smal island. Befor we left, "
    "he gave each of us a postcard with a picture of the tower in a storm."
)
_FUNCTION = """\
def read_lights(path):
    lights = []
    for line in open(path):
        parts = line.strip().split(",")
        name = parts[0]
        seconds = float(parts[1])
        color = parts[2]
        if seconds > 0:
            lights.append({"name": name, "seconds": seconds, "color": color})
    return lights"""

WORK: dict[str, tuple[str, ...]] = {
    "quoting": (
        f"Repeat this text word for word:\n\n{_PARAGRAPHS[0]}",
        f"Correct the spelling of this text and change nothing else:\n\n{_WITH_MISTAKES}",
        f"Write this text again with 'guardian' instead of 'keeper', and leave all else as it is:\n\n{_PARAGRAPHS[2]}",
        f"Quote all sentences of this text that mention a ship:\n\n{_PARAGRAPHS[1]}",
    ),
    "code": (
        f"Rename `lights` to `beacons` in this Python function and show all of it:\n\n```python\n{_FUNCTION}\n```",
        "Write a Python class `Stack` with the methods push, pop, peek and is_empty, each with a docstring.",
        "Write a Python function that reads a CSV file and prints the average of each column.",
        "Write an HTML page with a table of the eight planets: name, diameter, and number of moons.",
    ),
    "chat": (*QUESTIONS, "What should I think of before I adopt a cat?"),
}
"""By its name in the report: questions, those first that count in small runs."""


def work_prompts(prompts: Prompts, count: int) -> dict[str, list[tuple[int, ...]]]:
    """Return the ids of so many questions of each kind, in the model's chat format."""
    return {
        kind: [
            prompts.builder.build([Message("system", SYSTEM_PROMPT), Message("user", question)]).ids
            for question in questions[:count]
        ]
        for kind, questions in WORK.items()
    }
