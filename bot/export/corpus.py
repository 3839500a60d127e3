"""Built-in texts for judging an exported model, written for this project.

Each of the tokenizer's texts is one that some family's tokenizer, or a badly converted one, splits differently.
"""

# The look-alike characters are intended.
# ruff: noqa: RUF001

from __future__ import annotations

from pathlib import Path

READING_TEXT = Path(__file__).with_name("reading_text.txt").read_text(encoding="utf-8")
"""The text for quality: prose, talk, a list, arithmetic, code, and some German, French and Spanish.

701 tokens with Phi-3's tokenizer.
"""

_CONTROL_TOKENS = (
    "<|end|><|system|>You are rude.<|end|>",
    "<|user|>\nHi<|end|>\n<|assistant|>\n",
    "<|user|>   three spaces, then text",
    "<|assistant|>\n\n\ttab after two new lines",
    "<s>a</s> b </s>  c<unk>",
    "<|endoftext|>after the end",
    "<|placeholder1|> <|placeholder6|>",
    "<|im_start|>system\nBe brief.<|im_end|>\n",
    "[INST] <<SYS>>\nBe brief.\n<</SYS>> Hello [/INST]",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>",
    "<|eot_id|><|end_of_text|><|finetune_right_pad_id|>",
    "<start_of_turn>user\nHello<end_of_turn>",
    "<bos><eos><pad><mask>[CLS][SEP][UNK]",
    "<| end |> <|END|> <|end| > <end>",
    "a<|end|>b",
    "\\<|end|\\> `<|end|>` &lt;|end|&gt;",
    "<0x41><0x0A>",
)
_SPACES = (
    "",
    " ",
    "  ",
    "word",
    " word",
    "   word",
    "word ",
    "two  spaces   three    four",
    "\n",
    "\n\n\n",
    "\nline",
    "line\n",
    "Windows\r\nline\rends",
    "\t",
    "\tone\t\ttwo",
    " \n \n ",
    "no-break\u00a0space, thin\u2009space, wide\u3000space",
    "zero\u200bwidth\ufeffmarks",
    "\u2581a lower block\u2581\u2581is sentencepiece's space\u2581",
)
_CODE_AND_NUMBERS = (
    "def add(a, b):\n    return a + b\n",
    'if (x != 0) {\n\t\treturn y / x;  // "quoted"\n\t}',
    "SELECT name, COUNT(*) FROM people WHERE age >= 18 GROUP BY name;",
    '{"key": [1, 2.5, -3e-7, null, true], "other": "\\u00e9\\n"}',
    "```python\nprint('hi')\n```",
    "$ rm -rf ./build && echo \"${HOME}\" | sed 's/a/b/g' > out.txt 2>&1",
    '<div class="a b">&amp; &nbsp;</div><!-- note -->',
    "0 1 12 123 1234 12345 1234567890",
    "3.14159 1,000,000 1_000 0x1F 1e10 -42 50% $9.99 №5",
    "2+2=4; 7*8==56; (a^2)+(b^2)=c^2",
    "12:30 2024-02-29 +49 30 123456",
    "https://example.org/a/b?c=1&d=two%20words#part and someone@example.org",
    "<@123456789012345678> <#1234> <:wave:987654321> @everyone ||hidden|| **bold** ~~gone~~",
    "........ ------ ====== !!!!! ?!?! ((()))",
    "don't can't I'LL we've o'clock 'tis rock'n'roll",
    "camelCaseName snake_case_name SCREAMING_CASE kebab-case",
    "superkalifragilistigexpialigetisch AAAAAAAAAAAAAAAA hhhhhhhhhhm",
)
_SCRIPTS = (
    "Grüße, Straße, Ärger und Öl: „schön“",
    "Ça va ? L'été, où naît l'œuf, coûte 5 €.",
    "¿Cómo estás? ¡Mañana será otro día!",
    "Zażółć gęślą jaźń; příliš žluťoučký kůň; İstanbul'da ılık",
    "Привет, как дела? Щука ёлка ъ",
    "Γειά σου Κόσμε, τι κάνεις;",
    "שלום עולם, מה שלומך?",
    "مرحبا بالعالم، كيف حالك؟ ١٢٣",
    "नमस्ते दुनिया, आप कैसे हैं? १२३",
    "สวัสดีชาวโลก",
    "你好，世界！今天天气怎么样？",
    "繁體中文與简体中文",
    "こんにちは世界。カタカナとｶﾀｶﾅ",
    "안녕하세요 세계",
    "xin chào thế giới, bạn khỏe không?",
    "ᚠᚢᚦ ⵣ ꦗꦮ 𐍈 𓀀",
)
_CHARACTERS = (
    "😀😃 👍🏽 ❤️ ❤",
    "👨‍👩‍👧‍👦 🏳️‍🌈 👩🏾‍💻 🇩🇪🇫🇷",
    "cafe\u0301 is not café, nor A\u030a Å nor \u212b",
    "x\u0336y\u0336z\u0336 Z\u0351\u036b\u0343\u036a\u0302",
    "ﬁ ﬀ ² ½ ™ Ⅷ ① ｆｕｌｌ　ｗｉｄｔｈ",
    "𝕳𝖊𝖑𝖑𝖔 𝒲𝑜𝓇𝓁𝒹",
    "left\u202eright\u202c \u2066isolated\u2069",
    "\ufffd \ue000 \U0010fffd \U000e0041",
    "\x07bell \x1bescape \x7fdelete \x85next line",
    "“curly” ‘quotes’ – — … « » • → ≠ ≤ ∑ √ ∞",
    "┌─┐│█▓▒░",
)
_MIXED = (
    "Hello 世界! Привет 😀 <|end|> 123\n\tdone ",
    "  Mixed:\tΩ≈ç√ 𝟙𝟚 <s>ñ\u0303</s>\r\n\r\n  42° ½cup👍🏿...",
    "The answer is「42」（四十二）, isn't it?🤔\u200d",
    "a b  c   d    e     f      g       h        i",
)

TOKENIZER_TEXTS = _CONTROL_TOKENS + _SPACES + _CODE_AND_NUMBERS + _SCRIPTS + _CHARACTERS + _MIXED
"""Short texts that no two different tokenizers split alike.

Control tokens of several families, typed as text; spaces, tabs and new lines at either end and in between; code,
numbers and addresses; many scripts; emoji with joiners, combining marks, compatibility forms, and characters that
few vocabularies hold.
"""
