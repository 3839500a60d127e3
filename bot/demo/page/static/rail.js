// The rail at the far left: direct messages, and the servers.

import { element, fill, icon } from "./dom.js";
import { ICONS } from "./icons.js";

export class Rail {
  constructor(context) {
    this.context = context;
    this.root = element("div", { class: "rail" });
    for (const event of ["state", "active", "channels"]) context.store.on(event, () => this.draw());
  }

  draw() {
    const { store } = this.context;
    const focused = document.activeElement?.dataset?.rail;
    const current = store.channels.get(store.active);
    const direct = this.button("direct", "Direct messages", icon(ICONS.bubble), current?.server_id === null, store.dmChannels()[0]);
    const servers = [...store.servers.values()].map((server) => {
      const initials = server.name.split(/\s+/).map((word) => word[0]).join("");
      return this.button(server.id, server.name, initials, current?.server_id === server.id, store.textChannels(server.id)[0]);
    });
    fill(this.root, direct, element("hr"), servers);
    if (focused) this.root.querySelector(`[data-rail="${focused}"]`)?.focus();
  }

  /** A button that opens a channel; none if the person sees no channel there. */
  button(id, label, face, active, channel) {
    if (!channel) return null;
    const { store } = this.context;
    const waiting = [...store.unread.keys()].some((unread) => store.channels.get(unread)?.server_id === channel.server_id && channel.server_id !== store.channels.get(store.active)?.server_id);
    const classes = ["rail-button", id === "direct" ? "" : "server", active ? "active" : "", waiting ? "unread" : ""];
    return element(
      "button",
      {
        type: "button",
        class: classes.filter(Boolean).join(" "),
        "aria-label": waiting ? `${label}, unread` : label,
        "aria-current": active ? "true" : null,
        title: label,
        data: { rail: id },
        on: { click: () => this.context.openChannel(channel.id) },
      },
      face,
    );
  }
}
