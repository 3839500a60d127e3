"""Texts as models write them, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

_LATIN = ["word", "other", "so", "thing", "long", "indeed", "3"]
_OTHER = ["你好世界", "日本語", "🇩🇪", "👨\u200d👩\u200d👧", "e\u0301"]
_CLAUSES = ["这是一个很长的句子。", "他说「好的！」", "然后呢？", "我们", "第一，"]  # noqa: RUF001
_WORDS = st.lists(st.sampled_from(_LATIN + _OTHER), min_size=1, max_size=14).map(" ".join)
_CHINESE = st.lists(st.sampled_from(_CLAUSES), min_size=1, max_size=20).map("".join)
_PATHS = st.integers(1, 6).map(lambda n: "https://example.com/" + "path-" * n + "end")
_PLAIN = st.one_of(
    _WORDS,
    _CHINESE,
    st.sampled_from(["one - 5", "so > 3", "at 1. 2", "x # no", "5 * 3", r"\*"]),
)
_WHOLE = st.one_of(
    _PATHS,
    _PATHS.map(lambda path: f"<{path}>"),
    st.tuples(_WORDS, _PATHS).map(lambda link: f"[{link[0]}]({link[1]})"),
    _WORDS.map(lambda code: f"`{code}`"),
    _WORDS.map(lambda code: f"``{code} ` x``"),
)


def _sentences(parts: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(parts, min_size=1, max_size=most), st.sampled_from([" ", ". "])).map(
        lambda drawn: drawn[1].join(drawn[0])
    )


def _styled(content: st.SearchStrategy[str], marks: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.tuples(content, st.sampled_from(marks)).map(lambda drawn: f"{drawn[1]}{drawn[0]}{drawn[1]}")


_INNER = _sentences(st.one_of(_WORDS, _CHINESE, _WHOLE, _styled(_WORDS, ("*", "~~"))), 6)
_LINE = _sentences(
    st.one_of(_PLAIN, _PLAIN, _WHOLE, _styled(_INNER, ("**", "||", "__")), _styled(_WORDS, ("*", "_", "~~"))), 8
)
_CODE_LINES = st.lists(st.tuples(st.sampled_from(["", "    ", "\t"]), _WORDS).map("".join), min_size=1, max_size=40)
_BLOCKS = st.one_of(
    _LINE,
    _LINE,
    st.tuples(st.sampled_from(["# ", "### ", "-# ", "##### "]), _WORDS).map("".join),
    st.lists(_LINE, min_size=1, max_size=5).map(lambda lines: "\n".join(f"> {line}" for line in lines)),
    st.lists(st.tuples(st.sampled_from(["- ", "* ", "1. ", "  - "]), _LINE).map("".join), min_size=1, max_size=6).map(
        "\n".join
    ),
    st.tuples(st.sampled_from(["", "py", "c++"]), _CODE_LINES).map(
        lambda block: f"```{block[0]}\n" + "\n".join(block[1]) + "\n```"
    ),
    st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=8).map(
        lambda rows: "| a | b |\n|---|--:|\n" + "\n".join(f"| {a} | {b} |" for a, b in rows)
    ),
    _LINE.map(lambda line: f">>> {line}"),
    st.tuples(_WORDS, _WORDS).map(lambda secret: f"||{secret[0]}\n\n{secret[1]}||"),
    st.tuples(_WORDS, _CODE_LINES).map(lambda secret: f"||{secret[0]}\n```\n" + "\n".join(secret[1]) + "\n```\n||"),
)
# What a model wrote, well-formed for GitHub's Markdown or Discord's, and without lone marks: a list item holds them in,
# and its rest in the next message is none.
MODEL_TEXTS = st.lists(_BLOCKS, min_size=1, max_size=12).map("\n\n".join)
