// Buttons and select menus below a message.

import { element, icon, markWorking } from "./dom.js";
import { ICONS } from "./icons.js";
import { outsideLink } from "./markdown-view.js";
import { SelectMenu } from "./select-menu.js";

const ROW = 1;
const BUTTON = 2;
const SELECT = 3;
const LINK_STYLE = 5;
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger" };

/** The rows of controls of one message. `actions.click(message, id)` and `actions.choose(message, id, values)`. */
export function componentRows(message, actions) {
  return message.components
    .filter((row) => row.type === ROW)
    .map((row) => element("div", { class: "component-row" }, row.components.map((part) => control(part, message, actions))));
}

function control(part, message, actions) {
  if (part.type === BUTTON) return button(part, message, actions);
  if (part.type === SELECT) return new SelectMenu(part, (values) => actions.choose(message, part.custom_id, values)).root;
  return element("span", { class: "unsupported" }, "This control is not supported here.");
}

function face(part) {
  return [part.emoji?.name ? element("span", { class: "emoji" }, part.emoji.name) : null, part.label ?? ""];
}

function button(part, message, actions) {
  if (part.style === LINK_STYLE) {
    const link = outsideLink(part.url, face(part), icon(ICONS.external));
    link.className = "component-button secondary";
    return link;
  }
  const made = element(
    "button",
    {
      type: "button",
      class: `component-button ${STYLES[part.style] ?? "secondary"}`,
      disabled: part.disabled,
      data: { custom: part.custom_id },
      "aria-label": part.label ? null : part.emoji?.name,
    },
    face(part),
  );
  made.addEventListener("click", () => markWorking(made, actions.click(message, part.custom_id)));
  return made;
}
