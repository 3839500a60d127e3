// One websocket to the demo, with reconnection, and requests that get their answers.

const FIRST_WAIT = 300; // milliseconds before the first try to connect again
const LONGEST_WAIT = 3000;
const TRIES_BEFORE_ENDED = 5; // the demo is on this machine: when it is up, it answers at once

export class Connection {
  /**
   * @param {object} hooks - `onEvent(event)`, `onOpen()`, `onLost()` (trying again), `onEnded()` (gave up).
   */
  constructor(hooks) {
    this.hooks = hooks;
    this.waiting = new Map();
    this.count = 0;
    this.failures = 0;
    this.open();
  }

  open() {
    const address = new URL("socket", document.baseURI);
    address.protocol = "ws:";
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => {
      this.failures = 0;
      this.hooks.onOpen();
    });
    this.socket.addEventListener("message", (message) => this.receive(JSON.parse(message.data)));
    this.socket.addEventListener("close", (event) => this.closed(event));
  }

  receive(message) {
    if (message.reply === undefined) {
      this.hooks.onEvent(message);
      return;
    }
    const { resolve, reject } = this.waiting.get(message.reply);
    this.waiting.delete(message.reply);
    if (message.error === undefined) resolve(message.result);
    else reject(new Error(message.error));
  }

  closed(event) {
    for (const { reject } of this.waiting.values()) reject(new Error("The connection to the demo was lost."));
    this.waiting.clear();
    this.failures += 1;
    const leaving = event.code === 1001; // the server said that it goes away
    if (leaving || this.failures > TRIES_BEFORE_ENDED) {
      this.hooks.onEnded();
      return;
    }
    this.hooks.onLost();
    setTimeout(() => this.open(), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.failures - 1)));
  }

  /**
   * Ask the demo to do something.
   * @returns {Promise<any>} its result; rejected with one line for people when it was refused.
   */
  ask(action, details = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("There is no connection to the demo just now."));
    }
    this.count += 1;
    const id = this.count;
    this.socket.send(JSON.stringify({ id, action, ...details }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}
