// The head of every channel, with suggestions for a newcomer.

import { element, icon } from "./dom.js";
import { ICONS } from "./icons.js";

const MARKS = { text: ICONS.hash, forum: ICONS.forum, thread: ICONS.thread, dm: ICONS.at, private: ICONS.people };
const SUGGESTIONS = [
  "what is the capital of France?",
  "write a haiku about autumn rain",
  "explain recursion to a child in three sentences",
];

export function welcome(channel, messages, context) {
  const { store } = context;
  const wrote = messages.some((message) => message.author.id === store.me);
  return element(
    "li",
    { class: "welcome" },
    element("span", { class: "welcome-icon" }, icon(MARKS[channel.kind])),
    element("h2", {}, channel.kind === "text" ? `Welcome to #${channel.name}!` : channel.name),
    element("p", {}, beginning(channel)),
    channel.kind === "forum" ? posts(channel, context) : null,
    wrote || !store.bot || channel.kind === "forum" ? null : hint(channel, context),
  );
}

function beginning(channel) {
  if (channel.kind === "text") return `This is the start of the #${channel.name} channel.${channel.topic ? ` ${channel.topic}` : ""}`;
  if (channel.kind === "thread") return "This is the start of the thread.";
  if (channel.kind === "forum") return "A forum: each post is a conversation of its own.";
  return `This is the beginning of your direct messages with ${channel.name}.`;
}

function posts(channel, context) {
  return element(
    "div",
    { class: "posts" },
    element("button", { type: "button", class: "component-button primary", on: { click: () => context.newPost() } }, "New Post"),
    context.store.threadsOf(channel.id).map((post) =>
      element(
        "button",
        { type: "button", class: "thread-link", on: { click: () => context.openChannel(post.id) } },
        icon(ICONS.thread),
        element("strong", {}, post.name),
        "See post ›",
      ),
    ),
  );
}

function hint(channel, context) {
  if (!context.store.botIsHere) return outsideHint(context);
  const name = context.store.bot.name;
  const mention = channel.kind === "dm" ? "" : `@${name} `;
  const buttons = SUGGESTIONS.map((suggestion) => {
    const words = mention ? mention + suggestion : suggestion[0].toUpperCase() + suggestion.slice(1);
    return element(
      "button",
      { type: "button", class: "suggestion", on: { click: () => context.suggest(words) } },
      mention ? element("span", { class: "mention" }, mention.trim()) : null,
      mention ? ` ${suggestion}` : words,
    );
  });
  return element(
    "div",
    { class: "hint" },
    element("p", {}, mention ? `Mention ${name} to get an answer. Try:` : `${name} answers every message here. Try:`),
    buttons,
    element("p", {}, "Or type ", element("kbd", {}, "/"), " to see the commands."),
  );
}

/** What a newcomer can do where the bot is no member. */
function outsideHint(context) {
  const { name } = context.store.bot;
  return element(
    "div",
    { class: "hint" },
    element("p", {}, `${name} is not a member here and reads nothing. Add it to your own account to use its commands everywhere.`),
    element("button", { type: "button", class: "suggestion", on: { click: () => context.openSettings() } }, `Add ${name} to my account…`),
    element("p", {}, "Then type ", element("kbd", {}, "/"), " to see its commands."),
  );
}
