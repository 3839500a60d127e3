// The menu of a message's commands, which apps offer.

import { element, icon, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";

/** A button that opens a menu of commands. `run(name)` uses one. */
export function appsMenu(names, bot, run) {
  const menu = element("div", { class: "apps-menu", role: "menu", "aria-label": "Apps", hidden: true });
  const toggle = iconButton("Apps", ICONS.grid, () => show(menu.hidden));
  toggle.setAttribute("aria-haspopup", "menu");
  toggle.setAttribute("aria-expanded", "false");
  const show = (visible) => {
    menu.hidden = !visible;
    toggle.setAttribute("aria-expanded", String(visible));
    if (visible) menu.querySelector("button").focus();
    else toggle.focus();
  };
  const items = names.map((name) =>
    element("button", { type: "button", role: "menuitem", on: { click: () => choose(name) } }, icon(ICONS.grid), element("span", {}, name, element("small", {}, bot.name))),
  );
  const choose = (name) => {
    show(false);
    run(name);
  };
  menu.append(...items);
  const root = element("span", { class: "apps" }, toggle, menu);
  root.addEventListener("keydown", (event) => move(event, items, () => show(false), menu));
  root.addEventListener("focusout", (event) => {
    if (root.contains(event.relatedTarget)) return;
    menu.hidden = true;
    toggle.setAttribute("aria-expanded", "false");
  });
  return root;
}

function move(event, items, close, menu) {
  if (menu.hidden) return;
  if (event.key === "Escape") {
    event.stopPropagation();
    close();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
}
