// Formats dates and times like Discord.

const CLOCK = { hour: "numeric", minute: "2-digit" };

export function clock(date) {
  return date.toLocaleTimeString(undefined, CLOCK);
}

/** "Today at 14:02", "Yesterday at 9:15" or a short date with the time. */
export function calendar(date, now = new Date()) {
  const days = daysBetween(date, now);
  if (days === 0) return `Today at ${clock(date)}`;
  if (days === 1) return `Yesterday at ${clock(date)}`;
  return `${date.toLocaleDateString()} ${clock(date)}`;
}

export function longDate(date) {
  return date.toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" });
}

export function sameDay(one, other) {
  return daysBetween(one, other) === 0;
}

function daysBetween(date, now) {
  const midnight = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
  return Math.round((midnight(now) - midnight(date)) / 86_400_000);
}

const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** Format `<t:seconds:style>`. */
export function stamp(seconds, style = "f") {
  if (style !== "R") return new Intl.DateTimeFormat(undefined, STYLES[style]).format(new Date(seconds * 1000));
  const away = seconds - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(away) >= length) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(Math.round(away / size), unit);
}
