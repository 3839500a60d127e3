// The field of one option of a slash command, with its choices.

import { element } from "./dom.js";
import { Picker } from "./picker.js";
import { channelItems, peopleItems } from "./suggestions.js";

const INTEGER = 4;
const BOOLEAN = 5;
const USER = 6;
const CHANNEL = 7;
const NUMBER = 10;
const ATTACHMENT = 11;
const AUTOCOMPLETE_DELAY = 150; // milliseconds without a key before the bot is asked for choices

export class OptionField {
  constructor(option, form) {
    this.option = option;
    this.form = form;
    this.picked = null; // the item chosen from the list, whose value differs from the shown label
    const isFile = option.type === ATTACHMENT;
    this.input = element("input", {
      type: isFile ? "file" : "text",
      class: "option-input",
      autocomplete: "off",
      inputmode: option.type === INTEGER || option.type === NUMBER ? "decimal" : null,
      "aria-label": option.required ? option.name : `${option.name} (optional)`,
      placeholder: option.required ? "" : "optional",
    });
    this.picker = new Picker(this.input);
    this.root = element("label", { class: "option", data: { option: option.name } }, element("span", { class: "option-name" }, option.name), this.input, this.picker.root);
    this.listen();
  }

  listen() {
    this.input.addEventListener("focus", () => {
      this.form.describe(this.option);
      this.offer();
    });
    this.input.addEventListener("input", () => {
      this.picked = null;
      if (this.option.autocomplete) this.picker.hide(); // Enter must not pick a choice for the text before
      this.root.classList.remove("wrong");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.offer(), this.option.autocomplete ? AUTOCOMPLETE_DELAY : 0);
    });
    this.input.addEventListener("blur", () => {
      clearTimeout(this.timer);
      this.picker.hide();
    });
    this.input.addEventListener("keydown", (event) => this.picker.key(event));
  }

  get text() {
    return this.input.value.trim();
  }

  get file() {
    return this.option.type === ATTACHMENT ? (this.input.files[0] ?? null) : null;
  }

  get isFilled() {
    return this.option.type !== ATTACHMENT && this.text !== "";
  }

  get value() {
    return (this.picked ?? this.exactItem())?.value ?? this.text;
  }

  /** The choices that are known without asking the bot; null for free text. */
  staticItems(typed) {
    const { option } = this;
    if (option.type === USER) return peopleItems(typed.replace(/^@/, ""), this.form.context.store);
    if (option.type === CHANNEL) return channelItems(typed.replace(/^#/, ""), this.form.context.store);
    const choices = option.type === BOOLEAN ? [{ name: "True", value: true }, { name: "False", value: false }] : (option.choices ?? []);
    if (choices.length === 0) return null;
    return choiceItems(choices.filter((choice) => choice.name.toLowerCase().includes(typed.toLowerCase())));
  }

  exactItem() {
    return this.staticItems(this.text)?.find((item) => item.label.toLowerCase() === this.text.toLowerCase().replace(/^[@#]/, ""));
  }

  async offer() {
    const typed = this.text;
    const items = this.option.autocomplete ? await this.botItems() : this.staticItems(this.picked ? "" : typed);
    if (typed !== this.text || document.activeElement !== this.input || this.picked) return;
    const pick = (item) => {
      this.picked = item;
      this.input.value = item.label;
      this.root.classList.remove("wrong");
    };
    this.picker.show(this.option.description, items ?? [], pick, this.option.required || typed !== "");
  }

  async botItems() {
    const { actions } = this.form.context;
    const options = { ...this.form.values(), [this.option.name]: this.text };
    return choiceItems(await actions.autocomplete(this.form.command, options, this.option.name));
  }

  /** Why the field cannot be sent, in one line; an empty text if it can. */
  get problem() {
    const { option, text } = this;
    if (option.type === ATTACHMENT) return option.required && !this.file ? "This option is required." : "";
    if (!text) return option.required ? "This option is required." : "";
    if (option.type === INTEGER && !option.choices?.length && !/^-?\d+$/.test(String(this.value))) return "This is not a whole number.";
    if (option.type === NUMBER && !option.choices?.length && !Number.isFinite(Number(this.value))) return "This is not a number.";
    if (!option.autocomplete && this.staticItems("") && !this.picked && !this.exactItem()) return "Choose one from the list.";
    return "";
  }

  showProblem() {
    const { problem } = this; // focusing describes the option again
    this.input.focus();
    this.root.classList.add("wrong");
    this.form.describe({ name: this.option.name, description: problem });
  }
}

function choiceItems(choices) {
  return choices.map((choice) => ({ label: choice.name, value: choice.value }));
}
