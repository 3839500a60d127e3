// The head of every channel, with suggestions for a newcomer.

import { element, icon } from "./dom.js";
import { ICONS } from "./icons.js";

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
    element("span", { class: "welcome-icon" }, icon({ text: ICONS.hash, thread: ICONS.thread, dm: ICONS.at }[channel.kind])),
    element("h2", {}, channel.kind === "text" ? `Welcome to #${channel.name}!` : channel.name),
    element("p", {}, beginning(channel)),
    wrote || !store.bot ? null : hint(channel, context),
  );
}

function beginning(channel) {
  if (channel.kind === "text") return `This is the start of the #${channel.name} channel.${channel.topic ? ` ${channel.topic}` : ""}`;
  if (channel.kind === "thread") return "This is the start of the thread.";
  return `This is the beginning of your direct messages with ${channel.name}.`;
}

function hint(channel, context) {
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
