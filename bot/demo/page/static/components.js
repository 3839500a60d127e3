// Buttons and select menus below a message.

import { element, icon } from "./dom.js";
import { ICONS } from "./icons.js";
import { outsideLink } from "./markdown-view.js";

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
  if (part.type === SELECT) return selectMenu(part, message, actions);
  return element("span", { class: "unsupported" }, "This kind of control is not shown here.");
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
  made.addEventListener("click", () => working(made, actions.click(message, part.custom_id)));
  return made;
}

/** Show three dots on a control until the bot has answered. */
async function working(control, answered) {
  control.classList.add("working");
  await answered;
  control.classList.remove("working");
}

function selectMenu(part, message, actions) {
  const many = (part.max_values ?? 1) > 1;
  const chosen = new Set(part.options.filter((option) => option.default).map((option) => option.value));
  const label = element("span", { class: "select-label" });
  const toggle = element(
    "button",
    { type: "button", class: "select-toggle", disabled: part.disabled, "aria-haspopup": "listbox", "aria-expanded": "false", data: { custom: part.custom_id } },
    label,
    element("span", { class: "select-arrow", "aria-hidden": "true" }, "⌄"),
  );
  const list = element("div", { class: "select-list", role: "listbox", "aria-multiselectable": many ? "true" : null, hidden: true });
  const made = element("div", { class: "select-menu" }, toggle, list);

  const showLabel = () => {
    const names = part.options.filter((option) => chosen.has(option.value)).map((option) => option.label);
    label.textContent = names.length ? names.join(", ") : (part.placeholder ?? "Make a selection");
    label.classList.toggle("placeholder", names.length === 0);
  };
  const submit = () => working(toggle, actions.choose(message, part.custom_id, [...chosen]));
  const close = () => {
    list.hidden = true;
    toggle.setAttribute("aria-expanded", "false");
  };
  const pick = (option, row) => {
    if (!many) chosen.clear();
    if (chosen.has(option.value)) chosen.delete(option.value);
    else if (chosen.size < (part.max_values ?? 1)) chosen.add(option.value);
    row.setAttribute("aria-selected", String(chosen.has(option.value)));
    showLabel();
    if (many) return;
    close();
    toggle.focus();
    submit();
  };

  list.append(...part.options.map((option) => optionRow(option, chosen.has(option.value), pick)));
  toggle.addEventListener("click", () => {
    if (!list.hidden) return close();
    list.hidden = false;
    toggle.setAttribute("aria-expanded", "true");
    (list.querySelector("[aria-selected=true]") ?? list.firstElementChild).focus();
  });
  made.addEventListener("keydown", (event) => moveInList(event, list, () => (close(), toggle.focus())));
  made.addEventListener("focusout", (event) => {
    if (made.contains(event.relatedTarget) || list.hidden) return;
    close();
    if (many && chosen.size >= (part.min_values ?? 1)) submit();
  });
  showLabel();
  return made;
}

function optionRow(option, selected, pick) {
  const row = element(
    "button",
    { type: "button", role: "option", class: "select-option", "aria-selected": String(selected), data: { value: option.value } },
    option.emoji?.name ? element("span", { class: "emoji" }, option.emoji.name) : null,
    element("span", {}, option.label, option.description ? element("small", {}, option.description) : null),
    icon(ICONS.check),
  );
  row.addEventListener("click", () => pick(option, row));
  return row;
}

function moveInList(event, list, leave) {
  if (list.hidden) return;
  if (event.key === "Escape") leave();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const rows = [...list.children];
  rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
}
