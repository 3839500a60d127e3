// The view of one message, which updates in place while the answer grows.

import { avatar } from "./avatar.js";
import { componentRows } from "./components.js";
import { element, fill, icon } from "./dom.js";
import { attachmentCard, embedCard } from "./embeds.js";
import { ICONS } from "./icons.js";
import { renderInline, renderMarkdown } from "./markdown-view.js";
import { EPHEMERAL, LOADING } from "./store.js";
import { calendar, clock } from "./times.js";

const GROUP_WITHIN = 7 * 60 * 1000; // milliseconds between messages that share one heading
const SLASH_COMMAND = 1;
const SYSTEM_TEXT = { 6: "pinned a message to this channel.", 18: "started a thread:", 21: "started this thread." };

/** Whether `message` belongs below `previous` without a heading of its own. */
export function continues(message, previous) {
  if (!previous || previous.author.id !== message.author.id) return false;
  if (message.message_reference || message.interaction_metadata || isSystem(message) || isSystem(previous)) return false;
  if ((message.flags & EPHEMERAL) !== (previous.flags & EPHEMERAL)) return false;
  return new Date(message.timestamp) - new Date(previous.timestamp) < GROUP_WITHIN;
}

function appTag(person) {
  return person.bot ? element("span", { class: "app-tag" }, "APP") : null;
}

function isSystem(message) {
  return message.type in SYSTEM_TEXT;
}

/** The view of one message. `update` redraws only the parts that changed. */
export class MessageView {
  /** `context`: see app.js. */
  constructor(message, grouped, context) {
    this.context = context;
    this.grouped = grouped;
    this.parts = new Map();
    this.body = element("div", { class: "message-body" });
    this.root = element("li", { class: "message", id: `message-${message.id}`, data: { message: message.id, author: message.author.id } });
    this.update(message);
  }

  update(message) {
    this.message = message;
    this.root.classList.toggle("grouped", this.grouped);
    this.root.classList.toggle("calls-me", this.context.store.mentionsMe(message));
    this.root.classList.toggle("ephemeral", Boolean(message.flags & EPHEMERAL));
    if (isSystem(message)) return this.showSystem(message);
    this.part("header", [message.author.id, this.grouped, message.interaction_metadata, message.referenced_message?.content], () => this.header());
    this.part("content", [message.content, message.flags, message.edited_timestamp], () => this.content());
    this.part("attachments", message.attachments, () => message.attachments.map(attachmentCard));
    this.part("embeds", message.embeds, () => message.embeds.map((embed) => embedCard(embed, this.context)));
    this.part("reactions", message.reactions, () => this.reactions());
    this.part("components", message.components, () => componentRows(message, this.context.actions));
    this.part("note", message.flags, () => this.ephemeralNote());
    return undefined;
  }

  /** Redraw a part only if its data changed, so that a button keeps its focus while the text grows. */
  part(name, shown, draw) {
    const key = JSON.stringify(shown ?? null);
    let part = this.parts.get(name);
    if (!part) {
      part = { key: null, holder: element("div", { class: `message-${name}` }) };
      this.parts.set(name, part);
      if (name === "header") this.root.append(part.holder, this.body);
      else this.body.append(part.holder);
    }
    if (part.key === key) return;
    part.key = key;
    fill(part.holder, draw());
  }

  header() {
    const { message } = this;
    const sent = new Date(message.timestamp);
    if (this.grouped) return element("time", { class: "side-time", datetime: message.timestamp }, clock(sent));
    const author = this.context.person(message.author);
    return [
      this.commandLine() ?? this.replyLine(),
      avatar(author),
      element(
        "h3",
        { class: "message-heading" },
        this.nameButton(author),
        appTag(author),
        element("time", { datetime: message.timestamp }, calendar(sent)),
      ),
    ];
  }

