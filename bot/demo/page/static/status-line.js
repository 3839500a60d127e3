// Status: who is typing, the state of the connection, notices, and what screen readers announce.

import { element, fill } from "./dom.js";
import { readableText } from "./mention-text.js";
import { dots } from "./message.js";
import { LOADING } from "./store.js";

const NOTICE_LASTS = 6000; // milliseconds
const SETTLED = 1500; // milliseconds without an edit before an answer is announced

export class TypingLine {
  constructor(context) {
    this.context = context;
    this.root = element("div", { class: "typing-line", "aria-live": "off" });
    for (const event of ["state", "active", "typing"]) context.store.on(event, () => this.draw());
  }

  draw() {
    const { store } = this.context;
    const names = store.typists(store.active).map((person) => element("strong", {}, person.name));
    if (names.length === 0) return fill(this.root);
    if (names.length > 3) return fill(this.root, dots(), "Several people are typing…");
    const listed = names.flatMap((name, index) => {
      if (index === 0) return [name];
      return [index === names.length - 1 ? " and " : ", ", name];
    });
    return fill(this.root, dots(), element("span", {}, listed, names.length === 1 ? " is typing…" : " are typing…"));
  }
}

export class Banner {
  constructor() {
    this.root = element("div", { class: "banner", role: "status", hidden: true });
  }

  show(text, kind = "") {
    this.root.textContent = text;
    this.root.className = `banner ${kind}`.trim();
    this.root.hidden = false;
  }

  hide() {
    this.root.hidden = true;
  }
}

export class Notices {
  constructor() {
    this.root = element("div", { class: "notices", role: "alert" });
  }

  show(text) {
    const notice = element("div", { class: "notice" }, text);
    this.root.append(notice);
    setTimeout(() => notice.remove(), NOTICE_LASTS);
  }
}

/** Announces other people's messages in the open channel to screen readers, and a streamed answer once it is complete. */
export class Announcer {
  constructor(context) {
    this.root = element("div", { class: "visually-hidden", "aria-live": "polite", role: "log", "aria-label": "New messages" });
    const timers = new Map();
    context.store.on("message", ({ channel, message }) => {
      if (channel !== context.store.active || message.author.id === context.store.me || message.flags & LOADING) return;
      clearTimeout(timers.get(message.id));
      const announce = () => {
        timers.delete(message.id);
        const name = context.person(message.author).name;
        fill(this.root, element("p", {}, `${name}: ${readableText(message.content, context.store)}`));
      };
      timers.set(message.id, setTimeout(announce, SETTLED));
    });
  }
}
