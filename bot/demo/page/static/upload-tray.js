// The files of the next message.

import { element, fill, icon, iconButton } from "./dom.js";
import { fileSize } from "./embeds.js";
import { ICONS } from "./icons.js";

const LARGEST = 10 * 1024 * 1024; // bytes of all files of a message together
const MOST = 10;

export class UploadTray {
  constructor(context) {
    this.context = context;
    this.files = [];
    this.input = element("input", { type: "file", multiple: true, hidden: true, id: "file-input", tabindex: "-1" });
    this.list = element("ul", { class: "upload-list" });
    this.root = element("div", { class: "upload-tray", hidden: true }, this.list);
    document.body.append(this.input);
    this.input.addEventListener("change", () => {
      this.add(this.input.files);
      this.input.value = "";
    });
  }

  choose() {
    this.input.click();
  }

  add(files) {
    const together = [...this.files, ...files];
    const bytes = together.reduce((sum, file) => sum + file.size, 0);
    if (bytes > LARGEST) this.context.notice(`Your files are too large: ${fileSize(bytes)} of at most 10 MB.`);
    else if (together.length > MOST) this.context.notice("A message can have at most 10 files.");
    else this.set(together);
  }

  clear() {
    this.set([]);
  }

  set(files) {
    this.files = files;
    this.root.hidden = files.length === 0;
    fill(this.list, files.map((file) => this.card(file)));
  }

  card(file) {
    const remove = iconButton(`Remove ${file.name}`, ICONS.trash, () => this.set(this.files.filter((kept) => kept !== file)), "danger");
    return element(
      "li",
      { class: "upload" },
      remove,
      icon(ICONS.file),
      element("span", { class: "upload-name" }, file.name),
      element("small", {}, fileSize(file.size)),
    );
  }
}

/** Accept files dropped anywhere on `area`. */
export function acceptDrops(area, onFiles) {
  const carriesFiles = (event) => event.dataTransfer.types.includes("Files");
  area.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    area.classList.add("dropping");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("dropping");
  });
  area.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    area.classList.remove("dropping");
    onFiles(event.dataTransfer.files);
  });
}

/** Encode a file for the demo: its name and its bytes in base64. A folder, or a file that has gone, is an error. */
export async function encoded(file) {
  const address = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read: it is a folder, or it has changed. Attach it again.`));
    reader.readAsDataURL(file);
  });
  return { name: file.name, base64: address.slice(address.indexOf(",") + 1) };
}
