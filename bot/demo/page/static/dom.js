// Builds elements safely: strings become text nodes, and no markup is parsed.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} name - the tag's name.
 * @param {object} properties - `on` ({event: listener}), `data` (dataset), `style` ({property: value}), and attributes:
 *   `true` sets an empty one, `false`, null and undefined omit it, anything else becomes its text.
 * @param {...(Node|string|null|undefined|false|Array)} children - strings become text nodes.
 * @returns {HTMLElement}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key === "style") for (const [rule, text] of Object.entries(value)) made.style.setProperty(rule, text);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

/** Replace all children of `parent`. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** An icon of 24 by 24 units from one SVG path, hidden from assistive technology because it is decoration. */
export function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  drawing.setAttribute("class", "icon");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

/** A button with only an icon. Its label is the tooltip and the accessible name. */
export function iconButton(label, path, onClick, extraClass = "") {
  return element(
    "button",
    { type: "button", class: `icon-button ${extraClass}`.trim(), "aria-label": label, title: label, on: { click: onClick } },
    icon(path),
  );
}

/** Show three dots on a control until `answered` settles. */
export async function markWorking(control, answered) {
  control.classList.add("working");
  await answered;
  control.classList.remove("working");
}
