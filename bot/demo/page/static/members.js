// The member list on the right.

import { avatar } from "./avatar.js";
import { element, fill } from "./dom.js";
import { withStatus } from "./sidebar.js";

export class Members {
  constructor(context) {
    this.context = context;
    this.root = element("aside", { class: "members", id: "members", "aria-label": "Members" });
    for (const event of ["state", "active", "channels"]) context.store.on(event, () => this.draw());
  }

  /** Whether a person can read the open channel. A private one is named after the others in it. */
  isHere(person) {
    const { store } = this.context;
    const channel = store.channels.get(store.active);
    if (channel?.kind === "private") return person.id === store.me || channel.name.split(", ").includes(person.name);
    return !person.bot || store.botIsHere;
  }

  draw() {
    const { store } = this.context;
    const everybody = [...store.people.values()].filter((person) => this.isHere(person));
    const isOnline = (person) => !person.bot || store.botOnline;
    const online = everybody.filter(isOnline);
    const offline = everybody.filter((person) => !isOnline(person));
    fill(this.root, group("Online", online, true, this.context), group("Offline", offline, false, this.context));
  }
}

function group(title, people, online, context) {
  if (people.length === 0) return null;
  return element(
    "section",
    { class: online ? "" : "offline" },
    element("h2", {}, `${title} — ${people.length}`),
    people.map((person) =>
      element(
        "button",
        { type: "button", class: "member", title: `Mention ${person.name}`, on: { click: () => context.mention(person) } },
        withStatus(avatar(person, "small"), online && (person.bot ? context.store.botStatus.status : "online")),
        element(
          "span",
          { class: "member-lines" },
          element(
            "span",
            { class: "member-name" },
            element("span", { class: "role-name", style: { "--role": person.color } }, person.name),
            person.bot ? element("span", { class: "app-tag" }, "APP") : null,
          ),
          person.bot && online && context.store.botStatus.text ? element("small", {}, context.store.botStatus.text) : null,
        ),
      ),
    ),
  );
}
