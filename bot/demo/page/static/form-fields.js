// The fields of a dialog: texts, menus, choices, files and notes.

import { element } from "./dom.js";

let count = 0;

/**
 * Make a field.
 * @param {object} field - {id, kind?, label, hint?, required?} and what its kind needs: "text" (the usual one: value?,
 *   placeholder?, long?, min?, max?), "menu", "radio" and "checks" (options: [{label, value, hint?, chosen?}], most?),
 *   "check" (chosen?, disabled?), "file" (most?), "note" (text).
 * @returns {{root: HTMLElement, control: HTMLElement|null, value: () => any}} `value` gives a text, a list of texts for
 *   "menu" and "checks", true or false for "check", files for "file", and null for a choice that was not made.
 */
export function formField(field) {
  count += 1;
  const id = `field-${count}`;
  return (KINDS[field.kind] ?? text)(field, id);
}

const KINDS = { menu, radio: choices, checks: choices, check, file, note };

function text(field, id) {
  const control = element(field.long ? "textarea" : "input", {
    id,
    placeholder: field.placeholder,
    required: field.required,
    minlength: field.min,
    maxlength: field.max,
    rows: field.long ? "5" : null,
    autocomplete: "off",
  });
  control.value = field.value ?? "";
  return { root: row(field, control), control, value: () => control.value };
}

function menu(field, id) {
  const most = field.most ?? 1;
  const options = field.options.map((option) => element("option", { value: option.value, selected: option.chosen }, option.label));
  const none = most === 1 && !field.options.some((option) => option.chosen);
  const control = element(
    "select",
    { id, required: field.required, multiple: most > 1, size: most > 1 ? String(Math.min(6, options.length)) : null },
    none ? element("option", { value: "", selected: true, disabled: field.required }, field.placeholder ?? "Make a selection") : null,
    options,
  );
  return { root: row(field, control), control, value: () => [...control.selectedOptions].map((option) => option.value).filter(Boolean) };
}

function choices(field, id) {
  const type = field.kind === "radio" ? "radio" : "checkbox";
  const inputs = field.options.map((option) =>
    element("input", { type, name: id, value: option.value, checked: option.chosen, required: type === "radio" && field.required }),
  );
  const lines = inputs.map((input, index) => line(input, field.options[index]));
  const heading = element("div", { class: "dialog-label", id }, field.label, star(field));
  const role = type === "radio" ? "radiogroup" : "group";
  const root = element("div", { class: "dialog-field", role, "aria-labelledby": id }, heading, hint(field), lines);
  const value = () => {
    const chosen = inputs.filter((input) => input.checked).map((input) => input.value);
    return type === "radio" ? (chosen[0] ?? null) : chosen;
  };
  return { root, control: inputs[0] ?? null, value };
}

function check(field, id) {
  const control = element("input", { type: "checkbox", id, checked: field.chosen, disabled: field.disabled });
  return { root: element("div", { class: "dialog-field" }, line(control, field)), control, value: () => control.checked };
}

function file(field, id) {
  const control = element("input", { type: "file", id, required: field.required, multiple: (field.most ?? 1) > 1 });
  return { root: row(field, control), control, value: () => [...control.files] };
}

function note(field) {
  return { root: element("p", { class: "dialog-note" }, field.text), control: null, value: () => null };
}

function row(field, control) {
  return element("div", { class: "dialog-field" }, element("label", { for: control.id }, field.label, star(field)), hint(field), control);
}

function line(input, option) {
  return element("label", { class: "choice" }, input, element("span", {}, option.label, option.hint ? element("small", {}, option.hint) : null));
}

function star(field) {
  return field.required ? element("span", { class: "required", "aria-hidden": "true" }, " *") : null;
}

function hint(field) {
  return field.hint ? element("small", {}, field.hint) : null;
}
