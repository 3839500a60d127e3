// A select menu below a message: a button that opens a list of options.

import { element, icon, markWorking } from "./dom.js";
import { ICONS } from "./icons.js";

export class SelectMenu {
  /**
   * @param {object} part - Discord's select component.
   * @param {(values: string[]) => Promise<void>} onChoose - settles when the bot has answered.
   */
  constructor(part, onChoose) {
    this.part = part;
    this.onChoose = onChoose;
    this.most = part.max_values ?? 1;
    this.chosen = new Set(part.options.filter((option) => option.default).map((option) => option.value));
    this.label = element("span", { class: "select-label" });
    this.toggle = element(
      "button",
      { type: "button", class: "select-toggle", disabled: part.disabled, "aria-haspopup": "listbox", "aria-expanded": "false", data: { custom: part.custom_id } },
      this.label,
      element("span", { class: "select-arrow", "aria-hidden": "true" }, "⌄"),
    );
    this.list = element(
      "div",
      { class: "select-list", role: "listbox", "aria-multiselectable": this.takesMany ? "true" : null, hidden: true },
      part.options.map((option) => this.row(option)),
    );
    this.root = element("div", { class: "select-menu" }, this.toggle, this.list);
    this.toggle.addEventListener("click", () => (this.list.hidden ? this.open() : this.close()));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focusout", (event) => this.left(event.relatedTarget));
    this.showLabel();
  }

  get takesMany() {
    return this.most > 1;
  }

  row(option) {
    const row = element(
      "button",
      { type: "button", role: "option", class: "select-option", "aria-selected": String(this.chosen.has(option.value)), data: { value: option.value } },
      option.emoji?.name ? element("span", { class: "emoji" }, option.emoji.name) : null,
      element("span", {}, option.label, option.description ? element("small", {}, option.description) : null),
      icon(ICONS.check),
    );
    row.addEventListener("click", () => this.pick(option, row));
    return row;
  }

  showLabel() {
    const names = this.part.options.filter((option) => this.chosen.has(option.value)).map((option) => option.label);
    this.label.textContent = names.length ? names.join(", ") : (this.part.placeholder ?? "Make a selection");
    this.label.classList.toggle("placeholder", names.length === 0);
  }

  open() {
    this.list.hidden = false;
    this.toggle.setAttribute("aria-expanded", "true");
    (this.list.querySelector("[aria-selected=true]") ?? this.list.firstElementChild).focus();
  }

  close() {
    this.list.hidden = true;
    this.toggle.setAttribute("aria-expanded", "false");
  }

  pick(option, row) {
    if (!this.takesMany) this.chosen.clear();
    if (this.chosen.has(option.value)) this.chosen.delete(option.value);
    else if (this.chosen.size < this.most) this.chosen.add(option.value);
    row.setAttribute("aria-selected", String(this.chosen.has(option.value)));
    this.showLabel();
    if (this.takesMany) return;
    this.close();
    this.toggle.focus();
    this.submit();
  }

  submit() {
    markWorking(this.toggle, this.onChoose([...this.chosen]));
  }

  key(event) {
    if (this.list.hidden) return;
    if (event.key === "Escape") {
      this.close();
      this.toggle.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...this.list.children];
    rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
  }

  /** A menu for several values submits them when it loses the focus. */
  left(focused) {
    if (this.root.contains(focused) || this.list.hidden) return;
    this.close();
    if (this.takesMany && this.chosen.size >= (this.part.min_values ?? 1)) this.submit();
  }
}
