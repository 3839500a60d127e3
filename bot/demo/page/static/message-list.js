// The open channel's messages. A list that is scrolled to the bottom stays there.

import { element, fill, icon } from "./dom.js";
import { ICONS } from "./icons.js";
import { continues, MessageView } from "./message.js";
import { messageTools } from "./message-tools.js";
import { longDate, sameDay } from "./times.js";
import { welcome } from "./welcome.js";

const BOTTOM_MARGIN = 60; // pixels from the bottom that still count as the bottom

export class MessageList {
  constructor(context) {
    this.context = context;
    this.views = new Map();
    this.list = element("ol", { class: "messages", id: "messages", "aria-label": "Messages" });
    this.scroller = element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Messages" }, this.list);
    this.down = element("button", { type: "button", class: "jump-down", hidden: true, on: { click: () => this.toBottom() } }, "Jump to present ↓");
    this.root = element("div", { class: "message-area" }, this.scroller, this.down);
    this.atBottom = true;
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.keepBottom()).observe(this.scroller);
    const { store } = context;
    for (const event of ["state", "active"]) store.on(event, () => this.drawAll());
    store.on("message", ({ channel, message }) => channel === store.active && this.put(message));
    store.on("removed", ({ channel }) => channel === store.active && this.redraw());
    store.on("channels", () => this.channelsChanged());
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.atBottom = scrollHeight - scrollTop - clientHeight < BOTTOM_MARGIN;
    this.down.hidden = this.atBottom;
  }

  keepBottom() {
    if (this.atBottom) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  toBottom() {
    this.atBottom = true;
    this.keepBottom();
    this.down.hidden = true;
  }

  drawAll() {
    this.redraw();
    this.toBottom();
  }

  /** A forum lists its posts, and the first hint depends on whether the bot is a member. */
  channelsChanged() {
    const { store } = this.context;
    if (store.channels.get(store.active)?.kind === "forum" || store.botIsHere !== this.botWasHere) this.redraw();
    else this.drawThreadLinks();
  }

  redraw() {
    const { store } = this.context;
    this.botWasHere = store.botIsHere;
    const channel = store.channels.get(store.active);
    const messages = store.messagesOf(store.active);
    this.views.clear();
    const rows = messages.flatMap((message, index) => this.rows(message, messages[index - 1]));
    fill(this.list, channel ? welcome(channel, messages, this.context) : null, rows);
    this.drawThreadLinks();
    this.keepBottom();
  }

  /** A message's element, below a separator if a new day begins. */
  rows(message, previous) {
    const view = new MessageView(message, continues(message, previous) && !this.dayBegins(message, previous), this.context);
    this.views.set(message.id, view);
    view.root.append(messageTools(view, this.context));
    const day = longDate(new Date(message.timestamp));
    const line = element("li", { class: "day", role: "separator", "aria-label": day }, element("span", {}, day));
    return this.dayBegins(message, previous) ? [line, view.root] : [view.root];
  }

  dayBegins(message, previous) {
    return !previous || !sameDay(new Date(message.timestamp), new Date(previous.timestamp));
  }

  put(message) {
    const view = this.views.get(message.id);
    if (view) {
      view.update(message);
    } else {
      const messages = this.context.store.messagesOf(message.channel_id);
      this.list.append(...this.rows(message, messages.at(-2)));
      if (message.author.id === this.context.store.me) this.atBottom = true;
    }
    this.keepBottom();
    if (!this.atBottom) this.down.hidden = false;
  }

  /** Link each thread below the message that it started from. */
  drawThreadLinks() {
    for (const [id, view] of this.views) {
      const thread = this.context.store.channels.get(id);
      if (!thread || view.message.type === 18 || thread.kind !== "thread") continue;
      view.part("thread", thread.name, () =>
        element(
          "button",
          { type: "button", class: "thread-link", on: { click: () => this.context.openChannel(id) } },
          icon(ICONS.thread),
          element("strong", {}, thread.name),
          "See thread ›",
        ),
      );
    }
    this.keepBottom();
  }

  jumpTo(messageId) {
    const view = this.views.get(messageId);
    if (!view) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    view.root.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    view.root.classList.add("flash");
    setTimeout(() => view.root.classList.remove("flash"), 1600);
  }
}
