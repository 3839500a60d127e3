// Dialogs: a bot's modal, the name of a thread, a confirmation.

import { element, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";

const PARAGRAPH = 2;
const LABEL = 18;
const TEXT_INPUT = 4;

/**
 * Show a form.
 * @param {{title: string, text?: string, submit: string, danger?: boolean, fields: object[]}} form - a field is
 *   {id, label, hint?, value?, placeholder?, long?, required?, min?, max?}.
 * @returns {Promise<object|null>} the texts by field id, or null if the dialog was cancelled.
 */
export function askForm({ title, text, submit, danger, fields }) {
  const inputs = new Map(fields.map((field) => [field.id, input(field)]));
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", {}, title),
    text ? element("p", {}, text) : null,
    fields.map((field) => fieldRow(field, inputs.get(field.id))),
    element(
      "div",
      { class: "dialog-buttons" },
      element("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, "Cancel"),
      element("button", { type: "submit", class: danger ? "danger" : "primary" }, submit),
    ),
  );
  const dialog = element("dialog", { "aria-label": title }, iconButton("Close", ICONS.close, () => dialog.close(), "dialog-close"), form);
  const before = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    let values = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      values = Object.fromEntries([...inputs].map(([id, field]) => [id, field.value]));
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      // Chromium restores the focus without the caret of the text field. Focus it again.
      document.activeElement.blur();
      before.focus();
      resolve(values);
    });
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.showModal();
    (inputs.values().next().value ?? form.querySelector("[type=submit]")).focus();
  });
}

function input(field) {
  const made = element(field.long ? "textarea" : "input", {
    id: `field-${field.id}`,
    placeholder: field.placeholder,
    required: field.required,
    minlength: field.min,
    maxlength: field.max,
    rows: field.long ? "5" : null,
    autocomplete: "off",
  });
  made.value = field.value ?? "";
  return made;
}

function fieldRow(field, control) {
  return element(
    "div",
    { class: "dialog-field" },
    element("label", { for: control.id }, field.label, field.required ? element("span", { class: "required", "aria-hidden": "true" }, " *") : null),
    field.hint ? element("small", {}, field.hint) : null,
    control,
  );
}

/** Show a bot's modal. @returns {Promise<object|null>} the texts by custom id. */
export function askModal(modal) {
  return askForm({ title: modal.title, submit: "Submit", fields: modal.components.flatMap(modalFields) });
}

/** A modal has its text inputs in rows (older) or in labels (newer). */
function modalFields(row) {
  const label = row.type === LABEL ? row : null;
  const parts = label ? [row.component] : (row.components ?? []);
  return parts
    .filter((part) => part.type === TEXT_INPUT)
    .map((part) => ({
      id: part.custom_id,
      label: label?.label ?? part.label,
      hint: label?.description,
      value: part.value,
      placeholder: part.placeholder,
      long: part.style === PARAGRAPH,
      required: part.required ?? true,
      min: part.min_length,
      max: part.max_length,
    }));
}
