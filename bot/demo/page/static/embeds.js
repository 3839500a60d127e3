// Embeds and attached files.

import { element, icon } from "./dom.js";
import { ICONS } from "./icons.js";
import { outsideLink, renderInline, renderMarkdown } from "./markdown-view.js";
import { calendar } from "./times.js";

export function embedCard(embed, context) {
  const color = embed.color ? `#${embed.color.toString(16).padStart(6, "0")}` : null;
  const footer = [embed.footer?.text, embed.timestamp ? calendar(new Date(embed.timestamp)) : null].filter(Boolean);
  return element(
    "article",
    { class: "embed", style: color ? { "border-left-color": color } : {} },
    embed.author?.name ? element("div", { class: "embed-author" }, embed.author.name) : null,
    embed.title ? element("div", { class: "embed-title" }, title(embed, context)) : null,
    embed.description ? renderMarkdown(embed.description, context) : null,
    embed.fields?.length ? element("div", { class: "embed-fields" }, embed.fields.map((field) => fieldCard(field, context))) : null,
    footer.length ? element("div", { class: "embed-footer" }, footer.join(" • ")) : null,
  );
}

function title(embed, context) {
  const words = renderInline(embed.title, context);
  return /^https?:\/\//.test(embed.url ?? "") ? outsideLink(embed.url, words) : words;
}

function fieldCard(field, context) {
  return element(
    "div",
    { class: field.inline ? "embed-field inline" : "embed-field" },
    element("div", { class: "embed-field-name" }, renderInline(field.name, context)),
    renderMarkdown(field.value, context),
  );
}

/** The card of a file: its name, its size and a download link. */
export function attachmentCard(attachment) {
  const download = outsideLink(attachment.url, icon(ICONS.download));
  download.className = "icon-button";
  download.setAttribute("aria-label", `Download ${attachment.filename}`);
  return element(
    "div",
    { class: "attachment" },
    icon(ICONS.file),
    element(
      "div",
      { class: "attachment-text" },
      outsideLink(attachment.url, attachment.filename),
      element("small", {}, fileSize(attachment.size)),
    ),
    download,
  );
}

export function fileSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(2)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(2)} MB`;
}