  nameButton(person) {
    return element(
      "button",
      { type: "button", class: "author role-name", style: { "--role": person.color }, on: { click: () => this.context.mention(person) } },
      person.name,
    );
  }

  commandLine() {
    const { message } = this;
    const used = message.interaction_metadata;
    if (!used?.user || !used.name) return null;
    const person = this.context.person(used.user);
    return element(
      "div",
      { class: "above-line" },
      avatar(person, "tiny"),
      this.nameButton(person),
      " used ",
      element("span", { class: "mention" }, used.command_type === SLASH_COMMAND ? `/${used.name}` : used.name),
    );
  }

  replyLine() {
    const { message } = this;
    if (!message.message_reference || message.type === 18 || message.type === 21) return null;
    const original = message.referenced_message;
    if (!original) return element("div", { class: "above-line" }, element("em", {}, "Original message was deleted"));
    const person = this.context.person(original.author);
    const jump = element("button", { type: "button", class: "quoted", on: { click: () => this.context.jumpTo(original.id) } });
    fill(jump, quotedWords(original, this.context));
    return element("div", { class: "above-line" }, avatar(person, "tiny"), appTag(person), this.nameButton(person), jump);
  }

  content() {
    const { message } = this;
    if (message.flags & LOADING) {
      const name = this.context.person(message.author).name;
      return element("span", { class: "thinking" }, dots(), `${name} is thinking…`);
    }
    if (message.failure) return element("span", { class: "failure" }, message.failure);
    if (!message.content) return null;
    const words = renderMarkdown(message.content, this.context);
    if (message.edited_timestamp) {
      const note = element("span", { class: "edited", title: calendar(new Date(message.edited_timestamp)) }, "(edited)");
      const last = words.lastElementChild;
      (last?.className === "paragraph" ? last : words).append(" ", note);
    }
    return words;
  }

  reactions() {
    const { message, context } = this;
    const pills = message.reactions.map(({ emoji, count }) =>
      element(
        "button",
        { type: "button", class: "reaction", "aria-label": `${emoji.name}, ${count}`, on: { click: () => context.actions.react(message, emoji.name) } },
        `${emoji.name} ${count}`,
      ),
    );
    return pills.length ? element("div", { class: "reactions" }, pills) : null;
  }

  ephemeralNote() {
    const { message, context } = this;
    if (!(message.flags & EPHEMERAL)) return null;
    return element(
      "div",
      { class: "ephemeral-note" },
      icon(ICONS.eye),
      "Only you can see this • ",
      element("button", { type: "button", class: "link-button", on: { click: () => context.actions.dismiss(message) } }, "Dismiss message"),
    );
  }

  showSystem(message) {
    const author = this.context.person(message.author);
    const thread = message.type === 18 ? this.context.store.channels.get(message.message_reference?.channel_id ?? message.id) : null;
    const link = thread
      ? element("button", { type: "button", class: "link-button", on: { click: () => this.context.openChannel(thread.id) } }, thread.name)
      : element("strong", {}, message.type === 18 ? message.content : "");
    this.root.classList.add("system");
    this.part("system", [message.type, message.content, thread?.name], () => [
      icon(ICONS.thread),
      this.nameButton(author),
      ` ${SYSTEM_TEXT[message.type]} `,
      link,
      element("time", { datetime: message.timestamp }, calendar(new Date(message.timestamp))),
    ]);
    if (!this.body.isConnected) this.root.append(this.body);
  }
}

function quotedWords(original, context) {
  if (original.content) return renderInline(original.content.split("\n").join(" ").slice(0, 300), context).map(withoutButtons);
  return element("em", {}, "Click to see attachment");
}

/** Replace a mention's button by text: the quote is a button, and buttons cannot be nested. */
function withoutButtons(node) {
  return node.tagName === "BUTTON" || node.tagName === "A" ? element("span", { class: "mention" }, node.textContent) : node;
}

export function dots() {
  return element("span", { class: "dots", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
}
