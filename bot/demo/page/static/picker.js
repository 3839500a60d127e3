// A list above a text field, to pick from with arrow keys, Enter, Tab or a click.

import { element, fill } from "./dom.js";

const NONE = -1;
let count = 0;

export class Picker {
  /** `field` keeps the focus and names the active row for assistive technology. */
  constructor(field) {
    count += 1;
    this.field = field;
    this.id = `picker-${count}`;
    this.list = element("div", { class: "picker-list", role: "listbox", id: this.id, "aria-label": "Suggestions" });
    this.title = element("div", { class: "picker-title" });
    this.root = element("div", { class: "picker", hidden: true }, this.title, this.list);
    this.items = [];
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.id);
    this.hide();
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /**
   * Show items to pick from. An empty list hides the picker.
   * @param {string} title - a line above them.
   * @param {Array<{label: string, detail?: string, lead?: Node}>} items
   * @param {(item: object) => void} onPick
   * @param {boolean} [choosesFirst] - whether Enter and Tab pick the first item before an arrow key was pressed.
   */
  show(title, items, onPick, choosesFirst = true) {
    if (items.length === 0) return this.hide();
    this.items = items;
    this.onPick = onPick;
    this.title.textContent = title;
    this.active = choosesFirst ? 0 : NONE;
    fill(this.list, items.map((item, index) => this.row(item, index)));
    this.root.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.mark();
    return undefined;
  }

  hide() {
    this.root.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  row(item, index) {
    const made = element(
      "div",
      { role: "option", class: "picker-row", id: `${this.id}-${index}`, data: { label: item.label } },
      item.lead ?? null,
      element("span", { class: "picker-label" }, item.label),
      item.detail ? element("span", { class: "picker-detail" }, item.detail) : null,
    );
    made.addEventListener("pointermove", () => {
      this.active = index;
      this.mark();
    });
    made.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    made.addEventListener("click", () => this.pick(index));
    return made;
  }

  mark() {
    for (const [index, row] of [...this.list.children].entries()) row.setAttribute("aria-selected", String(index === this.active));
    if (this.active === NONE) return this.field.removeAttribute("aria-activedescendant");
    this.list.children[this.active].scrollIntoView({ block: "nearest" });
    return this.field.setAttribute("aria-activedescendant", `${this.id}-${this.active}`);
  }

  pick(index) {
    const item = this.items[index];
    this.hide();
    this.onPick(item);
  }

  /** Handle a key of the field. @returns {boolean} whether the list used it. */
  key(event) {
    if (!this.isOpen || event.isComposing) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const from = this.active === NONE && step < 0 ? 0 : this.active;
      this.active = (from + step + this.items.length) % this.items.length;
      this.mark();
    } else if (this.active !== NONE && ["Enter", "Tab"].includes(event.key) && !event.shiftKey) {
      this.pick(this.active);
    } else if (event.key === "Escape") {
      this.hide();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }
}
