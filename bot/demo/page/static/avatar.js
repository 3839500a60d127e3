// Avatars: coloured circles with an initial.

import { element } from "./dom.js";

/** @returns {HTMLElement} a circle in the person's colour, with φ for the bot. */
export function avatar(person, size = "") {
  const letter = person.bot ? "φ" : [...person.name][0].toUpperCase();
  return element(
    "span",
    { class: `avatar ${size}`.trim(), "aria-hidden": "true", style: { "background-color": person.bot ? null : person.color } },
    letter,
  );
}
