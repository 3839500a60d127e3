// Translates between what a person types (`@Phi`, `#general`) and what Discord sends (`<@1>`, `<#2>`).

const CODE = /(```.*?```|`[^`\n]+`)/s;

/** The names that can be mentioned, longest first so that "@Ada Byron" does not match "@Ada". */
function names(store) {
  const people = [...store.people.values()].map((person) => ({ typed: `@${person.name}`, wire: `<@${person.id}>` }));
  const channels = [...store.channels.values()]
    .filter((channel) => channel.server_id !== null)
    .map((channel) => ({ typed: `#${channel.name}`, wire: `<#${channel.id}>` }));
  return [...people, ...channels].sort((one, other) => other.typed.length - one.typed.length);
}

function pattern(known) {
  const words = known.map(({ typed }) => typed.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
  return new RegExp(`(?<![\\p{L}\\p{N}_<@#])(?:${words.join("|")})(?![\\p{L}\\p{N}_])`, "giu");
}

/** Translate typed text into what is sent. Code stays as it is. */
export function wireText(typed, store) {
  return typed
    .split(CODE)
    .map((piece, index) => (index % 2 ? piece : pieces(piece, store).map(({ text, wire }) => wire ?? text).join("")))
    .join("");
}

/** Split typed text into plain pieces and mentions: [{text, wire?}]. */
export function pieces(typed, store) {
  const known = names(store);
  const found = [];
  let end = 0;
  for (const match of typed.matchAll(pattern(known))) {
    const wire = known.find((name) => name.typed.toLowerCase() === match[0].toLowerCase()).wire;
    found.push({ text: typed.slice(end, match.index) }, { text: match[0], wire });
    end = match.index + match[0].length;
  }
  return [...found, { text: typed.slice(end) }];
}

/** Translate a sent text into what a person reads. */
export function readableText(wire, store) {
  return wire
    .replace(/<@!?(\d+)>/g, (whole, id) => (store.people.has(id) ? `@${store.people.get(id).name}` : whole))
    .replace(/<#(\d+)>/g, (whole, id) => (store.channels.has(id) ? `#${store.channels.get(id).name}` : whole));
}
