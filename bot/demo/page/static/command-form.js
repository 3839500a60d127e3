// The form of a slash command: its name and a field for each option.

import { OptionField } from "./option-field.js";
import { element, fill, icon, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";

export class CommandForm {
  /** `onClose` runs when the form is sent or left. */
  constructor(context, onClose) {
    this.context = context;
    this.onClose = onClose;
    this.root = element("form", { class: "command-form", hidden: true, novalidate: true });
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  open(command) {
    this.command = command;
    this.fields = command.options.map((option) => new OptionField(option, this));
    const name = `/${command.path.join(" ")}`;
    this.help = element("div", { class: "command-help" }, element("strong", {}, name), ` ${command.description}`);
    fill(
      this.root,
      this.help,
      element(
        "div",
        { class: "command-row" },
        element("span", { class: "command-name", tabindex: this.fields.length ? null : "0" }, name),
        this.fields.map((field) => field.root),
        element(
          "span",
          { class: "command-ends" },
          iconButton("Close the command", ICONS.close, () => this.leave()),
          element("button", { type: "submit", class: "icon-button", "aria-label": `Send ${name}`, title: "Send" }, icon(ICONS.send)),
        ),
      ),
    );
    this.root.hidden = false;
    (this.fields[0]?.input ?? this.root.querySelector(".command-name")).focus();
  }

  key(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Escape") this.leave();
    if (event.key === "Backspace" && event.target.value === "" && event.target === this.fields[0]?.input) this.leave();
    if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
      event.preventDefault();
      this.send();
    }
  }

  leave() {
    this.close();
    this.onClose();
  }

  close() {
    this.root.hidden = true;
  }

  /** The filled-in values by option name, in the form that the demo expects. */
  values() {
    return Object.fromEntries(this.fields.filter((field) => field.isFilled).map((field) => [field.option.name, field.value]));
  }

  describe(option) {
    fill(this.help, element("strong", {}, option.name), ` ${option.description}`);
  }

  async send() {
    const wrong = this.fields.find((field) => field.problem);
    if (wrong) {
      wrong.showProblem();
      return;
    }
    const { command } = this;
    const files = Object.fromEntries(this.fields.filter((field) => field.file).map((field) => [field.option.name, field.file]));
    const values = this.values();
    this.leave();
    await this.context.actions.run(command, values, files);
  }
}
