// Parses Discord's Markdown into a tree of plain objects, without touching the document.
//
// A node is {type, ...}: "text" {text} · "bold", "italics", "underline", "strike", "spoiler" {children} ·
// "code" {text} · "link" {url, children} · "person", "role", "channel" {id} · "everyone" {text} ·
// "command" {name} · "time" {seconds, style} · and the blocks "codeblock" {language, text}, "heading" {level, children},
// "subtext" {children}, "quote" {children}, "list" {ordered, start, items: [children]}, "paragraph" {children}.

const INLINE = [
  [/\\([^0-9A-Za-z\s])/y, (found) => text(found[1])],
  [/(?<!`)(`+)(?!`)(.*?[^`])\1(?!`)/sy, (found) => ({ type: "code", text: found[2].replace(/^ (.*) $/s, "$1") })],
  [/<(https?:\/\/[^\s>]+)>/y, (found) => link(found[1], [text(found[1])])],
  [/<@!?(\d+)>/y, (found) => ({ type: "person", id: found[1] })],
  [/<@&(\d+)>/y, (found) => ({ type: "role", id: found[1] })],
  [/<#(\d+)>/y, (found) => ({ type: "channel", id: found[1] })],
  [/<\/([^:>]+):\d+>/y, (found) => ({ type: "command", name: found[1] })],
  [/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y, (found) => ({ type: "time", seconds: Number(found[1]), style: found[2] })],
  [/<a?(:\w+:)\d+>/y, (found) => text(found[1])],
  [/@(?:everyone|here)\b/y, (found) => ({ type: "everyone", text: found[0] })],
  [/\[([^[\]\n]+)\]\(<?(https?:\/\/[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)>?\)/y, (found) => link(found[2], inline(found[1]))],
  [/https?:\/\/[^\s<>]+[^\s<>.,:;"'\])*_~|!?]/y, (found) => link(found[0], [text(found[0])])],
  [/\*\*((?:\\.|[^\\])+?)\*\*(?!\*)/sy, (found) => wrap("bold", found)],
  [/__((?:\\.|[^\\])+?)__(?!_)/sy, (found) => wrap("underline", found)],
  [/\*(?=\S)((?:\*\*|\\.|\s+(?:\\.|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)/sy, (found) => wrap("italics", found)],
  [/_((?:__|\\.|[^\\_])+?)_(?![0-9A-Za-z_])/sy, (found) => wrap("italics", found)],
  [/~~(.+?)~~/sy, (found) => wrap("strike", found)],
  [/\|\|(.+?)\|\|/sy, (found) => wrap("spoiler", found)],
];

// A run without any special character. Taking whole words keeps "a_b" out of italics.
const PLAIN = /[^\\`<@[*_~|h]+|[0-9A-Za-z]+/y;

const text = (value) => ({ type: "text", text: value });
const link = (url, children) => ({ type: "link", url, children });
const wrap = (type, found) => ({ type, children: inline(found[1]) });

function matchAt(rule, source, position) {
  rule.lastIndex = position;
  return rule.exec(source);
}

/** Parse text without blocks. */
export function inline(source) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(text(plain));
    plain = "";
  };
  for (let position = 0; position < source.length; ) {
    const node = inlineNode(source, position);
    if (node) {
      flush();
      nodes.push(node.node);
      position += node.length;
    } else {
      const run = matchAt(PLAIN, source, position)?.[0] ?? source[position];
      plain += run;
      position += run.length;
    }
  }
  flush();
  return nodes;
}

function inlineNode(source, position) {
  for (const [rule, make] of INLINE) {
    const found = matchAt(rule, source, position);
    if (found) return { node: make(found), length: found[0].length };
  }
  return null;
}

const FENCE = /```(?:([\w+#.-]+)\n)?\n*(.*?)\n*```\n?/sy;
const HEADING = /(#{1,3}) +(.+?)(?:\n|$)/y;
const SUBTEXT = /-# +(.+?)(?:\n|$)/y;
const QUOTE_REST = />>> (.*)/sy;
const QUOTE_LINES = /(?:> [^\n]*(?:\n|$))+/y;
const NESTED = String.raw`(?: {2,}(?:[-*]|\d{1,9}\.) +\S[^\n]*(?:\n|$))*`;
const BULLETS = new RegExp(String.raw`(?: ?[-*] +\S[^\n]*(?:\n|$)${NESTED})+`, "y");
const NUMBERS = new RegExp(String.raw`(?: ?\d{1,9}\. +\S[^\n]*(?:\n|$)${NESTED})+`, "y");

/** Parse a whole message. */
export function parse(source, quoted = false) {
  const blocks = [];
  let paragraph = "";
  const flush = () => {
    if (paragraph.trim()) blocks.push({ type: "paragraph", children: inline(paragraph.replace(/\n$/, "")) });
    paragraph = "";
  };
  for (let position = 0; position < source.length; ) {
    const lineStart = position === 0 || source[position - 1] === "\n";
    const found = fence(source, position) ?? (lineStart ? block(source, position, quoted) : null);
    if (found) {
      flush();
      blocks.push(found.block);
      position += found.length;
    } else {
      const line = /.*?(?:\n|(?=```)|$)/sy;
      line.lastIndex = position;
      const run = line.exec(source)[0] || source[position];
      paragraph += run;
      position += run.length;
    }
  }
  flush();
  return blocks;
}

function fence(source, position) {
  const found = matchAt(FENCE, source, position);
  if (!found?.[2].trim()) return null;
  return { block: { type: "codeblock", language: found[1] ?? "", text: found[2] }, length: found[0].length };
}

function block(source, position, quoted) {
  const rules = [
    [HEADING, (found) => ({ type: "heading", level: found[1].length, children: inline(found[2]) })],
    [SUBTEXT, (found) => ({ type: "subtext", children: inline(found[1]) })],
    [BULLETS, (found) => list(found[0].replace(/\n$/, "").split("\n"))],
    [NUMBERS, (found) => list(found[0].replace(/\n$/, "").split("\n"))],
  ];
  if (!quoted) {
    rules.push([QUOTE_REST, (found) => ({ type: "quote", children: parse(found[1], true) })]);
    rules.push([QUOTE_LINES, (found) => ({ type: "quote", children: parse(found[0].replace(/^> /gm, ""), true) })]);
  }
  for (const [rule, make] of rules) {
    const found = matchAt(rule, source, position);
    if (found) return { block: make(found), length: found[0].length };
  }
  return null;
}

/** Parse the lines of a list, nested by their indentation. */
function list(lines) {
  const items = lines.map((line) => {
    const [, indent, mark, rest] = /^( *)([-*]|\d+\.) +(.*)$/.exec(line);
    return { indent: indent.length, mark, rest };
  });
  const base = items[0].indent;
  const made = { type: "list", ordered: /\d/.test(items[0].mark), start: parseInt(items[0].mark, 10) || 1, items: [] };
  for (let index = 0; index < items.length; ) {
    let end = index + 1;
    while (end < items.length && items[end].indent > base) end += 1;
    const nested = lines.slice(index + 1, end);
    made.items.push([...inline(items[index].rest), ...(nested.length ? [list(nested)] : [])]);
    index = end;
  }
  return made;
}
