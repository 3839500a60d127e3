// The bar above the messages: the channel's name and its tools.

import { element, fill, icon, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";

export class ChatHead {
  constructor(context) {
    this.context = context;
    this.title = element("div", { class: "chat-title" });
    this.tools = element("div", { class: "chat-tools" });
    this.root = element(
      "header",
      { class: "chat-head" },
      iconButton("Channels", ICONS.menu, () => context.toggle("show-sidebar"), "menu-button"),
      this.title,
      this.tools,
    );
    const { store } = context;
    for (const event of ["state", "active", "channels"]) store.on(event, () => this.draw());
  }

  draw() {
    const { store } = this.context;
    const channel = store.channels.get(store.active);
    if (!channel) return;
    const mark = { text: ICONS.hash, forum: ICONS.forum, thread: ICONS.thread, private: ICONS.people }[channel.kind] ?? ICONS.at;
    const parent = store.channels.get(channel.parent_id);
    fill(
      this.title,
      parent ? element("button", { type: "button", class: "crumb", on: { click: () => this.context.openChannel(parent.id) } }, icon(parent.kind === "forum" ? ICONS.forum : ICONS.hash), parent.name) : null,
      parent ? element("span", { class: "crumb-arrow", "aria-hidden": "true" }, "›") : null,
      icon(mark),
      element("h2", {}, channel.name),
      channel.kind === "text" ? element("span", { class: "topic" }, "A Discord on your own machine. Nothing leaves it.") : null,
    );
    fill(
      this.tools,
      channel.kind === "text" ? iconButton("New thread", ICONS.thread, () => this.context.newThread(null)) : null,
      iconButton("Bot settings", ICONS.gear, () => this.context.openSettings()),
      iconButton("Member list", ICONS.people, () => this.context.toggle("hide-members"), "members-button"),
    );
  }
}
