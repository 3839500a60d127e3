// The left side: the channels, the direct messages, and the current person.

import { avatar } from "./avatar.js";
import { element, fill, icon, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";

export class Sidebar {
  constructor(context) {
    this.context = context;
    this.heading = element("h1", { class: "server-name" });
    this.list = element("div", { class: "channel-list" });
    this.panel = element("div", { class: "user-panel" });
    this.menu = element("div", { class: "person-menu", hidden: true, role: "menu", "aria-label": "People" });
    this.root = element("nav", { class: "sidebar", id: "sidebar", "aria-label": "Channels" }, this.heading, this.list, this.menu, this.panel);
    const { store } = context;
    for (const event of ["state", "active", "channels"]) store.on(event, () => this.draw());
    store.on("state", () => this.drawPanel());
    this.menu.addEventListener("keydown", (event) => this.menuKey(event));
    this.menu.addEventListener("focusout", (event) => {
      if (!this.menu.contains(event.relatedTarget) && !this.panel.contains(event.relatedTarget)) this.menu.hidden = true;
    });
  }

  draw() {
    const { store } = this.context;
    this.heading.textContent = store.server.name;
    const focused = document.activeElement?.dataset?.channel;
    fill(
      this.list,
      element("h2", {}, "Text channels"),
      element("ul", {}, store.textChannels().map((channel) => this.channelRow(channel))),
      element(
        "div",
        { class: "with-button" },
        element("h2", {}, "Direct messages"),
        iconButton("New direct message", ICONS.plus, () => this.context.newPrivate()),
      ),
      element("ul", {}, store.dmChannels().map((channel) => this.row(channel))),
    );
    if (focused) this.list.querySelector(`[data-channel="${focused}"]`)?.focus();
  }

  channelRow(channel) {
    const threads = this.context.store.threadsOf(channel.id);
    return [
      this.row(channel),
      threads.length ? element("li", {}, element("ul", { class: "threads" }, threads.map((thread) => this.row(thread)))) : null,
    ];
  }

  row(channel) {
    const { store } = this.context;
    const count = store.unread.get(channel.id);
    const active = channel.id === store.active;
    const classes = ["channel", channel.kind, active ? "active" : "", count === undefined ? "" : "unread"];
    const words = count === undefined ? channel.name : `${channel.name}, unread${count ? `, ${count} for you` : ""}`;
    return element(
      "li",
      { class: classes.filter(Boolean).join(" ") },
      element(
        "button",
        {
          type: "button",
          "aria-current": active ? "page" : null,
          "aria-label": words,
          data: { channel: channel.id, name: channel.name },
          on: { click: () => this.context.openChannel(channel.id) },
        },
        this.mark(channel),
        element("span", { class: "channel-name" }, channel.name),
        count ? element("span", { class: "badge", "aria-hidden": "true" }, String(count)) : null,
      ),
    );
  }

  mark(channel) {
    const { bot, botOnline, botStatus } = this.context.store;
    if (channel.kind === "text") return icon(ICONS.hash);
    if (channel.kind === "forum") return icon(ICONS.forum);
    if (channel.kind === "private") return icon(ICONS.people);
    if (channel.kind === "thread") return element("span", { class: "thread-mark", "aria-hidden": "true" });
    return withStatus(avatar(bot, "small"), botOnline && botStatus.status);
  }

  drawPanel() {
    const { store } = this.context;
    const me = store.people.get(store.me);
    const others = [...store.people.values()].filter((person) => !person.bot);
    fill(
      this.panel,
      withStatus(avatar(me, "small"), "online"),
      element("span", { class: "user-name" }, element("strong", {}, me.name), element("small", {}, "Online")),
      iconButton("Switch person", ICONS.swap, () => this.toggleMenu()),
    );
    fill(
      this.menu,
      element("div", { class: "menu-title" }, "Act as someone else in this tab"),
      others.map((person) =>
        element(
          "button",
          {
            type: "button",
            role: "menuitemradio",
            "aria-checked": String(person.id === store.me),
            data: { person: person.name },
            on: { click: () => this.choose(person) },
          },
          avatar(person, "small"),
          person.name,
          person.id === store.me ? icon(ICONS.check) : null,
        ),
      ),
    );
  }

  toggleMenu() {
    this.menu.hidden = !this.menu.hidden;
    if (!this.menu.hidden) this.menu.querySelector("button").focus();
  }

  choose(person) {
    this.menu.hidden = true;
    this.context.become(person);
  }

  menuKey(event) {
    const buttons = [...this.menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
    } else if (event.key === "Escape") {
      this.menu.hidden = true;
      this.panel.querySelector("button").focus();
    }
  }
}

/** An avatar with the dot that shows Discord's status: "online", "idle", "dnd", or false. */
export function withStatus(circle, status) {
  return element("span", { class: "with-status" }, circle, element("i", { class: status ? `status ${status}` : "status" }));
}
