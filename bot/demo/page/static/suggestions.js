// The pickers' suggestions for the word before the caret.

import { avatar } from "./avatar.js";
import { element, icon } from "./dom.js";
import { ICONS } from "./icons.js";

const MOST = 10;

/**
 * @param {string} before - the text before the caret.
 * @returns {{title: string, from: number, items: object[]} | null} where the word begins, and its replacements:
 *   each item has `insert` (text) or `command`.
 */
export function suggestions(before, store) {
  const command = /^\/([^\n]*)$/.exec(before);
  if (command) return { title: "Commands", from: 0, items: commandItems(command[1], store) };
  const word = /(?:^|\s)([@#])([^\s@#]*)$/.exec(before);
  if (!word) return null;
  const from = before.length - word[2].length - 1;
  if (word[1] === "@") return { title: "Members", from, items: peopleItems(word[2], store) };
  return { title: "Text channels", from, items: channelItems(word[2], store) };
}

function begins(name, typed) {
  return name.toLowerCase().startsWith(typed.toLowerCase());
}

function commandItems(typed, store) {
  const wanted = typed.toLowerCase().trimEnd();
  return store.commands
    .map((command) => ({ command, name: command.path.join(" ") }))
    .filter(({ name }) => name.includes(wanted))
    .sort((one, other) => begins(other.name, wanted) - begins(one.name, wanted))
    .map(({ command, name }) => ({ label: `/${name}`, detail: command.description, lead: avatar(store.bot), command }));
}

/** People by name, after the bot, which a newcomer wants to talk to. */
export function peopleItems(typed, store) {
  return [...store.people.values()]
    .filter((person) => begins(person.name, typed))
    .sort((one, other) => other.bot - one.bot || one.name.localeCompare(other.name))
    .slice(0, MOST)
    .map((person) => ({
      label: person.name,
      detail: person.bot ? "App" : "",
      lead: avatar(person),
      insert: `@${person.name}`,
      value: person.id,
    }));
}

export function channelItems(typed, store) {
  return [...store.channels.values()]
    .filter((channel) => channel.server_id === store.server.id && begins(channel.name, typed))
    .slice(0, MOST)
    .map((channel) => ({
      label: channel.name,
      lead: element("span", { class: "picker-icon" }, icon(channel.kind === "thread" ? ICONS.thread : ICONS.hash)),
      insert: `#${channel.name}`,
      value: channel.id,
    }));
}
