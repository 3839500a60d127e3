// Renders the Markdown tree as elements.

import { element, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";
import { inline, parse } from "./markdown.js";
import { stamp } from "./times.js";

const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}(?:\u{FE0F}|\u{200D}|[\u{1F3FB}-\u{1F3FF}])*\s*){1,27}$/u;

const SIMPLE = { bold: "strong", italics: "em", underline: "u", strike: "s", subtext: "small" };

/** Render a whole message. See `pill` for what it uses of `context`. */
export function renderMarkdown(source, context) {
  const nodes = parse(source).map((node) => render(node, context));
  return element("div", { class: ONLY_EMOJI.test(source.trim()) ? "markdown jumbo" : "markdown" }, nodes);
}

/** Render one line, for previews and titles. */
export function renderInline(source, context) {
  return inline(source).map((node) => render(node, context));
}

/** A safe link that opens in a new tab. */
export function outsideLink(url, ...children) {
  return element("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, ...children);
}

function render(node, context) {
  const children = () => node.children.map((child) => render(child, context));
  if (node.type in SIMPLE) return element(SIMPLE[node.type], {}, children());
  switch (node.type) {
    case "text":
      return node.text;
    case "paragraph":
      return element("div", { class: "paragraph" }, children());
    case "code":
      return element("code", { class: "inline-code" }, node.text);
    case "codeblock":
      return codeBlock(node);
    case "heading":
      return element(`h${node.level + 2}`, { class: `heading-${node.level}` }, children());
    case "quote":
      return element("blockquote", {}, children());
    case "list":
      return renderList(node, context);
    case "link":
      return outsideLink(node.url, children());
    case "spoiler":
      return spoiler(children());
    case "time":
      return element("time", { class: "timestamp" }, stamp(node.seconds, node.style));
    default:
      return pill(node, context);
  }
}

function renderList(node, context) {
  const items = node.items.map((item) => element("li", {}, item.map((child) => render(child, context))));
  return node.ordered ? element("ol", { start: node.start }, items) : element("ul", {}, items);
}

function codeBlock(node) {
  const copy = iconButton("Copy code", ICONS.copy, async () => {
    await navigator.clipboard.writeText(node.text);
    copy.classList.add("done");
  });
  return element(
    "div",
    { class: "codeblock" },
    copy,
    element("pre", {}, element("code", { class: node.language ? `language-${node.language}` : null }, node.text)),
  );
}

function spoiler(children) {
  const hidden = element("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": "Spoiler" }, children);
  const show = (event) => {
    if (event.type === "keydown" && event.key !== "Enter") return;
    hidden.classList.add("shown");
    hidden.removeAttribute("role");
    hidden.removeAttribute("aria-label");
  };
  hidden.addEventListener("click", show);
  hidden.addEventListener("keydown", show);
  return hidden;
}

/**
 * Render a mention. The names come from `context.store`; a click calls `context.openChannel(id)`,
 * `context.runCommand(name)` or `context.mention(person)`.
 */
function pill(node, context) {
  const { store } = context;
  if (node.type === "everyone") return element("span", { class: "mention" }, node.text);
  if (node.type === "person") {
    const person = store.people.get(node.id);
    if (!person) return element("span", { class: "mention" }, "@unknown-user");
    return mentionButton(`@${person.name}`, () => context.mention(person));
  }
  if (node.type === "role") return element("span", { class: "mention" }, "@role");
  if (node.type === "command") return mentionButton(`/${node.name}`, () => context.runCommand(node.name));
  const channel = store.channels.get(node.id);
  if (!channel) return element("span", { class: "mention" }, "#unknown");
  return mentionButton(`#${channel.name}`, () => context.openChannel(channel.id));
}

function mentionButton(label, onClick) {
  return element("button", { type: "button", class: "mention", on: { click: onClick } }, label);
}
